"""`drivedit bench-planners`: all planners from the same starts in every world, in one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from tqdm import tqdm

from envs.folder_lock import lock_folder
from envs.maps.map_files import read_maps
from envs.worlds import LOCAL_WORLDS, WORLDS, WorldName
from policies.effort import TimedPolicy
from policies.policy import Policy
from policies.registry import POLICIES, POLICY_HELP, files_of_policy, find_entry, make_policy, uses_pictures
from policies.search.sampling_planner import SamplingPlannerConfig
from policies.variants import REFERENCE_PLANNER
from scenarios.case_results import CaseResult, failed_result
from scenarios.case_runner import CarlaPlaces, check_device, shared_case_runner
from scenarios.drive_log import DriveLog
from scenarios.planner_bench_drives import PlannerDrive, summarise_drive, undriven_drive
from scenarios.planner_bench_report import Bench, print_bench, write_bench
from scenarios.report import checkpoint_digest, code_digest, files_digest, planners_digest, provenance
from scenarios.scenario import Case, place_on_maps
from scenarios.scenario_choice import ScenarioNames, check_scenarios, draw_starts, load_scenarios, scenario_files
from scenarios.supervised_drives import Job, check_planners, drive_supervised
from scenarios.verdict import BROKEN_EXIT
from scenarios.workers import LocalWorkers
from worldsim.option_checks import check_options

DEFAULT_PLANNERS = tuple(name for name, entry in POLICIES.items() if not entry.needs_argument)
DEFAULT_SCENARIOS = ("lead_braking", "cut_in", "pedestrian_crossing", "traffic")


@dataclass(frozen=True, kw_only=True)
class BenchPlannersConfig:
    """Which planners drive, where, and from how many starts.

    Args:
        planners: names as for `validate --policy`, your own among them; by default all that need nothing more than
            their name. The lane follower always drives, as the yardstick of progress.
        exploit: sizes of the search of `exploit`, each a planner of its own, as 16 64 256: does reward in the learned
            world grow with the search where that in the reference world does not?
        worlds: where they drive; "carla" needs a server.
        host: of the CARLA server.
        port: RPC port of the CARLA server.
        carla_maps: maps of the server that starts alternate between; by default the map that is loaded.
        carla_routes: a file of CARLA leaderboard routes that starts alternate between.
        maps: OpenDRIVE files, or folders of them, that starts take turns on instead of procedural towns.
        scenarios: names in the catalogue; starts are drawn from these.
        num_seeds: starts per scenario.
        first_seed: seeds count up from here across all scenarios, so that no two starts share a seed and a place.
        out: folder for report.html, report.json, table.md and the log of finished drives, from which an interrupted run
            resumes.
        checkpoint: world model of the learned world and of planners that search; None takes the one that ships with the
            package.
        device: torch device of the world model.
        planner: how "planner" and the others that search do so.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.
        num_workers: processes that drive, each with worlds of its own; decisions are timed fairly by one alone.

    Raises:
        ValueError: a number is too small, a name is unknown or given twice, or there is no world.
    """

    planners: Annotated[tuple[str, ...], tyro.conf.arg(help=POLICY_HELP)] = ()
    exploit: tuple[int, ...] = ()
    worlds: tuple[WorldName, ...] = LOCAL_WORLDS
    host: str = "127.0.0.1"
    port: int = 2000
    carla_maps: tuple[str, ...] = ()
    carla_routes: Path | None = None
    maps: tuple[Path, ...] = ()
    scenarios: ScenarioNames = DEFAULT_SCENARIOS
    num_seeds: int = 1
    first_seed: int = 0
    out: Path = Path("runs/bench_planners")
    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False
    num_workers: int = 1

    def __post_init__(self) -> None:
        check_options(self)
        for name, least in (("num_seeds", 1), ("num_workers", 1), ("first_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        check_scenarios(self.scenarios)
        unknown = sorted(set(self.worlds) - set(WORLDS))
        if unknown or not self.worlds or len(set(self.worlds)) < len(self.worlds):
            raise ValueError(
                f"worlds must be one or more of {', '.join(WORLDS)}, got {', '.join(self.worlds) or 'none'}"
            )
        for name in ("carla_maps", "carla_routes"):
            if getattr(self, name) and "carla" not in self.worlds:
                raise ValueError(f"{name} are for world 'carla', which is not among {', '.join(self.worlds)}")
        if self.maps and any(WORLDS[world].remote for world in self.worlds):
            raise ValueError(f"maps are for worlds 'road' and 'learned', got them for {', '.join(self.worlds)}")
        self.carla()
        names = self.all_planners()
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"planners must be different, got {', '.join(twice)} twice")

    def carla(self) -> CarlaPlaces:
        """The server of world "carla", and where starts are there."""
        return CarlaPlaces(host=self.host, port=self.port, maps=self.carla_maps, routes=self.carla_routes)

    def all_planners(self) -> tuple[str, ...]:
        """Names of all that drive, the reference planner first."""
        chosen = self.planners or (DEFAULT_PLANNERS if not self.exploit else ())
        others = [name for name in chosen if name != REFERENCE_PLANNER]
        return (REFERENCE_PLANNER, *others, *(f"exploit:{size}" for size in self.exploit))


def bench_planners(config: BenchPlannersConfig) -> int:
    """Drive, print the table and write the report.

    Returns:
        The exit code: 0, or 3 if a planner or a world broke.
    """
    from worldsim.world_model import DEFAULT_CHECKPOINT

    maps, planners = read_maps(config.maps), config.all_planners()
    if "learned" in config.worlds or any((entry := find_entry(p)) and entry.uses_world_model for p in planners):
        check_device(config.device)
    names = load_scenarios(config.scenarios, maps, config.worlds)
    cases = place_on_maps(draw_starts(names, config.num_seeds, config.first_seed), maps)
    conditions = {
        "checkpoint": checkpoint_digest(config.checkpoint),
        "code": code_digest(),
        "weights": planners_digest(),
        "planner": asdict(config.planner),
        "maps": [file.label for file in maps],
        "scenario_files": scenario_files(config.scenarios),
        "carla": [config.carla_maps, None if config.carla_routes is None else files_digest([config.carla_routes])],
    }
    with lock_folder(config.out):
        log = DriveLog(config.out / "drives.jsonl", conditions, PlannerDrive)
        check_planners(partial(_make_planner, config), planners)
        for name in planners:
            if find_entry(name) is None or files_of_policy(name):
                log.forget(name)  # its code, or its file, may have changed
        _drive_missing(config, planners, cases, log)

        wanted = {(case.scenario, case.seed) for case in cases}
        kept = [d for d in log.drives.values() if d.world in config.worlds and (d.scenario, d.seed) in wanted]
        seeds = sorted(case.seed for case in cases)
        bench = Bench(planners=planners, worlds=config.worlds, seeds=seeds, drives=kept)
        facts = provenance(checkpoint=config.checkpoint or DEFAULT_CHECKPOINT, seeds=seeds, maps=maps)
        write_bench(config.out, bench, asdict(config), facts)
    print_bench(bench)
    print(f"report: {config.out / 'report.html'}")
    return BROKEN_EXIT if any(drive.broke for drive in kept) else 0


def _make_planner(config: BenchPlannersConfig, name: str) -> Policy:
    return make_policy(
        name,
        checkpoint=config.checkpoint,
        device=config.device,
        planner=config.planner,
        allow_pickle=config.allow_pickle,
    )


def _drive_missing(
    config: BenchPlannersConfig, planners: Sequence[str], cases: Sequence[Case], log: DriveLog[PlannerDrive]
) -> None:
    """Drive whatever the log does not hold yet, and log it; the reference planner, the yardstick, first."""
    total = len(planners) * len(config.worlds) * len(cases)
    missing = {(world, name): log.missing(world, name, cases) for name in planners for world in config.worlds}
    left = sum(map(len, missing.values()))
    with tqdm(total=total, initial=total - left, unit="drive", desc="bench-planners") as bar:
        for is_reference in (True, False):
            jobs = [
                Job(world, name, todo, [_reference_progress(log, world, case) for case in todo])
                for (world, name), todo in missing.items()
                if todo and (name == REFERENCE_PLANNER) == is_reference
            ]

            def keep(drive: PlannerDrive) -> None:
                log.add([drive])
                bar.set_postfix_str(f"{drive.planner} in {drive.world}", refresh=False)
                bar.update()

            workers = LocalWorkers(config.num_workers)
            drive_supervised(partial(_drive_cases, config), jobs, workers, on_drive=keep, on_death=_undriven)


def _reference_progress(log: DriveLog[PlannerDrive], world: str, case: Case) -> float | None:
    """The reference planner's progress in a case [m]; None without a valid drive of it."""
    drive = log.find(world, REFERENCE_PLANNER, case)
    return drive.progress if drive is not None and drive.valid else None


def _undriven(job: Job, result: CaseResult) -> PlannerDrive:
    return undriven_drive(job.world, job.planner, result)


def _drive_cases(config: BenchPlannersConfig, job: Job) -> Iterator[PlannerDrive]:
    """A planner's drives in one world, as they are done. One that breaks is logged as broken."""
    policy = TimedPolicy(_make_planner(config, job.planner))
    pixels = uses_pictures(job.planner, policy.policy)
    runner = shared_case_runner(job.world, config.checkpoint, config.device, config.carla(), pixels=pixels)

    for case, reference in zip(job.cases, job.references, strict=True):
        try:
            rollout = runner.run(case, policy)
        except Exception as error:
            yield _undriven(job, failed_result(case, error))
        else:
            yield summarise_drive(job.world, job.planner, case, rollout, policy, reference)
