"""Planners of many a quality, to rank: the lane follower with other settings, and with handicaps."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.policy import ConstantPolicy, Policy, RandomPolicy
from policies.rule_based import LaneFollower, LaneFollowerConfig
from worldsim.datatypes.scene import ObjectKind, SceneState

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

HOLD = 5
"""Steps that a wobble lasts."""


@dataclass(frozen=True, kw_only=True)
class Handicap:
    """What keeps a driver from driving well.

    Args:
        delay: it acts on what was so many steps ago.
        sight: it sees nobody farther away than this [m].
        wobble: standard deviation of what is added to its steer, new every HOLD steps.
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
        config: how it would drive without.
        handicap: what it has.
    """

    def __init__(self, config: LaneFollowerConfig, handicap: Handicap) -> None:
        self.driver, self.handicap = LaneFollower(config), handicap

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin with nothing seen."""
        self.driver.reset(env, seed)
        self._scenes: deque[SceneState] = deque(maxlen=self.handicap.delay + 1)
        self._rng, self._left, self._wobble = np.random.default_rng(seed), 0, 0.0

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        self._scenes.append(SceneState.from_vector(info["scene"]))
        scene = self._scenes[0].copy()
        far = np.hypot(scene.objects[:, 0], scene.objects[:, 1]) > self.handicap.sight
        scene.objects[far], scene.object_kinds[far] = 0.0, ObjectKind.EMPTY
        scene.lead_valid[...] &= scene.lead[0] <= self.handicap.sight
        if self._left == 0:
            self._wobble, self._left = self.handicap.wobble * float(self._rng.standard_normal()), HOLD
        self._left -= 1
        action = self.driver.action(scene)
        action[0] = np.clip(action[0] + self._wobble, -1.0, 1.0)
        return action


def _follower(handicap: Handicap | None = None, **settings: float | bool) -> Callable[[], Policy]:
    config = LaneFollowerConfig(**settings)  # pyright: ignore[reportArgumentType]
    return partial(HandicappedFollower, config, handicap or Handicap())


REFERENCE_PLANNER = "lane_follower"
"""The competent one, whose progress is what could have been made."""
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
"""Name to maker, the competent one first. Their scores span all there is, so that a ranking says something."""
