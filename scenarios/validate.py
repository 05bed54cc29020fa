"""`drivedit validate`: a policy through scenarios and seeds, to a printed table, a report and an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tqdm import tqdm

from envs.maps.map_files import read_maps
from envs.video import write_mp4
from envs.worlds import WORLDS, WorldName
from policies.drive import Rollout
from policies.registry import POLICIES, POLICY_HELP, make_policy
from policies.sampling_mpc import SamplingPlannerConfig
from scenarios.case_results import CaseResult, run_cases, severity
from scenarios.case_runner import CarlaPlaces, make_case_runner
from scenarios.catalogue import SCENARIOS, scenarios_tagged
from scenarios.metrics.signal_violations import SignalViolations, violations_text
from scenarios.overlay import annotate_rollout
from scenarios.plots import scenario_figure
from scenarios.report import Figure, Page, Rate, Section, Stat, Table, Video, provenance, write_json, write_page
from scenarios.scenario import Scenario, place_on_maps
from scenarios.statistics import Interval, clopper_pearson

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
        out: folder for report.html, report.json and the videos.
        max_failure_rate: the exit code is 1 if more than this fraction of the cases fails, or if no case is valid.
        num_videos: of the worst drives, per scenario.
        checkpoint: world model of the learned world and the planner; None takes the one that ships with the package.
        device: torch device of the world model.
        planner: how "planner" searches.

    Raises:
        ValueError: a count is too small, the rate is not in [0, 1], or maps or routes are given to a world that has no
            use for them, or both at once.
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
    num_videos: int = 2
    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)

    def __post_init__(self) -> None:
        if self.num_seeds < 1:
            raise ValueError(f"num_seeds must be at least 1, got {self.num_seeds}")
        if self.first_seed < 0:
            raise ValueError(f"first_seed must not be negative, got {self.first_seed}")
        if self.num_videos < 0:
            raise ValueError(f"num_videos must not be negative, got {self.num_videos}")
        if not 0 <= self.max_failure_rate <= 1:
            raise ValueError(f"max_failure_rate must be in [0, 1], got {self.max_failure_rate}")
        check_scenarios(self.scenarios)
        for name in ("carla_maps", "carla_routes"):
            if getattr(self, name) and self.world != "carla":
                raise ValueError(f"{name} are for world 'carla', got them for {self.world!r}")
        if self.maps and WORLDS[self.world].remote:
            raise ValueError(f"maps are for worlds 'road' and 'learned', {self.world!r} has its own; see --carla-maps")
        self.carla()

    def carla(self) -> CarlaPlaces:
        """The server of world "carla", and where cases start there."""
        return CarlaPlaces(host=self.host, port=self.port, maps=self.carla_maps, routes=self.carla_routes)


def check_scenarios(names: Sequence[str]) -> None:
    """Refuse a selection of scenarios that cannot be run.

    Raises:
        ValueError: it is empty, or a name is not in the catalogue.
    """
    if not names:
        raise ValueError("scenarios must name at least one scenario, got none")
    unknown = sorted(set(names) - set(SCENARIOS))
    if unknown:
        raise ValueError(f"no scenario is named {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Counts and failure rate of one scenario, or of all.

    Args:
        name: of the scenario, or "all".
        num_valid: cases that the policy drove.
        num_failed: valid cases that failed.
        num_invalid: cases without a usable start.
        failure_rate: with its 95 % Clopper–Pearson interval; None if no case is valid.
        violations: red lights run and stop signs missed in all; None where lights and signs are not known.
    """

    name: str
    num_valid: int
    num_failed: int
    num_invalid: int
    failure_rate: Interval | None
    violations: SignalViolations | None


