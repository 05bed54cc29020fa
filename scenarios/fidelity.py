"""`drivedit fidelity`: many planners in the learned world and in the reference world, from the same starts. Do both
rank them alike?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from envs.process_pool import in_processes
from policies.drive import Rollout
from policies.policy import Policy, make_policy
from policies.variants import REFERENCE_PLANNER, VARIANTS
from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_report import SIDES, Drive, Side, compare, print_comparison, write_comparison
from scenarios.metrics.pdm import pdm_score
from scenarios.report import checkpoint_digest, code_digest, provenance
from scenarios.runner import measure
from scenarios.scenario import Case
from scenarios.stage import CaseRunner, InvalidStartError, make_stage
from scenarios.validate import ScenarioNames, check_scenarios


@dataclass(frozen=True, kw_only=True)
class FidelityConfig:
    """Which planners are ranked, from which starts.

    Args:
        planners: which of `policies.variants`; none named: all of them. The lane follower is always among them.
        own: planners of your own beside those of `policies.variants`, as module:Name or file.py:Name; these drive anew
            in each run.
        scenarios: which of the catalogue the starts are drawn from.
        num_seeds: starts of each.
        first_seed: seeds are first_seed, first_seed + 1, ..., on from scenario to scenario, so that no two starts share
            one, and with it a place.
        out: folder for report.html and report.json, and for the drives done so far, from which an interrupted run goes
            on.
        checkpoint: the learned world; None takes the one that ships with the package.
        device: torch device of it.
        num_sampling_steps: of a frame of it; 1 is the fastest, and told states differ by what its latents show only.
        pixels: planners are shown frames, which those of `policies.variants` do not look at; slower.
        num_workers: processes that drive, each with its own worlds.

    Raises:
        ValueError: a count is too small, there is no scenario, no such planner, or fewer than 3 of them.
    """

    planners: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    scenarios: ScenarioNames = tuple(SCENARIOS)
    num_seeds: int = 13
    first_seed: int = 0
    out: Path = Path("runs/fidelity")
    checkpoint: Path | None = None
    device: str = "cpu"
    num_sampling_steps: int | None = None
    pixels: bool = False
    num_workers: int = 1

    def __post_init__(self) -> None:
        for name, least in (("num_seeds", 1), ("num_workers", 1), ("first_seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        check_scenarios(self.scenarios)
        for own in self.own:
            if ":" not in own or self.own.count(own) > 1:
                raise ValueError(f"own must be different module:Name or file.py:Name, got {', '.join(self.own)}")
        unknown = sorted(set(self.planners) - set(VARIANTS))
        if unknown:
            raise ValueError(f"no planner is named {', '.join(unknown)}; there are {', '.join(VARIANTS)}")
        if len(self.all_planners()) < 3:
            raise ValueError(f"a ranking needs at least 3 planners, got {', '.join(self.all_planners())}")

    def all_planners(self) -> tuple[str, ...]:
        """Names of all who drive, the competent one first."""
        chosen = [name for name in VARIANTS if name == REFERENCE_PLANNER or name in (self.planners or VARIANTS)]
        return (*chosen, *self.own)


def fidelity(config: FidelityConfig) -> int:
    """Drive, compare, write the report; the exit code: 0 when the worlds rank alike, else 1."""
    from worldsim.world_model import DEFAULT_CHECKPOINT

    made_by = {
        "checkpoint": checkpoint_digest(config.checkpoint),
        "code": code_digest(),
        "num_sampling_steps": config.num_sampling_steps,
        "pixels": config.pixels,
    }
    log = ResultLog(config.out / "drives.jsonl", made_by)
    planners = config.all_planners()
    for own in config.own:
        _planner(own)  # what cannot be made is said before hours of driving
        log.forget(own)  # its code may have changed
    cases = _cases(config)
    tasks: list[tuple[Side, str]] = [(world, planner) for planner in planners for world in SIDES]
    missing: dict[tuple[Side, str], list[Case]] = {
        task: [case for case in cases if not log.has(*task, case)] for task in tasks
    }
    total = len(tasks) * len(cases)
    left = sum(map(len, missing.values()))
    with tqdm(total=total, initial=total - left, unit="drive", desc="fidelity") as bar:
        reference = {t: c for t, c in missing.items() if t[1] == REFERENCE_PLANNER}
        for group in (reference, {t: c for t, c in missing.items() if t not in reference}):
            for drives in _driven(config, group, log):
                log.add(drives)
                bar.update(len(drives))
    comparison = compare(log.drives, planners, cases)
    print_comparison(comparison)
    seeds = sorted(case.seed for case in cases)
    facts = provenance(checkpoint=config.checkpoint or DEFAULT_CHECKPOINT, seeds=seeds)
    write_comparison(config.out, comparison, asdict(config), facts)
    alike = comparison.ranked_alike
    print(f"{'ranked alike' if alike else 'RANKED DIFFERENTLY'}: {config.out / 'report.html'}")
    return 0 if alike else 1


def _cases(config: FidelityConfig) -> list[Case]:
    seeds = iter(range(config.first_seed, config.first_seed + len(config.scenarios) * config.num_seeds))
    cases = [SCENARIOS[name].draw(next(seeds)) for name in config.scenarios for _ in range(config.num_seeds)]
    return sorted(cases, key=lambda case: case.town)  # a world that builds a town once then builds it only once


def _planner(name: str) -> Policy:
    return VARIANTS[name]() if name in VARIANTS else make_policy(name)


def _driven(config: FidelityConfig, tasks: dict[tuple[Side, str], list[Case]], log: ResultLog) -> Iterable[list[Drive]]:
    """The drives of the tasks' cases, a few at a time as they are done."""
    jobs: list[tuple[FidelityConfig, Side, str, list[Case], list[float | None]]] = [
        (config, world, planner, cases[k : k + 8], log.progress(world, cases[k : k + 8]))
        for (world, planner), cases in tasks.items()
        for k in range(0, len(cases), 8)
    ]
    if config.num_workers == 1:
        for job in jobs:
            yield _drive_cases(*job)
        return
    yield from in_processes(_drive_cases, jobs, config.num_workers, _one_thread)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


