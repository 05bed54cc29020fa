"""What a pixel planner learns from: recorded pictures, and what the lane follower would do in each recorded state.

The recordings' own drivers are good and bad; the expert is asked afterwards about the states that they got into, as
DAgger does (Ross et al. 2011). That takes no driving, since the expert is a function of the recorded SceneState.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.pixels.vision import Vision, fit_frame
from policies.rule_based import LaneFollowerConfig, choose_acceleration
from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState

LARGEST_OFFSET = 2.0
"""Farther from its lane than this, a car's pictures no longer tell which lane is meant [m]."""
BEND_DISTANCE, BEND_OFFSET = 12.0, 1.0
"""A route whose point at this distance is off the ego's axis by this much asks for steering [m]."""
HARD_BRAKING = -1.0
"""Less acceleration than this is braking for something [m/s²]."""
CHUNK = 4096


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelBatch:
    """`b` moments and what the expert wants in them.

    Args:
        pictures: uint8 [b, k, h, w, 3], as PixelNetwork takes them.
        speed: float32 [b] [m/s].
        command: RouteCommand, int64 [b].
        route: points (x, y) at ROUTE_DISTANCES, float32 [b, 10, 2] [m].
        acceleration: float32 [b] [m/s²].
    """

    pictures: np.ndarray
    speed: np.ndarray
    command: np.ndarray
    route: np.ndarray
    acceleration: np.ndarray


class PixelSamples:
    """Moments of a recording that a pixel planner can learn from, those in which something is to be done more often.

    Args:
        store: the recording; `part` of it for less data.
        accelerations: what the expert wants in each of its moments (see `expert_accelerations`), float64 [n] [m/s²].
        vision: what the planner's sight suffers from.
        eventful_share: of a batch, moments with a bend ahead or that ask for braking.

    Raises:
        ValueError: no moment is known well enough, or none is eventful.
    """

    def __init__(
        self,
        store: FrameStore,
        accelerations: np.ndarray,
        vision: Vision,
        eventful_share: float = 0.4,
    ) -> None:
        self.store, self.accelerations = store, accelerations
        self.vision, self.eventful_share = vision, eventful_share
        self._episode_start = np.repeat(store.starts, store.lengths)

        rows, scenes = store.rows, store.rows.scenes
        usable = known_of(rows.valid).picture & scenes.route_valid.all(axis=-1) & scenes.ego_valid.all(axis=-1)
        usable &= scenes.lane_valid.all(axis=-1) & (np.abs(scenes.lateral_offset) <= LARGEST_OFFSET)
        usable &= rows.collision <= 0.5
        bend = np.abs(scenes.route[:, ROUTE_DISTANCES.index(BEND_DISTANCE), 1]) > BEND_OFFSET
        eventful = bend | (accelerations < HARD_BRAKING)
        self.usable, self.eventful = np.flatnonzero(usable), np.flatnonzero(usable & eventful)
        if not len(self.eventful):
            raise ValueError(
                f"of {len(rows)} recorded moments {len(self.usable)} are known well enough to imitate an expert in, "
                f"and none of them has a bend ahead or asks for braking"
            )

    def sample(self, batch_size: int, rng: np.random.Generator) -> PixelBatch:
        """A random batch, drawn with replacement."""
        num = round(self.eventful_share * batch_size)
        drawn = [rng.choice(self.eventful, num), rng.choice(self.usable, batch_size - num)]
        return self.at(np.concatenate(drawn))

    def at(self, positions: np.ndarray) -> PixelBatch:
        """The moments at these positions of the store, int64 [b]; before an episode began is as when it did."""
        scenes, starts = self.store.rows.scenes, self._episode_start[positions]
        seen = [np.maximum(positions - age, starts) for age in self.vision.ages]
        frames = [[fit_frame(self.store.frames[k]) for k in moment] for moment in np.stack(seen, axis=1)]
        return PixelBatch(
            pictures=self.vision.see(np.array(frames)),
            speed=scenes.speed[positions],
            command=scenes.command[positions],
            route=scenes.route[positions],
            acceleration=self.accelerations[positions].astype(np.float32),
        )


def expert_accelerations(scenes: SceneState, expert: LaneFollowerConfig) -> np.ndarray:
    """What the lane follower wants in each scene [n], float64 [n] [m/s²]; its steer follows from the route itself."""
    count = scenes.batch_shape[0]
    parts = [choose_acceleration(scenes[k : k + CHUNK], expert) for k in range(0, count, CHUNK)]
    return np.concatenate(parts)
