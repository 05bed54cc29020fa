"""What a drive shows of its scenario: parameters as they came about, measured on the road users that the world shows.

Measured is what the script decides, not what the policy under test changes: positions and speeds of scripted road
users, the light ahead, and the instant at which the policy takes over.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from envs.maps.route import Route, route_through
from envs.scripted_actors import ScriptedActors, begin_play, ego_on_route
from policies.drive import Rollout
from scenarios.actors import CONTEXT, EGO_HALF_LENGTH
from scenarios.metrics.record_rollout import objects_in_ground_frame
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import OBJECT_RANGE, ObjectColumn, ObjectKind
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

SAME_ACTOR = 3.0
"""A road user of its kind this near to where a script is now is the script's [m]."""
MOVES = 0.2
"""A road user that is slower across the lane does not move across it [m/s]."""
BRAKES = 0.5
"""A road user that decelerates less does not brake [m/s²]."""
NEXT_LANE = 4.0
"""What is farther beside the route does not narrow it [m]."""
STRAIGHT_ROUTE = 200.0
"""Length of the straight route of a start that tells none [m]."""


class _Play(NamedTuple):
    """What becomes of scripts in a drive of t instants.

    shown: see ShownActors, [actors, t, 6]. arcs: where they are by script, [actors, t] [m]. near: whether they come
    within sight by script, bool [actors]. apart: see ShownActors.distances, [actors, t] [m].
    """

    shown: np.ndarray
    arcs: np.ndarray
    near: np.ndarray
    apart: np.ndarray


class ShownActors:
    """The scripted road users of a drive, as the world shows them.

    Args:
        scripted: who was asked for.
        rollout: the drive.
    """

    def __init__(self, scripted: ScriptedActors, rollout: Rollout) -> None:
        self.scripted, self.rollout = scripted, rollout
        clip, self.model = rollout.clip, VehicleModel()
        self.route = start_route(rollout)
        partner = None
        if clip.partner_path is not None:
            partner = route_through(clip.partner_path.points), clip.partner_path.meeting
        self.partner = partner
        before = _vehicles_since_scripts_begin(clip.vehicles, self.route, rollout.dt)
        ego_s = ego_on_route(before[0], self.route, 0.0, self.model.length, self.model.width).s
        play = begin_play(scripted, self.route, ego_s, -(len(before) - 1) * rollout.dt, partner)
        for vehicle in before[:-1]:
            play = play.stepped(vehicle, self.model, rollout.dt)
        self._begun = play

    @property
    def shown(self) -> np.ndarray:
        """OBJECT_NAMES [actors, t, 6] in the ground frame; NaN where a scripted road user is not shown."""
        return self._play.shown

    @cached_property
    def _play(self) -> _Play:
        """The scripts gone through beside the drive."""
        rollout, play = self.rollout, self._begun
        listed = objects_in_ground_frame(rollout.scenes, rollout.vehicles)
        found = np.full((len(play.actors), len(listed), listed.shape[-1]), np.nan)
        arcs, near = np.full(found.shape[:2], np.nan), np.zeros(len(play.actors), bool)
        apart_from_script = np.full(found.shape[:2], np.nan)
        for i, objects in enumerate(listed):
            boxes = play.boxes()
            near |= np.hypot(*(boxes[:, :2] - rollout.vehicles[i, :2]).T) < OBJECT_RANGE - SAME_ACTOR
            for k, actor in enumerate(play.actors):
                arcs[k, i] = actor.s
                apart = np.hypot(*(objects[:, :2] - boxes[k, :2]).T)
                apart[rollout.scenes.object_kinds[i] != actor.kind] = np.inf
                nearest = int(apart.argmin())
                if apart[nearest] < SAME_ACTOR:
                    found[k, i], apart_from_script[k, i] = objects[nearest], apart[nearest]
            play = play.stepped(rollout.vehicles[i], self.model, rollout.dt)
        return _Play(found, arcs, near, apart_from_script)

    def places(self, actor: int) -> tuple[np.ndarray, np.ndarray]:
        """Arc length and lateral offset of a script's road user on its route, [t] each [m]; NaN where not shown."""
        route = self.route if actor < len(self.scripted.scripts) else self._partner_route
        rows, hints = self.shown[actor], self._play.arcs[actor]
        places = np.full((len(rows), 2), np.nan)
        for i in np.flatnonzero(np.isfinite(rows[:, 0])).tolist():
            places[i] = route.project(rows[i, :2], float(hints[i]))[:2]  # a route may come by the same place twice
        return places[:, 0], places[:, 1]

    def speeds(self, actor: int) -> np.ndarray:
        """Speed of a script's road user, [t] [m/s]; NaN where it is not shown."""
        return self.shown[actor, :, ObjectColumn.SPEED]

    def distances(self, actor: int) -> np.ndarray:
        """From a script's road user as it is shown to where its script has it, [t] [m]; NaN where it is not shown."""
        return self._play.apart[actor] if len(self.shown) > actor else np.array([])

    @property
    def meeting(self) -> float:
        """Where the partners meet the ego's route, on their path [m]."""
        assert self.partner is not None, "partners have a path"
        return self.partner[1]

    @property
    def _partner_route(self) -> Route:
        assert self.partner is not None, "partners have a path"
        return self.partner[0]

    @property
    def num_shown(self) -> int:
        """Scripted road users that the world shows at some time."""
        return int(np.isfinite(self.shown[:, :, 0]).any(axis=1).sum())

    @property
    def num_near(self) -> int:
        """Scripted road users that come within sight by their scripts."""
        return int(self._play.near.sum())


