"""DrivingEnv: any World as a Gymnasium env."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np

from envs.carla_world import CarlaWorld, CarlaWorldConfig
from envs.rewards import RewardConfig, reward
from envs.road_world import RoadWorld, RoadWorldConfig
from envs.spaces import action_space, observation_space
from envs.world import World, WorldStep
from worldsim.scene import control_from_action
from worldsim.start_clip import StartClip


@dataclass(frozen=True, kw_only=True)
class DrivingEnvConfig:
    """What an episode is.

    Args:
        max_episode_seconds: simulated time until truncation [s].
        end_on_collision: collision probability above which an episode terminates; above 1 never.
        end_off_road: off-road probability above which an episode terminates; above 1 never.
        reward: weights of the reward.

    Raises:
        ValueError: the time is not positive.
    """

    max_episode_seconds: float = 60.0
    end_on_collision: float = 0.5
    end_off_road: float = 0.5
    reward: RewardConfig = RewardConfig()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if not self.max_episode_seconds > 0:
            raise ValueError(f"max_episode_seconds must be positive, got {self.max_episode_seconds}")


class DrivingEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Drive a car along its route, seeing what its front camera sees.

    ## Action space
    `Box(-1, 1, (2,), float32)`:

    | index | action | -1 | 0 | 1 |
    |---|---|---|---|---|
    | 0 | steer | full right | straight | full left |
    | 1 | acceleration | full brake | coast | full throttle |

    ## Observation space
    `Box(0, 255, (h, w, 3), uint8)`: the front camera's RGB frame. The road and the learned world give 128 x 128.

    ## Info
    `reset` and `step` return a dict with

    | key | meaning |
    |---|---|
    | scene | SceneState of the frame: ego motion, lane, route, lead, objects; SI units with validity masks |
    | vehicle | VEHICLE_NAMES, float64 [6], in the world's ground frame |
    | collision, off_road | probabilities in [0, 1]; 0 or 1 where truth is known |
    | wrong_way | whether the car heads against its lane |
    | progress | signed distance along the route in this step [m] |

    and what the world has to say beyond that.

    ## Reward
    Per step: progress (1 per second at 14 m/s or more) minus small costs for acceleration, for distance from the lane
    centre and for driving the wrong way, minus 100 for a collision and 50 for leaving the road, times their
    probabilities. One collision outweighs the progress of any 60 s episode. See `envs.rewards`.

    ## Starting state
    A function of the seed and the options alone. The car is on a lane, usually moving. Options are the world's: see
    `envs.road_world.RoadWorld`, `envs.dream_world.DreamWorld` and `envs.carla_world.CarlaWorld`. Without a seed, one
    is drawn from `np_random`.

    ## Episode end
    Terminated when the collision or off-road probability exceeds 0.5. Truncated after 60 s of simulated time.

    ## Arguments
    `gymnasium.make` of any id takes `render_mode` (None or "rgb_array") and what `make_road_env`, `make_dream_env` or
    `make_carla_env` take.

    ## Version history
    - v0: first version.

    Args:
        world: the world to drive in; the env closes it.
        config: what an episode is.
        render_mode: None or "rgb_array".

    Raises:
        ValueError: an unknown render mode.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(self, world: World, config: DrivingEnvConfig | None = None, *, render_mode: str | None = None):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.world = world
        self.config = DrivingEnvConfig() if config is None else config
        self.render_mode = render_mode
        self.metadata = {**type(self).metadata, "render_fps": round(1 / world.dt)}  # pyright: ignore
        self.action_space = action_space()
        self.observation_space = observation_space(world.frame_size)
        self._last: WorldStep | None = None
        self._num_steps = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; see the class for `options`."""
        super().reset(seed=seed)
        world_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self._num_steps = 0
        self._last = self.world.reset(world_seed, {} if options is None else options)
        return self._last.frame, _info(self._last)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive one step of `world.dt` seconds.

        Raises:
            ValueError: reset was not called, or the action has another shape or is not finite.
        """
        if self._last is None:
            raise ValueError("call reset before step")
        before, after = self._last, self.world.step(control_from_action(action))
        self._last = after
        self._num_steps += 1
        terminated = after.collision > self.config.end_on_collision or after.off_road > self.config.end_off_road
        truncated = self._num_steps * self.world.dt >= self.config.max_episode_seconds - 1e-9
        earned = reward(before, after, self.world.dt, self.config.reward)
        return after.frame, earned, bool(terminated), bool(truncated), _info(after)

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The newest frame in render mode "rgb_array", else None."""
        if self.render_mode is None or self._last is None:
            return None
        return self._last.frame.copy()

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def start_clip(self) -> StartClip:
        """The last context frames, controls, SceneState and route, from which any world can go on."""
        return self.world.start_clip()

    def snapshot(self) -> tuple[Any, WorldStep | None, int]:
        """The whole state of the env; later steps never change it."""
        return self.world.snapshot(), self._last, self._num_steps

    def restore(self, snapshot: tuple[Any, WorldStep | None, int]) -> None:
        """Continue exactly from a snapshot taken in this env."""
        state, self._last, self._num_steps = snapshot
        self.world.restore(state)


