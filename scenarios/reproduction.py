"""failures/<id>/: all that is kept of a failed case, with the one command that drives it again, bit for bit."""

from __future__ import annotations

import dataclasses
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from envs.video import write_mp4
from policies.drive import Rollout
from scenarios.case_results import CaseResult
from scenarios.overlay import annotate_rollout
from scenarios.report import write_json
from scenarios.rollout_files import save_rollout
from worldsim.atomic_files import atomic_path

FAILURES = "failures"
"""The folder of the failed cases, in that of the report."""


def drive_path(folder: Path, result: CaseResult) -> Path:
    """Where the arrays of a drive lie in the folder of a report, if they are kept."""
    return folder / FAILURES / result.id / "drive.npz" if result.failed else folder / f"{result.id}.npz"


def keep_failure(folder: Path, result: CaseResult, rollout: Rollout | None, command: str, *, film: bool) -> None:
    """Write what a failed case leaves.

    Args:
        folder: of the case.
        result: its result; result.json, and traceback.txt where something raised.
        rollout: drive.npz and, if a film is wanted, film.mp4; None where there is none.
        command: that drives it again; reproduce.sh.
        film: whether to film it, if it has pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "result.json", result.to_json())
    compares = "" if rollout is None else " and compares it, bit for bit"
    script = f"#!/bin/sh\n# Drives {result.scenario} seed {result.seed} again{compares}.\n"
    with atomic_path(folder / "reproduce.sh") as temporary:
        temporary.write_text(f"{script}cd {shlex.quote(str(Path.cwd()))} || exit 2\nexec {command}\n", encoding="utf-8")
        temporary.chmod(0o755)
    if result.details:
        with atomic_path(folder / "traceback.txt") as temporary:
            temporary.write_text(result.details, encoding="utf-8")
    if rollout is not None:
        save_rollout(folder / "drive.npz", rollout)
        if film and rollout.frames.size:
            write_film(folder / "film.mp4", rollout)


def write_film(path: Path, rollout: Rollout) -> None:
    """The annotated drive."""
    write_mp4(path, annotate_rollout(rollout), 1 / rollout.dt, crf=23)


def command_line(verb: str, config: Any) -> str:
    """The command that stands for a config: every field that is not at its default, as its option."""
    return shlex.join(["drivedit", verb, *_options(config, "")])


def _options(config: Any, prefix: str) -> list[str]:
    options = []
    for entry in dataclasses.fields(config):
        value = getattr(config, entry.name)
        default = entry.default if entry.default_factory is dataclasses.MISSING else entry.default_factory()
        if _same(value, default):
            continue
        name = f"{prefix}{entry.name.replace('_', '-')}"
        if dataclasses.is_dataclass(value):
            options += _options(value, f"{name}.")
        elif isinstance(value, bool):
            options.append(f"--{name}" if value else f"--{prefix}no-{entry.name.replace('_', '-')}")
        elif isinstance(value, (tuple, list)):
            options += [f"--{name}", *map(str, value)]
        else:
            options += [f"--{name}", str(value.resolve() if isinstance(value, Path) else value)]
    return options


def _same(value: Any, default: Any) -> bool:
    if dataclasses.is_dataclass(value) and type(value) is type(default):
        return asdict(value) == asdict(default)  # pyright: ignore[reportArgumentType]
    return value == default