def _vehicles_since_scripts_begin(vehicles: np.ndarray, route: Route, dt: float) -> np.ndarray:
    """The ego's VEHICLE_NAMES [t, 6] up to time 0 since scripts began, of which a clip may show but the last: before
    that it came along its route at constant speed."""
    missing = round(CONTEXT / dt) + 1 - len(vehicles)
    first = vehicles[0]
    s, lateral, yaw = route.project(first[:2], 0.0)
    heading = float(first[VehicleColumn.YAW]) - yaw
    earlier = [first.copy() for _ in range(max(missing, 0))]
    for k, vehicle in enumerate(earlier):
        back = float(first[VehicleColumn.SPEED]) * (missing - k) * dt
        vehicle[: VehicleColumn.YAW + 1] = route.pose_at(s - back, lateral, heading)
    return np.stack([*earlier, *vehicles])


def start_route(rollout: Rollout) -> Route:
    """The route at the start in the ground frame; straight on where the start tells none."""
    vehicle, route = rollout.vehicles[0], rollout.clip.route
    if len(route) < 3:
        ahead = np.linspace(0.0, STRAIGHT_ROUTE, 3)
        route = np.stack([ahead, np.zeros_like(ahead)], axis=-1)
    return route_through(to_ground_frame(vehicle, route))


def route_offsets(rollout: Rollout) -> np.ndarray:
    """How far the ego is to the left of the route that it had at the start, [t] [m]."""
    route, s = start_route(rollout), 0.0
    offsets = np.zeros(len(rollout.vehicles))
    for i, vehicle in enumerate(rollout.vehicles):
        s, offsets[i], _ = route.project(vehicle[:2], s)
    return offsets


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A parameter of a scenario that a drive shows.

    Args:
        name: of the parameter.
        unit: of its value.
        requested: its value by the script.
        tolerance: a drive that is farther off did not realise its scenario.
    """

    name: str
    unit: str
    requested: float
    tolerance: float

    def measure(self, drive: ShownActors) -> float | None:
        """The value as it came about; None where the drive ends before it can be told."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Gap(Measure):
    """Bumper to bumper along the route from the ego to a script's road user when the policy takes over [m]."""

    name: str = "gap at the start"
    unit: str = "m"
    tolerance: float = 1.5
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        s, _ = drive.places(self.actor)
        length = drive.shown[self.actor, 0, ObjectColumn.LENGTH]
        ego_s, *_ = drive.route.project(drive.rollout.vehicles[0, :2], 0.0)
        return _known(s[0] - ego_s - EGO_HALF_LENGTH - length / 2)


@dataclass(frozen=True, kw_only=True)
class Speed(Measure):
    """Speed of a script's road user when it is first shown; its highest in the drive where it begins to walk."""

    name: str = "speed"
    unit: str = "m/s"
    tolerance: float = 0.5
    actor: int = 0
    highest: bool = False

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        speeds = drive.speeds(self.actor)
        known = speeds[np.isfinite(speeds)]
        if not len(known):
            return None
        return float(known.max() if self.highest else known[0])


@dataclass(frozen=True, kw_only=True)
class LowestSpeed(Measure):
    """The lowest speed of a script's road user up to a time at which it is reached [m/s]."""

    name: str = "lowest speed"
    unit: str = "m/s"
    tolerance: float = 0.5
    actor: int = 0
    reached_at: float

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        until = round(self.reached_at / drive.rollout.dt)
        speeds = drive.speeds(self.actor)
        return None if len(speeds) <= until else _known(np.min(speeds[: until + 1]))


