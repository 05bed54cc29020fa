"""PPO from camera frames: improves a planner that imitates, in the learned or in the reference world.

    python examples/ppo_pixels.py                            # train; resumes if interrupted
    python examples/ppo_pixels.py --world road --out runs/ppo_pixels_road
    drivedit validate --policy examples/ppo_pixels.py:Driver

The planner (`policies.pixels`) stays as it is and PPO learns what to add to it, as in residual policy learning (Silver
et al. 2018, Johannink et al. 2019): a network that begins with random weights would need millions of frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium
import numpy as np
import torch
import tyro
from ppo import (
    POLICY_NAME,
    SCORED_SEEDS,
    SCORED_TOWNS,
    Batch,
    PPOConfig,
    Tally,
    estimate_advantages,
    load_agent,
    perceptron,
    train,
)
from torch import Tensor, nn
from torch.distributions import Normal
from torch.nn import functional as F

from policies.drive import drive
from policies.fair_start import why_no_start
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.pixels.network import ACCELERATION_UNIT, HIDDEN_WIDTH, Intention, PixelNetwork
from policies.pixels.planner import PixelPlanner
from policies.pixels.vision import FRAME_SIZE, Vision, fit_frame
from policies.policy import Policy
from worldsim.datatypes.scene import ROUTE_DISTANCES, RouteCommand, SceneState
from worldsim.inference import Backend

DEFAULT_OUT = Path("runs/ppo_pixels")
ENV_IDS = {"learned": "DriveDiT-v0", "road": "DriveDiT-Road-v0"}
NUM_INPUTS = HIDDEN_WIDTH + 1 + len(RouteCommand) + len(ROUTE_DISTANCES) + 2
"""Of actor and critic: what the planner has seen, with the speed; the route command; how far to the left each point of
its route lies, its acceleration and its nearness."""
CORRECTION_UNITS, FIRST_STD = (0.05, 1.0), (0.015, 0.5)
"""What is added to steer and to acceleration [m/s²]: the network's outputs are scaled by these; its spread at first."""
LEAST_SPREAD = 0.1
"""An input that varies less than this is not magnified further."""


@dataclass(frozen=True, kw_only=True)
class PixelPPOConfig(PPOConfig):
    """Hyperparameters of PPO from camera frames; what PPOConfig says of a step holds here for a decision.

    Args:
        world: that is learned in.
        planner: one of PIXEL_PLANNERS, which is improved.
        num_hold: env steps for which a correction drawn is held: noise of single steps moves a car but little.
        backend: of the learned world, see `worldsim.inference`.
    """

    out: Path = DEFAULT_OUT
    num_steps: int = 32_000
    rollout_length: int = 25
    learning_rate: float = 1e-3
    discount: float = 0.92
    max_kl: float = 0.02
    score_every: int = 10
    num_warmup_steps: int = 3_200
    world: Literal["learned", "road"] = "learned"
    planner: str = "pixels_blurred"
    num_hold: int = 4
    backend: Backend = "bf16"

    def __post_init__(self) -> None:
        if self.planner not in PIXEL_PLANNERS:
            raise ValueError(f"no pixel planner is named {self.planner!r}; there are {', '.join(PIXEL_PLANNERS)}")


