"""Any world behind the bridge: the learned one serves depth and classes beside colours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_clips import clip_with
from tiny_model import random_model

from envs.carla_bridge.simulation import SpawnedActor, view_of
from envs.carla_bridge.world_simulation import WorldSimulation
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.gbuffer.classes import SemanticClass


@pytest.fixture(scope="module")
def simulation(tiny_checkpoint: Path) -> WorldSimulation:
    world = LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint))
    served = WorldSimulation(world, VehicleModel(), {"Start_000": {"start_index": 0}})
    x, y, yaw = served.spawn_poses[0].tolist()
    served.begin((x, y, yaw), seed=0, traffic=True)
    served.step(np.array([0.0, 0.5, 0.0, 0.0], np.float32))
    return served


def test_every_picture_of_the_learned_world_is_served(simulation: WorldSimulation) -> None:
    for picture, dtype in (("rgb", np.uint8), ("depth", np.float16), ("semantic", np.uint8)):
        simulation.check_camera(simulation.camera, picture)
        shown = simulation.image(simulation.camera, picture)
        assert shown.dtype == dtype
        assert shown.shape[:2] == (128, 128)
    assert (simulation.image(simulation.camera, "semantic") == SemanticClass.CAR).any()


def test_a_client_may_ask_for_another_size(simulation: WorldSimulation) -> None:
    small = view_of(CameraGeometry().with_frame_size((48, 64)))
    simulation.check_camera(small, "semantic")
    classes = simulation.image(small, "semantic")
    assert classes.shape == (48, 64)
    assert set(np.unique(classes).tolist()) <= set(SemanticClass)


@pytest.mark.parametrize(
    ("length", "spawns"),
    [
        pytest.param(30, "its only spawn point is at x=0.0 y=-?0.0", id="short"),
        pytest.param(90, "its 4 spawn points, every 20 m, run from x=0.0 y=-?0.0 to x=60.0 y=-?0.0", id="long"),
    ],
)
def test_a_spawn_beside_the_route_is_refused_with_the_spawn_points_there_are(length: int, spawns: str) -> None:
    clip = clip_with(4, 5.0)
    clip = replace(clip, route=clip.route[:length], lanes=clip.lanes[:length])
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model(), starts=[clip])
    served = WorldSimulation(world, VehicleModel(), {"Start_000": {"start_index": 0}})
    with pytest.raises(ValueError, match=f"Spawn failed: 9.0 m beside the route .*; {spawns} "):
        served.begin((10.0, 9.0, 0.0), seed=0, traffic=True)


def car(key: int, x: float) -> SpawnedActor:
    return SpawnedActor(
        key=key,
        kind=ObjectKind.CAR,
        pose=(x, 0.0, 0.0),
        z=0.0,
        size=(4.0, 1.8, 1.5),
        color=(1, 2, 3),
        braking=False,
    )


def test_an_ego_is_put_among_those_whom_clients_have_spawned_before_it() -> None:
    clip = clip_with(4, 5.0, road_users=KnownRoadUsers.none())
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model(), starts=[clip])
    served = WorldSimulation(world, VehicleModel(), {"Start_000": {"start_index": 0}})
    served.check_spawn(car(-7, 30.0), [])
    with pytest.raises(ValueError, match="collision at spawn position"):
        served.check_spawn(car(-8, 31.0), [car(-7, 30.0)])
    x, y, yaw = served.spawn_poses[0].tolist()
    with pytest.raises(ValueError, match="collision at spawn position"):
        served.begin((x, y, yaw), 0, True, [car(-7, x + 1.0)])
    with pytest.raises(ValueError, match="Spawn failed: no room for 17 more"):
        served.begin((x, y, yaw), 0, True, [car(-k, x + 6.0 * k) for k in range(1, 18)])
    served.begin((x, y, yaw), 0, True, [car(-7, x + 30.0)])
    tick = served.observe()
    assert tick.keys.tolist() == [-7]
    np.testing.assert_allclose(tick.objects.boxes[0, :2], [x + 30.0, 0.0])
