"""`drivedit falsify`: a search for failures of a policy, what they are worth, and a report."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from envs.folder_lock import lock_folder
from envs.worlds import WORLDS
from scenarios.case_results import CaseResult
from scenarios.falsification.case_file import CaseFile
from scenarios.falsification.counterexamples import Counterexample, choose_distinct
from scenarios.falsification.falsification import Falsification, print_falsification, report_content
from scenarios.falsification.falsification_page import falsification_page
from scenarios.falsification.falsify_config import FalsifyConfig
from scenarios.falsification.runs import RunLog, SearchRun
from scenarios.falsification.samplers import SAMPLERS
from scenarios.falsification.search_drives import (
    DriveSetup,
    OutOfTimeError,
    SearchDrives,
    drive_case,
    look_at_policy,
    warm_up,
)
from scenarios.json_log import JsonLog, from_entry, read_log
from scenarios.report import provenance, write_json, write_page
from scenarios.reproduction import FAILURES, command_line
from scenarios.validate import checkpoint_used
from scenarios.verdict import BROKEN_EXIT
from scenarios.workers import make_workers

RUN_LOG, REPLAY_LOG = "runs.jsonl", "replays.jsonl"
"""Of a search that is not complete: its runs, and the counterexamples that were driven again."""
CASE_FILE = "case.json"
"""In the folder of a counterexample: what drives it again."""


def falsify(config: FalsifyConfig) -> int:
    """Search, replay what is found, and write the report.

    Returns:
        The exit code: 0 no failure was found, 1 some were, 3 the policy or the world broke, or a replay went another
        way, 4 no run is valid, or the budget was spent before a failure was found.

    Raises:
        ValueError, OSError: something that was asked for cannot be had; told before anything is driven.
        PolicyError: the policy cannot be made.
    """
    deadline = None if config.budget is None else time.monotonic() + config.budget
    if config.replay is not None:
        return _replay(config, config.replay)
    setup = look_at_policy(config.setup())
    with lock_folder(config.out):
        log = RunLog(config.out / RUN_LOG, config.conditions(setup))
        if not log.runs:
            _remove_earlier(config.out)
        runs = _search(config, setup, log, deadline)
        found, num_more = _examine(config, setup, runs)
        result = Falsification(
            config=config,
            runs=runs,
            counterexamples=found,
            num_more=num_more,
            provenance=provenance(checkpoint=checkpoint_used(setup), seeds=[config.seed]),
            conditions=config.conditions(setup),
        )
        write_json(config.out / "report.json", report_content(result))
        write_page(config.out / "report.html", falsification_page(result, config.out))
        if result.complete:
            for name in (RUN_LOG, REPLAY_LOG):
                (config.out / name).unlink(missing_ok=True)
    print_falsification(result, config.out)
    return result.exit_code


def _search(config: FalsifyConfig, setup: DriveSetup, log: RunLog, deadline: float | None) -> list[SearchRun]:
    """All runs until the number is reached or the budget is spent, in their order.

    A search that is gone on with proposes the same cases again, of which the log has the results.
    """
    space = config.space()
    sampler = SAMPLERS[config.sampler](space, np.random.default_rng(config.seed), config.generation)
    known = [run for run in log.runs.values() if run.index < config.num_runs]
    failures, least = sum(run.failed for run in known), min((run.robustness for run in known), default=np.inf)
    with tqdm(total=config.num_runs, initial=len(known), unit="run", desc=f"{config.policy}, {config.scenario}") as bar:

        def on_run(run: SearchRun) -> None:
            nonlocal failures, least
            failures, least = failures + run.failed, min(least, run.robustness)
            bar.set_postfix_str(f"{failures} failed, least robustness {least:.2f}", refresh=False)
            bar.update()

        workers = make_workers(config.ray, config.num_workers)
        drives = SearchDrives(space, setup, log, workers=workers, deadline=deadline, on_run=on_run)
        with suppress(OutOfTimeError):
            while drives.num_asked < config.num_runs:
                points = sampler.ask()
                runs = drives.drive(points[: config.num_runs - drives.num_asked])
                if len(runs) == len(points):  # else these were the last, and no whole generation
                    sampler.tell(points, np.array([run.robustness for run in runs]))
    return [log.runs[index] for index in sorted(log.runs) if index < config.num_runs]


def _examine(config: FalsifyConfig, setup: DriveSetup, runs: Sequence[SearchRun]) -> tuple[list[Counterexample], int]:
    """The distinct counterexamples, each driven again with all metrics and in the reference world, and how many more
    there are."""
    space = config.space()
    chosen, num_more = choose_distinct(runs, space, config.min_distance, config.num_counterexamples)
    reference = None if WORLDS[config.world].reference else replace(setup, world="road")
    setups = {"": setup} if reference is None else {"": setup, "reference": reference}
    results = _ReplayLog(config.out / REPLAY_LOG, config.conditions(setup))
    _remove_others(config.out, chosen, results)
    for where, who in setups.items():
        missing = [run for run in chosen if results.find(run, where) is None]
        warm_up(who, [space.case_of(dict(run.values)) for run in missing])
    found = []
    for run in tqdm(chosen, unit="counterexample", desc="replays", disable=not chosen):
        case, folder = space.case_of(dict(run.values)), config.out / FAILURES / Counterexample.folder_of(run)
        for where, who in setups.items():
            if results.find(run, where) is None:
                again = replace(config, replay=(folder / CASE_FILE).resolve(), budget=None)
                command = command_line("falsify", _only_replay(again))
                result = drive_case(who, case, folder if where == "" else None, command)
                results.add(run, where, result)
        result = results.find(run, "")
        assert result is not None, "it was driven again above"
        one = Counterexample(run=run, result=result, reference=results.find(run, "reference"))
        digests = {config.world: run.digest}
        if one.reference is not None:
            digests["road"] = one.reference.digest
        CaseFile.of(config, run, digests).write(folder / CASE_FILE)
        found.append(one)
    return found, num_more


class _ReplayLog:
    """Counterexamples that were driven again, by run and world, in memory and on disk."""

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        entries = read_log(path, conditions) or []
        results = dict(from_entry(_replayed, entry, path) for entry in entries)
        self._known = {key: result for key, result in results.items() if result.lasts}
        self._log = JsonLog(path, conditions, entries)

    def find(self, run: SearchRun, where: str) -> CaseResult | None:
        """What came out; None of a run that was not driven again there. Another run may have had its index before."""
        return self._known.get((tuple(run.point), where))

    def forget(self, run: SearchRun) -> None:
        """Drop one, in every world."""
        self._known = {key: result for key, result in self._known.items() if key[0] != tuple(run.point)}

    def add(self, run: SearchRun, where: str, result: CaseResult) -> None:
        """Keep one."""
        self._log.append([{"point": list(run.point), "where": where, "result": result.to_json()}])
        self._known[tuple(run.point), where] = result


def _replayed(entry: Mapping[str, Any]) -> tuple[tuple[tuple[float, ...], str], CaseResult]:
    return (tuple(entry["point"]), entry["where"]), CaseResult.from_json(entry["result"])


def _remove_others(out: Path, chosen: Sequence[SearchRun], results: _ReplayLog) -> None:
    """Remove what was driven again of failures that are none of the distinct ones any more, now that there are more
    runs; and forget what is no longer there, so that it is driven again."""
    wanted = {Counterexample.folder_of(run) for run in chosen if results.find(run, "") is not None}
    for folder in (out / FAILURES).glob("run_[0-9]*"):
        if folder.name not in wanted:
            shutil.rmtree(folder)
    for run in chosen:
        if not (out / FAILURES / Counterexample.folder_of(run)).is_dir():
            results.forget(run)


def _only_replay(config: FalsifyConfig) -> FalsifyConfig:
    """The same without what a replay does not ask for."""
    plain = FalsifyConfig()
    kept = ("policy", "world", "checkpoint", "planner", "allow_pickle", "min_trust", "replay")
    return replace(plain, **{name: getattr(config, name) for name in kept})


def _replay(config: FalsifyConfig, path: Path) -> int:
    """Drive a counterexample again; the exit code."""
    file = CaseFile.read(path)
    setup = look_at_policy(config.setup())
    result = drive_case(setup, file.case())
    print(f"{file.scenario}, place {file.seed}, {WORLDS[config.world].title.lower()}: {result.outcome} {result.reason}")
    for criterion in result.criteria:
        print(f"{'met    ' if criterion.met else 'NOT MET'}  {criterion}")
    expected = file.digests.get(config.world) if file.policy == config.policy else None
    if expected == result.digest == "":
        print("there is no drive, now or then, so there is nothing to compare")
        expected = None
    if expected is None:
        return BROKEN_EXIT if result.broke else 4 if not result.valid else int(result.failed)
    if result.digest == expected:
        print(f"reproduced bit for bit: SHA-256 {result.digest}")
        return 0
    print(f"not reproduced: the drive has SHA-256 {result.digest or '-'}, expected {expected or '-'}", file=sys.stderr)
    return BROKEN_EXIT


def _remove_earlier(out: Path) -> None:
    """Remove what an earlier search left: its report and its counterexamples; nothing else that lies there."""
    for name in ("report.html", "report.json", REPLAY_LOG):
        (out / name).unlink(missing_ok=True)
    for folder in (out / FAILURES).glob("run_[0-9]*"):
        shutil.rmtree(folder)
