"""PPO in one file: learns lane keeping in the learned world and evaluates it in the reference world.

`ppo_pixels.py` beside it learns from camera frames by the same algorithm.

    python examples/ppo.py                                   # train; resumes if interrupted
    drivedit validate --policy examples/ppo.py:Driver        # run the result through the scenarios
    drivedit play --policy examples/ppo.py:Driver            # watch it drive

PPO as in Schulman et al. 2017, with the details of Huang et al. 2022 (37 implementation details of PPO).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import gymnasium
import numpy as np
import torch
import tyro
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributions import Normal
from tqdm import tqdm

import drivedit  # registers the env ids
from envs.features import MIRRORED, NUM_FEATURES, features_of_state
from policies.fair_start import is_fair_start
from worldsim.datatypes.scene import LaneColumn

DEFAULT_OUT = Path("runs/ppo")
POLICY_NAME, CURVE_NAME, PLOT_NAME = "policy.safetensors", "curve.jsonl", "curve.png"
SCORED_TOWNS, SCORED_SEEDS = (1001, 1002, 1003), 3
"""Towns of the reference world in which the policy is evaluated, and starts in each; held out from all training."""
FIRST_ACTION, FIRST_STD = (0.0, 0.4), (0.05, 0.3)
"""Mean and spread of the untrained policy's actions; the mean holds the speed."""
ACTION_UNITS = (0.2, 1.0)
"""The network's outputs are scaled by these."""


@dataclass(frozen=True, kw_only=True)
class PPOConfig:
    """Hyperparameters of PPO.

    Args:
        out: folder for the policy and its learning curve.
        num_steps: env steps in total.
        num_envs: envs that run in parallel.
        rollout_length: steps of each env between two updates.
        seconds: longest episode [s].
        learning_rate: Adam's, at the start; decays linearly to 0.
        discount: of rewards, per step.
        gae_lambda: of the generalised advantage estimate.
        clip: range of the clipped probability ratio.
        max_kl: divergence from the policy that drove, in a minibatch, from which on an update moves the values only.
        num_epochs: passes over each rollout.
        num_minibatches: per pass.
        score_every: updates between two evaluations in the reference world.
        checkpoint: folder of the world model to learn in; None takes the one that ships with the package.
        num_warmup_steps: the first env steps, from which the values are learned but no policy yet.
        seed: of network, exploration and envs.
    """

    out: Path = DEFAULT_OUT
    num_steps: int = 30_000
    num_envs: int = 16
    rollout_length: int = 16
    seconds: float = 20.0
    learning_rate: float = 3e-3
    discount: float = 0.97
    gae_lambda: float = 0.9
    clip: float = 0.2
    max_kl: float = math.inf
    num_epochs: int = 10
    num_minibatches: int = 4
    score_every: int = 16
    checkpoint: Path | None = None
    num_warmup_steps: int = 0
    seed: int = 0


