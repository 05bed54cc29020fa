"""NAVSIM's PDM score of a closed-loop drive: one number in [0, 1] by which planners are ranked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from scenarios.metrics.collision import first_event
from scenarios.metrics.comfort import comfort_signals, comfort_violations
from scenarios.metrics.time_to_collision import TimeToCollisionConfig, time_to_collision
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.scene import BOX_COLUMNS, ObjectColumn, ObjectKind, SceneState

STANDING = 0.05
"""An ego slower than this is standing [m/s]."""
LEAST_PROGRESS = 5.0
"""Where a competent driver makes less progress than this, none is asked for [m]."""
TOUCH = 0.5
"""A road user farther away than this at the moment of a collision took no part in it [m]."""


@dataclass(frozen=True, kw_only=True)
class PDMScore:
    """NC · DAC · (5 TTC + 5 EP + 2 C) / 12 (Dauner et al. 2024, PDMS), each part in [0, 1].

    Args:
        no_collision: NC, no collision at fault.
        on_road: DAC, never off the road.
        time_to_collision: TTC, never below the bound for any object that is not behind the ego.
        progress: EP, relative to a competent driver from the same start; 1 if that made LEAST_PROGRESS or less.
        comfort: C, within nuPlan's bounds.
    """

    no_collision: float
    on_road: float
    time_to_collision: float
    progress: float
    comfort: float

    @property
    def score(self) -> float:
        """All parts combined."""
        soft = 5 * self.time_to_collision + 5 * self.progress + 2 * self.comfort
        return self.no_collision * self.on_road * soft / 12


def pdm_score(rollout: Rollout, reference_progress: float) -> PDMScore:
    """The score of a drive.

    Args:
        rollout: of any world; from its SceneStates, events and progress alone.
        reference_progress: of a competent driver from the same start, in the same time [m].
    """
    config = TimeToCollisionConfig()
    comfortable = rollout.num_steps < 2 or not comfort_violations(comfort_signals(rollout.scenes, rollout.dt))
    progress = 1.0
    if reference_progress > LEAST_PROGRESS:
        progress = float(np.clip(rollout.progress.sum() / reference_progress, 0.0, 1.0))

    # Objects behind the ego are the business of their own drivers.
    ahead = rollout.scenes.copy()
    ahead.object_kinds[ahead.objects[..., ObjectColumn.X] < -config.ego_length / 2] = ObjectKind.EMPTY

    return PDMScore(
        no_collision=float(not at_fault(rollout.scenes, rollout.collision)),
        on_road=float(first_event(rollout.off_road) is None),
        time_to_collision=float(time_to_collision(ahead).min() > config.bound),
        progress=progress,
        comfort=float(comfortable),
    )


def at_fault(scenes: SceneState, collision: np.ndarray) -> bool:
    """Whether there is a collision that is the ego's fault: it was moving and was not hit from behind by a road user.

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
        return True  # it hit something that is not listed, as a building

    c = TimeToCollisionConfig()
    ego = np.array([[0.0, 0.0, 0.0, c.ego_length, c.ego_width]])
    apart = separation(ego, objects[:, BOX_COLUMNS])
    nearest = int(apart.argmin())
    return bool(apart[nearest] > TOUCH or objects[nearest, ObjectColumn.X] > -c.ego_length / 2)
