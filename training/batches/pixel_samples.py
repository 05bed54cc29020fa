"""What a pixel planner learns from: recorded pictures, and what the lane follower would do in each recorded state.

The recordings' own drivers are good and bad; the expert is asked afterwards about the states that they got into, as
DAgger does (Ross et al. 2011). That takes no driving, since the expert is a function of the recorded SceneState.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.pixels.vision import Vision, fit_frame
from policies.rule_based import LaneFollowerConfig, choose_acceleration, find_pedestrian_gap
from policies.stop_lines import find_stop_gap
from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.datatypes.scene import ROUTE_DISTANCES, LeadColumn, SceneState

LARGEST_OFFSET = 2.0
"""Farther from its lane than this, a car's pictures no longer tell which lane is meant [m]."""
BEND_DISTANCE, BEND_OFFSET = 12.0, 1.0
"""A route whose point at this distance is off the ego's axis by this much asks for steering [m]."""
BRAKING = -1.0
"""Less acceleration than this is braking for something [m/s²]."""
NEARNESS_GAP = 10.0
"""Gap at which nearness is 1/2 [m]."""
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
        nearness: of what is to be kept clear of, float32 [b], see Intention.
    """

    pictures: np.ndarray
    speed: np.ndarray
    command: np.ndarray
    route: np.ndarray
    acceleration: np.ndarray
    nearness: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertLabels:
    """What the lane follower wants in `n` scenes; its steer follows from the route itself.

    Args:
        acceleration: float32 [n] [m/s²].
        nearness: of what it keeps clear of, float32 [n], see Intention.
    """

    acceleration: np.ndarray
    nearness: np.ndarray

    def first(self, num: int) -> ExpertLabels:
        """Those of the first `num` scenes."""
        return ExpertLabels(acceleration=self.acceleration[:num], nearness=self.nearness[:num])


class PixelSamples:
    """Moments of a recording that a pixel planner can learn from, those in which something is to be done more often.

    Args:
        store: the recording; `part` of it for less data.
        labels: what the expert wants in each of its moments.
        vision: what the planner's sight suffers from.
        bend_share: of a batch, moments with a bend ahead.
        braking_share: of a batch, moments that ask for braking.

    Raises:
        ValueError: no moment that is known well enough has a bend ahead, or none asks for braking.
    """

    def __init__(
        self,
        store: FrameStore,
        labels: ExpertLabels,
        vision: Vision,
        bend_share: float = 0.25,
        braking_share: float = 0.4,
    ) -> None:
        self.store, self.labels, self.vision = store, labels, vision
        self.bend_share, self.braking_share = bend_share, braking_share
        self._episode_start = np.repeat(store.starts, store.lengths)

        rows, scenes = store.rows, store.rows.scenes
        usable = known_of(rows.valid).picture & scenes.route_valid.all(axis=-1) & scenes.ego_valid.all(axis=-1)
        usable &= scenes.lane_valid.all(axis=-1) & (np.abs(scenes.lateral_offset) <= LARGEST_OFFSET)
        usable &= rows.collision <= 0.5
        bend = np.abs(scenes.route[:, ROUTE_DISTANCES.index(BEND_DISTANCE), 1]) > BEND_OFFSET
        braking = labels.acceleration < BRAKING
        self.usable, self.bends, self.braking = (np.flatnonzero(usable & x) for x in (True, bend, braking))
        if not len(self.bends) or not len(self.braking):
            raise ValueError(
                f"of {len(rows)} recorded moments {len(self.usable)} are known well enough to imitate an expert in; of "
                f"these {len(self.bends)} have a bend ahead and {len(self.braking)} ask for braking: it takes both"
            )

    def sample(self, batch_size: int, rng: np.random.Generator) -> PixelBatch:
        """A random batch, drawn with replacement."""
        bends, braking = round(self.bend_share * batch_size), round(self.braking_share * batch_size)
        groups = ((self.bends, bends), (self.braking, braking), (self.usable, batch_size - bends - braking))
        return self.at(np.concatenate([rng.choice(group, num) for group, num in groups]))

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
            acceleration=self.labels.acceleration[positions],
            nearness=self.labels.nearness[positions],
        )


def label_scenes(scenes: SceneState, expert: LaneFollowerConfig) -> ExpertLabels:
    """What the lane follower wants in each scene [n]."""
    count = scenes.batch_shape[0]
    parts = [scenes[k : k + CHUNK] for k in range(0, count, CHUNK)]
    acceleration = np.concatenate([choose_acceleration(part, expert) for part in parts])
    gap = np.concatenate([_gap_to_keep(part, expert) for part in parts])
    nearness = NEARNESS_GAP / (NEARNESS_GAP + np.maximum(gap, 0.0))
    return ExpertLabels(acceleration=acceleration.astype(np.float32), nearness=nearness.astype(np.float32))


def _gap_to_keep(scenes: SceneState, expert: LaneFollowerConfig) -> np.ndarray:
    """Gap [n] [m] to the lead, a pedestrian on the way or a line to stop at; inf without."""
    lead = np.where(scenes.lead_valid, scenes.lead[:, LeadColumn.GAP].astype(np.float64), np.inf)
    line = find_stop_gap(scenes, expert.comfortable_braking, expert.min_gap)
    return np.minimum(np.minimum(lead, find_pedestrian_gap(scenes)), line)
