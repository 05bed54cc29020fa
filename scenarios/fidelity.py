"""`drivedit fidelity`: many planners in the learned world and in the reference world, from the same starts. Do both
rank them alike?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from policies.drive import Rollout
from policies.policy import Policy, make_policy
from policies.variants import REFERENCE_PLANNER, VARIANTS
from scenarios.catalogue import SCENARIOS
from scenarios.metrics.pdm import pdm_score
from scenarios.plots import agreement_figure
from scenarios.report import Figure, Page, Section, Stat, Table, checkpoint_digest, provenance, write_json, write_page
from scenarios.runner import measure
from scenarios.scenario import Case
from scenarios.stage import InvalidStartError, Stage, make_stage
from scenarios.statistics import Agreement, Interval, agreement
from scenarios.validate import ScenarioName

Side = Literal["road", "learned"]
SIDES: tuple[Side, ...] = ("road", "learned")
"""The reference world, and the one that is held against it."""
TARGET = 0.9
"""Rank correlation from which the learned world may choose between planners."""


@dataclass(frozen=True, kw_only=True)
class FidelityConfig:
    """Which planners are ranked, from which starts.

    Args:
        own: planners of your own beside those of `policies.variants`, as module:Name or file.py:Name.
        scenarios: which of the catalogue the starts are drawn from.
        num_seeds: starts of each.
        first_seed: seeds are first_seed, first_seed + 1, ...
        out: folder for report.html and report.json, and for the drives done so far, from which an interrupted run goes
            on.
        checkpoint: the learned world; None takes the one that ships with the package.
        device: torch device of it.
        num_sampling_steps: of a frame of it; 1 is the fastest, and told states differ by what its latents show only.
        pixels: planners are shown frames, which those of `policies.variants` do not look at; slower.
        num_workers: processes that drive, each with its own worlds.

    Raises:
        ValueError: a count is too small, or there is no scenario.
    """

    own: tuple[str, ...] = ()
    scenarios: tuple[ScenarioName, ...] = ("lead_braking", "cut_in", "pedestrian_crossing", "traffic")
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
        if not self.scenarios:
            raise ValueError("scenarios must name at least one scenario, got none")


@dataclass(frozen=True, kw_only=True)
class Drive:
    """What came of one planner in one world from one start.

    Args:
        world: "road" or "learned".
        planner: who drove.
        scenario: of the start.
        seed: of the start.
        outcome: as in CaseResult; "invalid" where the start is none.
        progress: along the route [m].
        score: NAVSIM's PDM score, in [0, 1].
    """

    world: Side
    planner: str
    scenario: str
    seed: int
    outcome: str
    progress: float
    score: float


def fidelity(config: FidelityConfig) -> int:
    """Drive, compare, write the report; the exit code: 0 when the worlds rank alike, else 1."""
    made_by = {"checkpoint": checkpoint_digest(config.checkpoint), "num_sampling_steps": config.num_sampling_steps}
    book = _Book(config.out / "drives.jsonl", made_by)
    planners = (*VARIANTS, *config.own)
    for own in config.own:
        _planner(own)  # what cannot be made is said before hours of driving
    cases = _cases(config)
    tasks: list[tuple[Side, str]] = [(world, planner) for planner in planners for world in SIDES]
    missing: dict[tuple[Side, str], list[Case]] = {
        task: [case for case in cases if not book.has(*task, case)] for task in tasks
    }
    with tqdm(total=len(tasks) * len(cases), initial=len(book.drives), unit="drive", desc="fidelity") as bar:
        reference = {t: c for t, c in missing.items() if t[1] == REFERENCE_PLANNER}
        for group in (reference, {t: c for t, c in missing.items() if t not in reference}):
            for drives in _driven(config, group, book):
                book.add(drives)
                bar.update(len(drives))
    scores, kept = score_table(book.drives, planners, cases)
    result = agreement(reference=scores["road"], simulator=scores["learned"], rng=np.random.default_rng(0))
    _print(planners, scores, result, len(kept))
    _write_report(config, planners, kept, scores, result, book.drives)
    return 0 if result.spearman.estimate >= TARGET else 1


def _cases(config: FidelityConfig) -> list[Case]:
    seeds = range(config.first_seed, config.first_seed + config.num_seeds)
    cases = [SCENARIOS[name].draw(seed) for name in config.scenarios for seed in seeds]
    return sorted(cases, key=lambda case: case.town)  # a world that builds a town once then builds it only once


def _planner(name: str) -> Policy:
    return VARIANTS[name]() if name in VARIANTS else make_policy(name)


def _driven(config: FidelityConfig, tasks: dict[tuple[Side, str], list[Case]], book: _Book) -> Iterable[list[Drive]]:
    """The drives of the tasks' cases, a few at a time as they are done."""
    jobs: list[tuple[FidelityConfig, Side, str, list[Case], list[float | None]]] = [
        (config, world, planner, cases[k : k + 8], book.progress(world, cases[k : k + 8]))
        for (world, planner), cases in tasks.items()
        for k in range(0, len(cases), 8)
    ]
    if config.num_workers == 1:
        for job in jobs:
            yield _drive_cases(*job)
        return
    with ProcessPoolExecutor(config.num_workers, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        for done in as_completed([pool.submit(_drive_cases, *job) for job in jobs]):
            yield done.result()


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


_STAGES: dict[tuple, Stage] = {}
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


class _Book:
    """The drives done so far, a line each in a file that an interrupted run finds again.

    Raises:
        ValueError: the file is of another world model.
    """

    def __init__(self, path: Path, made_by: dict[str, object]) -> None:
        self.path, self.drives = path, dict[tuple, Drive]()
        head = json.dumps(made_by)
        first, *lines = path.read_text().splitlines() if path.is_file() else [head]
        if first != head:
            raise ValueError(f"{path} holds drives in another learned world; give another --out, or delete it")
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
        self.drives[(drive.world, drive.planner, drive.scenario, drive.seed)] = drive

    def has(self, world: Side, planner: str, case: Case) -> bool:
        """Whether that is done."""
        return (world, planner, case.scenario, case.seed) in self.drives

    def add(self, drives: Sequence[Drive]) -> None:
        """Write them down."""
        with self.path.open("a") as file:
            for drive in drives:
                file.write(json.dumps(asdict(drive)) + "\n")
                self._keep(drive)

    def progress(self, world: Side, cases: Sequence[Case]) -> list[float | None]:
        """How far the competent planner came in each case, None while it has not driven."""
        found = [self.drives.get((world, REFERENCE_PLANNER, case.scenario, case.seed)) for case in cases]
        return [None if drive is None else drive.progress for drive in found]


def score_table(
    drives: dict[tuple, Drive], planners: Sequence[str], cases: Sequence[Case]
) -> tuple[dict[Side, np.ndarray], list[Case]]:
    """Scores [planners, starts] of either world, and the starts, which are those that are one in both.

    Raises:
        ValueError: there is none.
    """

    def valid(case: Case) -> bool:
        keys = [(world, planner, case.scenario, case.seed) for world in SIDES for planner in planners]
        return all(drives[key].outcome != "invalid" for key in keys)

    kept = [case for case in cases if valid(case)]
    if not kept:
        raise ValueError(f"none of the {len(cases)} starts can be driven in both worlds")
    scores: dict[Side, np.ndarray] = {
        world: np.array([[drives[(world, p, c.scenario, c.seed)].score for c in kept] for p in planners])
        for world in SIDES
    }
    return scores, kept


def failures_alike(drives: dict[tuple, Drive], planners: Sequence[str], cases: Sequence[Case]) -> tuple[float, float]:
    """Of all pairs of drives, the share that fails or passes alike; and that of the pairs that fail in the reference
    world which also fail in the learned one."""
    failed = {
        world: np.array(
            [
                [drives[(world, p, c.scenario, c.seed)].outcome in ("collision", "off_road") for c in cases]
                for p in planners
            ]
        )
        for world in SIDES
    }
    road, learned = failed["road"], failed["learned"]
    return float((road == learned).mean()), float(learned[road].mean()) if road.any() else float("nan")


def _said(interval: Interval, digits: int = 2) -> str:
    return f"{interval.estimate:.{digits}f} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def _print(planners: Sequence[str], scores: dict[Side, np.ndarray], result: Agreement, num_starts: int) -> None:
    print(f"\n{'planner':<22}{'reference':>10}{'learned':>10}")
    means = {world: scores[world].mean(axis=1) for world in SIDES}
    for k in np.argsort(-means["road"], kind="stable"):
        print(f"{planners[k]:<22}{means['road'][k]:>10.3f}{means['learned'][k]:>10.3f}")
    print(
        f"\n{len(planners)} planners, {num_starts} paired starts: Spearman {_said(result.spearman)}, "
        f"Kendall {_said(result.kendall)}, Pearson {_said(result.pearson)}, MMRV {_said(result.mmrv, 3)}"
    )


def _write_report(
    config: FidelityConfig,
    planners: Sequence[str],
    cases: Sequence[Case],
    scores: dict[Side, np.ndarray],
    result: Agreement,
    drives: dict[tuple, Drive],
) -> None:
    from worldsim.world_model import DEFAULT_CHECKPOINT

    means = {world: scores[world].mean(axis=1) for world in SIDES}
    alike, found = failures_alike(drives, planners, cases)
    by_scenario = {}
    for name in config.scenarios:
        chosen = [k for k, case in enumerate(cases) if case.scenario == name]
        if len(chosen) >= 2:
            part = {world: scores[world][:, chosen] for world in SIDES}
            by_scenario[name] = agreement(
                reference=part["road"], simulator=part["learned"], rng=np.random.default_rng(0), num_resamples=500
            )
    seeds = list(range(config.first_seed, config.first_seed + config.num_seeds))
    facts = provenance(checkpoint=config.checkpoint or DEFAULT_CHECKPOINT, seeds=seeds)
    write_json(
        config.out / "report.json",
        {
            "config": asdict(config),
            "planners": {p: {w: float(means[w][k]) for w in SIDES} for k, p in enumerate(planners)},
            "num_starts": len(cases),
            "agreement": result,
            "by_scenario": by_scenario,
            "failures_alike": alike,
            "failures_found": None if np.isnan(found) else found,
            "provenance": facts,
        },
    )
    good = result.spearman.estimate >= TARGET
    order = np.argsort(-means["road"], kind="stable")
    names = [planner.replace("_", " ") for planner in planners]
    rows = [[names[k], f"{means['road'][k]:.3f}", f"{means['learned'][k]:.3f}"] for k in order.tolist()]
    parts = [
        [SCENARIOS[name].title, _said(part.spearman), _said(part.pearson), f"{part.mmrv.estimate:.3f}"]
        for name, part in by_scenario.items()
    ]
    figure = agreement_figure(names, scores["road"], scores["learned"])
    page = Page(
        title="Does the learned world rank planners as the reference world does?",
        subtitle=f"{len(planners)} planners, {len(cases)} paired starts",
        verdict="ranked alike" if good else "ranked differently",
        good=good,
        stats=[
            Stat(value=f"{result.spearman.estimate:.2f}", label=f"Spearman, target {TARGET}"),
            Stat(value=f"{result.mmrv.estimate:.3f}", label="mean maximum rank violation"),
            Stat(value=f"{alike:.0%}", label="drives with the same verdict"),
        ],
        summary=Table(header=["planner", "reference world", "learned world"], rows=rows),
        note="Scores are NAVSIM's PDM score, NC · DAC · (5 TTC + 5 EP + 2 C) / 12, of closed-loop drives; progress is "
        "measured against the lane follower's in the same world. Intervals: 95 %, planners and starts drawn anew. "
        "What is compared is what both worlds tell of a drive; planners that look at pixels see generated ones there.",
        sections=[
            Section(
                title="Scores in both worlds",
                text=f"Each point is a planner with the 95 % interval of its mean. Kendall {_said(result.kendall)}, "
                f"Pearson {_said(result.pearson)}; highest rank correlation that so few starts allow: "
                f"{'unknown' if result.ceiling is None else f'{result.ceiling:.2f}'}.",
                figures=[Figure(png=figure, alt="mean scores, learned against reference world")],
            ),
            Section(
                title="By kind of start",
                text="Fewer starts each, so wider intervals.",
                table=Table(header=["starts", "Spearman", "Pearson", "MMRV"], rows=parts),
            ),
        ],
        provenance=facts,
    )
    write_page(config.out / "report.html", page)
    print(f"{'ranked alike' if good else 'RANKED DIFFERENTLY'}: {config.out / 'report.html'}")
