"""docs/results.md, rendered from what `drivedit evaluate` and `drivedit benchmark` write; nobody edits it by hand.

    python docs/make_results.py --evaluation runs/evaluate/report.json --hardware "2 x86 cores without AVX-512, fp32"
    python docs/make_results.py --benchmark benchmark.json --hardware "2 x86 cores without AVX-512, fp32"
    python docs/make_results.py                  # renders again from what docs/results holds

A report that is given is kept in docs/results, with its hardware and date; the page shows what is kept there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import tyro

from training import benchmark_table
from training.evaluation import report as evaluation_report

DOCS = Path(__file__).parent
PAGE_NAME, FOLDER_NAME = "results.md", "results"
PLANNERS_NAME, PICTURES_NAME, EARLIER_NAME = "planners.md", "pictures.md", "measured_earlier.md"
"""How it ranks planners, what pictures show, and what was measured in earlier worlds, as text, below the reports."""
PATH_OPTIONS = ("data", "long_data", "out", "checkpoint", "carla_routes")
"""Options of an evaluation that only mean something on the machine it ran on."""


@dataclass(frozen=True, kw_only=True)
class ResultsConfig:
    """What to put on the page.

    Args:
        evaluation: report.json of `drivedit evaluate`; None keeps the one in docs/results.
        benchmark: JSON of `drivedit benchmark --out`; None keeps the one in docs/results.
        hardware: that the given reports were measured on, for instance "2 x86 cores without AVX-512, fp32".
        measured: when, as YYYY-MM-DD; None takes the date of each file.
        docs: folder of the page.

    Raises:
        ValueError: a report without its hardware, or hardware without a report.
    """

    evaluation: Path | None = None
    benchmark: Path | None = None
    hardware: str = ""
    measured: str | None = None
    docs: Path = DOCS

    def __post_init__(self) -> None:
        given = self.evaluation or self.benchmark
        if given and not self.hardware:
            raise ValueError(f"say what {given} was measured on, for instance --hardware '2 x86 cores, fp32'")
        if self.hardware and not given:
            raise ValueError(f"hardware {self.hardware!r} belongs to a report; give --evaluation or --benchmark")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A report and where it comes from.

    Args:
        hardware: that it was measured on.
        measured: when, as YYYY-MM-DD.
        report: as the command wrote it.
    """

    hardware: str
    measured: str
    report: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page.

    Args:
        name: of the report's file in docs/results.
        title: its heading.
        command: that writes the report.
        table: the report as a Markdown table.
    """

    name: str
    title: str
    command: str
    table: Callable[[dict[str, Any]], str]


SECTIONS = (
    Section(
        name="evaluation",
        title="How true the learned world is",
        command="drivedit evaluate --data runs/tiny/data/test",
        table=evaluation_report.table,
    ),
    Section(
        name="benchmark",
        title="How fast it runs",
        command="drivedit benchmark --out benchmark.json",
        table=benchmark_table.table,
    ),
)


def make_results(config: ResultsConfig) -> None:
    """Keep the reports that are given and write the page."""
    folder = config.docs / FOLDER_NAME
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in (("evaluation", config.evaluation), ("benchmark", config.benchmark)):
        if path is not None:
            keep(path, folder / f"{name}.json", config)
    (config.docs / PAGE_NAME).write_text(render(folder))


def keep(source: Path, target: Path, config: ResultsConfig) -> None:
    """Store the report `source` as `target`, with its hardware and date."""
    measured = config.measured or date.fromtimestamp(source.stat().st_mtime).isoformat()
    report = json.loads(source.read_text())
    for name in PATH_OPTIONS:
        report.get("config", {}).pop(name, None)
    kept = Measurement(hardware=config.hardware, measured=measured, report=report)
    target.write_text(json.dumps(asdict(kept), indent=1) + "\n")


def render(folder: Path) -> str:
    """The page, from the reports and texts in `folder`."""
    parts = [
        "<!-- Written by docs/make_results.py from docs/results/. Change those files, not this page. -->",
        "# Results",
        "Rendered from the reports of `drivedit evaluate` and `drivedit benchmark`. Below them are planners, "
        "pictures, and what was measured in earlier worlds alone. The [glossary](glossary.md) explains the words.",
        *(_render_section(section, folder / f"{section.name}.json") for section in SECTIONS),
    ]
    texts = (folder / PLANNERS_NAME, folder / PICTURES_NAME, folder / EARLIER_NAME)
    parts += [text.read_text().strip() for text in texts if text.is_file()]
    return "\n\n".join(parts) + "\n"


def _render_section(section: Section, path: Path) -> str:
    heading = f"## {section.title}"
    if not path.is_file():
        return f"{heading}\n\nNo report of `{section.command}` is kept yet."
    kept = Measurement(**json.loads(path.read_text()))
    origin = f"`{section.command}`, on {kept.hardware}, {kept.measured}:"
    return f"{heading}\n\n{origin}\n\n{section.table(kept.report)}"


if __name__ == "__main__":
    make_results(tyro.cli(ResultsConfig, description=__doc__))
