"""SamplingPlanner: searches action sequences imagined in the learned world, by CEM, iCEM or MPPI."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from policies.effort import Effort
from policies.rule_based import LaneFollower, LaneFollowerConfig
from policies.search.objectives import ImaginedDrives, ObjectiveConfig, ObjectiveName, judge
from policies.search.plant_cost import CostConfig
from policies.search.searchers import CEM, ICEM, MPPI, ICEMConfig, MPPIConfig, Searcher, SearcherName, cheapest
from worldsim.datatypes.scene import SceneState, action_from_control, control_from_action
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv
    from worldsim.model_state import ModelState, Prediction
    from worldsim.world_model import WorldModel

Values = Literal["tracked", "decoded"]
"""What a planner judges imagined sequences by: what the learned world tracks, or what is read off its pictures."""
PROPOSAL_SPEEDS = (1.0, 0.6, 0.2)
"""Speed factors of the lane followers that open a search, as in PDM-Closed (Dauner et al. 2023)."""


@dataclass(frozen=True, kw_only=True)
class SamplingPlannerConfig:
    """How long, how wide and how often the planner searches.

    Args:
        values: "tracked": imagining is state-only, ego, route and road users are tracked and no picture is made.
            "decoded": the planner looks. Each imagined step makes a picture, and route, lane, lead, objects, collision
            and off-road are read off it by the scene reader; of what is tracked only the ego's motion and the route
            command are used. Lights and signs cannot be read. A step costs some hundred times as much: take few
            samples and a short horizon.
        searcher: "cem"; "icem", which keeps elites and draws coloured noise; or "mppi", a weighted mean.
        objective: what a sequence costs: "plant", the PlanT-style cost; "pdms", 1 − PDMS; or "reward", minus the reward
            that the env would pay.
        read_interval: with decoded values, every so many imagined steps the pictures are read, and at the last one;
            until then what was read last stands.
        num_samples: action sequences imagined at once; each takes `horizon` steps of the world model.
        num_iterations: rounds of imagining; every round but the first draws around the best so far.
        num_elites: sequences the distribution is refitted to, by CEM and iCEM.
        num_knots: points of a sequence that CEM and MPPI draw; the actions between them are interpolated.
        horizon: steps imagined.
        replan_interval: steps driven before the next search.
        lateral_acceleration_std: spread of the steering, as the lateral acceleration it causes [m/s²].
        max_steer_std: and never more than this.
        pedal_std: spread of the pedal.
        min_std: refitted spreads stay above this fraction of the initial ones.
        cost: weights of the PlanT-style cost, and what all objectives take for the ego's size and the speed limit.
        icem: what iCEM adds.
        mppi: what MPPI needs.
        follower: the lane follower whose variants open the search.
    """

    values: Values = "tracked"
    searcher: SearcherName = "cem"
    objective: ObjectiveName = "plant"
    read_interval: int = 1
    num_samples: int = 64
    num_iterations: int = 2
    num_elites: int = 6
    num_knots: int = 5
    horizon: int = 30
    replan_interval: int = 5
    lateral_acceleration_std: float = 1.0
    max_steer_std: float = 0.15
    pedal_std: float = 0.35
    min_std: float = 0.2
    cost: CostConfig = field(default_factory=CostConfig)
    icem: ICEMConfig = field(default_factory=ICEMConfig)
    mppi: MPPIConfig = field(default_factory=MPPIConfig)
    follower: LaneFollowerConfig = field(default_factory=LaneFollowerConfig)

    def __post_init__(self) -> None:
        for name, choices in (("values", Values), ("searcher", SearcherName), ("objective", ObjectiveName)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {getattr(self, name)!r}")
        if self.read_interval < 1:
            raise ValueError(f"read_interval must be at least 1, got {self.read_interval}")
        smallest = len(PROPOSAL_SPEEDS) + 1
        if self.num_samples < smallest:
            raise ValueError(f"num_samples must be at least {smallest}, got {self.num_samples}")
        if not 1 <= self.num_elites <= self.num_samples:
            raise ValueError(f"num_elites must be in [1, num_samples={self.num_samples}], got {self.num_elites}")
        if self.num_iterations < 1:
            raise ValueError(f"num_iterations must be at least 1, got {self.num_iterations}")
        if not 2 <= self.num_knots <= self.horizon:
            raise ValueError(f"num_knots must be in [2, horizon={self.horizon}], got {self.num_knots}")
        if not 1 <= self.replan_interval <= self.horizon:
            raise ValueError(f"replan_interval must be in [1, horizon={self.horizon}], got {self.replan_interval}")
        for name in ("lateral_acceleration_std", "max_steer_std", "pedal_std", "min_std"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")

    def make_searcher(self) -> Searcher:
        """The searcher of that name."""
        if self.searcher == "icem":
            return ICEM(self.num_elites, self.min_std, self.icem)
        if self.searcher == "mppi":
            return MPPI(self.num_knots, self.mppi)
        return CEM(self.num_elites, self.num_knots, self.min_std)


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """The best action sequence of a search and what the model expects of it.

    Args:
        origin: ego motion where the plan starts, VEHICLE_NAMES, [6].
        actions: [h, 2].
        vehicles: expected ego motion after each action, [h, 6].
        collision: expected probability, [h].
        off_road: expected probability, [h].
        cost: J.
        candidates: expected ego motion of every sequence of the last iteration and those kept before it, [n, h, 6].
        carried: action sequences from which the next search may go on, [c, h, 2].
    """

    origin: np.ndarray
    actions: np.ndarray
    vehicles: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    cost: float
    candidates: np.ndarray
    carried: np.ndarray


class SamplingPlanner:
    """Imagines action sequences in the learned world, keeps the cheapest, drives its beginning, and searches again.

    The planner sees nothing but the env's start clip, and with tracked values not even its frames, so that it then
    drives the same in every world. Slots of the first iteration are lane followers that drive inside the imagination at
    several speeds, the rest of the previous plan, and noisy lane followers; later iterations are drawn by the searcher
    (`policies.search.searchers`). What a sequence costs is up to the objective (`policies.search.objectives`). A search
    is a function of the clip, the seed and the plan before.

    Attributes:
        effort: what all searches have cost since the planner was made.

    Args:
        model: the learned world.
        config: how it searches.
        vehicle_model: the car its lane followers invert.
    """

    def __init__(
        self,
        model: WorldModel,
        config: SamplingPlannerConfig | None = None,
        vehicle_model: VehicleModel | None = None,
    ) -> None:
        self.model = model
        self.config = config or SamplingPlannerConfig()
        self.vehicle_model = vehicle_model or VehicleModel()
        follower = self.config.follower
        self._followers = [
            LaneFollower(replace(follower, speed_factor=factor * follower.speed_factor), self.vehicle_model)
            for factor in PROPOSAL_SPEEDS
        ]
        self._searcher = self.config.make_searcher()
        self.effort = Effort()
        self.plan: Plan | None = None
        """The newest search's result, for display; None before the first."""

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Forget the last episode.

        Raises:
            ValueError: the env's time step is not the model's, or its frames are of another size or none where the
                planner looks.
        """
        clip = env.start_clip(pictures=self.uses_pictures)
        if abs(clip.dt - self.model.config.dt) > 1e-6:
            raise ValueError(f"the env's time step is {clip.dt} s, the model's {self.model.config.dt} s")
        size = self.model.config.frame_size
        if self.uses_pictures and (not clip.has_frames or clip.frames.shape[1:3] != size):
            shown = f"its frames are {clip.frames.shape[1:3]}" if clip.has_frames else "it makes no pictures"
            raise ValueError(f"a planner with values='decoded' needs an env with frames of {size}: {shown}")
        self._env = env
        self._rng = np.random.default_rng(seed)
        self._num_driven = 0
        self.plan = None

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The plan's next action; searches first when `replan_interval` steps are done."""
        step = self._num_driven % self.config.replan_interval
        if step == 0 or self.plan is None:
            self.plan = self.search(self._env.start_clip(pictures=self.uses_pictures))
        self._num_driven += 1
        return self.plan.actions[step].astype(np.float32)

    @property
    def uses_pictures(self) -> bool:
        """Whether it looks."""
        return self.config.values == "decoded"

    def search(self, clip: StartClip) -> Plan:
        """The best plan found from the end of a clip."""
        began = time.perf_counter()
        c, searcher = self.config, self._searcher
        state = self.model.begin([clip], [int(self._rng.integers(2**31))], pictures=self.uses_pictures)
        before = action_from_control(clip.controls[-1]) if len(clip.controls) else np.zeros(2, np.float32)
        searcher.begin(c.horizon, self._initial_std(float(clip.scenes.speed[-1])), self._rng)
        pool = self._imagine(state, clip, before, self._opening())
        searcher.tell(pool.actions, pool.costs)
        for _ in range(c.num_iterations - 1):
            drawn = self._imagine(state, clip, before, _as_they_are(searcher.ask(c.num_samples)))
            pool = pool.cheapest(searcher.num_kept).joined(drawn)
            searcher.tell(pool.actions, pool.costs)

        best, answer = pool.cheapest(1), searcher.answer()
        if answer is not None:
            best = self._imagine(state, clip, before, _as_they_are(answer[None]))
        self.effort.searches += 1
        self.effort.seconds += time.perf_counter() - began
        return Plan(
            origin=np.array(clip.vehicles[-1]),
            actions=best.actions[0],
            vehicles=best.vehicles[0],
            collision=best.collision[0],
            off_road=best.off_road[0],
            cost=float(best.costs[0]),
            candidates=pool.vehicles,
            carried=best.actions if answer is not None else pool.cheapest(searcher.num_carried).actions,
        )

    def _initial_std(self, speed: float) -> np.ndarray:
        """Spread of steer and pedal [2]; the faster the car, the less it may steer."""
        curvature = self.config.lateral_acceleration_std / max(speed, 1.0) ** 2
        steer = min(float(self.vehicle_model.steer_command(curvature)), self.config.max_steer_std)
        return np.array([steer, self.config.pedal_std])

    def _opening(self) -> _Sequences:
        """The first iteration: lane followers without and with noise, and what is left of the plan before."""
        c = self.config
        offsets = self._searcher.noise(c.num_samples)
        offsets[: len(self._followers)] = 0.0
        follower = np.arange(c.num_samples) % len(self._followers)
        if self.plan is not None:
            driven, room = c.replan_interval, c.num_samples - len(self._followers)
            carried = self.plan.carried[:room]
            last = np.repeat(carried[:, -1:], driven, axis=1)
            offsets[-len(carried) :] = np.concatenate([carried[:, driven:], last], axis=1)
            follower[-len(carried) :] = -1
        return _Sequences(offsets=offsets, follower=follower)

    def _imagine(self, state: ModelState, clip: StartClip, before: np.ndarray, sequences: _Sequences) -> _Imagination:
        """What the learned world answers to every sequence, and what that costs."""
        n, h = sequences.offsets.shape[:2]
        if self.uses_pictures:
            known = _read_values(self.model.read(state, decode_scene=True))
        else:
            known = _Values(
                scene=clip.scenes[-1:], collision=np.zeros(1), off_road=np.zeros(1), violation=np.zeros(1, bool)
            )
        self.effort.model_steps += n * h
        state = state.repeat(n)
        known = known.repeat(n)
        actions = np.zeros((n, h, 2), np.float32)
        scenes, vehicles, collision, off_road, violation = [], [], [], [], []
        for t in range(h):
            base = self._base_actions(known.scene, sequences.follower)
            actions[:, t] = np.clip(base + sequences.offsets[:, t], -1.0, 1.0)
            reads = self.uses_pictures and ((t + 1) % self.config.read_interval == 0 or t == h - 1)
            state, prediction = self.model.step(state, control_from_action(actions[:, t]), decode_scene=reads)
            known = known.moved(prediction) if self.uses_pictures and not reads else _read_values(prediction)
            scenes.append(known.scene.arrays())
            vehicles.append(prediction.tracked.vehicles)
            collision.append(known.collision)
            off_road.append(known.off_road)
            violation.append(known.violation)
        imagined = SceneState(**{name: np.stack([s[name] for s in scenes], axis=1) for name in scenes[0]})
        p_collision, p_off_road = np.stack(collision, axis=1), np.stack(off_road, axis=1)
        violations = np.stack(violation, axis=1)
        drives = ImaginedDrives(
            now=clip.scenes[-1],
            scenes=imagined,
            collision=p_collision,
            off_road=p_off_road,
            violation=violations,
            actions=actions,
            previous_action=before,
            dt=clip.dt,
        )
        return _Imagination(
            actions=actions,
            vehicles=np.stack(vehicles, axis=1),
            collision=p_collision,
            off_road=p_off_road,
            costs=judge(drives, ObjectiveConfig(name=self.config.objective, plant=self.config.cost)),
        )

    def _base_actions(self, scenes: SceneState, chosen: np.ndarray) -> np.ndarray:
        """What the lane followers of index `chosen` [n] would do in the scenes [n], [n, 2]; 0 where it is -1."""
        base = np.zeros((len(chosen), 2))
        for index, follower in enumerate(self._followers):
            drives = np.flatnonzero(chosen == index)
            if len(drives):
                base[drives] = follower.actions(scenes[drives])
        return base


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sequences:
    """Actions [n, h, 2] to imagine: `offsets` on those of follower `follower[i]`, or as they are where it is -1."""

    offsets: np.ndarray
    follower: np.ndarray


