"""A small reference world, and a world of constructed answers."""

import numpy as np

from envs.road.config import RoadWorldConfig
from envs.world import WorldStep
from worldsim.datatypes.scene import SceneState

SMALL = RoadWorldConfig(frame_size=(32, 32), num_vehicles=4, num_pedestrians=2, parked_share=0.3, num_towns=1)


def world_step(
    *,
    progress: float = 0.0,
    collision: float = 0.0,
    off_road: float = 0.0,
    offset: float = 0.0,
    trust: float = 1.0,
    route_done: bool = False,
):
    scene = SceneState.empty()
    scene.lane[:] = offset, 0, 1.75, 14
    scene.lane_valid[:] = True
    return WorldStep(
        scene=scene,
        vehicle=np.zeros(6),
        collision=collision,
        off_road=off_road,
        wrong_way=False,
        progress=progress,
        info={},
        route_done=route_done,
        trust=trust,
    )


class ConstantWorld:
    """Answers every control with the same step."""

    frame_size, dt, latent_space = (8, 8), 0.1, None

    def __init__(self, step: WorldStep):
        self.answer, self.controls, self.closed, self.num_shown = step, [], False, 0

    def reset(self, seed, options):
        self.seed = seed
        return world_step()

    def step(self, control):
        self.controls.append(control)
        return self.answer

    def frame(self):
        self.num_shown += 1
        return np.zeros((8, 8, 3), np.uint8)

    def snapshot(self):
        return len(self.controls)

    def restore(self, snapshot):
        del self.controls[snapshot:]

    def start_clip(self, *, pictures=True):
        raise NotImplementedError

    def close(self):
        self.closed = True
