"""The table of searches in docs/falsification.md, made anew: `python docs/make_falsification.py`.

Each search is a `drivedit falsify` of its own, in a folder of its own; one that is complete there is not driven again,
and one that was interrupted is gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from scenarios.falsification.falsify import falsify
from scenarios.falsification.falsify_config import FalsifyConfig
from worldsim.atomic_files import atomic_path

PAGE = Path(__file__).parent / "falsification.md"
BEGIN, END = "<!-- searches -->\n", "<!-- end of searches -->\n"
"""Around the table."""
HEAD = (
    "| policy | scenario | sampler | runs until the first failure | runs that failed | counterexamples | "
    "confirmed by the reference world | avoidable |"
)
SHARED = FalsifyConfig(num_runs=40, num_places=2, num_counterexamples=8)
SEARCHES = (
    replace(SHARED, policy="lane_follower", scenario="crossing_traffic"),
    replace(SHARED, policy="pid_follower", scenario="crossing_traffic"),
    replace(SHARED, policy="pdm_closed", scenario="crossing_traffic"),
    replace(SHARED, policy="plant", scenario="crossing_traffic"),
    replace(SHARED, policy="constant_velocity", scenario="lead_braking", sampler="random"),
    replace(SHARED, policy="stop", scenario="cut_in", sampler="random"),
    replace(SHARED, policy="constant", scenario="lead_braking", sampler="random"),
    replace(SHARED, policy="lane_follower", scenario="varied_traffic"),
)


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """What to make.

    Args:
        out: folder of the searches.
        num_workers: processes that drive at once.
        only: numbers of the searches, from 0 on, that may be driven; the table is of all that are complete.
    """

    out: Path = Path("runs/falsification")
    num_workers: int = 1
    only: tuple[int, ...] = tuple(range(len(SEARCHES)))


def row(report: Mapping[str, Any]) -> str:
    """A search's row of the table, of its report.json."""
    config, found, confirmation = report["config"], report["counterexamples"], report["confirmation"]
    first = "none" if report["first_failure"] is None else str(report["first_failure"] + 1)
    outcomes = ", ".join(
        f"{count} {outcome.replace('_', ' ')}"
        for outcome, count in report["outcomes"].items()
        if outcome not in ("passed", "invalid")
    )
    more = f" of {len(found) + report['num_more']}" if report["num_more"] else ""
    rate = confirmation["rate"]
    confirmed = "–"
    if rate is not None:
        share = f"{rate['estimate']:.0%} ({rate['low']:.0%} to {rate['high']:.0%})"
        confirmed = f"{confirmation['num_confirmed']} of {confirmation['num_replayed']}, {share}"
    asked = sum(report["avoidable"].values()) - report["avoidable"]["not asked"]
    avoidable = f"{report['avoidable']['avoidable']} of {asked}" if asked else "not asked"
    cells = [
        f"`{config['policy']}`",
        f"`{config['scenario']}`",
        config["sampler"],
        first,
        f"{report['num_failed']} of {report['num_valid']}: {outcomes}" if outcomes else f"0 of {report['num_valid']}",
        f"{len(found)}{more}" if found else "0",
        confirmed,
        avoidable,
    ]
    return f"| {' | '.join(cells)} |"


def table(reports: Sequence[Mapping[str, Any]]) -> str:
    """The table of searches."""
    return "\n".join([HEAD, "|" + "---|" * (HEAD.count("|") - 1), *map(row, reports)]) + "\n"


def put_in(page: str, made: str) -> str:
    """The page with another table.

    Raises:
        ValueError: it has no place for one.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs lines {BEGIN.strip()} and {END.strip()}")
    return f"{before}{begin}{made}{end}{after}"


def make_table(config: TableConfig) -> None:
    """Search, and write the table."""
    reports = []
    for number, search in enumerate(SEARCHES):
        out = config.out / f"{search.policy}_{search.scenario}"
        path = out / "report.json"
        if not path.is_file() and number in config.only:
            falsify(replace(search, out=out, num_workers=config.num_workers))
        if path.is_file():
            reports.append(json.loads(path.read_text(encoding="utf-8")))
    with atomic_path(PAGE) as unfinished:
        unfinished.write_text(put_in(PAGE.read_text(encoding="utf-8"), table(reports)), encoding="utf-8")


if __name__ == "__main__":
    make_table(tyro.cli(TableConfig, description=__doc__))