@dataclass(frozen=True, kw_only=True)
class Braking(Measure):
    """Median deceleration of a script's road user while it brakes [m/s²]."""

    name: str = "lead braking"
    unit: str = "m/s²"
    tolerance: float = 0.5
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        speeds = drive.speeds(self.actor)
        rates = -np.diff(speeds) / drive.rollout.dt
        rates = rates[(rates > BRAKES) & (speeds[1:] > 0)]
        return _median(rates)


@dataclass(frozen=True, kw_only=True)
class LateralSpeed(Measure):
    """Median speed of a script's road user across the lane while it moves across [m/s]."""

    name: str = "lateral speed"
    unit: str = "m/s"
    tolerance: float = 0.3
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        rates = _lateral_rates(drive, self.actor)
        return _median(rates[rates > MOVES])


@dataclass(frozen=True, kw_only=True)
class ReachesLane(Measure):
    """When a script's road user that moves across reaches the lane's centre, by its speed until then [s]."""

    name: str = "time to arrival"
    unit: str = "s"
    tolerance: float = 0.3
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        rates = _lateral_rates(drive, self.actor)
        moving = np.flatnonzero(rates > MOVES)
        if not len(moving):
            return None
        first = int(moving[0])
        _, lateral = drive.places(self.actor)
        rate = float(np.median(rates[moving]))
        return _known(first * drive.rollout.dt + abs(lateral[first]) / rate)


@dataclass(frozen=True, kw_only=True)
class Meets(Measure):
    """When a partner reaches the place where its path meets the ego's route, by its speed until then [s]."""

    name: str = "time to arrival of the other"
    unit: str = "s"
    tolerance: float = 0.4
    actor: int = 0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        s, _ = drive.places(self.actor)
        speeds = drive.speeds(self.actor)
        known = np.flatnonzero(np.isfinite(s) & (speeds > MOVES))
        if not len(known):
            return None
        first = int(known[0])
        return float(first * drive.rollout.dt + (drive.meeting - s[first]) / speeds[first])


@dataclass(frozen=True, kw_only=True)
class LineDistance(Measure):
    """From the ego's front bumper to the stop line ahead when the policy takes over [m]."""

    name: str = "distance to the stop line"
    unit: str = "m"
    tolerance: float = 1.5

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        scene = drive.rollout.scenes[0]
        if not scene.signal_valid or scene.signal == SignalKind.NONE:
            return None
        return float(scene.signal_distance)


@dataclass(frozen=True, kw_only=True)
class TurnsYellow(Measure):
    """When the light ahead turns yellow [s]."""

    name: str = "light turns yellow"
    unit: str = "s"
    tolerance: float = 0.2

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        signal = drive.rollout.scenes.signal
        turned = np.flatnonzero((signal[:-1] == SignalKind.GREEN) & (signal[1:] == SignalKind.YELLOW))
        return float((turned[0] + 1) * drive.rollout.dt) if len(turned) else None


@dataclass(frozen=True, kw_only=True)
class ShowsSignal(Measure):
    """Whether the light or sign that counts is the one asked for when the policy takes over: 1 or 0."""

    name: str = "signal ahead as asked for"
    unit: str = ""
    requested: float = 1.0
    tolerance: float = 0.0
    kinds: tuple[SignalKind, ...]

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        return float(SignalKind(int(drive.rollout.scenes.signal[0])) in self.kinds)


@dataclass(frozen=True, kw_only=True)
class ClearWidth(Measure):
    """Between the trucks on either side of a place `ahead` [m] on the route when the policy takes over [m]."""

    name: str = "clear width"
    unit: str = "m"
    tolerance: float = 0.2
    ahead: float

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        scene = drive.rollout.scenes[0]
        trucks = objects_in_ground_frame(drive.rollout.scenes[:1], drive.rollout.vehicles[:1])[0]
        trucks = trucks[scene.object_kinds == ObjectKind.TRUCK]
        edges = [(drive.route.project(truck[:2], self.ahead)[1], truck[ObjectColumn.WIDTH] / 2) for truck in trucks]
        left = [lateral - half for lateral, half in edges if 0 < lateral < NEXT_LANE]
        right = [lateral + half for lateral, half in edges if -NEXT_LANE < lateral < 0]
        return float(min(left) - max(right)) if left and right else None


def _lateral_rates(drive: ShownActors, actor: int) -> np.ndarray:
    """Speed across the lane of a script's road user in each step, [t-1] [m/s]; 0 where it is not known."""
    _, lateral = drive.places(actor)
    return np.nan_to_num(np.abs(np.diff(lateral)) / drive.rollout.dt)


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