_STAGES: dict[tuple, CaseRunner] = {}
"""Of this process: worlds are dear to make."""


def _drive_cases(
    config: FidelityConfig, world: Side, planner: str, cases: Sequence[Case], reference_progress: Sequence[float | None]
) -> list[Drive]:
    """A planner's drives in one world; without a reference's progress it is measured against its own."""
    key = (world, config.checkpoint, config.device, config.num_sampling_steps, config.pixels)
    if key not in _STAGES:
        _STAGES[key] = make_stage(
            world,
            config.checkpoint,
            config.device,
            num_sampling_steps=config.num_sampling_steps,
            pixels=config.pixels,
        )
    stage, policy, drives = _STAGES[key], _planner(planner), []
    for case, reference in zip(cases, reference_progress, strict=True):
        try:
            rollout: Rollout | None = stage.run(case, policy)
        except InvalidStartError:
            rollout = None
        drives.append(_scored(world, planner, case, rollout, reference))
    return drives


def _scored(world: Side, planner: str, case: Case, rollout: Rollout | None, reference: float | None) -> Drive:
    outcome, progress, score = "invalid", 0.0, 0.0
    if rollout is not None:
        progress = float(rollout.progress.sum())
        outcome = measure(case, rollout).outcome
        score = pdm_score(rollout, progress if reference is None else reference).score
    return Drive(
        world=world,
        planner=planner,
        scenario=case.scenario,
        seed=case.seed,
        outcome=outcome,
        progress=progress,
        score=score,
    )


class ResultLog:
    """The drives done so far, a line each in a file that an interrupted run finds again.

    Raises:
        ValueError: the file is of another world model, or of other code.
    """

    def __init__(self, path: Path, made_by: dict[str, object]) -> None:
        self.path, self.drives = path, dict[tuple, Drive]()
        head = json.dumps(made_by)
        first, *lines = path.read_text().splitlines() if path.is_file() else [head]
        if first != head:
            raise ValueError(f"{path} holds drives in another learned world, or by other code; give another --out")
        for line in lines:
            try:
                self._keep(Drive(**json.loads(line)))
            except (json.JSONDecodeError, TypeError):
                continue  # cut short by an interruption
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.name + ".tmp")
        temporary.write_text("\n".join([head, *(json.dumps(asdict(d)) for d in self.drives.values())]) + "\n")
        temporary.replace(path)

    def _keep(self, drive: Drive) -> None:
        self.drives[drive.key] = drive

    def has(self, world: Side, planner: str, case: Case) -> bool:
        """Whether that is done."""
        return (world, planner, case.scenario, case.seed) in self.drives

    def add(self, drives: Sequence[Drive]) -> None:
        """Write them down."""
        with self.path.open("a") as file:
            for drive in drives:
                file.write(json.dumps(asdict(drive)) + "\n")
                self._keep(drive)

    def forget(self, planner: str) -> None:
        """Let a planner drive anew."""
        self.drives = {key: drive for key, drive in self.drives.items() if drive.planner != planner}

    def progress(self, world: Side, cases: Sequence[Case]) -> list[float | None]:
        """How far the competent planner came in each case, None while it has not driven."""
        found = [self.drives.get((world, REFERENCE_PLANNER, case.scenario, case.seed)) for case in cases]
        return [None if drive is None else drive.progress for drive in found]
