"""Recordings whose every number is known, for tests of what learns from them."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
from layouts import layout_of, with_road

from policies.plant.tokens import tokenize
from training.batches.plant_samples import UNKNOWN_CLASS, PlanTBatch
from training.data.layout_store import UNKNOWN, EpisodeLayout
from training.data.reconstructed_scenes import reconstruct_scenes
from training.data.rollouts import Rows, all_valid
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import NUM_OBJECTS, ROUTE_DISTANCES, SceneState
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

CONTROL = np.array([0.1, 0.6, 0.0, 0.0], np.float32)


class ConstantPlans:
    """Four moments whose waypoints follow from the speed."""

    def sample(self, batch_size: int, rng: np.random.Generator) -> PlanTBatch:
        scenes = SceneState.empty((4,))
        scenes.ego[:, 0], scenes.ego_valid[:] = (0, 4, 8, 12), True
        scenes.route[..., 0], scenes.route_valid[:] = ROUTE_DISTANCES, True
        scenes.objects[:, 0], scenes.object_kinds[:, 0] = (10, 2, 0, 3, 4.5, 1.8), 1
        x = scenes.speed[:, None] * np.array([0.5, 1.0, 1.5, 2.0])
        forecast = np.full((4, NUM_OBJECTS, 4), UNKNOWN_CLASS)
        forecast[:, 0] = 70, 66, 16, 2
        waypoints = np.stack([x, np.zeros_like(x)], axis=-1).astype(np.float32)
        return PlanTBatch(tokens=tokenize(scenes), waypoints=waypoints, forecast=forecast)


def rows_of(vehicles: np.ndarray, scenes: SceneState, control: np.ndarray) -> Rows:
    """Rows [n] of an uneventful drive under one control."""
    zeros = np.zeros(len(vehicles), np.float32)
    return Rows(
        controls=np.repeat(control[None], len(vehicles), 0),
        vehicles=vehicles,
        scenes=scenes,
        collision=zeros,
        off_road=zeros,
        wrong_way=zeros > 0,
        red_light=zeros > 0,
        stop_sign_missed=zeros > 0,
        progress=zeros,
        tasks=np.zeros(len(vehicles), np.int64),
        valid=all_valid(len(vehicles)),
    )


def turning_car(num: int) -> SimpleNamespace:
    """A FrameStore of one episode: a car turns away from a straight route along the ground's x axis and hits something
    at frame 30; another stands at (40, 3), turned by 0.3."""
    vehicles = np.zeros((num, 6))
    vehicles[0] = 0, 0, 0, 8, 0, 0
    for k in range(num - 1):
        vehicles[k + 1] = VehicleModel().step(vehicles[k], CONTROL, 0.1)
        if k >= 29:
            vehicles[k + 1] = vehicles[k] * [1, 1, 1, 0, 0, 1]
    scenes = SceneState.empty((num,))
    ahead = np.stack([np.array(ROUTE_DISTANCES), np.zeros(10)], axis=-1) + vehicles[:, None, [0]] * [1, 0]
    scenes.route[:] = rotate(ahead - vehicles[:, None, :2], -vehicles[:, None, 2])
    scenes.route_valid[:] = True
    scenes.object_kinds[:, 0] = 1
    scenes.objects[:, 0, :2] = rotate(np.array([40.0, 3.0]) - vehicles[:, :2], -vehicles[:, 2])
    scenes.objects[:, 0, 2] = 0.3 - vehicles[:, 2]
    scenes.objects[:, 0, 4:] = 4.5, 1.8
    frames = np.random.default_rng(1).integers(0, 255, (num, 128, 128, 3), dtype=np.uint8)
    rows = rows_of(vehicles, scenes, CONTROL)
    return SimpleNamespace(
        rows=rows,
        frames=frames,
        content={"num": num},
        layouts=(EpisodeLayout(root=Path("turning_car"), digest=UNKNOWN),),
        camera_scenes=lambda episode: reconstruct_scenes(rows, 0.1),
        has_camera_scenes=lambda episode: False,
        starts=np.array([0]),
        lengths=np.array([num]),
        dt=0.1,
    )


def car_in_a_street(num: int) -> SimpleNamespace:
    """The same with camera scenes, in which the road is empty, and a layout: a house beside a street."""
    store = turning_car(num)
    store.towns = np.array([0])
    store.has_camera_scenes = lambda episode: True
    house = (30.0, 10.0, 0.0, 0.0, 12.0, 8.0, 9.0)
    street = with_road(layout_of(LayoutKind.BUILDING, house))
    store.layouts = (SimpleNamespace(read=lambda: street),)
    scenes = [
        CameraScene(view=View(x=x, y=y, yaw=yaw), users=RoadUsers.none(), user_ids=np.zeros(0, np.int64))
        for x, y, yaw in store.rows.vehicles[:, :3].tolist()
    ]
    store.camera_scenes = lambda episode: scenes
    return store
