"""Good and bad driving behaviours; a mixture of them gives a world model something to learn from.

A model that saw only expert driving ignores bad controls, so most of these leave the lane, brake for nothing, follow
too closely or crash. Each is a small object made with a generator; `RandomDriver` switches between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from policies.rule_based import LaneFollowerConfig, choose_acceleration, steer_along_route
from worldsim.datatypes.scene import LaneColumn, ObjectColumn, SceneState, control_from_action, unknown_signals
from worldsim.datatypes.vehicle import VehicleModel, pursuit_curvature

OBEDIENT_SHARE = 0.5
"""Share of the sloppy and of the tailgating drivers who obey lights and signs and give way: recordings must hold red
lights run."""


class Behaviour(Protocol):
    """A way of driving."""

    def action(self, scene: SceneState) -> np.ndarray:
        """Steer and acceleration [2] for a single instant; called once a step, may have a memory."""
        ...


class OrnsteinUhlenbeck:
    """Smooth noise: a random walk pulled back to zero.

    Args:
        scale: standard deviation it settles at.
        time: correlation time [s].
        dt: step [s].
        rng: generator.
    """

    def __init__(self, scale: float, time: float, dt: float, rng: np.random.Generator) -> None:
        self._keep = float(np.exp(-dt / time))
        self._kick = scale * float(np.sqrt(1 - self._keep**2))
        self._rng = rng
        self._value = scale * float(rng.standard_normal())

    def step(self) -> float:
        """The next value."""
        self._value = self._keep * self._value + self._kick * float(self._rng.standard_normal())
        return self._value


class NoisyLaneFollower:
    """Pure pursuit of the route and IDM behind the lead, with what a human adds: an offset, noise, another speed.

    Args:
        config: how the lane is followed.
        offset: keeps this far left of the lane's centre [m].
        steer_noise: standard deviation of steer.
        pedal_noise: standard deviation of the pedal.
        ignore_lead: drives as if nothing were ahead, no red light either.
        dt: step [s].
        rng: generator.
    """

    def __init__(
        self,
        config: LaneFollowerConfig,
        *,
        dt: float,
        rng: np.random.Generator,
        offset: float = 0.0,
        steer_noise: float = 0.0,
        pedal_noise: float = 0.0,
        ignore_lead: bool = False,
    ) -> None:
        self.config = config
        self.offset = offset
        self.ignore_lead = ignore_lead
        self._vehicle_model = VehicleModel()
        self._steer_noise = OrnsteinUhlenbeck(steer_noise, 0.8, dt, rng)
        self._pedal_noise = OrnsteinUhlenbeck(pedal_noise, 1.0, dt, rng)

    def action(self, scene: SceneState) -> np.ndarray:
        """Steer and acceleration [2]."""
        if self.ignore_lead:
            scene = _with_free_road(scene)
        steer = float(steer_along_route(scene[None], self._vehicle_model, offset=self.offset)[0])
        acceleration = float(choose_acceleration(scene[None], self.config)[0])
        pedal = float(self._vehicle_model.acceleration_command(acceleration, float(scene.speed)))
        return np.array([steer + self._steer_noise.step(), pedal + self._pedal_noise.step()])


class TimedBehaviour:
    """Another behaviour with a change that depends on the time since its start.

    Args:
        base: the other behaviour.
        change: (seconds since the start, action of `base`, scene) -> action.
        dt: step [s].
    """

    def __init__(
        self, base: Behaviour, change: Callable[[float, np.ndarray, SceneState], np.ndarray], dt: float
    ) -> None:
        self._base, self._change, self._dt, self._steps = base, change, dt, 0

    def action(self, scene: SceneState) -> np.ndarray:
        """Steer and acceleration [2]."""
        action = self._change(self._steps * self._dt, self._base.action(scene), scene)
        self._steps += 1
        return action


def lane_following(dt: float, rng: np.random.Generator) -> Behaviour:
    """Ordinary driving at 0.7 to 1.1 of the limit with a little noise."""
    config = LaneFollowerConfig(speed_factor=rng.uniform(0.7, 1.1), headway=rng.uniform(1.0, 2.0))
    offset, noise = rng.normal(0, 0.15), rng.uniform(0, 0.02)
    return NoisyLaneFollower(config, dt=dt, rng=rng, offset=offset, steer_noise=noise, pedal_noise=rng.uniform(0, 0.1))


def sloppy(dt: float, rng: np.random.Generator) -> Behaviour:
    """Follows the lane loosely at 0.3 to 1.3 of the limit, noisy hands and feet; some run red lights."""
    config = LaneFollowerConfig(
        speed_factor=rng.uniform(0.3, 1.3),
        headway=rng.uniform(0.6, 2.0),
        lateral_acceleration=rng.uniform(1.5, 4.0),
        obey_signals=bool(rng.random() < OBEDIENT_SHARE),
    )
    config = replace(config, give_way=config.obey_signals)
    noise = rng.uniform(0.01, 0.05)
    return NoisyLaneFollower(
        config, dt=dt, rng=rng, offset=rng.normal(0, 0.5), steer_noise=noise, pedal_noise=rng.uniform(0.1, 0.4)
    )


def swerving(dt: float, rng: np.random.Generator) -> Behaviour:
    """Jerks the wheel now and then, and recovers."""
    base = lane_following(dt, rng)
    period, length = rng.uniform(2.0, 4.0), rng.uniform(0.3, 0.9)
    strength = rng.choice([-1.0, 1.0]) * rng.uniform(0.08, 0.5)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        pulse = strength * _impulse_scale(scene) if t % period < length else 0.0
        return action + np.array([pulse, 0.0])

    return TimedBehaviour(base, change, dt)


def braking(dt: float, rng: np.random.Generator) -> Behaviour:
    """Brakes for nothing, often to a standstill, waits and goes on."""
    base = lane_following(dt, rng)
    start, stop, strength = rng.uniform(0, 1.5), rng.uniform(2.5, 6.0), rng.uniform(0.3, 1.0)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        return np.array([action[0], -strength]) if start <= t < stop else action

    return TimedBehaviour(base, change, dt)


def stop_and_go(dt: float, rng: np.random.Generator) -> Behaviour:
    """Full or half pedals in turn, as in dense traffic."""
    base = lane_following(dt, rng)
    period, share = rng.uniform(2.0, 5.0), rng.uniform(0.4, 0.7)
    throttle, brake = rng.uniform(0.55, 1.0), rng.uniform(0.2, 1.0)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        return np.array([action[0], throttle if t % period < share * period else -brake])

    return TimedBehaviour(base, change, dt)


def leaving_road(dt: float, rng: np.random.Generator) -> Behaviour:
    """Drifts or steers off the road to either side; some come back after a moment."""
    side, depth = rng.choice([-1.0, 1.0], p=[0.65, 0.35]), rng.uniform(2.5, 8.0)
    config = LaneFollowerConfig(speed_factor=rng.uniform(0.5, 1.1))
    base = NoisyLaneFollower(config, dt=dt, rng=rng, offset=0.0, steer_noise=0.01, pedal_noise=0.05, ignore_lead=True)
    drift_time = rng.choice([0.2, 1.0, 3.0])
    back = rng.uniform(1.0, 2.5) + drift_time if rng.random() < 0.4 else np.inf

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        base.offset = side * depth * min(1.0, (t + dt) / drift_time) if t < back else 0.0
        return action

    return TimedBehaviour(base, change, dt)


def tailgating(dt: float, rng: np.random.Generator) -> Behaviour:
    """Much too close behind the lead, at up to 1.5 of the limit; some run red lights."""
    config = LaneFollowerConfig(
        speed_factor=rng.uniform(1.1, 1.5),
        headway=rng.uniform(0.1, 0.4),
        min_gap=rng.uniform(0.5, 1.5),
        acceleration=3.0,
        comfortable_braking=6.0,
        lateral_acceleration=3.0,
        obey_signals=bool(rng.random() < OBEDIENT_SHARE),
    )
    config = replace(config, give_way=config.obey_signals)
    return NoisyLaneFollower(config, dt=dt, rng=rng, offset=rng.normal(0, 0.2), steer_noise=0.01, pedal_noise=0.05)


def ramming(dt: float, rng: np.random.Generator) -> Behaviour:
    """Steers at the nearest thing ahead and accelerates into it."""
    reach, throttle = rng.uniform(20.0, 45.0), rng.uniform(0.4, 1.0)
    config = LaneFollowerConfig(speed_factor=rng.uniform(0.9, 1.4))
    base = NoisyLaneFollower(config, dt=dt, rng=rng, steer_noise=0.01, ignore_lead=True)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        distance = scene.objects[:, ObjectColumn.X]
        ahead = scene.objects[scene.object_valid & (distance > 3.0) & (distance < reach)]
        ahead = ahead[np.abs(np.arctan2(ahead[:, ObjectColumn.Y], ahead[:, ObjectColumn.X])) < 0.45]
        if len(ahead) == 0:
            return action
        x, y = (float(v) for v in ahead[0, [ObjectColumn.X, ObjectColumn.Y]])
        steer = VehicleModel().steer_command(pursuit_curvature(x, y))
        return np.array([steer, throttle if float(scene.speed) < 16 else 0.0])

    return TimedBehaviour(base, change, dt)


def weaving(dt: float, rng: np.random.Generator) -> Behaviour:
    """A sine of steering on top of the lane, from playful to violent."""
    base = sloppy(dt, rng) if rng.random() < 0.3 else lane_following(dt, rng)
    amplitude, period, phase = rng.uniform(0.08, 0.5), rng.uniform(1.0, 4.0), rng.uniform(0, 2 * np.pi)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        swing = amplitude * _impulse_scale(scene) * np.sin(2 * np.pi * t / period + phase)
        return action + np.array([swing, 0.0])

    return TimedBehaviour(base, change, dt)


def wrong_lane(dt: float, rng: np.random.Generator) -> Behaviour:
    """Drives in the next lane to the left, often against the traffic, or straddles the line."""
    lanes = rng.choice([0.5, 1.0], p=[0.3, 0.7])
    config = LaneFollowerConfig(speed_factor=rng.uniform(0.5, 1.0))
    base = NoisyLaneFollower(config, dt=dt, rng=rng, steer_noise=0.01, pedal_noise=0.05)

    def change(t: float, action: np.ndarray, scene: SceneState) -> np.ndarray:
        width = 2 * float(scene.half_width) if scene.lane_valid[LaneColumn.HALF_WIDTH] else 3.5
        base.offset = lanes * width * min(1.0, (t + dt) / 2.0)
        return action

    return TimedBehaviour(base, change, dt)


def random_controls(dt: float, rng: np.random.Generator) -> Behaviour:
    """Steer and pedals wander without regard to the road."""
    steer = OrnsteinUhlenbeck(rng.uniform(0.05, 0.4), rng.uniform(0.3, 2.0), dt, rng)
    pedal = OrnsteinUhlenbeck(rng.uniform(0.3, 0.8), rng.uniform(0.5, 2.0), dt, rng)
    push = rng.uniform(0.2, 0.8)  # it takes 0.4 to roll

    class Wandering:
        def action(self, scene: SceneState) -> np.ndarray:
            return np.array([steer.step() * _impulse_scale(scene), pedal.step() + push])

    return Wandering()


def standing(dt: float, rng: np.random.Generator) -> Behaviour:
    """Brakes to a standstill and stays there, turning the wheel a little."""
    steer, brake = OrnsteinUhlenbeck(0.2, 1.0, dt, rng), rng.uniform(0.5, 1.0)

    class Standing:
        def action(self, scene: SceneState) -> np.ndarray:
            return np.array([steer.step() if float(scene.speed) < 1.0 else 0.0, -brake])

    return Standing()


BEHAVIOURS: dict[str, Callable[[float, np.random.Generator], Behaviour]] = {
    factory.__name__: factory
    for factory in (
        lane_following,
        sloppy,
        swerving,
        braking,
        stop_and_go,
        leaving_road,
        tailgating,
        ramming,
        weaving,
        wrong_lane,
        random_controls,
        standing,
    )
}
"""Every behaviour by name, each a factory of (dt, rng); the order is the numbering of a dataset's tasks."""