def make_road_env(
    *,
    render_mode: str | None = None,
    frame_size: tuple[int, int] = (128, 128),
    max_episode_seconds: float = 60.0,
    world_config: RoadWorldConfig | None = None,
) -> DrivingEnv:
    """The embedded reference world: the entry point of DriveDiT-Road-v0.

    Args:
        render_mode: None or "rgb_array".
        frame_size: height and width of frames [px].
        max_episode_seconds: simulated time until truncation [s].
        world_config: all else about the world; `frame_size` replaces its own.
    """
    world_config = replace(world_config or RoadWorldConfig(), frame_size=tuple(frame_size))
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds)
    return DrivingEnv(RoadWorld(world_config), config, render_mode=render_mode)


def make_dream_env(
    *,
    render_mode: str | None = None,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    max_episode_seconds: float = 60.0,
) -> DrivingEnv:
    """The learned world: the entry point of DriveDiT-v0. Needs no download.

    Args:
        render_mode: None or "rgb_array".
        checkpoint: folder of the world model; None takes the one that ships with the package.
        device: torch device of the model.
        max_episode_seconds: simulated time until truncation [s].
    """
    from envs.dream_world import DreamWorld, DreamWorldConfig  # torch is loaded here and not before

    world = DreamWorld(DreamWorldConfig(checkpoint=None if checkpoint is None else Path(checkpoint), device=device))
    return DrivingEnv(world, DrivingEnvConfig(max_episode_seconds=max_episode_seconds), render_mode=render_mode)


def make_carla_env(
    *,
    render_mode: str | None = None,
    host: str = "127.0.0.1",
    port: int = 2000,
    frame_size: tuple[int, int] = (128, 128),
    max_episode_seconds: float = 60.0,
    world_config: CarlaWorldConfig | None = None,
) -> DrivingEnv:
    """A CARLA server: the entry point of DriveDiT-Carla-v0. Connects at the first reset.

    Args:
        render_mode: None or "rgb_array".
        host: of the server.
        port: of its RPC.
        frame_size: height and width of frames [px].
        max_episode_seconds: simulated time until truncation [s].
        world_config: all else about the world; `host`, `port` and `frame_size` replace its own.
    """
    world_config = replace(world_config or CarlaWorldConfig(), host=host, port=port, frame_size=tuple(frame_size))
    config = DrivingEnvConfig(max_episode_seconds=max_episode_seconds)
    return DrivingEnv(CarlaWorld(world_config), config, render_mode=render_mode)


def _info(step: WorldStep) -> dict[str, Any]:
    """What the env tells beside the frame."""
    return {
        **step.info,
        "scene": step.scene,
        "vehicle": step.vehicle,
        "collision": step.collision,
        "off_road": step.off_road,
        "wrong_way": step.wrong_way,
        "progress": step.progress,
    }