class Agent(nn.Module):
    """A planner's network, which is not trained, and two perceptrons over what it sees: actor and critic.

    The actor's answer is added to what the planner wants; it begins as nothing.
    """

    def __init__(self, network: PixelNetwork) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.actor, self.critic = perceptron(NUM_INPUTS, 2, gain=0.0), perceptron(NUM_INPUTS, 1, gain=0.0)
        self.log_std = nn.Parameter(torch.tensor(FIRST_STD).log())
        self.input_mean: Tensor
        self.input_spread: Tensor
        self.register_buffer("input_mean", torch.zeros(NUM_INPUTS))
        self.register_buffer("input_spread", torch.ones(NUM_INPUTS))

    @torch.no_grad()
    def see(self, pictures: np.ndarray, scenes: SceneState) -> tuple[Tensor, Intention]:
        """Inputs [b, NUM_INPUTS] of actor and critic, and what the planner wants.

        Args:
            pictures: uint8 [b, k, h, w, 3], as PixelNetwork takes them.
            scenes: [b], of which speed and route command are known.
        """
        command = torch.from_numpy(scenes.command).long()
        hidden = self.network.encode(torch.from_numpy(pictures), torch.from_numpy(scenes.speed))
        wanted = self.network.decide(hidden, command)
        pace = torch.stack([wanted.acceleration / ACCELERATION_UNIT, wanted.nearness], dim=-1)
        inputs = [hidden, F.one_hot(command, len(RouteCommand)), wanted.route[..., 1], pace]
        return torch.cat([part.float() for part in inputs], dim=-1), wanted

    def fit_scale(self, inputs: Tensor) -> None:
        """Scale inputs from now on by the mean and spread of these [n, NUM_INPUTS]."""
        self.input_mean.copy_(inputs.mean(0))
        self.input_spread.copy_(inputs.std(0, correction=0).clamp(min=LEAST_SPREAD))

    def forward(self, inputs: Tensor) -> tuple[Normal, Tensor]:
        """The distribution of what is added to steer and acceleration [b, 2], and values [b]."""
        scaled = ((inputs - self.input_mean) / self.input_spread).clamp(-5, 5)
        mean = torch.tensor(CORRECTION_UNITS) * self.actor(scaled)
        return Normal(mean, self.log_std.exp()), self.critic(scaled)[:, 0]


def correct(planner: PixelPlanner, speed: np.ndarray, wanted: Intention, corrections: np.ndarray) -> np.ndarray:
    """The actions float32 [n, 2] of a planner that wants this, with corrections [n, 2] of steer and acceleration."""
    steer, acceleration = corrections[:, 0], corrections[:, 1]
    actions = planner.drive(speed, wanted.route.numpy(), wanted.acceleration.numpy() + acceleration)
    actions[:, 0] = np.clip(actions[:, 0] + steer, -1, 1)
    return actions


