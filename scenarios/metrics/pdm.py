"""NAVSIM's PDM score, of a drive in closed loop: one number in [0, 1] that planners are ranked by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from scenarios.metrics.collision import first_event
from scenarios.metrics.comfort import comfort_signals, comfort_violations
from scenarios.metrics.time_to_collision import TimeToCollisionConfig, time_to_collision
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.scene import ObjectKind, SceneState

STANDING = 0.05
"""An ego slower than this stands [m/s]."""
LEAST_PROGRESS = 5.0
"""Where a competent driver makes less, progress is not asked for [m]."""
TOUCH = 0.5
"""Who is farther away at the moment of a collision had no part in it [m]."""


@dataclass(frozen=True, kw_only=True)
class PDMScore:
    """NC · DAC · (5 TTC + 5 EP + 2 C) / 12 (Dauner et al. 2024, PDMS), each part in [0, 1].

    Args:
        no_collision: NC, no collision at fault.
        on_road: DAC, never off the road.
        time_to_collision: TTC, never within the bound of anyone who is not behind.
        progress: EP, against that of a competent driver from the same start; 1 where that is LEAST_PROGRESS or less.
        comfort: C, within nuPlan's bounds.
    """

    no_collision: float
    on_road: float
    time_to_collision: float
    progress: float
    comfort: float

    @property
    def score(self) -> float:
        """The whole."""
        soft = 5 * self.time_to_collision + 5 * self.progress + 2 * self.comfort
        return self.no_collision * self.on_road * soft / 12


def pdm_score(rollout: Rollout, reference_progress: float) -> PDMScore:
    """The score of a drive.

    Args:
        rollout: of any world; from its SceneStates, events and progress alone.
        reference_progress: of a competent driver from the same start, in as much time [m].
    """
    config = TimeToCollisionConfig()
    comfortable = rollout.num_steps < 2 or not comfort_violations(comfort_signals(rollout.scenes, rollout.dt))
    progress = 1.0
    if reference_progress > LEAST_PROGRESS:
        progress = float(np.clip(rollout.progress.sum() / reference_progress, 0.0, 1.0))
    ahead = rollout.scenes.copy()
    ahead.object_kinds[ahead.objects[..., 0] < -config.ego_length / 2] = ObjectKind.EMPTY
    return PDMScore(
        no_collision=float(not at_fault(rollout.scenes, rollout.collision)),
        on_road=float(first_event(rollout.off_road) is None),
        time_to_collision=float(time_to_collision(ahead).min() > config.bound),
        progress=progress,
        comfort=float(comfortable),
    )


def at_fault(scenes: SceneState, collision: np.ndarray) -> bool:
    """Whether there is a collision, and neither stood the ego nor was it hit from behind by a road user.

    Args:
        scenes: leading dim [t].
        collision: probability at each instant, [t].
    """
    at = first_event(collision)
    if at is None:
        return False
    if abs(float(scenes.speed[max(at - 1, 0)])) < STANDING:
        return False
    objects = scenes.objects[at][scenes.object_valid[at]].astype(np.float64)
    if len(objects) == 0:
        return True
    c = TimeToCollisionConfig()
    ego = np.array([[0.0, 0.0, 0.0, c.ego_length, c.ego_width]])
    apart = separation(ego, objects[:, [0, 1, 2, 4, 5]])
    nearest = int(apart.argmin())
    return bool(apart[nearest] > TOUCH or objects[nearest, 0] > -c.ego_length / 2)
