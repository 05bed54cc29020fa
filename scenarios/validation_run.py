"""Drives the cases of a validation and keeps each on disk as soon as it is done, so that nothing is lost."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from policies.drive import Rollout
from policies.policy import Policy
from scenarios.case_results import CaseResult, run_cases, severity
from scenarios.case_runner import CaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.driving_process import Whereabouts
from scenarios.json_log import JsonLog, append_entries, read_log
from scenarios.reproduction import FAILURES, keep_failure, write_film
from scenarios.scenario import Case
from scenarios.validity import ValidityConfig
from scenarios.verdict import VerdictConfig, decided

LOG_NAME = "cases.jsonl"
"""Finished cases of a validation that is not complete."""


class CaseLog:
    """The results so far, in memory and in a file of the report's folder.

    A log that an interrupted run left there is gone on with if it was driven under the same conditions. If there is
    none, what an earlier validation left there is removed: its failures are none of this one's.

    Args:
        out: the report's folder.
        conditions: what results depend on.
        merged: results from elsewhere.
    """

    def __init__(self, out: Path, conditions: Mapping[str, Any], merged: Sequence[CaseResult] = ()) -> None:
        self.out, path = out, out / LOG_NAME
        entries = read_log(path, conditions)
        if entries is None:
            print(f"{path}: of another policy, world or version, begun anew", file=sys.stderr)
        if not entries:
            remove_drives(out)
        kept = [*merged, *(CaseResult.from_json(entry) for entry in entries or ())]
        self.results: dict[str, CaseResult] = {result.id: result for result in kept}
        self._log = JsonLog(path, conditions, (result.to_json() for result in self.results.values()))

    def keep_only(self, cases: Sequence[Case]) -> None:
        """Forget the results of other cases, and of cases that were drawn otherwise."""
        self.results = _of_cases(self.results.values(), cases)

    def add(self, result: CaseResult) -> None:
        """Keep a result."""
        self._log.append([result.to_json()])
        self.results[result.id] = result


def logged_results(out: Path, conditions: Mapping[str, Any], cases: Sequence[Case]) -> dict[str, CaseResult]:
    """The results of `cases` that the log in the report's folder holds, by id."""
    entries = read_log(out / LOG_NAME, conditions) or ()
    return _of_cases([CaseResult.from_json(entry) for entry in entries], cases)


def add_to_log(out: Path, result: CaseResult) -> None:
    """Keep the result of a case that whoever drove it did not survive."""
    append_entries(out / LOG_NAME, [result.to_json()])


def remove_log(out: Path) -> None:
    """Remove the log: the validation is complete, the report has it all."""
    (out / LOG_NAME).unlink(missing_ok=True)


def _of_cases(results: Iterable[CaseResult], cases: Sequence[Case]) -> dict[str, CaseResult]:
    drawn = {case.id: case.parameters for case in cases}
    return {result.id: result for result in results if drawn.get(result.id) == result.parameters}


def remove_drives(out: Path) -> None:
    """Remove what an earlier validation left of its drives, and nothing else that lies there."""
    for folder in (out / FAILURES).glob("*_[0-9]*"):
        if _is_case(folder.name):
            shutil.rmtree(folder)
    for film in out.glob("*_[0-9]*.mp4"):
        if _is_case(film.stem):
            film.unlink()


def _is_case(name: str) -> bool:
    """Whether a name is that of a case of the catalogue."""
    scenario, _, seed = name.rpartition("_")
    return scenario in SCENARIOS and seed.isdigit()


def film_of(result: CaseResult, folders: Sequence[Path]) -> Path | None:
    """The film of a drive in one of the folders of reports; None if there is none."""
    for folder in folders:
        film = folder / FAILURES / result.id / "film.mp4" if result.failed else folder / f"{result.id}.mp4"
        if film.is_file():
            return film
    return None


def drive_cases(
    make_runner: Callable[[], CaseRunner],
    policy: Policy,
    cases: Sequence[Case],
    log: CaseLog,
    *,
    validity: ValidityConfig,
    verdict: VerdictConfig,
    budget: float | None,
    spent: float,
    num_videos: int,
    command: Callable[[CaseResult], str],
    title: str,
    whereabouts: Whereabouts,
) -> None:
    """Drive what the log does not hold yet, until all is driven, the time is up or a sequential test is decided.

    Args:
        make_runner: makes the world; not called if there is nothing to drive.
        policy: drives the ego.
        cases: in this order.
        log: gets the results.
        validity: what a drive must keep to in order to count.
        verdict: whose sequential test may end it.
        budget: no case begins later [s].
        spent: of the budget before [s].
        num_videos: films per scenario; 0 films no failure either.
        command: the command that drives a case again.
        title: of the progress bar.
        whereabouts: is told which of `cases` is driven.
    """
    begun = time.monotonic() - spent
    missing = [case for case in cases if case.id not in log.results]
    places = {case.id: k for k, case in enumerate(cases)}

    def until_the_end() -> Iterator[Case]:
        for k, case in enumerate(missing):
            round_done = k == 0 or case.seed != missing[k - 1].seed
            if verdict.method == "sequential" and round_done and decided(list(log.results.values()), verdict):
                return
            if budget is not None and time.monotonic() - begun > budget:
                print(f"\nthe budget of {budget:g} s is spent, {len(missing) - k} cases are left", file=sys.stderr)
                return
            whereabouts.case = places[case.id]
            yield case

    films = _Films(log.out, num_videos, log.results.values())
    with tqdm(total=len(cases), initial=len(cases) - len(missing), unit="case", desc=title) as bar:

        def on_case(result: CaseResult, rollout: Rollout | None) -> None:
            if result.failed:
                folder = log.out / FAILURES / result.id
                keep_failure(folder, result, rollout, command(result), film=num_videos > 0)
            elif rollout is not None:
                films.offer(result, rollout)
            log.add(result)  # last: what the log holds is complete
            bar.update()

        if missing:
            runner = make_runner()
            try:
                run_cases(runner, policy, until_the_end(), on_case, validity)
            finally:
                runner.close()
            whereabouts.case = -1


class _Films:
    """Films of the worst drives that did not fail, per scenario; failures have theirs in folders of their own."""

    def __init__(self, out: Path, num: int, results: Any) -> None:
        self.out, self.num = out, num
        self.filmed: dict[str, list[CaseResult]] = {}
        for result in results:
            if not result.failed and film_of(result, [out]) is not None:
                self.filmed.setdefault(result.scenario, []).append(result)

    def offer(self, result: CaseResult, rollout: Rollout) -> None:
        """Film a drive if it is among the worst."""
        filmed = self.filmed.setdefault(result.scenario, [])
        filmed.append(result)
        filmed.sort(key=severity, reverse=True)
        dropped = filmed[self.num :]
        del filmed[self.num :]
        if result in filmed:
            write_film(self.out / f"{result.id}.mp4", rollout)
        for other in dropped:
            (self.out / f"{other.id}.mp4").unlink(missing_ok=True)