class ImprovedPlanner(PixelPlanner):
    """Adds an agent's mean correction to what its planner wants.

    Args:
        agent: trained by `ppo_pixels`.
        vision: of the planner that it improves.
    """

    def __init__(self, agent: Agent, vision: Vision) -> None:
        super().__init__(agent.network, vision)
        self.agent = agent

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2]."""
        scenes = SceneState.from_vector(info["scene"])[None]
        with torch.no_grad():
            inputs, wanted = self.agent.see(self.look(frame)[None], scenes)
            policy, _ = self.agent(inputs)
        return correct(self, scenes.speed, wanted, policy.mean.numpy())[0]


class Driver(ImprovedPlanner):
    """The improved planner as a DriveDiT policy.

    Args:
        folder: written by `ppo_pixels`.
    """

    def __init__(self, folder: Path = DEFAULT_OUT) -> None:
        agent, self.notes = load(folder)
        super().__init__(agent, PIXEL_PLANNERS[self.notes["planner"]].vision)


def load(folder: Path) -> tuple[Agent, dict[str, str]]:
    """The agent in `folder`, and what was noted of its training: world, planner and num_steps.

    Raises:
        FileNotFoundError: there is no agent in `folder`.
    """
    agent, path = Agent(PixelNetwork().eval()), Path(folder) / POLICY_NAME
    if not path.is_file():
        raise FileNotFoundError(
            f"no policy in {folder}: {POLICY_NAME} is missing; `python examples/ppo_pixels.py` trains one"
        )
    return agent, load_agent(agent, path)


class Eyes:
    """The newest frames of n drives, of which a planner's pictures are made.

    What was before a start is taken to look like it, as in the recordings that planners learn from.
    """

    def __init__(self, num: int, vision: Vision) -> None:
        self.vision = vision
        self.frames = np.zeros((num, max(vision.ages) + 1, *FRAME_SIZE, 3), np.uint8)

    def look(self, frames: np.ndarray, begun: np.ndarray) -> np.ndarray:
        """The pictures uint8 [n, k, h, w, 3] with the newest frames [n, h, w, 3]; `begun`, bool [n], marks starts."""
        newest = np.stack([fit_frame(frame) for frame in frames])[:, None]
        self.frames = np.concatenate([newest, self.frames[:, :-1]], axis=1)
        self.frames[begun] = newest[begun]
        return self.vision.see(self.frames[:, list(self.vision.ages)])


class Sight(NamedTuple):
    """What n drives show: inputs of actor and critic [n, NUM_INPUTS], speeds [n], and what the planner wants."""

    inputs: Tensor
    speed: np.ndarray
    wanted: Intention


class PixelCollector:
    """Collects rollouts of an agent that sees frames; a step of theirs is a decision, held for some env steps.

    Attributes:
        num_steps: env steps of a rollout.
        tally: of the episodes driven.

    Args:
        envs: vector env in autoreset mode NEXT_STEP that observes pixels.
        planner: whose network is the agent's.
        config: hyperparameters.
    """

    def __init__(self, envs: gymnasium.vector.VectorEnv, planner: PixelPlanner, config: PixelPPOConfig) -> None:
        self.envs, self.planner, self.config = envs, planner, config
        self.num_steps = envs.num_envs * config.rollout_length * config.num_hold
        self.eyes = Eyes(envs.num_envs, planner.vision)
        self.tally = Tally(envs.num_envs)
        self.ended = np.zeros(envs.num_envs, bool)
        self.failed = np.zeros(envs.num_envs, bool)
        self.now: Sight | None = None

    @torch.no_grad()
    def collect(self, agent: Agent) -> Batch:
        """A rollout of every env; of the first one also the scale of the agent's inputs."""
        config = self.config
        t, n = config.rollout_length, self.envs.num_envs
        inputs, next_inputs = torch.zeros(2, t, n, NUM_INPUTS)
        corrections, log_probs, rewards = torch.zeros(t, n, 2), torch.zeros(t, n), torch.zeros(t, n)
        goes_on, has_future, real = torch.zeros(t, n), torch.zeros(t, n), torch.zeros(t, n, dtype=torch.bool)

        first = self.now is None
        now = self._begin(agent) if self.now is None else self.now
        for k in range(t):
            inputs[k], real[k] = now.inputs, torch.from_numpy(~self.ended)
            policy, _ = agent(now.inputs)
            corrections[k] = policy.sample()
            log_probs[k] = policy.log_prob(corrections[k]).sum(-1)

            driving = ~self.ended
            for _ in range(config.num_hold):
                now, reward = self._step(agent, now, corrections[k].numpy() * driving[:, None])
                rewards[k] += torch.from_numpy(np.where(driving, reward, 0.0))
                next_inputs[k][driving] = now.inputs[driving]
                has_future[k][driving] = torch.from_numpy(~self.failed[driving]).float()
                driving &= ~self.ended
            goes_on[k] = torch.from_numpy(driving)
        self.now = now

        values, next_values = agent(inputs.flatten(0, 1))[1].view(t, n), agent(next_inputs.flatten(0, 1))[1].view(t, n)
        advantages = estimate_advantages(rewards, values, next_values, has_future, goes_on, config)
        steps = (inputs, corrections, log_probs, advantages, advantages + values)
        batch = Batch(*(value[real] for value in steps))
        if first and not agent.input_mean.any():
            agent.fit_scale(batch.observations)
        return batch

    def _begin(self, agent: Agent) -> Sight:
        frames, infos = self.envs.reset(seed=self.config.seed)
        self.tally.begin(infos)
        return self._look(agent, frames, infos, np.ones(self.envs.num_envs, bool))

    def _step(self, agent: Agent, now: Sight, corrections: np.ndarray) -> tuple[Sight, np.ndarray]:
        """One step of all envs; an episode that has ended is only begun anew."""
        actions = correct(self.planner, now.speed, now.wanted, corrections)
        frames, reward, terminated, truncated, infos = self.envs.step(actions)
        begun, self.ended = self.ended, terminated | truncated
        self.failed = terminated & ~infos["route_done"]  # the end of a route is no failure: the drive might go on
        self.tally.add(reward, infos, terminated, truncated, ~begun)
        return self._look(agent, frames, infos, begun), reward

    def _look(self, agent: Agent, frames: np.ndarray, infos: dict[str, Any], begun: np.ndarray) -> Sight:
        scenes = SceneState.from_vector(infos["scene"])
        inputs, wanted = agent.see(self.eyes.look(frames, begun), scenes)
        return Sight(inputs, scenes.speed, wanted)