class Agent(nn.Module):
    """Actor and critic: two perceptrons over features [b, NUM_FEATURES].

    Both are evaluated on the features and on their mirror image, which makes the policy equivariant: mirrored features
    give the mirrored action, so left and right need not be learned twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.actor, self.critic = perceptron(NUM_FEATURES, 2, gain=0.01), perceptron(NUM_FEATURES, 1, gain=1.0)
        self.mirror: Tensor
        self.register_buffer("mirror", torch.from_numpy(MIRRORED), persistent=False)
        self.log_std = nn.Parameter(torch.tensor(FIRST_STD).log())

    def forward(self, observations: Tensor) -> tuple[Normal, Tensor]:
        """The distribution of actions [b, 2], and values [b]."""
        both = torch.stack([observations, observations * self.mirror])
        here, mirrored = self.actor(both)

        # Steer changes its sign in the mirror, acceleration does not.
        output = torch.stack([here[:, 0] - mirrored[:, 0], here[:, 1] + mirrored[:, 1]], dim=-1) / 2
        mean = torch.tensor(FIRST_ACTION) + torch.tensor(ACTION_UNITS) * output
        return Normal(mean, self.log_std.exp()), self.critic(both).mean(0)[:, 0]


def perceptron(num_in: int, num_out: int, gain: float) -> nn.Sequential:
    """Two hidden layers of 64; `gain` is the scale of the last layer's first weights."""
    layers = [nn.Linear(num_in, 64), nn.Linear(64, 64), nn.Linear(64, num_out)]
    for layer, scale in zip(layers, (math.sqrt(2), math.sqrt(2), gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class Driver:
    """The learned policy as a DriveDiT policy: takes the mean action for `info["scene"]`.

    Args:
        folder: written by `ppo`.
    """

    uses_pictures = False

    def __init__(self, folder: Path = DEFAULT_OUT) -> None:
        self.agent, _ = load(folder)

    def reset(self, env: Any, seed: int) -> None:
        """Nothing to prepare."""

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        return act(self.agent, features_of_state(info["scene"])[None])[0]


@torch.no_grad()
def act(agent: Agent, observations: np.ndarray) -> np.ndarray:
    """The mean actions float32 [b, 2], within [-1, 1]."""
    return agent(torch.from_numpy(observations))[0].mean.clamp(-1, 1).numpy()


def load(folder: Path) -> tuple[Agent, int]:
    """The agent in `folder`, and how many env steps it was trained for.

    Raises:
        FileNotFoundError: there is no agent in `folder`.
    """
    agent, path = Agent(), Path(folder) / POLICY_NAME
    if not path.is_file():
        raise FileNotFoundError(f"no policy in {folder}: {POLICY_NAME} is missing; `python examples/ppo.py` trains one")
    return agent, int(load_agent(agent, path)["num_steps"])


def load_agent(agent: nn.Module, path: Path) -> dict[str, str]:
    """Read an agent's weights, and return what `save` noted of it."""
    with safe_open(path, framework="pt") as file:
        agent.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        return file.metadata()


def save(agent: nn.Module, folder: Path, notes: Mapping[str, str]) -> None:
    """Write the agent, and notes on how it was made."""
    unfinished = folder / f"{POLICY_NAME}.unfinished"
    save_file(agent.state_dict(), unfinished, dict(notes))
    unfinished.replace(folder / POLICY_NAME)


class Batch(NamedTuple):
    """The steps of a rollout, [n, ...], without those that only reset an env."""

    observations: Tensor
    actions: Tensor
    log_probs: Tensor
    advantages: Tensor
    returns: Tensor


class Collector:
    """Collects rollouts of an agent.

    Attributes:
        num_steps: env steps of a rollout.
        tally: of the episodes driven.

    Args:
        envs: vector env in autoreset mode NEXT_STEP.
        config: hyperparameters.
    """

    def __init__(self, envs: gymnasium.vector.VectorEnv, config: PPOConfig) -> None:
        self.envs, self.config = envs, config
        self.num_steps = envs.num_envs * config.rollout_length
        self.now, infos = envs.reset(seed=config.seed)
        self.ended = np.zeros(envs.num_envs, bool)
        self.tally = Tally(envs.num_envs)
        self.tally.begin(infos)

    @torch.no_grad()
    def collect(self, agent: Agent) -> Batch:
        """A rollout of every env."""
        config = self.config
        t, n = config.rollout_length, self.envs.num_envs
        observations, actions = torch.zeros(t + 1, n, NUM_FEATURES), torch.zeros(t, n, 2)
        log_probs, rewards = torch.zeros(t, n), torch.zeros(t, n)
        goes_on, has_future, real = torch.zeros(t, n), torch.zeros(t, n), torch.zeros(t, n, dtype=torch.bool)

        for k in range(t):
            observations[k], real[k] = torch.from_numpy(self.now), torch.from_numpy(~self.ended)
            policy, _ = agent(observations[k])
            actions[k] = policy.sample()
            log_probs[k] = policy.log_prob(actions[k]).sum(-1)

            self.now, reward, terminated, truncated, infos = self.envs.step(actions[k].clamp(-1, 1).numpy())
            self.tally.add(reward, infos, terminated, truncated, ~self.ended)
            self.ended = terminated | truncated
            rewards[k] = torch.from_numpy(reward)
            goes_on[k], has_future[k] = torch.from_numpy(~self.ended), torch.from_numpy(~terminated)

        # A truncated episode still has a future, whose value counts; a terminated one has none.
        observations[t] = torch.from_numpy(self.now)
        values = torch.stack([agent(o)[1] for o in observations])
        advantages = estimate_advantages(rewards, values[:-1], values[1:], has_future, goes_on, config)
        steps = (observations[:-1], actions, log_probs, advantages, advantages + values[:-1])
        return Batch(*(value[real] for value in steps))


def estimate_advantages(
    rewards: Tensor, values: Tensor, next_values: Tensor, has_future: Tensor, goes_on: Tensor, config: PPOConfig
) -> Tensor:
    """Generalised advantage estimates (Schulman et al. 2016), [t, n], of t steps of n envs.

    Args:
        rewards: [t, n].
        values: of what each step began from, [t, n].
        next_values: of what it led to, [t, n].
        has_future: 0 where the step led to an end of which no value counts, [t, n].
        goes_on: 0 where the episode ended, [t, n].
        config: discount and lambda.
    """
    td_errors = rewards + config.discount * has_future * next_values - values
    advantages, later = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for k in reversed(range(len(rewards))):
        later = advantages[k] = td_errors[k] + config.discount * config.gae_lambda * goes_on[k] * later
    return advantages


class Tally:
    """Statistics of the episodes that ended since the last reading: returns, infractions, lane keeping."""

    def __init__(self, num_envs: int) -> None:
        self.returns = np.zeros(num_envs)
        self.rows: list[tuple[float, bool]] = []
        self.offsets: list[float] = []
        self.speeds: list[float] = []
        self.fair: np.ndarray = np.ones(num_envs, bool)

    def begin(self, infos: dict[str, Any], begun: np.ndarray | bool = True) -> None:
        """Episodes begin with these infos where `begun`: those that do so off the road or in contact never count."""
        self.fair = np.where(begun, is_fair_start(infos["collision"], infos["off_road"]), self.fair)

    def add(
        self, reward: np.ndarray, infos: dict[str, Any], terminated: np.ndarray, truncated: np.ndarray, real: np.ndarray
    ) -> None:
        """Count a step of all envs; `real` marks the envs that were not just reset."""
        self.begin(infos, ~real)
        scene, real = drivedit.SceneState.from_vector(infos["scene"]), real & self.fair
        self.returns += np.where(real, reward, 0.0)
        self.offsets += np.abs(scene.lateral_offset[real & scene.lane_valid[:, LaneColumn.LATERAL_OFFSET]]).tolist()
        self.speeds += scene.speed[real].tolist()
        for k in np.flatnonzero((terminated | truncated) & real):
            self.rows.append((float(self.returns[k]), bool(terminated[k] and not infos["route_done"][k])))
            self.returns[k] = 0.0

    def read(self) -> dict[str, float]:
        """Means over the episodes and steps since the last reading."""
        means = {"episodes": float(len(self.rows)), "steps": float(len(self.speeds))}
        means |= {"offset": _mean(self.offsets), "speed": _mean(self.speeds)}
        means["return"] = _mean([episode_return for episode_return, _ in self.rows])
        means["infractions"] = _mean([infraction for _, infraction in self.rows])
        self.rows, self.offsets, self.speeds = [], [], []
        return means


def _mean(values: list[Any]) -> float:
    return float(np.mean(values)) if values else math.nan


def update(
    agent: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch, config: PPOConfig, *, policy_moves: bool = True
) -> None:
    """Several passes over a batch with PPO's clipped objective; unless `policy_moves`, for the values only."""
    n = len(batch.actions)
    for _ in range(config.num_epochs):
        for rows in torch.randperm(n).chunk(config.num_minibatches):
            part = Batch(*(value[rows] for value in batch))
            policy, values = agent(part.observations)

            log_ratio = policy.log_prob(part.actions).sum(-1) - part.log_probs
            ratio = log_ratio.exp()
            gain = (part.advantages - part.advantages.mean()) / (part.advantages.std() + 1e-6)
            clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
            actor_loss = -torch.minimum(ratio * gain, clipped * gain).mean()
            critic_loss = 0.5 * (values - part.returns).square().mean()

            # parameters without a gradient are left alone by the optimizer
            policy_moves = policy_moves and (ratio - 1 - log_ratio).mean().item() <= config.max_kl
            loss = actor_loss + critic_loss if policy_moves else critic_loss

            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimizer.step()


Drive = Callable[[np.ndarray], np.ndarray]
"""Actions [n, 2] for SceneStates as vectors [n, SCENE_SIZE]."""


def score(drive: Drive, seconds: float) -> dict[str, float]:
    """Statistics of episodes in the reference world, SCORED_SEEDS in each of SCORED_TOWNS."""
    tally = Tally(SCORED_SEEDS)
    for town in SCORED_TOWNS:
        envs = gymnasium.make_vec("DriveDiT-Road-v0", SCORED_SEEDS, obs="features", max_episode_seconds=seconds)
        run(envs, drive, tally, {"town": town})
    return tally.read()


def run(envs: gymnasium.vector.VectorEnv, drive: Drive, tally: Tally, options: dict[str, Any] | None = None) -> None:
    """One episode of each env, from seed 0 on; closes them."""
    _, infos = envs.reset(seed=0, options=options)
    tally.begin(infos)
    ended = np.zeros(envs.num_envs, bool)
    while not ended.all():
        _, reward, terminated, truncated, infos = envs.step(drive(infos["scene"]))
        tally.add(reward, infos, terminated, truncated, ~ended)
        ended |= terminated | truncated
    envs.close()


class RolloutSource(Protocol):
    """What `train` learns from; see Collector."""

    num_steps: int
    tally: Tally

    def collect(self, agent: Any) -> Batch:
        """A rollout of every env."""
        ...


def train(
    agent: nn.Module,
    source: RolloutSource,
    config: PPOConfig,
    done: int,
    score: Callable[[], dict[str, float]],
    notes: Mapping[str, str],
) -> None:
    """Train the agent after `done` env steps up to `config.num_steps`; writes it and its curve, one JSON line per
    update, to `config.out`.

    Args:
        agent: answers observations [b, ...] with the distribution of actions [b, 2], and values [b].
        source: of rollouts.
        config: hyperparameters.
        done: env steps that it has been trained for.
        score: statistics of episodes in the reference world.
        notes: kept beside the weights; "world" is the one that is learned in.
    """
    optimizer = torch.optim.Adam(agent.parameters(), lr=config.learning_rate, eps=1e-5)
    with tqdm(total=config.num_steps, initial=done, unit=" steps") as bar, (config.out / CURVE_NAME).open("a") as curve:
        while done < config.num_steps:
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * (1 - done / config.num_steps)
            policy_moves = done >= config.num_warmup_steps
            update(agent, optimizer, source.collect(agent), config, policy_moves=policy_moves)
            done += source.num_steps

            row: dict[str, Any] = {"num_steps": done, "seconds": bar.format_dict["elapsed"]}
            row[notes["world"]] = source.tally.read()
            if (done // source.num_steps) % config.score_every == 0 or done >= config.num_steps:
                row["reference"] = score()
            curve.write(json.dumps(row) + "\n")
            curve.flush()
            save(agent, config.out, {**notes, "num_steps": str(done)})
            bar.update(source.num_steps)
            bar.set_postfix({name: f"{value:.2f}" for name, value in row[notes["world"]].items()})
    plot(config.out, notes["world"])


def ppo(config: PPOConfig) -> Agent:
    """Train, or resume training, and return the agent; writes it and its curve, one JSON line per update, to `out`."""
    config.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    agent, done = load(config.out) if (config.out / POLICY_NAME).is_file() else (Agent(), 0)
    envs = gymnasium.make_vec(
        "DriveDiT-v0",
        config.num_envs,
        obs="features",
        checkpoint=config.checkpoint,
        num_sampling_steps=1,
        max_episode_seconds=config.seconds,
    )

    def score_agent() -> dict[str, float]:
        return score(lambda scenes: act(agent, features_of_state(scenes)), config.seconds)

    train(agent, Collector(envs, config), config, done, score_agent, {"world": "learned"})
    envs.close()
    return agent


def plot(folder: Path, trained_in: str, num_averaged: int = 8) -> None:
    """Plot the learning curves: training in a world, with exploration, averaged over the last `num_averaged` updates;
    and evaluation in the reference world."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in (folder / CURVE_NAME).read_text().splitlines()]
    figure = Figure(figsize=(10, 3), layout="constrained")
    titles = {
        "return": "return per episode",
        "offset": "distance from the lane centre [m]",
        "infractions": "share of episodes with an infraction",
    }
    for axes, (key, title) in zip(figure.subplots(1, len(titles)), titles.items(), strict=True):
        for world, style, window in ((trained_in, "-", num_averaged), ("reference", "o-", 1)):
            known = [row for row in rows if world in row and not math.isnan(row[world][key])]
            values = np.array([row[world][key] for row in known])
            means = [values[max(0, k + 1 - window) : k + 1].mean() for k in range(len(values))]
            axes.plot([row["num_steps"] for row in known], means, style, label=f"{world} world")
        axes.set(title=title, xlabel=f"env steps in the {trained_in} world")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    figure.axes[0].legend()
    figure.savefig(folder / PLOT_NAME, dpi=110)


if __name__ == "__main__":
    torch.set_num_threads(1)
    ppo(tyro.cli(PPOConfig, description=__doc__))
