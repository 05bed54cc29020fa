"""Constructed worlds, drivers and sessions for the viewer's tests."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from envs.viewer.session import Session, View
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, RouteCommand, SceneState

CAMERA = PinholeCamera(height_px=32, width_px=48)


def straight_scene(speed: float, offset: float = 0.0) -> SceneState:
    scene = SceneState.empty()
    route = np.stack([np.array(ROUTE_DISTANCES), np.full(len(ROUTE_DISTANCES), -offset)], axis=-1)
    objects, kinds = scene.objects.copy(), scene.object_kinds.copy()
    objects[0], kinds[0] = (18, 0, 0, 6, 4.6, 1.9), ObjectKind.CAR
    return replace(
        scene,
        ego=np.array([speed, 0, 0, 0], np.float32),
        lane=np.array([offset, 0, 1.75, 13.9], np.float32),
        route=route.astype(np.float32),
        lead=np.array([13.4, 6], np.float32),
        command=np.array(RouteCommand.FOLLOW),
        objects=objects,
        object_kinds=kinds,
        ego_valid=np.ones(4, bool),
        lane_valid=np.ones(4, bool),
        route_valid=np.ones(len(ROUTE_DISTANCES), bool),
        lead_valid=np.array(True),
    )


class StraightEnv:
    """A car on an endless straight road: speed follows the pedal, the frame shows the step count. Ends at `end`."""

    def __init__(self, end: int = 10**6, trust: float = 1.0):
        self.world = SimpleNamespace(dt=0.1, frame_size=(32, 48))
        self.trust = trust
        self.end, self.num_steps, self.speed, self.actions, self.closed = end, 0, 5.0, [], False

    def _answer(self):
        frame = np.full((32, 48, 3), min(self.num_steps, 255), np.uint8)
        info = {
            "scene": straight_scene(self.speed).to_vector(),
            "collision": float(self.num_steps >= self.end),
            "off_road": 0.0,
            "wrong_way": False,
            "route_done": False,
            "truncation_reason": 0,
            "trust": self.trust,
            "progress": 0.0 if self.num_steps == 0 else self.speed * 0.1,
        }
        return frame, info

    def reset(self, *, seed, options):
        if options.get("start_index", 0) > 2:
            raise ValueError("start_index must be in [0, 3), got 3")
        self.num_steps, self.speed, self.reset_with = 0, 5.0, (seed, options)
        return self._answer()

    def step(self, action):
        self.actions.append(np.array(action))
        self.num_steps += 1
        self.speed = max(0.0, self.speed + float(action[1]))
        frame, info = self._answer()
        return frame, 0.0, info["collision"] > 0.5, False, info

    def start_clip(self, *, pictures=True):
        return f"clip at {self.num_steps}"

    def snapshot(self):
        return self.num_steps, self.speed

    def restore(self, snapshot):
        self.num_steps, self.speed = snapshot

    def close(self):
        self.closed = True


class FullThrottle:
    def reset(self, env, seed):
        pass

    def act(self, frame, info):
        return np.array([0.25, 1.0], np.float32)


def session_on(env, tmp_path, driver=None, beside=()):
    """A session in `env`, and in the envs `beside` under the same controls."""
    return Session(
        [View(name=f"World {i}", env=one, camera=CAMERA) for i, one in enumerate((env, *beside))],
        seed=7,
        options={},
        start_options=lambda digit: {"start_index": digit - 1},
        driver=driver,
        video_folder=tmp_path,
    )
