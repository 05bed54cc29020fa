"""`drivedit demo`: a policy drives in the learned world for a few seconds; writes videos and a report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
import tyro
from tqdm import tqdm

from envs.registration import make_learned_env
from envs.video import write_mp4
from policies.drive import Rollout, drive
from policies.fair_start import why_no_start
from policies.policy import Policy
from policies.registry import POLICY_HELP, make_policy
from policies.search.sampling_planner import Plan, SamplingPlanner, SamplingPlannerConfig
from scenarios.metrics.collision import first_event
from scenarios.metrics.comfort import broken_comfort_bounds
from scenarios.metrics.record_rollout import record_rollout
from scenarios.metrics.signal_violations import SignalViolations, violations_text
from scenarios.overlay import annotate
from scenarios.plots import drive_figure
from scenarios.report import Figure, Page, Section, Stat, Table, Video, provenance, write_json, write_page
from worldsim.datatypes.scene import LaneColumn, SceneState
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Let a policy drive in the learned world.

    Args:
        policy: drives the ego; one of `policies.registry`, or your own as module:Name or file.py:Name.
        seconds: simulated time of each drive [s].
        num_drives: each from a start of its own.
        seed: of the first drive; the others count up from it.
        out: folder for report.html, report.json and the videos.
        checkpoint: world model; None takes the one that ships with the package.
        device: torch device of the world model.
        planner: how "planner" and the others that search do so.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.

    Raises:
        ValueError: a number is too small.
    """

    policy: Annotated[str, tyro.conf.arg(help=POLICY_HELP)] = "planner"
    seconds: float = 6.0
    num_drives: int = 2
    seed: int = 0
    out: Path = Path("runs/demo")
    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        if not self.seconds > 0:
            raise ValueError(f"seconds must be positive, got {self.seconds}")
        if self.num_drives < 1:
            raise ValueError(f"num_drives must be at least 1, got {self.num_drives}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class DriveSummary:
    """One drive in numbers.

    Args:
        seed: of the drive.
        seconds: simulated time [s].
        distance: along the lane [m].
        mean_speed: [m/s].
        mean_offset: mean distance from the lane centre [m]; None if the lane was never known.
        max_collision: highest probability of a collision.
        max_off_road: highest probability of being off the road.
        ended_by: "time", "collision", "off_road", or "no_start" of a drive that begins so and counts nowhere.
        violations: red lights run and stop signs missed; None where lights and signs are not known.
        comfort_violations: name of each broken nuPlan bound to the worst value.
        wall_seconds: wall-clock time [s].
    """

    seed: int
    seconds: float
    distance: float
    mean_speed: float
    mean_offset: float | None
    max_collision: float
    max_off_road: float
    ended_by: str
    violations: SignalViolations | None
    comfort_violations: Mapping[str, float]
    wall_seconds: float

    @property
    def counts(self) -> bool:
        """Whether it says something about its policy."""
        return self.ended_by != "no_start"


def demo(config: DemoConfig) -> None:
    """Drive, then write videos and report to `config.out`."""
    env = make_learned_env(checkpoint=config.checkpoint, device=config.device, max_episode_seconds=config.seconds + 1.0)
    policy = make_policy(
        config.policy,
        checkpoint=config.checkpoint,
        device=config.device,
        planner=config.planner,
        allow_pickle=config.allow_pickle,
    )
    num_steps = max(round(config.seconds / env.world.dt), 1)

    summaries, sections, films = [], [], []
    with tqdm(total=num_steps * config.num_drives, unit="step", desc=config.policy) as bar:
        for seed in range(config.seed, config.seed + config.num_drives):
            rollout, film, wall_seconds = _film(env, policy, seed, num_steps, bar)
            path = config.out / f"drive_{seed}.mp4"
            write_mp4(path, film, 1 / rollout.dt, crf=20)
            summaries.append(summarise_drive(rollout, wall_seconds))
            sections.append(_section(summaries[-1], rollout, path.read_bytes()))
            films.append(film)
    env.close()

    write_mp4(config.out / "demo.mp4", np.concatenate(films), 10.0, crf=20)
    _write_report(config, summaries, sections)
    _print_table(summaries)
    print(f"video:  {config.out / 'demo.mp4'}\nreport: {config.out / 'report.html'}")


def summarise_drive(rollout: Rollout, wall_seconds: float) -> DriveSummary:
    """The numbers of a drive."""
    scenes, record = rollout.scenes, record_rollout(rollout)
    known = scenes.lane_valid[:, LaneColumn.LATERAL_OFFSET]
    ended_by = "time"
    if why_no_start(rollout.collision[0], rollout.off_road[0]):
        ended_by = "no_start"
    elif first_event(rollout.collision) is not None:
        ended_by = "collision"
    elif first_event(rollout.off_road) is not None:
        ended_by = "off_road"

    return DriveSummary(
        seed=rollout.seed,
        seconds=rollout.seconds,
        distance=float(rollout.progress.sum()),
        mean_speed=float(scenes.speed.mean()),
        mean_offset=float(np.abs(scenes.lateral_offset[known]).mean()) if known.any() else None,
        max_collision=float(rollout.collision.max()),
        max_off_road=float(rollout.off_road.max()),
        ended_by=ended_by,
        violations=SignalViolations.of(record),
        comfort_violations=broken_comfort_bounds(record),
        wall_seconds=wall_seconds,
    )


def _film(
    env: gymnasium.Env, policy: Policy, seed: int, num_steps: int, bar: tqdm
) -> tuple[Rollout, np.ndarray, float]:
    """Drive once; the rollout, its annotated frames and the wall-clock time [s]."""
    images: list[np.ndarray] = []

    def on_step(step: int, frame: np.ndarray, action: np.ndarray, info: Mapping[str, Any]) -> None:
        plan: Plan | None = policy.plan if isinstance(policy, SamplingPlanner) else None
        images.append(
            annotate(
                frame,
                SceneState.from_vector(info["scene"]),
                vehicle=info["vehicle"],
                action=action,
                collision=info["collision"],
                off_road=info["off_road"],
                seconds=step * dt,
                plan=plan,
            )
        )
        bar.update()

    base: Any = env.unwrapped
    dt = float(base.world.dt)
    begun = time.perf_counter()
    rollout = drive(env, policy, seed, max_steps=num_steps, on_step=on_step)
    wall_seconds = time.perf_counter() - begun
    bar.update(num_steps - rollout.num_steps)
    return rollout, np.stack(images), wall_seconds


def _section(summary: DriveSummary, rollout: Rollout, mp4: bytes) -> Section:
    ended = ENDINGS[summary.ended_by]
    return Section(
        title=f"Drive {summary.seed}",
        text=f"{summary.seconds:.1f} s, {summary.distance:.0f} m along the lane, {ended}.",
        videos=[Video(mp4=mp4, title=f"seed {summary.seed}", caption=ended, good=summary.ended_by == "time")],
        figures=[Figure(png=drive_figure(rollout), alt="speed, lane offset and event probabilities over time")],
    )


ENDINGS = {
    "time": "no incident",
    "collision": "collided",
    "off_road": "left the road",
    "no_start": "no fair start: not counted",
}


def _write_report(config: DemoConfig, summaries: list[DriveSummary], sections: list[Section]) -> None:
    from worldsim.world_model import DEFAULT_CHECKPOINT

    facts = provenance(checkpoint=config.checkpoint or DEFAULT_CHECKPOINT, seeds=[s.seed for s in summaries])
    content = {"config": asdict(config), "drives": summaries, "provenance": facts}
    write_json(config.out / "report.json", content)

    good, counted = [s.ended_by == "time" for s in summaries], [s for s in summaries if s.counts]
    offsets = [s.mean_offset for s in counted if s.mean_offset is not None]
    speed = f"{3.6 * np.mean([s.mean_speed for s in counted]):.0f} km/h" if counted else "unknown"
    header = ["drive", "time", "distance", "mean speed", "mean offset"]
    header += ["max. P(collision)", "max. P(off road)", "red lights run", "stop signs missed", "comfort", "outcome"]
    page = Page(
        title=f"{config.policy.replace('_', ' ').capitalize()} in the learned world",
        subtitle=f"Up to {config.seconds:g} s per drive; every frame is generated by the world model",
        verdict=f"{sum(good)} of {_drives(len(counted))} without an incident",
        good=all(good),
        stats=[
            Stat(value=f"{sum(s.seconds for s in counted):.0f} s", label="simulated time"),
            Stat(value=f"{sum(s.distance for s in counted):.0f} m", label="distance along the lane"),
            Stat(value=speed, label=f"mean speed of {_drives(len(counted))}"),
            Stat(
                value=f"{np.mean(offsets):.2f} m" if offsets else "unknown",
                label=f"mean offset from the lane centre in {_drives(len(offsets))}",
            ),
            Stat(value=f"{sum(s.wall_seconds for s in summaries):.0f} s", label="computing time"),
        ],
        summary=Table(header=header, rows=[_row(s) for s in summaries], good=good),
        note="All numbers are computed from tracked states: the ego, the route and the road users that the learned "
        "world simulates. `drivedit fidelity` and `drivedit evaluate` measure how far they can be trusted. "
        "Comfort: nuPlan's bounds.",
        sections=sections,
        provenance=facts,
    )
    write_page(config.out / "report.html", page)


def _drives(num: int) -> str:
    return f"{num} {'drive' if num == 1 else 'drives'}"


def _row(s: DriveSummary) -> list[str]:
    return [
        f"seed {s.seed}",
        f"{s.seconds:.1f} s",
        f"{s.distance:.0f} m",
        f"{3.6 * s.mean_speed:.0f} km/h",
        "–" if s.mean_offset is None else f"{s.mean_offset:.2f} m",
        f"{s.max_collision:.2f}",
        f"{s.max_off_road:.2f}",
        *violations_text(s.violations),
        ", ".join(name.replace("_", " ") for name in s.comfort_violations) or "within bounds",
        ENDINGS[s.ended_by],
    ]


def _print_table(summaries: list[DriveSummary]) -> None:
    print(f"\n{'drive':<8}{'time':>8}{'distance':>10}{'speed':>10}{'P(coll.)':>10}{'P(off)':>8}   outcome")
    for s in summaries:
        print(
            f"{s.seed:<8}{s.seconds:>6.1f} s{s.distance:>8.0f} m{3.6 * s.mean_speed:>5.0f} km/h"
            f"{s.max_collision:>10.2f}{s.max_off_road:>8.2f}   {ENDINGS[s.ended_by]}"
        )
