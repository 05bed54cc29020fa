"""Worlds that have learned nothing, on a straight road with a car ahead."""

import numpy as np
import pytest
from known_clips import clip_with, users

from envs.driving_env import DrivingEnv
from envs.trivial_worlds import TRIVIAL_WORLDS, TrivialWorld, make_trivial_env
from envs.world import Restorable
from worldsim.datatypes.scene import ObjectColumn
from worldsim.datatypes.vehicle import VehicleModel

AHEAD = 20.0
COAST, BRAKE, THROTTLE = (np.array([0.0, a], np.float32) for a in (0.0, -1.0, 1.0))
LANES = np.tile(np.array([1.75, 14.0, 5.0, 5.0], np.float32), (300, 1))


def begin(name: str, speed: float = 10.0, lead_speed: float = 5.0) -> DrivingEnv:
    """An env at its start: the ego at the origin, a car AHEAD of it."""
    env = make_trivial_env(name)
    clip = clip_with(speed=speed, road_users=users((AHEAD, 0.0, 0.0, lead_speed, False)), lanes=LANES)
    env.reset(seed=3, options={"start_clip": clip})
    return env


def lead_x(env: DrivingEnv, info: dict) -> float:
    """Where the car is, in the ground frame [m]."""
    from worldsim.datatypes.scene import SceneState

    scene = SceneState.from_vector(info["scene"])
    return float(info["vehicle"][0] + scene.objects[0, ObjectColumn.X])


@pytest.mark.parametrize(("name", "speed"), [("standing", 0.0), ("constant_velocity", 5.0)])
def test_others_stand_or_go_on_at_their_speed(name: str, speed: float) -> None:
    env = begin(name)
    for _ in range(10):
        _, _, ended, _, info = env.step(BRAKE)
        assert not ended
    assert lead_x(env, info) == pytest.approx(AHEAD + speed, abs=1e-3)
    assert info["collision"] < 1e-3


def test_the_ego_drives_as_in_the_learned_world_and_hits_who_stands() -> None:
    env, vehicle = begin("standing"), np.array([0.0, 0, 0, 10, 0, 0])
    ended = False
    for _ in range(40):
        _, _, ended, _, info = env.step(THROTTLE)
        vehicle = VehicleModel().step(vehicle, np.array([0.0, 1.0, 0.0, 0.0]), 0.1)
        assert info["vehicle"].tolist() == vehicle.tolist()
        if ended:
            break
    assert ended
    assert info["collision"] > 0.5
    assert 10 < vehicle[0] < AHEAD


def test_a_repeated_scene_moves_the_ego_alone_and_nothing_is_ever_hit() -> None:
    env = begin("repeated")
    before = env.world.start_clip().scenes[-1]
    progress = 0.0
    for _ in range(40):
        _, _, ended, _, info = env.step(THROTTLE)
        assert not ended
        progress += float(info["progress"])
    after = env.world.start_clip().scenes[-1]
    assert after.objects.tolist() == before.objects.tolist()
    assert after.route.tolist() == before.route.tolist()
    assert after.speed == pytest.approx(info["vehicle"][3])
    assert after.speed > 20
    assert progress == pytest.approx(info["vehicle"][0], rel=0.05)
    assert info["collision"] == info["off_road"] == 0


@pytest.mark.parametrize("name", list(TRIVIAL_WORLDS))
def test_it_goes_back_to_an_earlier_moment_and_on_from_its_own_clip(name: str) -> None:
    env = begin(name)
    assert isinstance(env.world, Restorable)
    env.step(COAST)
    snapshot = env.snapshot()
    first = [env.step(BRAKE)[4] for _ in range(3)]
    clip = env.world.start_clip()
    assert not clip.has_frames
    assert clip.vehicles[-1].tolist() == first[-1]["vehicle"].tolist()
    env.restore(snapshot)
    again = [env.step(BRAKE)[4] for _ in range(3)]
    assert all(a["scene"].tolist() == b["scene"].tolist() for a, b in zip(first, again, strict=True))

    other = make_trivial_env(name)
    _, info = other.reset(options={"start_clip": clip})
    assert info["scene"][:4] == pytest.approx(first[-1]["scene"][:4])


def test_what_it_cannot_do_is_refused() -> None:
    with pytest.raises(ValueError, match="no trivial world is named 'good'; there are repeated, standing, constant"):
        TrivialWorld("good")
    env = make_trivial_env("standing")
    with pytest.raises(ValueError, match="no starts of its own"):
        env.reset()
    with pytest.raises(ValueError, match="the trivial world 'standing'"):
        env.reset(options={"start_index": 1})
    with pytest.raises(ValueError, match="shows no frames"):
        begin("standing").world.frame()
    with pytest.raises(ValueError, match="finite"):
        begin("standing").world.step(np.array([np.nan, 0, 0, 0]))
