"""The table of `drivedit bench-planners`: printed, as markdown, JSON and HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from envs.worlds import WORLDS
from scenarios.case_results import BROKEN
from scenarios.planner_bench_drives import PlannerDrive
from scenarios.plots import effort_figure, overoptimisation_figure
from scenarios.report import Figure, Page, Section, Stat, Table, seed_ranges, write_json, write_page
from scenarios.statistics import Interval, bootstrap_mean, clopper_pearson
from worldsim.atomic_files import atomic_path

SCHEMA = "drivedit.bench_planners/2"
"""Name and version of report.json; a change that its readers must know of counts up."""
HEADER = (
    "planner",
    "drives",
    "PDMS",
    "driving score",
    "crashed",
    "collisions",
    "off road",
    "progress [m]",
    "reward [1/s]",
    "decisions",
    "ms a decision",
    "CPU ms",
    "model steps",
)
NOTE = (
    "PDMS: NAVSIM's, in closed loop, progress relative to the lane follower's from the same start. Driving score: CARLA"
    " leaderboard 2.1, of a route as long as the lane follower came. Crashed: collision, off the road, or the planner "
    "broke. Intervals: 95 %, by a bootstrap over starts (PDMS) and Clopper–Pearson (crashed). Milliseconds, of the "
    "wall clock and of the processor, and steps of the world model are means over all decisions but the first of "
    "a process, which loads and compiles; a planner that plans every few steps searches in some of them only."
)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """All that was driven.

    Args:
        planners: names, in the order asked for.
        worlds: names.
        seeds: of the starts from which each planner drove in each world.
        drives: all of them.
    """

    planners: Sequence[str]
    worlds: Sequence[str]
    seeds: Sequence[int]
    drives: Sequence[PlannerDrive]

    @property
    def num_starts(self) -> int:
        """From which each planner drove."""
        return len(self.seeds)


@dataclass(frozen=True, kw_only=True)
class PlannerRow:
    """A planner in a world, over its valid drives.

    Args:
        world: name.
        planner: name.
        num_drives: valid ones.
        num_scored: of these, those with a PDMS.
        num_driving_scored: those with a driving score.
        num_decisions: that were timed in them.
        pdms: mean with its interval; None where no drive has a score.
        driving_score: mean; None likewise.
        crash_rate: with its interval; None without drives.
        num_collisions: drives that ended in one.
        num_off_road: drives that ended off the road.
        num_broken: drives in which the planner broke.
        progress: mean [m].
        reward_rate: the env's reward per second.
        wall_ms: mean of a decision [ms].
        cpu_ms: mean of a decision [ms].
        model_steps: mean of a decision.
    """

    world: str
    planner: str
    num_drives: int
    num_scored: int
    num_driving_scored: int
    num_decisions: int
    pdms: Interval | None
    driving_score: float | None
    crash_rate: Interval | None
    num_collisions: int
    num_off_road: int
    num_broken: int
    progress: float
    reward_rate: float
    wall_ms: float
    cpu_ms: float
    model_steps: float


def summarise(bench: Bench) -> list[PlannerRow]:
    """A row for each planner in each world: world by world, the best PDMS first."""
    rows = [_row(bench, world, planner) for world in bench.worlds for planner in bench.planners]
    return sorted(
        rows, key=lambda row: (bench.worlds.index(row.world), 0.0 if row.pdms is None else -row.pdms.estimate)
    )


def _row(bench: Bench, world: str, planner: str) -> PlannerRow:
    drives = [d for d in bench.drives if (d.world, d.planner) == (world, planner) and d.valid]
    scores = [d.pdms for d in drives if d.pdms is not None]
    driving = [d.driving_score for d in drives if d.driving_score is not None]
    num_decisions = sum(d.num_decisions for d in drives)
    crashed = sum(d.crashed for d in drives)
    return PlannerRow(
        world=world,
        planner=planner,
        num_drives=len(drives),
        num_scored=len(scores),
        num_driving_scored=len(driving),
        num_decisions=num_decisions,
        pdms=bootstrap_mean(scores, np.random.default_rng(0)) if scores else None,
        driving_score=float(np.mean(driving)) if driving else None,
        crash_rate=clopper_pearson(crashed, len(drives)) if drives else None,
        num_collisions=sum(d.outcome == "collision" for d in drives),
        num_off_road=sum(d.outcome == "off_road" for d in drives),
        num_broken=sum(d.outcome == BROKEN for d in drives),
        progress=float(np.mean([d.progress for d in drives])) if drives else 0.0,
        reward_rate=sum(d.reward for d in drives) / max(sum(d.seconds for d in drives), 1e-9),
        wall_ms=1e3 * sum(d.wall_seconds for d in drives) / max(num_decisions, 1),
        cpu_ms=1e3 * sum(d.cpu_seconds for d in drives) / max(num_decisions, 1),
        model_steps=sum(d.model_steps for d in drives) / max(num_decisions, 1),
    )


def row_cells(row: PlannerRow) -> list[str]:
    """A row of text below HEADER."""
    broken = f" ({row.num_broken} broke)" if row.num_broken else ""
    return [
        row.planner,
        str(row.num_drives),
        "–" if row.pdms is None else row.pdms.text() + _of(row.num_scored, row),
        "–" if row.driving_score is None else f"{row.driving_score:.2f}" + _of(row.num_driving_scored, row),
        ("–" if row.crash_rate is None else row.crash_rate.text(".0%")) + broken,
        str(row.num_collisions),
        str(row.num_off_road),
        f"{row.progress:.1f}",
        f"{row.reward_rate:.2f}",
        f"{row.num_decisions}",
        f"{row.wall_ms:.1f}",
        f"{row.cpu_ms:.1f}",
        f"{row.model_steps:.0f}",
    ]


def _of(num: int, row: PlannerRow) -> str:
    """Says over how many a mean is, where that is not all of a row's drives."""
    return "" if num == row.num_drives else f" of {num}"


