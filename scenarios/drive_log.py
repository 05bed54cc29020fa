"""The log of drives of many planners in several worlds, from which an interrupted run resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from scenarios.case_results import BROKEN, WORLD_BROKE
from scenarios.json_log import JsonLog, from_entry, plain_values, read_log
from scenarios.scenario import Case

CRASHES = ("collision", "off_road", BROKEN)
"""Outcomes of a drive that crashed."""


@dataclass(frozen=True, kw_only=True)
class LoggedDrive:
    """What every drive in a log says; subclasses add what they measure, in plain values.

    Args:
        world: name of the world.
        planner: name of the policy.
        scenario: of the start.
        seed: of the start.
        outcome: as in CaseResult; "invalid" if there is no usable start.
        reason: how the policy or the world broke, or why there is no start; "" otherwise.
    """

    world: str
    planner: str
    scenario: str
    seed: int
    outcome: str
    reason: str = ""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Identifies the drive among all."""
        return self.world, self.planner, self.scenario, self.seed

    @property
    def valid(self) -> bool:
        """Whether it says something about the planner."""
        return self.outcome not in ("invalid", WORLD_BROKE)

    @property
    def broke(self) -> bool:
        """Whether the planner or the world broke."""
        return self.outcome in (BROKEN, WORLD_BROKE)

    @property
    def failed(self) -> bool:
        """Whether one of its scenario's criteria is not met, or the planner broke."""
        return self.valid and self.outcome != "passed"

    @property
    def crashed(self) -> bool:
        """Whether it ended in a collision, off the road, or because the planner broke; who makes little progress or
        runs a red light has only a low score."""
        return self.outcome in CRASHES


DriveType = TypeVar("DriveType", bound=LoggedDrive)


class DriveLog(Generic[DriveType]):
    """The drives done so far, one JSON line each. Those that the world broke in an earlier run are driven again: what
    broke it may be gone.

    Args:
        path: of the file.
        conditions: what every drive in it depends on: world model, code, settings.
        drive_type: class of the drives.

    Raises:
        ValueError: the file was written under other conditions, or an entry of it is damaged.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any], drive_type: type[DriveType]) -> None:
        entries = read_log(path, conditions)
        if entries is None:
            raise ValueError(f"{path} was written with another world model, settings or code; choose another --out")
        known = (from_entry(plain_values(drive_type), entry, path) for entry in entries)
        self.drives = {drive.key: drive for drive in known if drive.outcome != WORLD_BROKE}
        self._log = JsonLog(path, conditions, map(asdict, self.drives.values()))

    def find(self, world: str, planner: str, case: Case) -> DriveType | None:
        """A planner's drive of a case in a world; None while it has not driven."""
        return self.drives.get((world, planner, case.scenario, case.seed))

    def missing(self, world: str, planner: str, cases: Sequence[Case]) -> list[Case]:
        """Those of the cases that a planner has not driven in a world."""
        return [case for case in cases if self.find(world, planner, case) is None]

    def add(self, drives: Sequence[DriveType]) -> None:
        """Append drives."""
        self._log.append([asdict(drive) for drive in drives])
        self.drives |= {drive.key: drive for drive in drives}

    def forget(self, planner: str) -> None:
        """Drop a planner's drives, so that it drives again."""
        self.drives = {key: drive for key, drive in self.drives.items() if drive.planner != planner}
        self._log.rewrite(map(asdict, self.drives.values()))
