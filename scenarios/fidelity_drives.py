"""What `drivedit fidelity` keeps of a drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scenarios.drive_log import LoggedDrive

Side = Literal["road", "learned"]
SIDES: tuple[Side, ...] = ("road", "learned")
"""The reference world, and the learned world that is compared with it."""


@dataclass(frozen=True, kw_only=True)
class Drive(LoggedDrive):
    """The result of one planner in one world from one start.

    Args:
        world, planner, scenario, seed, outcome, reason: see LoggedDrive.
        progress: along the route [m].
        score: NAVSIM's PDM score, in [0, 1].
        recovery_time: until the car is back after a push off its lane [s]; None where it was not pushed.
        lowest_trust: in the pictures of the drive; None where none were made, and in the reference world.
        mean_trust: likewise.
        path: x, y of the ego at each full second after the start, in the ground frame of the start [m].
    """

    progress: float = 0.0
    score: float = 0.0
    recovery_time: float | None = None
    lowest_trust: float | None = None
    mean_trust: float | None = None
    path: Sequence[Sequence[float]] = ()