def _as_they_are(actions: np.ndarray) -> _Sequences:
    """Actions [n, h, 2] that no lane follower has a part in."""
    return _Sequences(offsets=actions, follower=np.full(len(actions), -1))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Values:
    """What is known of `n` imagined instants: the scene, probabilities of collision and off-road [n], and whether a
    light or a stop sign was run, bool [n]."""

    scene: SceneState
    collision: np.ndarray
    off_road: np.ndarray
    violation: np.ndarray

    def repeat(self, num: int) -> _Values:
        """Those of one instant `num` times."""
        return _Values(
            scene=SceneState.stack([self.scene[0]] * num),
            collision=self.collision.repeat(num),
            off_road=self.off_road.repeat(num),
            violation=self.violation.repeat(num),
        )

    def moved(self, prediction: Prediction) -> _Values:
        """The same a step later, when nobody has looked: only the ego's own motion is known anew."""
        scene = self.scene.copy()
        scene.ego[:] = prediction.tracked.ego
        return replace(self, scene=scene)


def _read_values(prediction: Prediction) -> _Values:
    """What a step says: where the scene was decoded that alone, beside the ego's motion and the command."""
    decoded, tracked = prediction.decoded, prediction.tracked
    if decoded is None:
        ran = tracked.red_light | tracked.stop_sign_missed
        return _Values(scene=tracked.scene, collision=prediction.collision, off_road=prediction.off_road, violation=ran)
    return _Values(
        scene=decoded.scene,
        collision=decoded.collision,
        off_road=decoded.off_road,
        violation=np.zeros_like(tracked.red_light),  # neither lights nor signs can be read
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Imagination:
    """Actions [n, h, 2], vehicles [n, h, 6], probabilities [n, h] and costs [n] of imagined sequences."""

    actions: np.ndarray
    vehicles: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    costs: np.ndarray

    def cheapest(self, num: int) -> _Imagination:
        """The `num` cheapest sequences, cheapest first."""
        order = cheapest(self.costs, num)
        return _Imagination(**{f.name: getattr(self, f.name)[order] for f in fields(self)})

    def joined(self, other: _Imagination) -> _Imagination:
        """These sequences and the others."""
        return _Imagination(
            **{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)}
        )