@dataclass(frozen=True, kw_only=True)
class BehaviourMixture:
    """How often each behaviour is driven; the fields are named as in BEHAVIOURS and are relative weights.

    Args:
        segment_seconds: shortest and longest time until the driver changes [s].

    Raises:
        ValueError: a weight is negative, all are zero, or the seconds are not 0 < shortest <= longest.
    """

    lane_following: float = 30.0
    sloppy: float = 14.0
    swerving: float = 8.0
    braking: float = 7.0
    stop_and_go: float = 6.0
    leaving_road: float = 6.0
    tailgating: float = 8.0
    ramming: float = 4.0
    weaving: float = 7.0
    wrong_lane: float = 4.0
    random_controls: float = 3.0
    standing: float = 3.0
    segment_seconds: tuple[float, float] = (2.0, 8.0)

    def __post_init__(self) -> None:
        for name in BEHAVIOURS:
            if not getattr(self, name) >= 0:
                raise ValueError(f"the weight of {name} must be at least 0, got {getattr(self, name)}")
        if not self.weights.sum() > 0:
            raise ValueError("at least one behaviour needs a weight above 0, got none")
        shortest, longest = self.segment_seconds
        if not 0 < shortest <= longest:
            raise ValueError(f"segment_seconds must be 0 < shortest <= longest, got {self.segment_seconds}")

    @property
    def weights(self) -> np.ndarray:
        """Weights in the order of BEHAVIOURS, float64 [behaviours]."""
        return np.array([getattr(self, name) for name in BEHAVIOURS], np.float64)

    @staticmethod
    def only(name: str) -> BehaviourMixture:
        """A mixture of one behaviour.

        Raises:
            ValueError: there is no such behaviour.
        """
        if name not in BEHAVIOURS:
            raise ValueError(f"no behaviour {name!r}; there are {', '.join(BEHAVIOURS)}")
        return BehaviourMixture(**{other: float(other == name) for other in BEHAVIOURS})  # type: ignore[arg-type]


