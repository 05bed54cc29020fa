"""What PPO learned from camera frames in either world, driven in the reference world beside the planner that both began
with and the lane follower, from the same starts in towns that nothing was learned from.

    python examples/ppo_transfer.py --learned runs/ppo_pixels --road runs/ppo_pixels_road

Run it again to go on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
import tyro
from ppo import CURVE_NAME
from ppo_pixels import Driver, DriveScore, make_scored_env, score_drive
from tqdm import tqdm

from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.policy import Policy
from policies.rule_based import LaneFollower
from scenarios.statistics import Interval, bootstrap_mean
from worldsim.atomic_files import atomic_path
from worldsim.checkpoint import weights_checksum

EXPERT, START, LEARNED, ROAD = "lane follower", "before PPO", "PPO in the learned world", "PPO in the reference world"
DRIVES_NAME, REPORT_NAME, PLOT_NAME = "drives.jsonl", "report.json", "transfer.png"
INFRACTIONS = ("collisions", "off_road", "red_lights", "stop_signs")
FIRST_TOWN = 1101
"""Of those that are driven in; held out from all training."""
NUM_RESAMPLES = 2000


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """What to compare.

    Args:
        learned: folder of the agent that learned in the learned world.
        road: folder of the agent that learned in the reference world, from the same planner.
        out: folder for drives, report and plot.
        num_towns: driven in.
        num_seeds: starts in each town.
        seconds: longest drive [s].

    Raises:
        ValueError: there are no starts.
    """

    learned: Path = Path("runs/ppo_pixels")
    road: Path = Path("runs/ppo_pixels_road")
    out: Path = Path("runs/ppo_transfer")
    num_towns: int = 24
    num_seeds: int = 2
    seconds: float = 20.0

    def __post_init__(self) -> None:
        if min(self.num_towns, self.num_seeds) < 1:
            raise ValueError(f"there must be starts, got {self.num_towns} towns with {self.num_seeds} seeds each")

    @property
    def starts(self) -> list[tuple[int, int]]:
        """Towns and seeds."""
        return [(FIRST_TOWN + k, seed) for k in range(self.num_towns) for seed in range(self.num_seeds)]


def compare(config: TransferConfig) -> dict[str, Any]:
    """Drive, and return the report; it, the drives and a plot are written to `out`.

    Raises:
        FileNotFoundError: there is no agent in one of the folders.
        ValueError: the agents began from different planners, or were not trained for as many steps.
    """
    learned, road = Driver(config.learned), Driver(config.road)
    for name in ("planner", "num_steps"):
        ours, theirs = learned.notes[name], road.notes[name]
        if ours != theirs:
            raise ValueError(f"{config.learned} has {name} {ours}, {config.road} {theirs}: they do not compare")
    policies = {
        EXPERT: LaneFollower(),
        START: PIXEL_PLANNERS[learned.notes["planner"]].load(),
        LEARNED: learned,
        ROAD: road,
    }
    scores = drive_all(config, policies)
    report = summarize(scores)
    report |= {"planner": learned.notes["planner"], "num_steps": int(learned.notes["num_steps"])}
    with atomic_path(config.out / REPORT_NAME) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")
    plot(config, scores)
    return report


def drive_all(config: TransferConfig, policies: dict[str, Policy]) -> dict[str, list[DriveScore]]:
    """All policies from all starts, start by start, which builds each town once; what was driven before is read."""
    config.out.mkdir(parents=True, exist_ok=True)
    path = config.out / DRIVES_NAME
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    known = {(row["policy"], row["weights"], row["limit"], row["town"], row["seed"]): row for row in rows}
    weights = {name: weights_checksum(policy.agent) for name, policy in policies.items() if isinstance(policy, Driver)}

    scores: dict[str, list[DriveScore]] = {name: [] for name in policies}
    env: gymnasium.Env | None = None
    with path.open("a") as file:
        for town, seed in tqdm(config.starts, unit=" starts"):
            for name, policy in policies.items():
                key = (name, weights.get(name), config.seconds, town, seed)
                if key not in known:
                    env = env or make_scored_env(config.seconds)
                    known[key] = score_drive(env, policy, town, seed)._asdict()
                    row = {"policy": name, "weights": weights.get(name), "limit": config.seconds, **known[key]}
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                scores[name].append(DriveScore(**{field: known[key][field] for field in DriveScore._fields}))
    if env is not None:
        env.close()
    return scores


def summarize(scores: dict[str, list[DriveScore]]) -> dict[str, Any]:
    """The report: means of each policy, its share of the lane follower's return, and the two agents drive by drive."""
    rng = np.random.default_rng(0)
    returns = {name: np.array([drive.episode_return for drive in drives]) for name, drives in scores.items()}
    faults = {name: np.array([drive.num_infractions for drive in drives]) for name, drives in scores.items()}
    starts = [(drive.town, drive.seed) for drive in scores[EXPERT]]
    report: dict[str, Any] = {"num_drives": len(starts), "towns_and_seeds": starts, "policies": {}}
    for name, drives in scores.items():
        report["policies"][name] = {
            "return": asdict(bootstrap_mean(returns[name], rng)),
            "share_of_lane_follower": asdict(share_of(returns[name], returns[EXPERT], rng)),
            "infractions": int(faults[name].sum()),
            **{kind: sum(getattr(drive, kind) for drive in drives) for kind in INFRACTIONS},
            "offset": float(np.mean([drive.offset for drive in drives])),
            "speed": float(np.mean([drive.speed for drive in drives])),
        }
    report["learned_minus_road"] = {
        "return": asdict(bootstrap_mean(returns[LEARNED] - returns[ROAD], rng)),
        "infractions": asdict(bootstrap_mean(faults[LEARNED] - faults[ROAD], rng)),
    }
    return report


