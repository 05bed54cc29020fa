"""DrivingEnv: any World as a Gymnasium env."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, ClassVar, cast

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec

from envs.config_values import plain_spec
from envs.rewards import NO_REWARD, RewardConfig, reward
from envs.serialization import SavedWorld, StateCodec, generator_state, read_snapshot, write_snapshot
from envs.spaces import ObservationMode, Observer, action_space
from envs.state_arrays import check_answer
from envs.step_info import step_info
from envs.world import EVENT_THRESHOLD, EditableWorld, Restorable, World, WorldStep, branch
from worldsim.datatypes.scene import CONTROL_NAMES, SceneState, control_from_action
from worldsim.datatypes.start_clip import StartClip
from worldsim.editing.edits import Edit, read_edits


@dataclass(frozen=True, kw_only=True)
class DrivingEnvConfig:
    """What an episode is.

    Args:
        max_episode_seconds: simulated time until truncation [s].
        end_on_collision: collision probability above which an episode terminates; above 1 never.
        end_off_road: off-road probability above which an episode terminates; above 1 never.
        end_at_route_end: an episode terminates at the end of the route.
        trust_threshold: an episode is truncated when the world's trust falls below; 0 never.
        reward: weights of the reward.

    Raises:
        ValueError: the time is not positive, or the threshold not in [0, 1].
    """

    max_episode_seconds: float = 60.0
    end_on_collision: float = EVENT_THRESHOLD
    end_off_road: float = EVENT_THRESHOLD
    end_at_route_end: bool = True
    trust_threshold: float = 0.0
    reward: RewardConfig = RewardConfig()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        if not self.max_episode_seconds > 0:
            raise ValueError(f"max_episode_seconds must be positive, got {self.max_episode_seconds}")
        if not 0 <= self.trust_threshold <= 1:
            raise ValueError(f"trust_threshold must be in [0, 1], got {self.trust_threshold}")


class TruncationReason(IntEnum):
    """Why an episode was truncated: `info["truncation_reason"]`."""

    NONE = 0
    TIME = 1
    TRUST = 2
    SCENARIO = 3


@dataclass(frozen=True, kw_only=True)
class EnvSnapshot:
    """All a DrivingEnv needs to go on: its world's state, the last answer, the clock and the state of the generator of
    resets, as its bit generator tells it."""

    world: Any
    last: WorldStep | None
    num_steps: int
    np_random: Mapping[str, Any]


class DrivingEnv(gymnasium.Env[Any, np.ndarray]):
    """Drive a car along its route, seeing what its front camera sees.

    ## Action space
    `Box(-1, 1, (2,), float32)`:

    | index | action | -1 | 0 | 1 |
    |---|---|---|---|---|
    | 0 | steer | full right | straight | full left |
    | 1 | acceleration | full brake | coast | full throttle |

    ## Observation space
    What `obs` says; names, units and order of a state's values are those of `worldsim.datatypes.scene.SCENE_LAYOUT`:

    | obs | space |
    |---|---|
    | "pixels" | `Box(0, 255, (h, w, 3), uint8)`: the front camera's RGB frame, 128 x 128 unless made otherwise |
    | "state" | `Box((137,), float32)`: SceneState as a vector, SI units, masks as 0 or 1, always finite |
    | "both" | `Dict(pixels, state)` |
    | "features" | `Box(-5, 5, (19,), float32)`: what keeping the lane needs of the state, scaled; see `envs.features` |
    | "latent" | `Box((2048,), float32)`: the newest latent [c, h, w] as a vector; in the learned world only |

    `extra_obs` adds what the camera tells beside colours, at the size of its frame. The observation then is a
    `Dict`: the above by its `obs` (of "both", pixels and state), and

    | extra_obs | space |
    |---|---|
    | "depth" | `Box(0, inf, (h, w), float16)`: distance along the camera's axis [m], inf in the sky |
    | "semantic" | `Box(0, 19, (h, w), uint8)`: `worldsim.gbuffer.classes.SemanticClass` |

    The reference world gives both; the learned world draws them of what it tracks; CARLA gives them by further
    cameras, whose classes are coarser.

    ## Info
    `reset` and `step` return a dict of numpy values with the same keys, which a vector env stacks: np.float64,
    np.int64, bool arrays without dimensions, and the arrays below.

    | key | meaning |
    |---|---|
    | scene | ego, lane, route, lead, objects, signal: SceneState as float32 [137], `SceneState.from_vector` reads it |
    | vehicle | VEHICLE_NAMES, float64 [6], in the world's ground frame |
    | collision, off_road | probabilities in [0, 1]; 0 or 1 where truth is known |
    | wrong_way | whether the car heads against its lane |
    | signal | the light or sign within 80 m: 0 none, 1 red, 2 yellow, 3 green, 4 stop, 5 yield, or stop once obeyed |
    | signal_distance | from the front bumper to its stop line [m], down to -2 at a light; 0 without one |
    | signal_valid | whether lights and signs are known here; else the other four are 0 and False |
    | red_light | whether the front crossed a stop line on red in this step |
    | stop_sign_missed | whether it passed a stop sign without having been below 0.5 m/s within 4 m before the line |
    | route_done | whether it has come to the end of its route |
    | progress | signed distance along the route in this step [m] |
    | trust | how far the frame may be believed, [0, 1]; 1 in a world of truth |
    | truncation_reason | TruncationReason: 0 none, 1 time is up, 2 trust is too low, 3 the scenario is over |
    | reward_progress, reward_centred, ... | the terms of the reward, see below |

    and what the world has to say beyond that, numbers too.

    ## Reward
    `progress * centred * smooth * within_limit * right_way + collision + off_road + red_light + stop_sign`;
    `envs.rewards.RewardConfig` holds the numbers:

    | term | per step of dt seconds |
    |---|---|
    | progress | progress / 14 m, at most dt either way; backwards no factor counts |
    | centred | 1 - (offset / half lane width)², 0 from the lane's edge on |
    | smooth | 1 / (1 + (a² + b²) / (4 m/s²)²), a and b the longitudinal and the lateral acceleration |
    | within_limit | 1 up to the speed limit, 0 from 25 % above it on |
    | right_way | 0 while the car heads against its lane |
    | collision | -1 when it is more likely than not |
    | off_road | -1 when it is more likely than not |
    | red_light | -1 when the front crosses a stop line on red |
    | stop_sign | -1 when it passes a stop sign without a stop |

    An episode of T seconds earns at most T. A collision, or leaving the road, ends the episode, and so costs what it
    would have earned too; red lights and stop signs do not end it.

    ## Starting state
    A function of the seed and the options alone. The car is on a lane, usually moving. Options are the world's: see
    `envs.road.road_world.RoadWorld`, `envs.learned.learned_world.LearnedWorld` and
    `envs.carla.carla_world.CarlaWorld`. Without a seed, one is drawn from `np_random`.

    ## Episode end
    Terminated when the collision or off-road probability exceeds 0.5, or at the end of the route. Truncated after 60 s
    of simulated time, or when trust falls below `trust_threshold` (0, never, unless given).

    ## Seeds
    `reset(seed=s)` hands `s` itself to the world: seed `s` is the same start, traffic and noise in every env, however
    it was made, and the same scenario case in the learned world and in the reference world, on which all paired
    comparisons rest. `np_random`, seeded with `s` too, draws the seeds of later resets without one; nothing else is
    random in the env.

    ## Determinism
    Observations, rewards, flags and info are a function of the seed, the options and the actions, in another process
    too, for one version of torch on one kind of processor and number of threads.

    ## Arguments
    `gymnasium.make` of any id takes `obs`, `extra_obs`, `render_mode` (None, "rgb_array", or by Gymnasium's wrappers
    "human" and "rgb_array_list"), `trust_threshold` and what
    `make_road_env`, `make_learned_env` or `make_carla_env` take.

    ## Version history
    - v0: first version. Until 1.0 observations and rewards may grow; CHANGELOG says when.

    Args:
        world: the world to drive in; the env closes it.
        config: what an episode is.
        obs: what is observed.
        render_mode: None or "rgb_array".
        extra_obs: what more, of "depth" and "semantic".

    Raises:
        ValueError: an unknown render mode, `obs` or `extra_obs`, or one that the world cannot give.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}

    def __init__(
        self,
        world: World,
        config: DrivingEnvConfig | None = None,
        *,
        obs: ObservationMode = "pixels",
        render_mode: str | None = None,
        extra_obs: Sequence[str] = (),
    ):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(
                f"render_mode must be None or 'rgb_array', got {render_mode!r}; "
                f"gymnasium.make adds 'human' and 'rgb_array_list' to single envs"
            )
        self.world = world
        self.config = DrivingEnvConfig() if config is None else config
        self.render_mode = render_mode
        self.metadata = {**type(self).metadata, "render_fps": round(1 / world.dt)}  # pyright: ignore
        self._observer = Observer(world, obs, extra_obs)
        self.action_space = action_space()
        self.observation_space = self._observer.space
        self._spec: EnvSpec | None = None
        self._last: WorldStep | None = None
        self._num_steps = 0

    @property
    def spec(self) -> EnvSpec | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What `gymnasium.make` made this env from, in plain values: `spec.to_json()` holds all that makes it again."""
        return self._spec

    @spec.setter
    def spec(self, value: EnvSpec | None) -> None:
        self._spec = plain_spec(value)

    @property
    def in_episode(self) -> bool:
        """Whether there is an episode to step: the last `reset`, if there was one, succeeded."""
        return self._last is not None

    @property
    def obs(self) -> ObservationMode:
        """What the env shows."""
        return self._observer.mode

    @property
    def extra_obs(self) -> tuple[str, ...]:
        """What more it shows."""
        return self._observer.extra

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; see the class for `options`."""
        super().reset(seed=seed)
        world_seed = int(self.np_random.integers(2**31)) if seed is None else seed
        self._last, self._num_steps = None, 0  # should the world refuse the options, no episode is left half begun
        self._last = self.world.reset(world_seed, {} if options is None else options)
        state = self._last.scene.to_vector()
        return self._observer(self._last, state), step_info(self._last, state, NO_REWARD, int(TruncationReason.NONE))

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drive one step of `world.dt` seconds.

        Raises:
            ValueError: reset was not called, or the action has another shape or is not finite.
        """
        if self._last is None:
            raise ValueError("call reset before step")
        return self.process_step(self.world.step(control_from_action(action)))

    def process_step(self, after: WorldStep) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What `step` returns when the world, stepped already, has answered `after`: for who steps many at once."""
        assert self._last is not None
        config = self.config
        terms = reward(self._last, after, self.world.dt, config.reward)
        self._last = after
        self._num_steps += 1
        terminated = after.collision > config.end_on_collision or after.off_road > config.end_off_road
        terminated = terminated or (config.end_at_route_end and after.route_done)
        reason = TruncationReason.NONE
        if self._num_steps * self.world.dt >= config.max_episode_seconds - 1e-9:
            reason = TruncationReason.TIME
        elif after.trust < config.trust_threshold:
            reason = TruncationReason.TRUST
        elif after.scenario_done:
            reason = TruncationReason.SCENARIO
        truncated = reason != TruncationReason.NONE
        state = after.scene.to_vector()
        info = step_info(after, state, terms, int(reason))
        return self._observer(after, state), float(terms.total), bool(terminated), truncated, info

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The newest frame in render mode "rgb_array", whatever is observed, else None.

        Raises:
            ValueError: there is no episode: reset was not called, or it failed.
        """
        if self.render_mode is None:
            return None
        if self._last is None:
            raise ValueError("call reset before render")
        return self.world.frame()

    def close(self) -> None:
        """Close the world."""
        self.world.close()

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames, controls, SceneState and route, from which any world can go on.

        Args:
            pictures: False leaves the frames out, which is cheaper: only state-only drives can go on from such a clip.
        """
        return self.world.start_clip(pictures=pictures)

    def edit(self, edits: Sequence[Edit]) -> tuple[Any, dict[str, Any]]:
        """Put things, take them away, repaint them or change the look, now; see `drivedit.edit`.

        Returns:
            Observation and info of the same instant, as `reset` returns them.

        Raises:
            ValueError: one of the edits cannot be made, and none is; or there is no episode, or a world without edits.
        """
        if self._last is None:
            raise ValueError("call reset before edit")
        if not isinstance(self.world, EditableWorld):
            raise ValueError(f"a {type(self.world).__name__} cannot be edited; the reference and the learned world can")
        self._last = self.world.edit(read_edits(edits))
        state = self._last.scene.to_vector()
        return self._observer(self._last, state), step_info(self._last, state, NO_REWARD, int(TruncationReason.NONE))

    def snapshot(self) -> EnvSnapshot:
        """The whole state of the env, for this process; later steps never change it.

        Raises:
            ValueError: reset was not called, or the world cannot be set back, as a CARLA server.
        """
        return EnvSnapshot(
            world=self._restorable().snapshot(),
            last=self._last,
            num_steps=self._num_steps,
            np_random=self.np_random.bit_generator.state,
        )

    def restore(self, snapshot: EnvSnapshot) -> None:
        """Continue exactly from a snapshot taken in this env.

        Raises:
            ValueError: its `np_random` is of another bit generator, or the world refuses it; the env is as it was.
        """
        theirs, ours = snapshot.np_random["bit_generator"], type(self.np_random.bit_generator).__name__
        if theirs != ours:
            raise ValueError(f"np_random of the snapshot is a {theirs}, that of this env must be one too, got a {ours}")
        self._restorable().restore(snapshot.world)
        self._last, self._num_steps = snapshot.last, snapshot.num_steps
        random = self.np_random  # set in place: a generator is dear to make and to copy, its state is not
        random.bit_generator.state = snapshot.np_random
        self.np_random = random  # so that Gymnasium does not hold it for that of the last seed

    def get_state(self) -> bytes:
        """The whole state of the env as bytes, for any process: world, clock, and what later resets will draw.

        Raises:
            ValueError: reset was not called, the world cannot be set back, the script of an actor is no dataclass, or
                `np_random` has another bit generator than Gymnasium's PCG64.
        """
        world = write_snapshot(self._restorable())
        random = generator_state(self.np_random)
        return _CODEC.pack(EnvSnapshot(world=world, last=self._last, num_steps=self._num_steps, np_random=random))

    def set_state(self, state: bytes | bytearray | memoryview) -> None:
        """Continue exactly from the bytes of an env of a world of the same config, whatever it observes.

        A copy of the env is stepped once, to see that the state can be gone on from.

        Raises:
            ValueError: no such state, damaged, of another world, or none from which a drive goes on; the env is then as
                it was.
        """
        world = self._restorable()
        snapshot = _CODEC.unpack(state)
        if not isinstance(snapshot, EnvSnapshot):
            raise ValueError(f"a state of something else: it is no env's but holds a {type(snapshot).__name__}")
        if snapshot.num_steps < 0:
            raise ValueError(f"EnvSnapshot.num_steps is {snapshot.num_steps}; right would be 0 or more")
        if snapshot.last is not None:
            check_answer(snapshot.last, "EnvSnapshot.last.")
        moment = replace(snapshot, world=read_snapshot(world, snapshot.world))
        try:
            DrivingEnv(cast("World", copy.copy(world)), self.config, obs="state")._try(moment)
        except Exception as error:  # whatever its numbers lead to
            why = f"{type(error).__name__}: {error}"
            raise ValueError(f"a damaged state: no {type(world).__name__} can go on from it: {why}") from error
        self.restore(moment)

    def branch(self, num: int) -> tuple[DrivingEnv, ...]:
        """`num` independent envs that go on from this moment, with the same noise; models and maps are shared.

        Raises:
            ValueError: `num` is less than 1, reset was not called, or the world cannot be set back.
        """
        if num < 1:
            raise ValueError(f"branch needs at least 1 env, got {num}")
        return tuple(self._branch() for _ in range(num))

    def _restorable(self) -> SavedWorld:
        """The world, which must be one that can be set back."""
        if not isinstance(self.world, Restorable):
            raise ValueError(
                f"a {type(self.world).__name__} cannot be set back to an earlier moment, saved or branched; "
                f"start_clip() goes on from here in a world that can"
            )
        return cast("SavedWorld", self.world)

    def _try(self, moment: EnvSnapshot) -> None:
        """A moment from elsewhere: whether a step leads on from it to an answer of which the env can say something."""
        self.restore(moment)
        after = self.world.step(np.zeros(len(CONTROL_NAMES), np.float32))
        check_answer(after, "a step on, ")
        if self.in_episode:
            self.process_step(after)

    def _branch(self) -> DrivingEnv:
        world = cast("World", branch(self._restorable()))
        other = DrivingEnv(world, self.config, obs=self.obs, render_mode=self.render_mode, extra_obs=self.extra_obs)
        other._last, other._num_steps, other.spec = self._last, self._num_steps, self.spec
        other.np_random = copy.deepcopy(self.np_random)
        return other


_CODEC = StateCodec(types=(EnvSnapshot, WorldStep, SceneState))
