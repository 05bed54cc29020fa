"""`drivedit validate`: a policy through scenarios and seeds, to a verdict, a report and an exit code."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from envs.folder_lock import lock_folder
from envs.maps.map_files import MapFile, read_maps
from envs.worlds import WORLDS
from policies.own import own_policy_files
from policies.policy import Policy
from policies.policy_error import PolicyError
from policies.registry import files_of_policy, find_entry, uses_pictures
from scenarios.baseline import SCHEMA, compare_with_baseline, read_report
from scenarios.case_results import CaseResult, dead_result, describe_trouble, severity
from scenarios.case_runner import check_device, make_case_runner
from scenarios.catalogue import SCENARIOS
from scenarios.driving_process import Death, Whereabouts, run_in_process
from scenarios.films import film_of
from scenarios.junit import write_junit
from scenarios.report import (
    checkpoint_digest,
    code_digest,
    files_digest,
    planners_digest,
    provenance,
    write_json,
    write_page,
)
from scenarios.reproduction import FAILURES, command_line, drive_path, keep_failure
from scenarios.rerun_file import Run, check_rerun, write_rerun
from scenarios.scenario import Case, place_on_maps
from scenarios.scenario_choice import as_selected, load_scenarios, scenario_files
from scenarios.validation_config import ValidateConfig
from scenarios.validation_jobs import drive_on_workers, make_configured_policy
from scenarios.validation_page import validation_page
from scenarios.validation_report import Validation, print_validation, report_content
from scenarios.validation_run import CaseLog, add_to_log, drive_cases, logged_results, remove_kept_drives, remove_log
from scenarios.validity import ValidityConfig
from scenarios.verdict import BROKEN_EXIT, decide, decided
from scenarios.workers import ClusterWorkers


def validate(config: ValidateConfig) -> int:
    """Run the cases, print a table and write the report.

    Returns:
        The exit code: 0 PASS, 1 FAIL, 3 the policy broke or the expected drive was not reproduced, 4 INCONCLUSIVE or no
        valid case.

    Raises:
        ValueError, OSError: something that was asked for cannot be had; told before anything is driven.
        PolicyError: the policy cannot be made.
    """
    baseline = None if config.baseline is None else read_report(config.baseline)["results"]
    maps = read_maps(config.maps)
    if config.rerun is not None:
        check_rerun(config.rerun)
    with lock_folder(config.out):  # before the rest: whether the report can be written is not found out at the end
        names = load_scenarios(config.scenarios, maps, (config.world,))
        planned = plan_cases(config, names, maps)
        mine = _share(config, names, planned)
        conditions = _drive_supervised(config, maps, mine)
        logged = logged_results(config.out, conditions, mine)
        results = [logged[case.id] for case in planned if case.id in logged]
        comparison = None if baseline is None else compare_with_baseline(results, baseline)
        num_regressions = None if comparison is None else len(comparison.regressions)
        num_undriven = len(planned) - len(results)
        decision = decide(results, config.verdict_config(), num_undriven=num_undriven, num_regressions=num_regressions)
        seeds = list(range(config.first_seed, config.first_seed + config.num_seeds))
        validation = Validation(
            config=asdict(config),
            policy=config.policy,
            world=WORLDS[config.world].title,
            results={name: [r for r in results if r.scenario == name] for name in names},
            undriven=tuple(case.id for case in planned if case.id not in logged),
            decision=decision,
            verdict_config=config.verdict_config(),
            comparison=comparison,
            conditions=conditions,
            provenance=provenance(checkpoint=checkpoint_used(config), seeds=seeds, maps=maps),
        )
        write_json(config.out / "report.json", report_content(validation))
        write_junit(config.out / "junit.xml", f"drivedit validate {config.policy}", validation.results, decision)
        write_page(config.out / "report.html", validation_page(validation, _film_folders(config), config.num_videos))
        if config.rerun is not None:
            write_rerun(config.rerun, f"{config.policy}, {config.world}", _worst_runs(config, results))
        if all(case.id in logged for case in mine) or _stopped_early(config, results):
            remove_log(config.out)
            remove_kept_drives(config.out)

    print_validation(validation, config.out)
    return _compare_digest(config, results) or decision.exit_code


def _drive_supervised(config: ValidateConfig, maps: Sequence[MapFile], cases: Sequence[Case]) -> dict[str, Any]:
    """Drive the cases in a process of its own; where one of them ends it, the rest is driven by another.

    Returns:
        The conditions under which they were driven.

    Raises:
        PolicyError: a policy ended the process before it drove.
        RuntimeError: the world did.
    """
    begun = spent = time.monotonic()
    unfilmable: set[str] = set()
    alone = False
    while isinstance(ended := run_in_process(_drive, config, maps, cases, spent - begun, unfilmable, alone), Death):
        if ended.together > 1:
            alone = True  # which then tells who it was
        elif ended.case is None:
            if ended.doing:
                raise PolicyError(f"ended the process {ended.doing}, {ended.how}")
            raise RuntimeError(f"the driving process was ended while it drove nothing: {ended.how}")
        elif ended.filming:
            case = cases[ended.case]
            print(f"not filmed: {case.id}: driven again, it ended the process, {ended.how}", file=sys.stderr)
            unfilmable.add(case.id)
        else:
            _keep_death(config, cases[ended.case], ended)
        spent = time.monotonic()
    return ended


def _drive(
    whereabouts: Whereabouts,
    config: ValidateConfig,
    maps: Sequence[MapFile],
    cases: Sequence[Case],
    spent: float,
    unfilmable: Collection[str],
    alone: bool,
) -> dict[str, Any]:
    """Drive those of the cases of which the log has no results, `spent` seconds into the budget, and film those that
    are to be filmed and can be, `alone` one after the other; returns their conditions."""
    if checkpoint_used(config) is not None:
        check_device(config.device)
    policy = make_configured_policy(config)
    conditions = run_conditions(config, maps)
    log = CaseLog(config.out, conditions, _merge(config, conditions), begins=spent == 0)
    log.keep_only(cases)
    validity, pictures, elsewhere = _validity(config, policy), _makes_pictures(config, policy), None
    if config.ray is not None and any(case.id not in log.results for case in cases):
        elsewhere = partial(drive_on_workers, config, ClusterWorkers(config.ray), policy, validity, pictures)
    drive_cases(
        lambda pictures: make_case_runner(
            config.world, config.checkpoint, config.device, config.carla(), pixels=pictures
        ),
        policy,
        cases,
        log,
        validity=validity,
        verdict=config.verdict_config(),
        budget=config.budget,
        spent=spent,
        pictures=pictures,
        num_videos=config.num_videos,
        keep_drives=config.rerun is not None,
        film_folders=_film_folders(config),
        unfilmable=unfilmable,
        command=lambda result: _reproduce(config, result),
        title=config.policy,
        alone=alone,
        whereabouts=whereabouts,
        elsewhere=elsewhere,
    )
    return conditions


def _worst_runs(config: ValidateConfig, results: Sequence[CaseResult]) -> list[Run]:
    """The drives that are kept, the worst first."""
    folders, runs = _film_folders(config), []
    for result in sorted(results, key=severity, reverse=True):
        drive = next((path for f in folders if (path := drive_path(f, result)).is_file()), None)
        if drive is not None:
            runs.append(Run(result=result, drive=drive, film=film_of(result, folders)))
    return runs


def _film_folders(config: ValidateConfig) -> list[Path]:
    """Folders of reports in which there may be films of the cases."""
    return [config.out, *(path if path.is_dir() else path.parent for path in config.merge)]


def _keep_death(config: ValidateConfig, case: Case, death: Death) -> None:
    """Log the result of a case that ended the driving process."""
    result = dead_result(case, death)
    print(f"\n{describe_trouble(result)}", file=sys.stderr)
    if result.failed:
        keep_failure(config.out / FAILURES / result.id, result, None, _reproduce(config, result), film=False)
    add_to_log(config.out, result)


class Drivers(Protocol):
    """Who drives, and where."""

    @property
    def policy(self) -> str:
        """Its name."""
        ...

    @property
    def world(self) -> str:
        """Its name."""
        ...

    @property
    def checkpoint(self) -> Path | None:
        """Of the world model; None takes the one that ships with the package."""
        ...


def checkpoint_used(config: Drivers) -> Path | None:
    """Folder of the world model that takes part in the run; None if none does."""
    policy = find_entry(config.policy)
    if config.world != "learned" and not (policy and policy.uses_world_model):
        return None
    from worldsim.world_model import DEFAULT_CHECKPOINT

    return config.checkpoint or DEFAULT_CHECKPOINT


def run_conditions(config: ValidateConfig, maps: Sequence[MapFile]) -> dict[str, Any]:
    """What a result depends on beside its case: results under the same conditions may be put together."""
    checkpoint = checkpoint_used(config)
    policy = find_entry(config.policy)
    return {
        "schema": SCHEMA,
        "policy": config.policy,
        "policy_files": files_digest(files_of_policy(config.policy) if policy else own_policy_files(config.policy)),
        "weights": planners_digest(),
        "planner": asdict(config.planner) if policy and policy.uses_world_model else None,
        "world": config.world,
        "checkpoint": None if checkpoint is None else checkpoint_digest(checkpoint),
        "device": None if checkpoint is None else config.device,
        "maps": [file.label for file in maps],
        "scenario_files": scenario_files(config.scenarios),
        "carla_maps": list(config.carla_maps),
        "carla_routes": None if config.carla_routes is None else files_digest([config.carla_routes]),
        "min_trust": config.min_trust,
        "code": code_digest(),
    }


def plan_cases(config: ValidateConfig, names: Sequence[str], maps: Sequence[MapFile]) -> list[Case]:
    """All cases of a validation of the named scenarios, in the order of the report: by scenario, then by seed."""
    seeds = range(config.first_seed, config.first_seed + config.num_seeds)
    cases = place_on_maps([SCENARIOS[name].draw(seed) for name in names for seed in seeds], maps)
    return sorted(cases, key=lambda case: (names.index(case.scenario), case.seed))


def _share(config: ValidateConfig, names: Sequence[str], planned: Sequence[Case]) -> list[Case]:
    """The cases of this shard, in the order in which they are driven."""
    part, num_parts = config.part()
    mine = list(planned)[part - 1 :: num_parts]
    if config.sequential or config.budget is not None:  # whenever it ends, all scenarios have been driven as often
        return sorted(mine, key=lambda case: (case.seed, names.index(case.scenario)))
    places = {case.id: k for k, case in enumerate(mine)}
    return sorted(mine, key=lambda case: ("" if case.map is None else case.map.name, case.town, places[case.id]))


def _stopped_early(config: ValidateConfig, results: Sequence[CaseResult]) -> bool:
    """Whether a sequential test is decided before all cases are driven."""
    return config.sequential and decided(results, config.verdict_config())


def _merge(config: ValidateConfig, conditions: dict[str, Any]) -> list[CaseResult]:
    """The results of other shards.

    Raises:
        ValueError: one was driven under other conditions.
    """
    merged = []
    for path in config.merge:
        report = read_report(path)
        other = [name for name, value in conditions.items() if report["conditions"].get(name) != value]
        if other:
            raise ValueError(f"{path} was driven with another {', '.join(other)} and cannot be merged")
        merged += report["results"]
    return merged


def _makes_pictures(config: ValidateConfig, policy: Policy) -> bool:
    """Whether drives have pictures from the first: where the policy looks, and where a server's are to be filmed, which
    cannot be driven again."""
    filmed = WORLDS[config.world].remote and config.num_videos > 0
    return uses_pictures(config.policy, policy) or filmed


def _validity(config: ValidateConfig, policy: Policy) -> ValidityConfig:
    return ValidityConfig(
        truth=WORLDS[config.world].reference,
        pictures=uses_pictures(config.policy, policy),
        min_trust=config.min_trust,
    )


def _reproduce(config: ValidateConfig, result: CaseResult) -> str:
    """The command that drives one case of a validation again, and compares it."""
    again = replace(
        config,
        scenarios=(as_selected(result.scenario, config.scenarios),),
        first_seed=result.seed,
        num_seeds=1,
        out=config.out.resolve() / FAILURES / result.id / "again",
        point_estimate=True,
        sequential=False,
        baseline=None,
        max_regressions=None,
        shard="",
        merge=(),
        budget=None,
        ray=None,
        rerun=None,
        expect=result.digest,
    )
    return command_line("validate", again)


def _compare_digest(config: ValidateConfig, results: Sequence[CaseResult]) -> int:
    """0 if the drive is the expected one, or none is expected."""
    if not config.expect:
        return 0
    digest = results[0].digest if results else ""
    if digest == config.expect:
        print(f"reproduced bit for bit: SHA-256 {digest}")
        return 0
    print(f"not reproduced: the drive has SHA-256 {digest or 'of nothing'}, expected {config.expect}", file=sys.stderr)
    return BROKEN_EXIT