def share_of(returns: np.ndarray, expert: np.ndarray, rng: np.random.Generator) -> Interval:
    """Mean of returns [n] over that of an expert from the same starts [n], with its 95 % bootstrap interval."""
    rows = rng.integers(len(returns), size=(NUM_RESAMPLES, len(returns)))
    low, high = np.quantile(returns[rows].mean(axis=1) / expert[rows].mean(axis=1), [0.025, 0.975])
    return Interval(estimate=float(returns.mean() / expert.mean()), low=float(low), high=float(high))


def plot(config: TransferConfig, scores: dict[str, list[DriveScore]], num_averaged: int = 8) -> None:
    """Plot returns and infractions of the policies, and the agents' returns while they learned."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.2), layout="constrained")
    by_return, by_fault, by_step = figure.subplots(1, 3)
    names, places = list(scores), np.arange(len(scores))
    labels = [name.replace(" in the ", ",\n").replace(" world", "\nworld").replace(" PPO", "\nPPO") for name in names]
    returns = np.array([[drive.episode_return for drive in scores[name]] for name in names])
    by_return.plot(places, returns, color="0.85", lw=0.7)
    by_return.plot(places, returns.mean(axis=1), "o", color="C0")
    by_return.axhline(0.95 * returns[names.index(EXPERT)].mean(), color="C1", ls=":", label="95 % of the lane follower")
    by_return.set(title="return, drive by drive and on average", xticks=places)
    by_return.legend(fontsize=7)

    below = np.zeros(len(names))
    for kind in INFRACTIONS:
        share = np.array([np.mean([getattr(drive, kind) for drive in scores[name]]) for name in names])
        by_fault.bar(places, share, bottom=below, label=kind.replace("_", " "))
        below += share
    by_fault.set(title="infractions per drive", xticks=places)
    by_fault.legend(fontsize=7)
    for axes in (by_return, by_fault):
        axes.set_xticklabels(labels, fontsize=7)

    for folder, world, name in ((config.learned, "learned", LEARNED), (config.road, "road", ROAD)):
        rows = [json.loads(line) for line in (folder / CURVE_NAME).read_text().splitlines()]
        steps, values = columns(rows, world)
        means = [values[max(0, k + 1 - num_averaged) : k + 1].mean() for k in range(len(values))]
        (line,) = by_step.plot(steps, means, label=name)
        by_step.plot(*columns(rows, "reference"), "o", color=line.get_color())
    by_step.set(title="return; o: in the reference world", xlabel="env steps")
    by_step.legend(fontsize=7)
    figure.savefig(config.out / PLOT_NAME, dpi=110)


def columns(rows: Iterable[dict[str, Any]], world: str) -> tuple[np.ndarray, np.ndarray]:
    """Env steps and returns of a learning curve, where there are any."""
    known = [(row["num_steps"], row[world]["return"]) for row in rows if world in row]
    steps, returns = np.array(known).T
    return steps[np.isfinite(returns)], returns[np.isfinite(returns)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps(compare(tyro.cli(TransferConfig, description=__doc__)), indent=1))