def validate(config: ValidateConfig) -> int:
    """Run the cases, print a table and write the report.

    Returns:
        The exit code: 0 if at most `max_failure_rate` of the cases failed, else 1.
    """
    maps = read_maps(config.maps)
    policy = make_policy(config.policy, checkpoint=config.checkpoint, device=config.device, planner=config.planner)
    runner = make_case_runner(config.world, config.checkpoint, config.device, config.carla())
    seeds = range(config.first_seed, config.first_seed + config.num_seeds)
    cases = [SCENARIOS[name].draw(seed) for name in config.scenarios for seed in seeds]
    cases = place_on_maps(cases, maps)

    worst = {name: _Worst(config.num_videos) for name in config.scenarios}
    with tqdm(total=len(cases), unit="case", desc=config.policy) as bar:

        def on_case(result: CaseResult, rollout: Rollout | None) -> None:
            worst[result.scenario].offer(result, rollout)
            bar.update()

        everything = run_cases(runner, policy, cases, on_case)
    runner.close()

    everything.sort(key=lambda result: result.seed)
    results = {name: [r for r in everything if r.scenario == name] for name in config.scenarios}
    total = summarise("all", everything)
    summaries = [summarise(name, of_one) for name, of_one in results.items()] + [total]
    passed = total.failure_rate is not None and total.failure_rate.estimate <= config.max_failure_rate
    _print_table(summaries)
    facts = provenance(checkpoint=checkpoint_used(config), seeds=list(seeds), maps=maps)
    _write_report(config, passed, summaries, results, worst, facts)
    print(f"{'passed' if passed else 'FAILED'}: {config.out / 'report.html'}")
    return 0 if passed else 1


def checkpoint_used(config: ValidateConfig) -> Path | None:
    """Folder of the world model that takes part in the run; None if none does."""
    policy = POLICIES.get(config.policy)
    if config.world != "learned" and not (policy and policy.uses_world_model):
        return None
    from worldsim.world_model import DEFAULT_CHECKPOINT

    return config.checkpoint or DEFAULT_CHECKPOINT


def summarise(name: str, results: Sequence[CaseResult]) -> Summary:
    """Counts and failure rate of some results."""
    num_valid, num_failed = sum(r.valid for r in results), sum(r.failed for r in results)
    return Summary(
        name=name,
        num_valid=num_valid,
        num_failed=num_failed,
        num_invalid=len(results) - num_valid,
        failure_rate=clopper_pearson(num_failed, num_valid) if num_valid else None,
        violations=SignalViolations.total(r.violations for r in results),
    )


class _Worst:
    """The worst drives so far; only their rollouts, with frames for a video, stay in memory."""

    def __init__(self, num: int) -> None:
        self.num = num
        self.runs: list[tuple[CaseResult, Rollout]] = []

    def offer(self, result: CaseResult, rollout: Rollout | None) -> None:
        """Keep a drive if it is among the worst."""
        if rollout is not None:
            self.runs.append((result, rollout))
            self.runs.sort(key=lambda run: severity(run[0]), reverse=True)
            del self.runs[self.num :]


def _print_table(summaries: Sequence[Summary]) -> None:
    head = f"{'scenario':<22}{'cases':>6}{'failed':>8}{'rate':>8}   {'95 % interval':<18}"
    print(f"\n{head}red lights run, stop signs missed")
    for s in summaries:
        rate = s.failure_rate
        estimate, span = ("-", "") if rate is None else (f"{rate.estimate:.1%}", f"{rate.low:.1%} to {rate.high:.1%}")
        missed = "not known" if s.violations is None else ", ".join(violations_text(s.violations))
        invalid = f"   ({s.num_invalid} invalid)" if s.num_invalid else ""
        print(f"{s.name:<22}{s.num_valid:>6}{s.num_failed:>8}{estimate:>8}   {span:<18}{missed}{invalid}")


def _write_report(
    config: ValidateConfig,
    passed: bool,
    summaries: Sequence[Summary],
    results: dict[str, list[CaseResult]],
    worst: dict[str, _Worst],
    facts: dict[str, str],
) -> None:
    sections = []
    for name, of_one in results.items():
        videos = [_video(config, result, rollout) for result, rollout in worst[name].runs]
        sections.append(_section(SCENARIOS[name], of_one, videos))

    everything = [r for of_one in results.values() for r in of_one]
    content = {
        "config": asdict(config),
        "passed": passed,
        "summaries": summaries,
        "results": everything,
        "provenance": facts,
    }
    write_json(config.out / "report.json", content)

    titles = [SCENARIOS[name].title for name in results]
    page = Page(
        title=f"Validation of {config.policy.replace('_', ' ')}",
        subtitle=f"{WORLDS[config.world].title}, {len(everything)} cases from {', '.join(titles)}",
        verdict="passed" if passed else "failed",
        good=passed,
        stats=_stats(everything, config.max_failure_rate),
        summary=_summary_table(summaries, config.max_failure_rate),
        note=HOW_TO_READ,
        sections=sections,
        provenance=facts,
    )
    write_page(config.out / "report.html", page)


