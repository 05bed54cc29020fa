"""`drivedit fidelity`: does the learned world rank planners as the reference world does, from the same starts?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from envs.folder_lock import lock_folder
from envs.maps.map_files import read_maps
from envs.trivial_worlds import TRIVIAL_WORLDS
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.policy import Policy
from policies.registry import POLICIES, files_of_policy, find_entry, make_policy, uses_pictures
from policies.variants import REFERENCE_PLANNER, VARIANTS
from scenarios.case_results import failed_result
from scenarios.case_runner import NUM_REMEMBERED, check_device, shared_case_runner
from scenarios.catalogue import SCENARIOS, scenarios_tagged
from scenarios.drive_log import DriveLog
from scenarios.fidelity_drives import SIDES, Drive
from scenarios.fidelity_report import compare, print_comparison, write_comparison
from scenarios.fidelity_scores import score_drive, undriven_drive
from scenarios.fidelity_trust import compare_trust
from scenarios.recovery import SCENARIO as RECOVERY_SCENARIO
from scenarios.recovery import compare_recovery
from scenarios.report import checkpoint_digest, code_digest, planners_digest, provenance
from scenarios.scenario import Case, place_on_maps
from scenarios.scenario_choice import ScenarioNames, check_scenarios, draw_starts, load_scenarios, scenario_files
from scenarios.supervised_drives import Job, check_planners, drive_supervised
from scenarios.verdict import BROKEN_EXIT
from scenarios.workers import make_workers
from worldsim.option_checks import check_options

Task = tuple[str, str]
"""A planner, by name, in a world."""
RANKING_SCENARIOS = scenarios_tagged("fidelity")
"""By default, starts to rank planners from are drawn from these."""
PLANNERS: Mapping[str, Mapping[str, Callable[[], Policy]]] = {
    "state": VARIANTS,
    "pixels": {
        REFERENCE_PLANNER: VARIANTS[REFERENCE_PLANNER],
        **{name: entry.load for name, entry in PIXEL_PLANNERS.items()},
    },
}
"""What planners observe to those that there are, name to factory; the reference planner always observes the state."""


@dataclass(frozen=True, kw_only=True)
class FidelityConfig:
    """Which planners are ranked, and from which starts.

    Args:
        observe: what the planners to rank observe: "state", those of `policies.variants`; "pixels", those of
            `policies.pixels.catalogue`, which is slower, since frames are made.
        planners: names of these; all of them by default. The lane follower always drives, as the yardstick of progress;
            among planners that observe the state it is ranked too.
        own: further planners to rank as well: names as for `validate --policy`, or your own as module:Name or
            file.py:Name, which drive again in every run.
        scenarios: names in the catalogue; starts are drawn from these. By default those tagged "fidelity".
        num_seeds: starts per scenario.
        first_seed: seeds count up from here across all scenarios, so that no two starts share a seed and a place.
        maps: OpenDRIVE files, or folders of them, that starts take turns on instead of procedural towns.
        out: folder for report.html, report.json and the log of finished drives, from which an interrupted run resumes.
        checkpoint: folder of the learned world's model; None takes the one that ships with the package.
        device: torch device of the learned world.
        num_sampling_steps: denoising steps per frame of the learned world; 1 is the fastest and changes what is
            generated, not how tracked states are computed.
        recovery_starts: of planners that observe pixels, further starts at which they are pushed off their lane, and
            how fast they come back is compared; 0 for none.
        trivial_worlds: planners that observe the state also drive in worlds that have learned nothing, those of
            `envs.trivial_worlds`, so that the learned world's numbers stand beside theirs.
        allow_pickle: an `own` sb3 may load its file, which can run any code: only one whose maker you trust.
        num_workers: processes that drive, each with worlds of its own.
        ray: HOST:PORT of a Ray cluster's head, or "auto", on whose CPUs the planners drive instead; needs the extra
            "ray" (docs/validation.md).

    Raises:
        ValueError: a count is too small, a name is unknown, there is no scenario, or there are fewer than 3 planners.
    """

    observe: Literal["state", "pixels"] = "state"
    planners: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    scenarios: ScenarioNames = RANKING_SCENARIOS
    num_seeds: int = 13
    first_seed: int = 0
    maps: tuple[Path, ...] = ()
    out: Path = Path("runs/fidelity")
    checkpoint: Path | None = None
    device: str = "cpu"
    num_sampling_steps: int | None = None
    recovery_starts: int = 24
    trivial_worlds: bool = True
    allow_pickle: bool = False
    num_workers: int = 1
    ray: str | None = None

    def __post_init__(self) -> None:
        check_options(self)
        for name, least in (("num_seeds", 1), ("num_workers", 1), ("first_seed", 0), ("recovery_starts", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        check_scenarios(self.scenarios)
        offered = PLANNERS[self.observe]
        unknown = sorted(set(self.planners) - set(offered))
        if unknown:
            raise ValueError(f"no planner is named {', '.join(unknown)}; there are {', '.join(offered)}")
        for own in self.own:
            if self.own.count(own) > 1 or own in offered:
                raise ValueError(f"own must be planners that do not drive yet, each once, got {', '.join(self.own)}")
            if ":" not in own and find_entry(own) is None:
                names = ", ".join(POLICIES)
                raise ValueError(f"own has no planner named {own!r}; there are {names}, module:Name and file.py:Name")
        if len(self.ranked_planners()) < 3:
            raise ValueError(f"a ranking needs at least 3 planners, got {', '.join(self.ranked_planners())}")

    @property
    def pixels(self) -> bool:
        """Whether frames are made."""
        return self.observe == "pixels"

    @property
    def worlds(self) -> tuple[str, ...]:
        """Names of those that are driven in: the reference world, the learned one, and trivial ones, which have no
        pictures."""
        return (*SIDES, *(TRIVIAL_WORLDS if self.trivial_worlds and not self.pixels else ()))

    def all_planners(self) -> tuple[str, ...]:
        """Names of all planners that drive, the reference planner first."""
        offered = PLANNERS[self.observe]
        chosen = [name for name in offered if name == REFERENCE_PLANNER or name in (self.planners or offered)]
        return (*chosen, *self.own)

    def ranked_planners(self) -> tuple[str, ...]:
        """Names of those that are ranked: not the reference planner where it observes other things than they do."""
        return tuple(name for name in self.all_planners() if name != REFERENCE_PLANNER or not self.pixels)


def fidelity(config: FidelityConfig) -> int:
    """Drive, compare and write the report.

    Returns:
        The exit code: 0 if the rankings of both worlds agree, else 1; 3 if a planner or a world broke.
    """
    from worldsim.world_model import DEFAULT_CHECKPOINT

    check_device(config.device)
    maps = read_maps(config.maps)
    names = load_scenarios(config.scenarios, maps, ("road", "learned"))
    conditions = {
        "checkpoint": checkpoint_digest(config.checkpoint),
        "code": code_digest(),
        "num_sampling_steps": config.num_sampling_steps,
        "observe": config.observe,
        "planners": planners_digest(),
        "maps": [file.label for file in maps],
        "scenario_files": scenario_files(config.scenarios),
    }
    planners, ranked = config.all_planners(), config.ranked_planners()
    starts = draw_starts(names, config.num_seeds, config.first_seed)
    cases, pushed = (place_on_maps(drawn, maps) for drawn in (starts, _draw_pushed_cases(config)))
    with lock_folder(config.out):
        log = DriveLog(config.out / "drives.jsonl", conditions, Drive)
        check_planners(partial(_make_planner, config), config.own)
        for own in config.own:
            if find_entry(own) is None or files_of_policy(own):
                log.forget(own)  # its code, or its file, may have changed
        _drive_missing(config, planners, [*cases, *pushed], log)

        recovery, trust = compare_recovery(log.drives, planners, pushed), compare_trust(log.drives, ranked, cases)
        comparison = compare(log.drives, ranked, cases, recovery, trust)
        broken = [log.drives[key] for key in _keys(config, planners, [*cases, *pushed]) if log.drives[key].broke]
        seeds = sorted({case.seed for case in (*cases, *pushed)})
        facts = provenance(checkpoint=config.checkpoint or DEFAULT_CHECKPOINT, seeds=seeds, maps=maps)
        write_comparison(config.out, comparison, asdict(config), conditions, facts)
    print_comparison(comparison)
    print(f"{comparison.verdict}: {config.out / 'report.html'}")
    for drive in broken:
        print(f"{drive.planner} in {drive.world}, {drive.scenario} seed {drive.seed}: {drive.reason}", file=sys.stderr)
    return BROKEN_EXIT if broken else 0 if comparison.rankings_agree else 1


def _keys(
    config: FidelityConfig, planners: Sequence[str], cases: Sequence[Case]
) -> Iterator[tuple[str, str, str, int]]:
    """Of all drives."""
    for world in config.worlds:
        for planner in planners:
            yield from ((world, planner, case.scenario, case.seed) for case in cases)


def _drive_missing(
    config: FidelityConfig, planners: Sequence[str], cases: Sequence[Case], log: DriveLog[Drive]
) -> None:
    """Drive whatever the log does not hold yet, and log it."""
    tasks: list[Task] = [(world, planner) for planner in planners for world in config.worlds]
    missing = {task: log.missing(*task, cases) for task in tasks}
    total = len(tasks) * len(cases)
    left = sum(map(len, missing.values()))

    # The reference planner goes first: the others' progress is measured against its own.
    reference = {task: todo for task, todo in missing.items() if task[1] == REFERENCE_PLANNER}
    others = {task: todo for task, todo in missing.items() if task not in reference}
    if left == 0:
        return
    workers = make_workers(config.ray, config.num_workers)
    with tqdm(total=total, initial=total - left, unit="drive", desc="fidelity") as bar:

        def keep(drive: Drive) -> None:
            log.add([drive])
            bar.update()

        for group in (reference, others):
            drive_supervised(
                partial(_drive_cases, config),
                _make_jobs(config, group, log),
                workers,
                on_drive=keep,
                on_death=undriven_drive,
            )


def _draw_pushed_cases(config: FidelityConfig) -> list[Case]:
    num = config.recovery_starts if config.pixels else 0
    return [SCENARIOS[RECOVERY_SCENARIO].draw(config.first_seed + k) for k in range(num)]


def _make_planner(config: FidelityConfig, name: str) -> Policy:
    offered = PLANNERS[config.observe]
    if name in offered:
        return offered[name]()
    policy = make_policy(name, checkpoint=config.checkpoint, device=config.device, allow_pickle=config.allow_pickle)
    if not config.pixels and find_entry(name) and uses_pictures(name, policy):
        raise ValueError(f"{name} drives by pictures, of which there are none: give --observe pixels")
    return policy


def _make_jobs(config: FidelityConfig, tasks: dict[Task, list[Case]], log: DriveLog[Drive]) -> list[Job]:
    """The drives of all tasks, a few cases at a time, which all planners drive while their starts are remembered; our
    own ones together where the learned world is only tracked."""
    return [
        Job(world, planner, batch, [_reference_progress(log, world, case) for case in batch], together)
        for first in range(0, max(map(len, tasks.values()), default=0), NUM_REMEMBERED)
        for (world, planner), cases in tasks.items()
        if (batch := cases[first : first + NUM_REMEMBERED])
        for together in [world == "learned" and not config.pixels and planner in VARIANTS]
    ]


def _reference_progress(log: DriveLog[Drive], world: str, case: Case) -> float | None:
    """The reference planner's progress in a case [m]; None without a valid drive of it."""
    drive = log.find(world, REFERENCE_PLANNER, case)
    return drive.progress if drive is not None and drive.valid else None


def _drive_cases(config: FidelityConfig, job: Job) -> Iterator[Drive]:
    """A planner's drives in one world, as they are done."""
    world = job.world
    runner = shared_case_runner(
        world,
        config.checkpoint,
        config.device,
        num_sampling_steps=config.num_sampling_steps,
        pixels=config.pixels,
    )
    if job.together:  # a driver of its own for each case, since planners remember
        outcomes = iter(runner.run_together([(case, _make_planner(config, job.planner)) for case in job.cases]))
    else:
        policy = _make_planner(config, job.planner)
        outcomes = (outcome for case in job.cases for outcome in runner.run_together([(case, policy)]))
    for case, reference, outcome in zip(job.cases, job.references, outcomes, strict=True):
        if isinstance(outcome, Exception):
            yield undriven_drive(job, failed_result(case, outcome))
        else:
            yield score_drive(world, job.planner, case, outcome, reference)
