"""`drivedit validate`: a policy through scenarios and seeds, to a verdict, a report and an exit code."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from envs.folder_lock import lock_folder
from envs.maps.map_files import MapFile, read_maps
from envs.worlds import WORLDS, WorldName
from policies.own import own_policy_files
from policies.policy import Policy
from policies.policy_error import PolicyError
from policies.registry import POLICY_HELP, files_of_policy, find_entry, make_policy, uses_pictures
from policies.search.sampling_planner import SamplingPlannerConfig
from scenarios.baseline import SCHEMA, compare_with_baseline, read_report
from scenarios.case_results import BROKEN, WORLD_BROKE, CaseResult, describe_trouble, severity, undriven_result
from scenarios.case_runner import CarlaPlaces, make_case_runner
from scenarios.catalogue import SCENARIOS, scenarios_tagged
from scenarios.driving_process import Death, Whereabouts, run_in_process
from scenarios.films import film_of
from scenarios.junit import write_junit
from scenarios.report import checkpoint_digest, code_digest, files_digest, provenance, write_json, write_page
from scenarios.reproduction import FAILURES, command_line, drive_path, keep_failure
from scenarios.rerun_file import Run, check_rerun, write_rerun
from scenarios.scenario import Case, place_on_maps
from scenarios.validation_page import validation_page
from scenarios.validation_report import Validation, print_validation, report_content
from scenarios.validation_run import CaseLog, add_to_log, drive_cases, logged_results, remove_kept_drives, remove_log
from scenarios.validity import ValidityConfig
from scenarios.verdict import BROKEN_EXIT, VerdictConfig, decide, decided

if TYPE_CHECKING:
    ScenarioName = str
else:
    ScenarioName = Literal[tuple(SCENARIOS)]  # the command line offers exactly those of the catalogue

SCENARIO_HELP = "by name; " + "; ".join(f"{name}: {entry.title}" for name, entry in SCENARIOS.items())
ScenarioNames = Annotated[tuple[ScenarioName, ...], tyro.conf.arg(help=SCENARIO_HELP)]


@dataclass(frozen=True, kw_only=True)
class ValidateConfig:
    """Run a policy through the scenarios.

    Args:
        policy: drives the ego; one of `policies.registry`, or your own as module:Name or file.py:Name.
        world: "learned" continues clips recorded in the reference world, "road" is the reference world itself, "carla"
            is a CARLA server with its own maps.
        maps: OpenDRIVE files, or folders of them, that cases take turns on instead of procedural towns; the learned
            world continues clips recorded on them.
        host: of the CARLA server.
        port: RPC port of the CARLA server.
        carla_maps: maps of the server that cases alternate between; by default the map that is loaded.
        carla_routes: a file of CARLA leaderboard routes that cases alternate between, each on its own map.
        scenarios: names in the catalogue; by default those tagged "benchmark".
        num_seeds: cases per scenario.
        first_seed: seeds are first_seed, first_seed + 1, ...
        out: folder for report.html, report.json, junit.xml, videos and failures/; where it was interrupted, the same
            command goes on.
        max_failure_rate: a PASS shows with 95 % confidence that at most this fraction of the cases fails, a FAIL that
            more do; what shows neither is INCONCLUSIVE.
        max_invalid_rate: nothing passes where more than this fraction of the cases is INVALID.
        point_estimate: compare the failures among the cases at hand with `max_failure_rate`, whatever that shows.
        sequential: stop as soon as the verdict is known, by a test that may be asked after every round of scenarios; it
            needs a few more cases than a fixed number where nothing fails.
        min_trust: of a policy that drives by pictures of the learned world, a drive is INVALID once `info["trust"]` has
            been below this for half a second.
        baseline: report.json of an earlier validation; cases that passed there and fail now are listed.
        max_regressions: FAIL if more cases than this regress from the baseline; by default they are only listed.
        shard: "i/n" drives the i-th of n parts of the cases; `merge` puts the parts together.
        merge: folders, or report.json files, of shards whose results are taken over; only what is missing is driven.
        budget: begin no case after so many seconds; the same command drives on from there [s].
        expect: SHA-256 of the only case's drive, as in failures/; the exit code is 3 if it is another.
        num_videos: of the worst drives, per scenario; 0 films no failure either. Policies that do not look are driven
            without pictures, and again with them for films. Start clips are kept between runs in the user's cache
            folder, where DRIVEDIT_CACHE names no other.
        rerun: .rrd file for the Rerun viewer that gets the worst drives; needs the extra "rerun".
        checkpoint: world model of the learned world and the planner; None takes the one that ships with the package.
        device: torch device of the world model.
        planner: how "planner" and the others that search do so.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.

    Raises:
        ValueError: a number is out of its range, maps or routes are given to a world that has no use for them, or both
            at once, or options contradict each other.
    """

    policy: Annotated[str, tyro.conf.arg(help=POLICY_HELP)] = "lane_follower"
    world: WorldName = "learned"
    maps: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 2000
    carla_maps: tuple[str, ...] = ()
    carla_routes: Path | None = None
    scenarios: ScenarioNames = field(default_factory=lambda: scenarios_tagged("benchmark"))
    num_seeds: int = 10
    first_seed: int = 0
    out: Path = Path("runs/validate")
    max_failure_rate: float = 0.1
    max_invalid_rate: float = 0.1
    point_estimate: bool = False
    sequential: bool = False
    min_trust: float = 0.5
    baseline: Path | None = None
    max_regressions: int | None = None
    shard: str = ""
    merge: tuple[Path, ...] = ()
    budget: float | None = None
    expect: str = ""
    num_videos: int = 2
    rerun: Path | None = None
    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        for name, least in (("num_seeds", 1), ("first_seed", 0), ("num_videos", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.min_trust <= 1:
            raise ValueError(f"min_trust must be in [0, 1], got {self.min_trust}")
        if self.budget is not None and not self.budget > 0:
            raise ValueError(f"budget must be above 0 s, got {self.budget}")
        check_scenarios(self.scenarios)
        self._check_world()
        self.verdict_config()
        if self.part()[1] > 1 and (self.sequential or self.merge):
            other = "--sequential, which stops by all results" if self.sequential else "--merge"
            raise ValueError(f"shard {self.shard} cannot go with {other}")
        if self.max_regressions is not None and self.baseline is None:
            raise ValueError(f"max_regressions={self.max_regressions} needs a baseline")
        if self.expect and self.num_seeds * len(self.scenarios) != 1:
            raise ValueError(f"expect is for a single case, got {self.num_seeds * len(self.scenarios)}")

    def _check_world(self) -> None:
        for name in ("carla_maps", "carla_routes"):
            if getattr(self, name) and self.world != "carla":
                raise ValueError(f"{name} are for world 'carla', got them for {self.world!r}")
        if self.maps and WORLDS[self.world].remote:
            raise ValueError(f"maps are for worlds 'road' and 'learned', {self.world!r} has its own; see --carla-maps")
        self.carla()

    def carla(self) -> CarlaPlaces:
        """The server of world "carla", and where cases start there."""
        return CarlaPlaces(host=self.host, port=self.port, maps=self.carla_maps, routes=self.carla_routes)

    def verdict_config(self) -> VerdictConfig:
        """What a PASS needs."""
        if self.point_estimate and self.sequential:
            raise ValueError("give point_estimate or sequential, not both")
        return VerdictConfig(
            max_failure_rate=self.max_failure_rate,
            max_invalid_rate=self.max_invalid_rate,
            method="point estimate" if self.point_estimate else "sequential" if self.sequential else "bound",
            max_regressions=self.max_regressions,
        )

    def part(self) -> tuple[int, int]:
        """Which part of the cases is driven, from 1 on, and how many parts there are."""
        if not self.shard:
            return 1, 1
        match = re.fullmatch(r"(\d+)/(\d+)", self.shard)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"shard must be i/n with 1 <= i <= n, as 1/4, got {self.shard!r}")
        return int(match[1]), int(match[2])


def check_scenarios(names: Sequence[str]) -> None:
    """Refuse a selection of scenarios that cannot be run.

    Raises:
        ValueError: it is empty, names one twice, or a name is not in the catalogue.
    """
    if not names:
        raise ValueError("scenarios must name at least one scenario, got none")
    unknown = sorted(set(names) - set(SCENARIOS))
    if unknown:
        raise ValueError(f"no scenario is named {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if len(set(names)) < len(names):
        raise ValueError(f"scenarios must name each scenario once, got {', '.join(names)}")


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
        planned = plan_cases(config, maps)
        mine = _share(config, planned)
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
            results={name: [r for r in results if r.scenario == name] for name in config.scenarios},
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
    while isinstance(ended := run_in_process(_drive, config, maps, cases, spent - begun, unfilmable), Death):
        if ended.case is None:
            if ended.doing:
                raise PolicyError(f"ended the process {ended.doing}, {ended.how}")
            raise RuntimeError(f"the driving process was ended while it drove nothing: {ended.how}")
        case = cases[ended.case]
        if ended.filming:
            print(f"not filmed: {case.id}: driven again, it ended the process, {ended.how}", file=sys.stderr)
            unfilmable.add(case.id)
        else:
            _keep_death(config, case, ended)
        spent = time.monotonic()
    return ended


def _drive(
    whereabouts: Whereabouts,
    config: ValidateConfig,
    maps: Sequence[MapFile],
    cases: Sequence[Case],
    spent: float,
    unfilmable: Collection[str],
) -> dict[str, Any]:
    """Drive those of the cases of which the log has no results, `spent` seconds into the budget, and film those that
    are to be filmed and can be; returns their conditions."""
    check_device(config)
    policy = make_policy(
        config.policy,
        checkpoint=config.checkpoint,
        device=config.device,
        planner=config.planner,
        allow_pickle=config.allow_pickle,
    )
    conditions = run_conditions(config, maps)
    log = CaseLog(config.out, conditions, _merge(config, conditions))
    log.keep_only(cases)
    drive_cases(
        lambda pictures: make_case_runner(
            config.world, config.checkpoint, config.device, config.carla(), pixels=pictures
        ),
        policy,
        cases,
        log,
        validity=_validity(config, policy),
        verdict=config.verdict_config(),
        budget=config.budget,
        spent=spent,
        pictures=_makes_pictures(config, policy),
        num_videos=config.num_videos,
        keep_drives=config.rerun is not None,
        film_folders=_film_folders(config),
        unfilmable=unfilmable,
        command=lambda result: _reproduce(config, result),
        title=config.policy,
        whereabouts=whereabouts,
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
    if death.doing:
        error = PolicyError(f"ended the process {death.doing}, {death.how}", death.step)
        result = undriven_result(case, BROKEN, str(error), death.step)
    else:
        reason = f"the world broke: it ended the process, {death.how}"
        result = undriven_result(case, WORLD_BROKE, reason, death.step)
    print(f"\n{describe_trouble(result)}", file=sys.stderr)
    if result.failed:
        keep_failure(config.out / FAILURES / result.id, result, None, _reproduce(config, result), film=False)
    add_to_log(config.out, result)


def checkpoint_used(config: ValidateConfig) -> Path | None:
    """Folder of the world model that takes part in the run; None if none does."""
    policy = find_entry(config.policy)
    if config.world != "learned" and not (policy and policy.uses_world_model):
        return None
    from worldsim.world_model import DEFAULT_CHECKPOINT

    return config.checkpoint or DEFAULT_CHECKPOINT


def check_device(config: ValidateConfig) -> None:
    """Refuse a device that is not there.

    Raises:
        ValueError: torch cannot use it.
    """
    if checkpoint_used(config) is None:
        return
    import torch

    try:
        torch.zeros(1, device=config.device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"device {config.device!r} cannot be had: {reason}") from error


def run_conditions(config: ValidateConfig, maps: Sequence[MapFile]) -> dict[str, Any]:
    """What a result depends on beside its case: results under the same conditions may be put together."""
    checkpoint = checkpoint_used(config)
    policy = find_entry(config.policy)
    return {
        "schema": SCHEMA,
        "policy": config.policy,
        "policy_files": files_digest(files_of_policy(config.policy) if policy else own_policy_files(config.policy)),
        "planner": asdict(config.planner) if policy and policy.uses_world_model else None,
        "world": config.world,
        "checkpoint": None if checkpoint is None else checkpoint_digest(checkpoint),
        "device": None if checkpoint is None else config.device,
        "maps": [file.label for file in maps],
        "carla_maps": list(config.carla_maps),
        "carla_routes": None if config.carla_routes is None else files_digest([config.carla_routes]),
        "min_trust": config.min_trust,
        "code": code_digest(),
    }


def plan_cases(config: ValidateConfig, maps: Sequence[MapFile]) -> list[Case]:
    """All cases of a validation, in the order of the report: by scenario, then by seed."""
    seeds = range(config.first_seed, config.first_seed + config.num_seeds)
    cases = place_on_maps([SCENARIOS[name].draw(seed) for name in config.scenarios for seed in seeds], maps)
    return sorted(cases, key=lambda case: (config.scenarios.index(case.scenario), case.seed))


def _share(config: ValidateConfig, planned: Sequence[Case]) -> list[Case]:
    """The cases of this shard, in the order in which they are driven."""
    part, num_parts = config.part()
    mine = list(planned)[part - 1 :: num_parts]
    if config.sequential or config.budget is not None:  # whenever it ends, all scenarios have been driven as often
        return sorted(mine, key=lambda case: (case.seed, config.scenarios.index(case.scenario)))
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
        scenarios=(result.scenario,),
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