def print_bench(bench: Bench) -> None:
    """Print a table for each world."""
    rows = summarise(bench)
    for world in bench.worlds:
        table = [list(HEADER), *(row_cells(row) for row in rows if row.world == world)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        print(f"\n{WORLDS[world].title}, {bench.num_starts} starts, seeds {seed_ranges(bench.seeds)}")
        for cells in table:
            print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())
    for drive in bench.drives:
        if drive.reason:
            print(f"{drive.planner} in {drive.world}, {drive.scenario} seed {drive.seed}: {drive.reason}")


def markdown_table(bench: Bench) -> str:
    """The table of all worlds as markdown, and a line on its starts."""
    header = ["world", *HEADER]
    lines = [header, ["---"] * len(header), *([row.world, *row_cells(row)] for row in summarise(bench))]
    rows = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    return f"{rows}\n{bench.num_starts} starts, seeds {seed_ranges(bench.seeds)}. {NOTE}\n"


def write_bench(out: Path, bench: Bench, config: Mapping[str, Any], provenance: Mapping[str, str]) -> None:
    """Write report.json, report.html and table.md to `out`."""
    rows = summarise(bench)
    content = {
        "schema": SCHEMA,
        "config": config,
        "num_starts": bench.num_starts,
        "rows": [asdict(row) for row in rows],
        "drives": [asdict(drive) for drive in bench.drives],
        "provenance": provenance,
    }
    write_json(out / "report.json", content)
    with atomic_path(out / "table.md") as temporary:
        temporary.write_text(markdown_table(bench), encoding="utf-8")
    write_page(out / "report.html", _page(bench, rows, provenance))


def _page(bench: Bench, rows: Sequence[PlannerRow], provenance: Mapping[str, str]) -> Page:
    broken = sum(row.num_broken for row in rows)
    header = ["world", *HEADER]
    return Page(
        title="Planners in every world",
        subtitle=f"{len(bench.planners)} planners, {bench.num_starts} starts, {len(bench.worlds)} worlds",
        verdict=f"a planner broke in {broken} drives" if broken else f"{len(bench.drives)} drives",
        good=not broken,
        stats=_best(rows),
        summary=Table(header=header, rows=[[row.world, *row_cells(row)] for row in rows]),
        note=NOTE,
        sections=[*_effort_section(bench, rows), *_exploit_section(bench, rows)],
        provenance=provenance,
    )


def _best(rows: Sequence[PlannerRow]) -> list[Stat]:
    """The best of each world, of those that have a score."""
    best: dict[str, Stat] = {}
    for row in rows:
        if row.pdms is not None and row.world not in best:
            label = f"best PDMS: {row.planner}, {WORLDS[row.world].title.lower()}"
            best[row.world] = Stat(value=f"{row.pdms.estimate:.2f}", label=label)
    return list(best.values())


def _effort_section(bench: Bench, rows: Sequence[PlannerRow]) -> list[Section]:
    scored = [row for row in rows if row.pdms is not None and row.num_drives > row.num_broken]
    if not scored:
        return []
    series = {
        WORLDS[world].title: [(r.planner, r.cpu_ms, r.pdms.estimate) for r in scored if r.world == world and r.pdms]
        for world in bench.worlds
    }
    return [
        Section(
            title="What a decision costs",
            text="Mean PDMS over processor time a decision.",
            figures=[Figure(png=effort_figure(series), alt="PDMS over milliseconds a decision")],
        )
    ]


def _exploit_section(bench: Bench, rows: Sequence[PlannerRow]) -> list[Section]:
    """Reward over the size of the search, where `exploit` drove with at least two."""
    sizes = sorted({size for row in rows if (size := exploit_size(row.planner)) is not None})
    if len(sizes) < 2:
        return []
    series = {
        WORLDS[world].title: [
            (size, row.reward_rate)
            for size in sizes
            for row in rows
            if row.world == world and exploit_size(row.planner) == size
        ]
        for world in bench.worlds
    }
    return [
        Section(
            title="Can the learned world be gamed?",
            text="Reward per second of a planner that maximises what the learned world pays, over the sequences that it"
            " tries in a round. Where the learned world's curve rises and the reference world's does not, the search"
            " has found what is wrong with the learned world.",
            figures=[Figure(png=overoptimisation_figure(series), alt="reward over the size of the search")],
        )
    ]


def exploit_size(planner: str) -> int | None:
    """Of exploit:SIZE; None of other planners."""
    name, _, size = planner.partition(":")
    return int(size) if name == "exploit" and size else None
