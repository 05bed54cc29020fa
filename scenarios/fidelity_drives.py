"""The drives of a fidelity run, and the file that keeps them, from which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from policies.variants import REFERENCE_PLANNER
from scenarios.json_log import JsonLog, read_log
from scenarios.scenario import Case

Side = Literal["road", "learned"]
SIDES: tuple[Side, ...] = ("road", "learned")
"""The reference world, and the learned world that is compared with it."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """The result of one planner in one world from one start.

    Args:
        world: "road" or "learned".
        planner: name.
        scenario: of the start.
        seed: of the start.
        outcome: as in CaseResult; "invalid" if there is no usable start.
        progress: along the route [m].
        score: NAVSIM's PDM score, in [0, 1].
        recovery_time: until the car is back after a push off its lane [s]; None where it was not pushed.
        lowest_trust: in the pictures of the drive; None where none were made, and in the reference world.
        mean_trust: likewise.
        path: x, y of the ego at each full second after the start, in the ground frame of the start [m].
    """

    world: Side
    planner: str
    scenario: str
    seed: int
    outcome: str
    progress: float
    score: float
    recovery_time: float | None = None
    lowest_trust: float | None = None
    mean_trust: float | None = None
    path: Sequence[Sequence[float]] = ()

    @property
    def failed(self) -> bool:
        """It ended in a collision or off the road."""
        return self.outcome in ("collision", "off_road")

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Identifies the drive among all."""
        return self.world, self.planner, self.scenario, self.seed


class ResultLog:
    """The drives done so far, one JSON line each, in a file from which an interrupted run resumes.

    Args:
        path: of the file.
        conditions: what every drive in the file depends on: world model, code, settings.

    Raises:
        ValueError: the file was written under other conditions.
    """

    def __init__(self, path: Path, conditions: dict[str, object]) -> None:
        self.drives: dict[tuple, Drive] = {}
        entries = read_log(path, conditions)
        if entries is None:
            raise ValueError(f"{path} was written with another world model, settings or code; choose another --out")
        for entry in entries:
            drive = Drive(**entry)
            self.drives[drive.key] = drive
        self._log = JsonLog(path, conditions, map(asdict, self.drives.values()))

    def has(self, world: Side, planner: str, case: Case) -> bool:
        """Whether a planner has driven a case in a world."""
        return (world, planner, case.scenario, case.seed) in self.drives

    def add(self, drives: Sequence[Drive]) -> None:
        """Append drives to the log."""
        self._log.append([asdict(drive) for drive in drives])
        self.drives |= {drive.key: drive for drive in drives}

    def forget(self, planner: str) -> None:
        """Drop a planner's drives, so that it drives again."""
        self.drives = {key: drive for key, drive in self.drives.items() if drive.planner != planner}
        self._log.rewrite(map(asdict, self.drives.values()))

    def reference_progress(self, world: Side, cases: Sequence[Case]) -> list[float | None]:
        """The reference planner's progress in each case [m], None while it has not driven."""
        found = [self.drives.get((world, REFERENCE_PLANNER, case.scenario, case.seed)) for case in cases]
        return [None if drive is None else drive.progress for drive in found]
