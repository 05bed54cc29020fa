"""Films of the drives of a validation: of each failure, and of the worst of the others."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from policies.drive import Rollout
from policies.policy import Policy
from policies.policy_error import PolicyError
from scenarios.case_results import CaseResult, severity
from scenarios.case_runner import CaseRunner
from scenarios.report import write_json
from scenarios.reproduction import FAILURES, write_film
from scenarios.rollout_files import digest_rollout, without_pictures
from scenarios.scenario import Case

FILMED = ".films.json"
"""File in a report's folder: which drives its films show."""


def film_path(folder: Path, result: CaseResult) -> Path:
    """Where the film of a drive lies in the folder of a report."""
    return folder / FAILURES / result.id / "film.mp4" if result.failed else folder / f"{result.id}.mp4"


def film_of(result: CaseResult, folders: Sequence[Path]) -> Path | None:
    """The film of a drive in one of the folders of reports; None if there is none."""
    paths = (film_path(folder, result) for folder in folders)
    return next((path for path in paths if path.is_file()), None)


class FilmedDrives:
    """Which drive each film shows that was driven again for it, so that an unchanged validation keeps its films.

    Args:
        out: the report's folder; FILMED in it is read, and written as soon as there is another film.
        conditions: what pictures depend on beside the drive.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any]) -> None:
        self._out, self._conditions = out, json.dumps(conditions, default=str)
        self._keys = filmed_drives(out)

    def drop_stale(self, result: CaseResult) -> None:
        """Remove what there is of a case's films unless it is the film of this very drive."""
        passed, failed = self._out / f"{result.id}.mp4", self._out / FAILURES / result.id / "film.mp4"
        other = passed if result.failed else failed
        other.unlink(missing_ok=True)
        if not result.failed and failed.parent.is_dir() and not any(failed.parent.iterdir()):
            failed.parent.rmdir()
        if self._keys.get(result.id) != self._key(result):
            film_path(self._out, result).unlink(missing_ok=True)

    def drop_others(self, ids: Collection[str]) -> None:
        """Remove the films of all other cases."""
        for name in self._keys.keys() - set(ids):
            failed = self._out / FAILURES / name / "film.mp4"
            (self._out / f"{name}.mp4").unlink(missing_ok=True)
            failed.unlink(missing_ok=True)
            if failed.parent.is_dir() and not any(failed.parent.iterdir()):
                failed.parent.rmdir()
            del self._keys[name]

    def add(self, result: CaseResult) -> None:
        """There is a film of a drive."""
        self._keys[result.id] = self._key(result)
        write_json(self._out / FILMED, self._keys)

    def _key(self, result: CaseResult) -> str:
        return hashlib.sha256(f"{self._conditions}{result.digest}".encode()).hexdigest()


def filmed_drives(out: Path) -> dict[str, str]:
    """What FILMED in a report's folder says, by id; nothing where there is none, or it is not whole."""
    try:
        found = json.loads((out / FILMED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


class Films:
    """Which drives are to be filmed: all that failed, and per scenario the worst of those that did not.

    Args:
        out: the report's folder.
        num: of the others per scenario; 0 films no failure either.
        results: of drives that there are already.
    """

    def __init__(self, out: Path, num: int, results: Iterable[CaseResult]) -> None:
        self.out, self.num = out, num
        self._worst: dict[str, list[CaseResult]] = {}
        for result in results:
            self.offer(result, None)

    def offer(self, result: CaseResult, rollout: Rollout | None) -> None:
        """Take a drive into account that did not fail, and film it if it is among the worst and comes with pictures."""
        if result.failed or not result.digest:
            return
        worst = self._worst.setdefault(result.scenario, [])
        worst.append(result)
        worst.sort(key=severity, reverse=True)
        dropped = worst[self.num :]
        del worst[self.num :]
        if rollout is not None and rollout.frames.size and result in worst:
            write_film(film_path(self.out, result), rollout)
        for other in dropped:
            film_path(self.out, other).unlink(missing_ok=True)

    def unfilmed(self, results: Mapping[str, CaseResult], folders: Sequence[Path]) -> set[str]:
        """Ids of the drives that are to be filmed and have no film in any of the folders."""
        if self.num == 0:
            return set()
        failed = [result for result in results.values() if result.failed and result.digest]
        wanted = [*failed, *(result for worst in self._worst.values() for result in worst)]
        return {result.id for result in wanted if film_of(result, folders) is None}


def film_again(
    runner: CaseRunner,
    policy: Policy,
    cases: Iterable[Case],
    results: Mapping[str, CaseResult],
    out: Path,
    filmed: FilmedDrives,
) -> None:
    """Film drives that were driven without pictures, by driving them again with pictures. Nothing is filmed that is not
    bit for bit the drive that was judged, and nothing where something breaks; a line says so.

    Args:
        runner: of the same world, with pictures.
        policy: that drove.
        cases: to film.
        results: of the drives without pictures, by id.
        out: the report's folder.
        filmed: is told of each film.
    """
    for case in cases:
        result = results[case.id]
        try:
            rollout = _drive_again(runner, case, policy)
            if digest_rollout(without_pictures(rollout)) == result.digest:
                write_film(film_path(out, result), rollout)
                filmed.add(result)
                continue
            reason = "driven again, it went otherwise"
        except PolicyError as error:
            reason = f"driven again, the policy broke: {error}"
        except Exception as error:  # whatever it is, a verdict that there is must not be lost for want of a film
            reason = f"{type(error).__name__}: {error}"
        print(f"not filmed: {case.id}: {reason}", file=sys.stderr)


def _drive_again(runner: CaseRunner, case: Case, policy: Policy) -> Rollout:
    """The drive of a case, up to where the policy breaks if it does.

    Raises:
        PolicyError: it breaks before it has driven a step.
    """
    try:
        return runner.run(case, policy)
    except PolicyError as error:
        if error.rollout is None:
            raise
        return error.rollout
