"""The learned world's agreement with the reference world beside that of worlds that have learned nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from envs.trivial_worlds import TRIVIAL_WORLDS
from envs.worlds import WORLDS
from scenarios.fidelity_drives import Drive
from scenarios.fidelity_failures import compare_failures
from scenarios.report import Section, SvgFigure, Table
from scenarios.scenario import Case
from scenarios.statistics import Interval, agreement, optimistic_bias
from scenarios.svg_figures import intervals_svg

TITLES = {"learned": WORLDS["learned"].title, **TRIVIAL_WORLDS}
"""The worlds that are compared with the reference world, and in words."""


@dataclass(frozen=True, kw_only=True)
class WorldAgreement:
    """How well one world stands for the reference world.

    Args:
        world: of TITLES.
        num_starts: over which: those from which all planners drove in all these worlds.
        spearman: rank correlation of the planners' mean scores.
        mmrv: mean maximum rank violation.
        bias: mean score there minus that in the reference world.
        crashes_found: share of the reference world's crashes whose drives fail there too.
        crashes_made_up: share of its own crashes whose drives do not fail in the reference world.
    """

    world: str
    num_starts: int
    spearman: Interval
    mmrv: Interval
    bias: Interval
    crashes_found: Interval
    crashes_made_up: Interval


def compare_worlds(
    drives: Mapping[tuple, Drive], planners: Sequence[str], cases: Sequence[Case], num_resamples: int = 500
) -> list[WorldAgreement]:
    """The learned world first, then the trivial ones; empty where none was driven in, or all share fewer than 2 starts.

    Args:
        drives: by their keys.
        planners: names.
        cases: starts that can be driven in the reference world and in the learned one.
        num_resamples: of the bootstrap of the rank correlation.
    """
    driven = {key[0] for key in drives}
    worlds = [world for world in TITLES if world in driven]
    if not driven & set(TRIVIAL_WORLDS):
        return []

    def drive_of(world: str, planner: str, case: Case) -> Drive | None:
        return drives.get((world, planner, case.scenario, case.seed))

    def valid(case: Case) -> bool:
        found = [drive_of(world, planner, case) for world in worlds for planner in planners]
        return all(drive is not None and drive.valid for drive in found)

    kept = [case for case in cases if valid(case)]
    if len(kept) < 2:
        return []

    def scores(world: str) -> np.ndarray:
        return np.array([[drives[(world, p, c.scenario, c.seed)].score for c in kept] for p in planners])

    reference, found = scores("road"), []
    for world in worlds:
        own, failures = scores(world), compare_failures(drives, planners, kept, world).of_kind("crash")
        rng = np.random.default_rng(0)
        agrees = agreement(reference=reference, simulator=own, rng=rng, num_resamples=num_resamples)
        found.append(
            WorldAgreement(
                world=world,
                num_starts=len(kept),
                spearman=agrees.spearman,
                mmrv=agrees.mmrv,
                bias=optimistic_bias(reference=reference, simulator=own, rng=np.random.default_rng(0)),
                crashes_found=failures.found,
                crashes_made_up=failures.made_up,
            )
        )
    return found


def worlds_content(worlds: Sequence[WorldAgreement]) -> list[dict[str, Any]]:
    """As JSON; None where a measure is undefined."""

    def value(x: Any) -> Any:
        if isinstance(x, Interval):
            return {name: float(end) if np.isfinite(end) else None for name, end in asdict(x).items()}
        return x

    return [{name: value(x) for name, x in vars(world).items()} for world in worlds]


HEADER = ("world", "Spearman", "MMRV", "optimistic bias", "crashes found", "crashes made up")


def world_rows(content: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Rows below HEADER, of `worlds_content`."""
    return [
        [
            TITLES[row["world"]],
            interval_text(row["spearman"]),
            "–" if row["mmrv"]["estimate"] is None else f"{row['mmrv']['estimate']:.3f}",
            interval_text(row["bias"], "+.2f"),
            interval_text(row["crashes_found"], ".0%"),
            interval_text(row["crashes_made_up"], ".0%"),
        ]
        for row in content
    ]


def worlds_section(content: Sequence[Mapping[str, Any]]) -> Section:
    """For reports.

    Args:
        content: of `worlds_content`, not empty.
    """
    return Section(
        title="Beside worlds that know nothing",
        text=f"Spearman's rank correlation, more in the table: {content[0]['num_starts']} starts, the same planners. "
        "A trivial world has learned nothing: it repeats the start's last scene for ever while the ego moves by its "
        "vehicle model; or it knows the road of the start, and the others stand, or keep their velocity, and scripts "
        "move nobody. What these get right is no merit of the learned world. MMRV: mean maximum rank violation; "
        "optimistic bias: mean score there minus that in the reference world. 95 % intervals, by a bootstrap over "
        "planners and starts, of crashes over starts.",
        figures=[
            SvgFigure(
                svg=intervals_svg([(TITLES[row["world"]], interval_of(row["spearman"])) for row in content], -1.0, 1.0),
                alt="Spearman's rank correlation of each world with the reference world",
            )
        ],
        table=Table(header=HEADER, rows=world_rows(content)),
        open=True,
    )


def print_worlds(worlds: Sequence[WorldAgreement]) -> None:
    """Print the table."""
    print(f"\nbeside worlds that know nothing, {worlds[0].num_starts} starts")
    rows = [list(HEADER), *world_rows(worlds_content(worlds))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def interval_of(value: Mapping[str, float | None] | None) -> Interval:
    """An interval of a report.json; NaN where it is undefined."""
    known = {"estimate": None, "low": None, "high": None} if value is None else value
    return Interval(**{end: np.nan if x is None else float(x) for end, x in known.items()})


def interval_text(value: Mapping[str, float | None] | None, form: str = ".2f") -> str:
    """An interval of a report.json as text; a dash where it is undefined."""
    return interval_of(value).text(form)