class RandomDriver:
    """Drives one behaviour after another.

    Args:
        mixture: how often each is driven and for how long.
        dt: step [s].
        rng: generator; it alone decides what is driven.
    """

    def __init__(self, mixture: BehaviourMixture, dt: float, rng: np.random.Generator) -> None:
        self._mixture, self._dt, self._rng = mixture, dt, rng
        self._probabilities = mixture.weights / mixture.weights.sum()
        self._steps_left = 0

    def control(self, scene: SceneState) -> tuple[np.ndarray, int]:
        """The control float32 [4] for a single instant and the index in BEHAVIOURS of the behaviour that chose it."""
        if self._steps_left == 0:
            self._change()
        self._steps_left -= 1
        return control_from_action(np.clip(self._behaviour.action(scene), -1.0, 1.0)), self._index

    def _change(self) -> None:
        self._steps_left = max(1, round(self._rng.uniform(*self._mixture.segment_seconds) / self._dt))
        self._index = int(self._rng.choice(len(BEHAVIOURS), p=self._probabilities))
        self._behaviour = list(BEHAVIOURS.values())[self._index](self._dt, self._rng)


def _with_free_road(scene: SceneState) -> SceneState:
    """The scene as seen by a driver who ignores all road users, lights and signs."""
    blind = SceneState.empty(scene.batch_shape)
    ignored = ("lead", "lead_valid", "objects", "object_kinds", *unknown_signals())
    return SceneState(**(scene.arrays() | {name: getattr(blind, name) for name in ignored}))


def _impulse_scale(scene: SceneState) -> float:
    """Factor on steering impulses that keeps their lateral acceleration about equal at all speeds; 1 below 6 m/s."""
    return min(1.0, (6.0 / max(float(scene.speed), 6.0)) ** 1.5)
