"""Drives the cases of a validation and keeps each on disk as soon as it is done, so that nothing is lost."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from policies.drive import Rollout
from policies.policy import Policy
from scenarios.case_results import CaseResult, OnCase, num_together, run_cases
from scenarios.case_runner import CaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.driving_process import Whereabouts
from scenarios.films import FilmedDrives, Films, film_again, filmed_drives
from scenarios.json_log import JsonLog, append_entries, from_entry, read_log
from scenarios.reproduction import FAILURES, drive_path, keep_failure
from scenarios.rollout_files import save_rollout
from scenarios.scenario import Case
from scenarios.validity import ValidityConfig
from scenarios.verdict import VerdictConfig, decided

LOG_NAME = "cases.jsonl"
"""Finished cases of a validation that is not complete."""
DriveElsewhere = Callable[[Sequence[Case], Callable[[], bool], OnCase], None]
"""Drives cases until it is told that the time is up, and calls with each result."""
REPORTS = ("report.html", "report.json", "junit.xml")
"""What a validation that is complete leaves beside its drives."""


class CaseLog:
    """The results so far, in memory and in a file of the report's folder.

    A log that an interrupted run left there is gone on with if it was driven under the same conditions. If there is
    none, what an earlier validation left there is removed: its failures are none of this one's.

    Args:
        out: the report's folder.
        conditions: what results depend on.
        merged: results from elsewhere.
        begins: the command begins; what the world broke in an earlier one is driven again then.
    """

    def __init__(
        self, out: Path, conditions: Mapping[str, Any], merged: Sequence[CaseResult] = (), *, begins: bool = True
    ) -> None:
        self.out, self.conditions, path = out, conditions, out / LOG_NAME
        entries = read_log(path, conditions)
        if entries is None:
            print(f"{path}: of another policy, world or version, begun anew", file=sys.stderr)
        if not entries:
            remove_drives(out)
        known = (from_entry(CaseResult.from_json, entry, path) for entry in entries or ())
        kept = [*merged, *(result for result in known if result.lasts or not begins)]
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
    path = out / LOG_NAME
    entries = read_log(path, conditions) or ()
    return _of_cases([from_entry(CaseResult.from_json, entry, path) for entry in entries], cases)


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
    """Remove what an earlier validation left: its reports, of another verdict, and its drives, but for films that may
    be of the same drives again; nothing else that lies there."""
    for name in REPORTS:
        (out / name).unlink(missing_ok=True)
    filmed = filmed_drives(out)  # whose films stay until it is known whether the drives are the same again
    for folder in (out / FAILURES).glob("*_[0-9]*"):
        if folder.name in filmed:
            for file in folder.iterdir():
                if file.name != "film.mp4":
                    shutil.rmtree(file) if file.is_dir() else file.unlink()
        elif _is_case(folder.name):
            shutil.rmtree(folder)
    for film in out.glob("*_[0-9]*.mp4"):
        if _is_case(film.stem) and film.stem not in filmed:
            film.unlink()
    remove_kept_drives(out)


def remove_kept_drives(out: Path) -> None:
    """Remove what was kept of drives that did not fail."""
    for drive in out.glob("*_[0-9]*.npz"):
        if _is_case(drive.stem):
            drive.unlink()


def _is_case(name: str) -> bool:
    """Whether a name is that of a case of the catalogue."""
    scenario, _, seed = name.rpartition("_")
    return scenario in SCENARIOS and seed.isdigit()


def drive_cases(
    make_runner: Callable[[bool], CaseRunner],
    policy: Policy,
    cases: Sequence[Case],
    log: CaseLog,
    *,
    validity: ValidityConfig,
    verdict: VerdictConfig,
    budget: float | None,
    spent: float,
    pictures: bool,
    num_videos: int,
    keep_drives: bool,
    film_folders: Sequence[Path],
    unfilmable: Collection[str],
    command: Callable[[CaseResult], str],
    title: str,
    alone: bool,
    whereabouts: Whereabouts,
    elsewhere: DriveElsewhere | None = None,
) -> None:
    """Drive what the log does not hold yet, until all is driven, the time is up or a sequential test is decided.

    Args:
        make_runner: makes the world, with pictures or without; not called if there is nothing to drive.
        policy: drives the ego.
        cases: in this order.
        log: gets the results.
        validity: what a drive must keep to in order to count.
        verdict: whose sequential test may end it.
        budget: no case begins later [s].
        spent: of the budget before [s].
        pictures: the drives have them from the first; without, those to be filmed are driven again with pictures.
        num_videos: films per scenario; 0 films no failure either.
        keep_drives: not only those that failed, see `drive_path`.
        film_folders: where films may be already, this report's folder first.
        unfilmable: ids of cases that are not driven again for a film.
        command: the command that drives a case again.
        title: of the progress bar.
        alone: one case after the other, also those that could be driven together.
        whereabouts: is told which of `cases` is driven, and whether that is for its film.
        elsewhere: drives the cases instead of this process, which still makes the films.
    """
    begun = time.monotonic() - spent
    filmed = FilmedDrives(log.out, log.conditions)
    filmed.drop_others([case.id for case in cases])
    missing = [case for case in cases if case.id not in log.results]
    places = {case.id: k for k, case in enumerate(cases)}

    def out_of_time() -> bool:
        return budget is not None and time.monotonic() - begun > budget

    def tell_out_of_time(num_left: int) -> None:
        print(f"\nthe budget of {budget:g} s is spent, {num_left} cases are left", file=sys.stderr)

    def rounds() -> Iterator[list[Case]]:
        """The missing cases, those of a seed by themselves if what the first show may be enough."""
        sequential = verdict.method == "sequential"
        for _, some in groupby(missing, lambda case: case.seed if sequential else 0):
            if sequential and decided(list(log.results.values()), verdict):
                return
            yield list(some)

    def until_the_end(most: int) -> Iterator[list[Case]]:
        """The missing cases, at most so many at once; those of different seeds one after the other if what the first
        show may be enough."""
        k = 0
        while k < len(missing):
            batch = missing[k : k + most]
            if verdict.method == "sequential":
                if (k == 0 or batch[0].seed != missing[k - 1].seed) and decided(list(log.results.values()), verdict):
                    return
                batch = [case for case in batch if case.seed == batch[0].seed]
            if out_of_time():
                tell_out_of_time(len(missing) - k)
                return
            whereabouts.case, whereabouts.together = places[batch[0].id], len(batch)
            yield batch
            k += len(batch)

    films = Films(log.out, num_videos, log.results.values())
    with tqdm(total=len(cases), initial=len(cases) - len(missing), unit="case", desc=title) as bar:

        def on_case(result: CaseResult, rollout: Rollout | None) -> None:
            filmed.drop_stale(result)
            if result.failed:
                folder = log.out / FAILURES / result.id
                keep_failure(folder, result, rollout, command(result), film=num_videos > 0)
            elif rollout is not None:
                films.offer(result, rollout)
                if keep_drives:
                    save_rollout(drive_path(log.out, result), rollout)
            log.add(result)  # last: what the log holds is complete
            bar.update()

        if missing and elsewhere is not None:
            for some in rounds():
                elsewhere(some, out_of_time, on_case)
                num_left = sum(case.id not in log.results for case in missing)
                if num_left and out_of_time():
                    tell_out_of_time(num_left)
                    break
        elif missing:
            with closing(make_runner(pictures)) as runner:
                for batch in until_the_end(1 if alone else num_together(runner, policy)):
                    run_cases(runner, policy, batch, on_case, validity)
            whereabouts.case, whereabouts.together = -1, 1

    unfilmed = set() if pictures or out_of_time() else films.unfilmed(log.results, film_folders) - set(unfilmable)

    def to_film() -> Iterator[Case]:
        for case in cases:
            if case.id in unfilmed:
                whereabouts.case, whereabouts.filming = places[case.id], True
                yield case

    if unfilmed:
        try:
            filming = make_runner(True)
        except Exception as error:  # as in `film_again`
            print(f"no films: {type(error).__name__}: {error}", file=sys.stderr)
            return
        with closing(filming) as runner:
            again = tqdm(to_film(), total=len(unfilmed), unit="film", desc="films")
            film_again(runner, policy, again, log.results, log.out, filmed)