HOW_TO_READ = (
    "A case fails by a collision, by leaving the road, or by too little progress. Bars show the failure rate with its "
    "95 % Clopper–Pearson interval, which is valid for independent draws from the scenario's distribution. Time to "
    "collision assumes constant velocities and looks 3 s ahead. Comfortable drives stay within all of nuPlan's bounds. "
    "Red lights run and stop signs missed are counted where the world knows its lights and signs; they fail no case."
)


def _stats(results: Sequence[CaseResult], allowed: float) -> list[Stat]:
    valid = [r for r in results if r.valid]
    comfortable = sum(not r.comfort_violations for r in valid)
    ttcs = [r.min_ttc for r in valid if r.min_ttc is not None]
    return [
        Stat(value=f"{sum(r.failed for r in valid)} of {len(valid)}", label="cases failed"),
        Stat(value=f"{allowed:.0%}", label="failure rate allowed"),
        Stat(value=f"{min(ttcs):.1f} s" if ttcs else "> 3 s", label="minimum time to collision"),
        Stat(value=f"{comfortable / len(valid):.0%}" if valid else "none", label="comfortable drives"),
    ]


def _summary_table(summaries: Sequence[Summary], allowed: float) -> Table:
    rows = []
    for s in summaries:
        title = SCENARIOS[s.name].title if s.name in SCENARIOS else "All scenarios"
        rate = s.failure_rate
        cell = "no valid case" if rate is None else Rate(**asdict(rate), text=f"{rate.low:.0%} to {rate.high:.0%}")
        estimate = "" if rate is None else f"{rate.estimate:.1%}"
        rows.append([title, str(s.num_valid), str(s.num_failed), estimate, cell, *violations_text(s.violations)])
    good = [s.failure_rate is not None and s.failure_rate.estimate <= allowed for s in summaries]
    header = ["scenario", "cases", "failed", "failure rate", "95 % confidence interval"]
    header += ["red lights run", "stop signs missed"]
    return Table(header=header, rows=rows, good=good)


def _section(scenario: Scenario, results: Sequence[CaseResult], videos: Sequence[Video]) -> Section:
    on_maps = any(r.map for r in results)
    header = ["seed", *(["map"] if on_maps else []), *results[0].parameters, "outcome", "min. TTC [s]", "min. gap [m]"]
    header += ["progress [m]", "required progress [m]", "comfort", "red lights run", "stop signs missed"]
    rows = [
        [
            str(r.seed),
            *([r.map] if on_maps else []),
            *(_number(value) for value in r.parameters.values()),
            r.outcome.replace("_", " "),
            _number(r.min_ttc),
            _number(r.min_gap),
            f"{r.progress:.0f}",
            f"{r.min_progress:.0f}",
            ", ".join(name.replace("_", " ") for name in r.comfort_violations) or "within bounds",
            *violations_text(r.violations),
        ]
        for r in results
    ]

    return Section(
        title=scenario.title,
        text=f"{scenario.description} Sampled: {_samples(scenario)}.",
        figures=[Figure(png=scenario_figure(results), alt="minimum time to collision and outcome of each case")],
        videos=videos,
        table=Table(header=header, rows=rows, good=[not r.failed for r in results]),
    )


def _samples(scenario: Scenario) -> str:
    """Each sampled parameter with its range: "ego speed (20 to 50 km/h), headway (...)"."""
    return ", ".join(f"{name.partition(' [')[0]} ({span})" for name, span in scenario.samples.items())


def _video(config: ValidateConfig, result: CaseResult, rollout: Rollout) -> Video:
    """The annotated drive, also written beside the report."""
    path = config.out / f"{result.scenario}_{result.seed}.mp4"
    write_mp4(path, annotate_rollout(rollout), 1 / rollout.dt, crf=23)
    ttc = "above 3 s" if result.min_ttc is None else f"{result.min_ttc:.1f} s"
    return Video(
        mp4=path.read_bytes(),
        title=f"seed {result.seed}: {result.outcome.replace('_', ' ')}",
        caption=f"minimum time to collision {ttc}, {result.seconds:.1f} s driven",
        good=not result.failed,
    )


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"