class DriveScore(NamedTuple):
    """A drive in the reference world.

    Args:
        town: driven in.
        seed: of the start.
        seconds: that it lasted [s].
        episode_return: sum of the rewards.
        collisions: 1 if it ended in one.
        off_road: 1 if it ended off the road.
        red_lights: stop lines crossed on red.
        stop_signs: passed without a stop.
        offset: mean distance from the lane's centre [m].
        speed: mean [m/s].
    """

    town: int
    seed: int
    seconds: float
    episode_return: float
    collisions: int
    off_road: int
    red_lights: int
    stop_signs: int
    offset: float
    speed: float

    @property
    def num_infractions(self) -> int:
        """Of all kinds."""
        return self.collisions + self.off_road + self.red_lights + self.stop_signs


def score_drive(env: gymnasium.Env, policy: Policy, town: int, seed: int) -> DriveScore:
    """Let a policy drive in a town of the reference world until the env ends; a ValueError where no start is fair."""
    rollout = drive(env, policy, seed, {"town": town})
    if unfair := why_no_start(rollout.collision[0], rollout.off_road[0]):
        raise ValueError(f"town {town}, seed {seed}: {unfair}")
    return DriveScore(
        town=town,
        seed=seed,
        seconds=rollout.seconds,
        episode_return=float(rollout.rewards.sum()),
        collisions=int(rollout.collision[-1] > 0.5),
        off_road=int(rollout.off_road[-1] > 0.5),
        red_lights=int(rollout.red_light.sum()),
        stop_signs=int(rollout.stop_sign_missed.sum()),
        offset=float(np.abs(rollout.scenes.lateral_offset).mean()),
        speed=float(rollout.scenes.speed.mean()),
    )


def make_scored_env(seconds: float) -> gymnasium.Env:
    """The reference world with frames, in which policies are scored."""
    return gymnasium.make(ENV_IDS["road"], obs="pixels", max_episode_seconds=seconds)


def score(policy: Policy, seconds: float) -> dict[str, float]:
    """Statistics of drives in the reference world, SCORED_SEEDS in each of SCORED_TOWNS."""
    env = make_scored_env(seconds)
    drives = [score_drive(env, policy, town, seed) for town in SCORED_TOWNS for seed in range(SCORED_SEEDS)]
    env.close()
    return {
        "episodes": float(len(drives)),
        "return": float(np.mean([drive.episode_return for drive in drives])),
        "infractions": float(np.mean([drive.collisions + drive.off_road for drive in drives])),
        "offset": float(np.mean([drive.offset for drive in drives])),
        "speed": float(np.mean([drive.speed for drive in drives])),
    }


def ppo_pixels(config: PixelPPOConfig) -> Agent:
    """Train, or resume training, and return the agent; writes it and its curve, one JSON line per update, to `out`.

    Raises:
        ValueError: `out` holds an agent of another world or planner.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.seed)
    notes, done = {"world": config.world, "planner": config.planner}, 0
    planner = PIXEL_PLANNERS[config.planner].load()
    assert isinstance(planner, PixelPlanner)
    agent = Agent(planner.network)
    if (config.out / POLICY_NAME).is_file():
        known = load_agent(agent, config.out / POLICY_NAME)
        done = int(known["num_steps"])
        for name, value in notes.items():
            if known[name] != value:
                raise ValueError(f"{config.out} holds an agent of {name} {known[name]!r}, not {value!r}: take another")

    envs = make_envs(config)
    collector = PixelCollector(envs, planner, config)
    improved = ImprovedPlanner(agent, planner.vision)
    train(agent, collector, config, done, lambda: score(improved, config.seconds), notes)
    envs.close()
    return agent


def make_envs(config: PixelPPOConfig) -> gymnasium.vector.VectorEnv:
    """The envs that are learned in."""
    options: dict[str, Any] = {"obs": "pixels", "max_episode_seconds": config.seconds}
    if config.world == "learned":
        options |= {"checkpoint": config.checkpoint, "backend": config.backend, "num_sampling_steps": 1}
    return gymnasium.make_vec(ENV_IDS[config.world], config.num_envs, **options)


if __name__ == "__main__":
    torch.set_num_threads(1)
    ppo_pixels(tyro.cli(PixelPPOConfig, description=__doc__))
