"""`drivedit estimate`: how probable a failure is under a scenario's declared distribution."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from tqdm import tqdm

from envs.folder_lock import lock_folder
from envs.worlds import WORLDS
from scenarios.falsification.cross_entropy import to_shares
from scenarios.falsification.estimate_config import EstimateConfig
from scenarios.falsification.probability import Estimate, importance_sampling, monte_carlo
from scenarios.falsification.runs import RunLog, SearchRun
from scenarios.falsification.search_drives import OutOfTimeError, SearchDrives, look_at_policy
from scenarios.falsification.search_space import SearchSpace
from scenarios.falsification.subset_simulation import subset_simulation
from scenarios.plots import robustness_figure
from scenarios.report import Figure, Page, Section, Stat, Table, provenance, write_json, write_page
from scenarios.validate import checkpoint_used
from scenarios.verdict import BROKEN_EXIT, EXIT_CODES, Verdict
from scenarios.workers import make_workers

SCHEMA = "drivedit.estimate/1"
"""Name and version of report.json; a change that its readers must know of counts up."""
RUN_LOG = "runs.jsonl"
HOW_TO_READ = (
    "Of the valid draws of the declared distribution, at the places that were given: the interval is of those, not of "
    "other places. Effective sizes are Kish's, (Σw)² / Σw²."
)


@dataclass(frozen=True, kw_only=True)
class CaseLimitState:
    """The robustness of drives, over standard normal coordinates of a search space.

    Args:
        space: of the cases.
        drives: that drive them.
    """

    space: SearchSpace
    drives: SearchDrives

    @property
    def num_axes(self) -> int:
        """See LimitState."""
        return self.space.num_axes

    def admits(self, points: np.ndarray) -> np.ndarray:
        """See LimitState."""
        return np.array([self.space.admits(point) for point in to_shares(points)], bool)

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """See LimitState."""
        runs = self.drives.drive(to_shares(points))
        return np.array([run.robustness if run.valid else np.nan for run in runs])


def estimate(config: EstimateConfig) -> int:
    """Drive, estimate and write the report.

    Returns:
        The exit code: 0 where a probability was found, or PASS, 1 FAIL, 3 the policy or the world broke, 4 neither
        shows, nothing can be said, or the budget was spent.

    Raises:
        ValueError, OSError: something that was asked for cannot be had; told before anything is driven.
        PolicyError: the policy cannot be made.
    """
    deadline = None if config.budget is None else time.monotonic() + config.budget
    setup = look_at_policy(config.setup())
    conditions = config.conditions(setup)
    with lock_folder(config.out):
        log = RunLog(config.out / RUN_LOG, conditions)
        for name in ("report.html", "report.json"):  # of another verdict
            (config.out / name).unlink(missing_ok=True)
        with tqdm(total=config.num_runs, initial=len(log.runs), unit="run", desc=config.method) as bar:
            space = config.space()
            drives = SearchDrives(
                space,
                setup,
                log,
                workers=make_workers(config.ray, config.num_workers),
                deadline=deadline,
                on_run=lambda run: bar.update(),
            )
            found = _estimate(config, CaseLimitState(space=space, drives=drives))
        if found is None:
            print(f"\nthe budget is spent after {len(log.runs)} runs; the same command goes on")
            return 4
        runs = [log.runs[index] for index in range(drives.num_asked)]
        verdict = judge(found, config.max_failure_rate)
        exit_code = BROKEN_EXIT if any(run.broken for run in runs) else 0 if verdict is None else EXIT_CODES[verdict]
        facts = provenance(checkpoint=checkpoint_used(setup), seeds=[config.seed])
        write_json(config.out / "report.json", _content(config, found, runs, verdict, exit_code, conditions, facts))
        write_page(config.out / "report.html", _page(config, found, runs, verdict, facts))
        (config.out / RUN_LOG).unlink()
    for line in describe(found):
        print(line)
    print(f"seed {config.seed}")
    print(f"{verdict or 'DONE'}: {config.out / 'report.html'}")
    return exit_code


def judge(found: Estimate, max_failure_rate: float | None) -> Verdict | None:
    """What an estimate says of a limit; None where none is given and there is an estimate."""
    if found.probability is None:
        return "INCONCLUSIVE"
    if max_failure_rate is None:
        return None
    if found.probability.high <= max_failure_rate:
        return "PASS"
    return "FAIL" if found.probability.low > max_failure_rate else "INCONCLUSIVE"


def describe(found: Estimate) -> list[str]:
    """An estimate in words."""
    p = found.probability
    lines = ["no probability: " + found.note] if p is None else [f"probability of a failure {p.text('.2e')}, 95 %"]
    lines.append(f"{found.num_failed} failures among {found.num_valid} valid of {found.num_draws} runs")
    if p is not None:
        lines.append(found.note)
    if found.effective_size is not None:
        lines.append(
            f"effective sample size {found.effective_size:.0f}, of the failures {found.effective_failures or 0:.0f}"
        )
    for k, level in enumerate(found.levels):
        moves = "" if level.acceptance is None else f", moves accepted {level.acceptance:.0%}"
        lines.append(f"level {k + 1}: robustness at most {level.threshold:.3g}, a share of {level.share:.3g}{moves}")
    return lines


def _estimate(config: EstimateConfig, problem: CaseLimitState) -> Estimate | None:
    """None where the budget is spent before."""
    rng = np.random.default_rng(config.seed)
    try:
        if config.method == "monte-carlo":
            return monte_carlo(problem, config.num_runs, rng)
        if config.method == "importance-sampling":
            return importance_sampling(problem, config.num_runs, rng)
        return subset_simulation(problem, config.num_runs, rng, config.num_levels)
    except OutOfTimeError:
        return None


def _content(
    config: EstimateConfig,
    found: Estimate,
    runs: Sequence[SearchRun],
    verdict: Verdict | None,
    exit_code: int,
    conditions: Mapping[str, Any],
    facts: Mapping[str, str],
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "verdict": verdict,
        "exit_code": exit_code,
        "estimate": found,
        "runs": [asdict(run) for run in runs],
        "config": asdict(config),
        "conditions": conditions,
        "provenance": facts,
    }


def _page(
    config: EstimateConfig,
    found: Estimate,
    runs: Sequence[SearchRun],
    verdict: Verdict | None,
    facts: Mapping[str, str],
) -> Page:
    p = found.probability
    levels = [
        [
            str(k + 1),
            f"{level.threshold:.3g}",
            f"{level.share:.3g}",
            "–" if level.acceptance is None else f"{level.acceptance:.0%}",
        ]
        for k, level in enumerate(found.levels)
    ]
    figure = robustness_figure([run.robustness for run in runs], [run.outcome for run in runs])
    sections = [Section(title="The runs", text="In their order.", figures=[Figure(png=figure, alt="robustness")])]
    if levels:
        table = Table(header=["level", "robustness at most", "share", "moves accepted"], rows=levels)
        sections.append(Section(title="Levels", text="On the way to failure.", table=table, open=True))
    return Page(
        title=f"How often {config.policy.replace('_', ' ')} fails in {config.entry.title}",
        subtitle=f"{WORLDS[config.world].title}, {len(runs)} runs, {config.method}",
        verdict=verdict or ("–" if p is None else f"{p.estimate:.2e}"),
        good=verdict in (None, "PASS"),
        stats=[
            Stat(value="–" if p is None else f"{p.estimate:.2e}", label="probability of a failure"),
            Stat(value="–" if p is None else f"{p.low:.1e} to {p.high:.1e}", label="95 % interval"),
            Stat(value=f"{found.num_failed} of {found.num_valid}", label="valid runs failed"),
        ],
        summary=Table(header=["found"], rows=[[line] for line in describe(found)]),
        note=HOW_TO_READ,
        sections=sections,
        provenance=dict(facts),
    )
