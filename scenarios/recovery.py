"""Recovery from a push off the lane's centre, in both worlds: does the learned one show what a planner needs?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenarios.fidelity_drives import SIDES, Drive, Side
from scenarios.report import Section, Table
from scenarios.scenario import Case

SCENARIO = "lane_recovery"
"""The scenario whose cases are driven."""
LONGEST = 5.0
"""Counts for a planner that does not bring its car back [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recovery:
    """Planners' recoveries over the starts at which all were pushed in both worlds.

    Args:
        planners: names.
        num_starts: that count.
        times: mean over these starts [s], [planners] in each world.
        recovered: share of them after which the car came back, [planners] in each world.
    """

    planners: Sequence[str]
    num_starts: int
    times: Mapping[Side, np.ndarray]
    recovered: Mapping[Side, np.ndarray]

    @property
    def ratio(self) -> np.ndarray:
        """Mean time in the learned world over that in the reference world, [planners]."""
        return self.times["learned"] / self.times["road"]


def compare_recovery(drives: Mapping[tuple, Drive], planners: Sequence[str], cases: Sequence[Case]) -> Recovery | None:
    """The planners' recoveries; None if there is no start at which all of them were pushed in both worlds.

    Args:
        drives: by their keys; every planner's from every case in both worlds.
        planners: names.
        cases: of SCENARIO.
    """
    table: dict[Side, np.ndarray] = {
        world: np.array(
            [[_valid_time(drives[(world, p, case.scenario, case.seed)]) for case in cases] for p in planners],
            np.float64,
        ).reshape(len(planners), len(cases))  # None is NaN here
        for world in SIDES
    }
    kept = np.logical_and.reduce([np.isfinite(times).all(axis=0) for times in table.values()])
    if not kept.any():
        return None
    return Recovery(
        planners=planners,
        num_starts=int(kept.sum()),
        times={world: times[:, kept].mean(axis=1) for world, times in table.items()},
        recovered={world: (times[:, kept] < LONGEST).mean(axis=1) for world, times in table.items()},
    )


def _valid_time(drive: Drive) -> float | None:
    """A drive's recovery time; None of who was not pushed, or whose drive does not count."""
    return drive.recovery_time if drive.valid else None


def recovery_content(recovery: Recovery) -> dict[str, Any]:
    """As JSON."""
    return {
        "num_starts": recovery.num_starts,
        "planners": {
            name: {
                "time": {world: float(recovery.times[world][k]) for world in SIDES},
                "recovered": {world: float(recovery.recovered[world][k]) for world in SIDES},
            }
            for k, name in enumerate(recovery.planners)
        },
    }


def recovery_rows(recovery: Recovery) -> list[list[str]]:
    """A row of text a planner: name, mean time and share of recoveries in the reference and in the learned world, and
    the ratio of the times."""
    columns = [*(recovery.times[w] for w in SIDES), *(recovery.recovered[w] for w in SIDES), recovery.ratio]
    return [
        [name, f"{road:.2f} s", f"{learned:.2f} s", f"{back_road:.0%}", f"{back_learned:.0%}", f"{ratio:.2f}"]
        for name, road, learned, back_road, back_learned, ratio in zip(recovery.planners, *columns, strict=True)
    ]


HEADER = ("planner", "time, reference", "time, learned", "back, reference", "back, learned", "ratio of times")


def recovery_section(recovery: Recovery) -> Section:
    """For the report."""
    return Section(
        title="Recovery",
        text=f"From {recovery.num_starts} starts the car is pushed 0.5 m and 4° off its lane before the planner takes "
        f"over. Mean time until it stays within 0.25 m of the lane's centre, {LONGEST:g} s where it does not.",
        table=Table(header=list(HEADER), rows=recovery_rows(recovery)),
    )


def print_recovery(recovery: Recovery) -> None:
    """Print the table."""
    print(f"\nrecovery of 0.5 m and 4°, {recovery.num_starts} paired starts")
    rows = [list(HEADER), *recovery_rows(recovery)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))
