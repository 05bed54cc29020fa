"""Planners from good to bad, to be ranked: the lane follower with other settings and with handicaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.policy import ConstantPolicy, Policy, RandomPolicy
from policies.rule_based import LaneFollower, LaneFollowerConfig
from worldsim.datatypes.scene import LeadColumn, ObjectColumn, ObjectKind, SceneState

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

HOLD = 5
"""Steps for which a wobble is held."""


@dataclass(frozen=True, kw_only=True)
class Handicap:
    """What keeps a driver from driving well.

    Args:
        delay: it acts on the scene of this many steps ago.
        sight: it does not see objects farther away than this [m].
        wobble: standard deviation of the noise on its steer, drawn anew every HOLD steps.
    """

    delay: int = 0
    sight: float = np.inf
    wobble: float = 0.0

    def __post_init__(self) -> None:
        for name in ("delay", "sight", "wobble"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


class HandicappedFollower:
    """A lane follower with a handicap.

    Args:
        config: how it would drive without the handicap.
        handicap: what it suffers from.
    """

    def __init__(self, config: LaneFollowerConfig, handicap: Handicap) -> None:
        self.driver, self.handicap = LaneFollower(config), handicap

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode."""
        self.driver.reset(env, seed)
        self._scenes: deque[SceneState] = deque(maxlen=self.handicap.delay + 1)
        self._rng = np.random.default_rng(seed)
        self._steps_left = 0
        self._wobble = 0.0

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        self._scenes.append(SceneState.from_vector(info["scene"]))
        scene = self._scenes[0].copy()  # the oldest kept, which is `delay` steps old

        distance = np.hypot(scene.objects[:, ObjectColumn.X], scene.objects[:, ObjectColumn.Y])
        hidden = distance > self.handicap.sight
        scene.objects[hidden], scene.object_kinds[hidden] = 0.0, ObjectKind.EMPTY
        scene.lead_valid[...] &= scene.lead[LeadColumn.GAP] <= self.handicap.sight

        if self._steps_left == 0:
            self._wobble = self.handicap.wobble * float(self._rng.standard_normal())
            self._steps_left = HOLD
        self._steps_left -= 1
        action = self.driver.action(scene)
        action[0] = np.clip(action[0] + self._wobble, -1.0, 1.0)
        return action


def _follower(handicap: Handicap | None = None, **settings: float | bool) -> Callable[[], Policy]:
    config = LaneFollowerConfig(**settings)  # pyright: ignore[reportArgumentType]
    return partial(HandicappedFollower, config, handicap or Handicap())


REFERENCE_PLANNER = "lane_follower"
"""The competent planner, whose progress is the yardstick for the others."""
VARIANTS: dict[str, Callable[[], Policy]] = {
    REFERENCE_PLANNER: LaneFollower,
    "hurried": _follower(speed_factor=1.35),
    "slow": _follower(speed_factor=0.6),
    "very_slow": _follower(speed_factor=0.3),
    "tailgater": _follower(headway=0.3, min_gap=0.8),
    "distant": _follower(headway=3.0, min_gap=5.0),
    "late_braker": _follower(comfortable_braking=8.0, headway=0.6, min_gap=1.0),
    "soft_brakes": _follower(max_braking=2.0),
    "softer_brakes": _follower(max_braking=1.0),
    "ignores_pedestrians": _follower(yield_to_pedestrians=False),
    "short_sighted": _follower(Handicap(sight=12.0)),
    "blind": _follower(Handicap(sight=0.0)),
    "delayed": _follower(Handicap(delay=5)),
    "much_delayed": _follower(Handicap(delay=10)),
    "wobbly": _follower(Handicap(wobble=0.12)),
    "very_wobbly": _follower(Handicap(wobble=0.3)),
    "left_of_lane": _follower(offset=1.2),
    "corner_cutter": _follower(min_lookahead=25.0),
    "fast_bends": _follower(lateral_acceleration=9.0, speed_factor=1.2),
    "coasting": ConstantPolicy,
    "accelerating": partial(ConstantPolicy, (0.0, 0.4)),
    "braking": partial(ConstantPolicy, (0.0, -1.0)),
    "random": RandomPolicy,
}
"""Name to factory, the reference planner first. Their scores range from good to bad, as a ranking needs."""
