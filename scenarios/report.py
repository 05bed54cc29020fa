"""Reports: one self-contained HTML page with embedded figures and videos, and the same facts as JSON."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from envs.maps.map_files import MapFile
from worldsim.atomic_files import atomic_path

VERSIONED = ("drivedit", "torch", "numpy", "gymnasium", "carla", "opencv-python-headless", "av", "scipy")
"""Distributions whose versions can change the numbers of a run."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A PNG and its alternative text."""

    png: bytes
    alt: str

    @property
    def uri(self) -> str:
        """As a data URI."""
        return _data_uri("image/png", self.png)


@dataclass(frozen=True, kw_only=True)
class SvgFigure:
    """An SVG and its alternative text."""

    svg: str
    alt: str

    @property
    def uri(self) -> str:
        """As a data URI."""
        return _data_uri("image/svg+xml", self.svg.encode())


@dataclass(frozen=True, kw_only=True)
class Video:
    """An mp4 with title and caption; `good` colours its border."""

    mp4: bytes
    title: str
    caption: str
    good: bool

    @property
    def uri(self) -> str:
        """As a data URI."""
        return _data_uri("video/mp4", self.mp4)


@dataclass(frozen=True, kw_only=True)
class Stat:
    """One number in large type."""

    value: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A failure rate with its interval, drawn as a bar; fractions in [0, 1]."""

    estimate: float
    low: float
    high: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """A longer text in a cell, in small type."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A row of a table that says what those below it are."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells, or Headings over all columns, below a header. `good` marks rows as good or bad, or is empty."""

    header: Sequence[str]
    rows: Sequence[Sequence[str | Rate | Note] | Heading]
    good: Sequence[bool] = ()


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A part of a section that is folded away: text, a table, text as it was printed, and further folds."""

    title: str
    text: str = ""
    table: Table | None = None
    printed: str = ""
    folds: Sequence[Fold] = ()


@dataclass(frozen=True, kw_only=True)
class Card:
    """One case of many: its outcome first, then what shows it.

    Args:
        title: which one.
        text: what happened.
        table: what it was measured against.
        figures: pictures of it.
        videos: films of it.
        command: that shows it again; "" without one.
        folds: the details.
    """

    title: str
    text: str
    table: Table | None = None
    figures: Sequence[Figure | SvgFigure] = ()
    videos: Sequence[Video] = ()
    command: str = ""
    folds: Sequence[Fold] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A titled part of a page; its table is folded away unless `open`."""

    title: str
    text: str
    figures: Sequence[Figure | SvgFigure] = ()
    videos: Sequence[Video] = ()
    table: Table | None = None
    open: bool = False
    cards: Sequence[Card] = ()
    folds: Sequence[Fold] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """The content of a report.

    Args:
        title: what was done.
        subtitle: in which world, with how many drives.
        verdict: the outcome in a few words.
        good: whether that is the desired outcome; colours the verdict.
        stats: headline numbers.
        summary: the table below them.
        note: how to read the numbers.
        sections: the details.
        provenance: what is needed to reproduce the numbers, label to value.
        lead: what comes before the summary.
    """

    title: str
    subtitle: str
    verdict: str
    good: bool
    stats: Sequence[Stat]
    summary: Table
    note: str
    sections: Sequence[Section]
    provenance: Mapping[str, str] = field(default_factory=dict)
    lead: Section | None = None


def write_page(path: Path, page: Page) -> None:
    """Render a page to one self-contained HTML file."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    for name, kind in (("rate", Rate), ("note", Note), ("heading", Heading)):
        environment.tests[name] = lambda cell, kind=kind: isinstance(cell, kind)
    _write_whole(path, environment.get_template("report.html.j2").render(page=page))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write dataclasses, mappings, sequences and numbers as indented JSON.

    Raises:
        ValueError: a number is not finite.
    """
    _write_whole(path, json.dumps(content, indent=2, default=_plain, allow_nan=False) + "\n")


def provenance(*, checkpoint: Path | None, seeds: Sequence[int], maps: Sequence[MapFile] = ()) -> dict[str, str]:
    """What is needed to reproduce the numbers: command, seeds, checkpoint, versions, machine.

    Args:
        checkpoint: folder of the world model that took part; None if none did.
        seeds: in the order they ran.
        maps: OpenDRIVE files that took the place of procedural towns.
    """
    facts = {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "seeds": seed_ranges(seeds),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
    }
    if checkpoint is not None:
        facts["checkpoint"] = f"{checkpoint.name}, SHA-256 {_folder_digest(checkpoint)[:16]}"
    if maps:
        facts["maps"] = ", ".join(file.label for file in maps)
    for name in VERSIONED:
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            facts[name] = "not installed"
    return facts


_WEIGHTS = (".safetensors", ".json", ".npz")
"""Names of files that drives depend on beside the code end so."""


def checkpoint_digest(checkpoint: Path | None) -> str:
    """SHA-256 of a world model's folder; None stands for the one that ships with the package."""
    from worldsim.world_model import DEFAULT_CHECKPOINT

    return _folder_digest(checkpoint or DEFAULT_CHECKPOINT)


def files_digest(files: Sequence[Path]) -> str:
    """SHA-256 over the names and contents of files."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def planners_digest() -> str:
    """SHA-256 of the weights of all planners that ship with the package, wherever they lie in it."""
    import policies

    return files_digest(sorted(p for p in Path(policies.__path__[0]).rglob("*") if p.suffix in _WEIGHTS))


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 of the sources that determine a drive and its score: worlds, policies, scenarios."""
    digest = hashlib.sha256()
    root = Path(__file__).parent.parent
    for package in ("worldsim", "envs", "policies", "scenarios"):
        for file in sorted((root / package).rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _folder_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a checkpoint's files."""
    return files_digest(sorted(p for p in folder.iterdir() if p.suffix in _WEIGHTS))


def seed_ranges(seeds: Sequence[int]) -> str:
    """ "0..9, 30" for ten consecutive seeds and one more, in their order."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][-1] + 1:
            runs[-1].append(seed)
        else:
            runs.append([seed])
    return ", ".join(f"{run[0]}..{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _write_whole(path: Path, text: str) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
