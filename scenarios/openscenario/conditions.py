"""Conditions of OpenSCENARIO: what must be true of an instant. Edges, delays and triggers are in `triggers`."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from scenarios.openscenario.positions import Frame, Position, is_near, read_position
from scenarios.openscenario.source import Node, declared_name
from scenarios.openscenario.stage import Stage
from scenarios.openscenario.traffic_lights import light_of, read_light_state

STANDS = 0.05
"""Who is slower stands [m/s]."""
SAME_VALUE = 1e-3
"""Measured values that differ by less are equal."""
RULES: dict[str, Callable[[float, float], bool]] = {
    "lessThan": operator.lt,
    "greaterThan": operator.gt,
    "equalTo": lambda a, b: abs(a - b) <= SAME_VALUE,
    "lessOrEqual": operator.le,
    "greaterOrEqual": operator.ge,
    "notEqualTo": lambda a, b: abs(a - b) > SAME_VALUE,
}


class Check(Protocol):
    """What must be true."""

    def holds(self, stage: Stage) -> bool:
        """Whether it is, now."""
        ...


class EntityCheck(Protocol):
    """What must be true of an entity."""

    def holds_for(self, name: str, stage: Stage) -> bool:
        """Whether it is, now, of the one of that name."""
        ...


@dataclass(frozen=True, kw_only=True)
class ByEntity:
    """A check of some entities, of which one or all must meet it; who is not there does not."""

    names: tuple[str, ...]
    all_of_them: bool
    check: EntityCheck

    def holds(self, stage: Stage) -> bool:
        """See Check."""
        met = [stage.states[name].present and self.check.holds_for(name, stage) for name in self.names]
        return all(met) if self.all_of_them else any(met)


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A quantity of an entity compared with a value; one that cannot be measured does not meet it."""

    quantity: Callable[[str, Stage], float | None]
    rule: str
    value: float

    def holds_for(self, name: str, stage: Stage) -> bool:
        """See EntityCheck."""
        measured = self.quantity(name, stage)
        return measured is not None and RULES[self.rule](measured, self.value)


@dataclass(frozen=True, kw_only=True)
class Reached:
    """An entity is within a tolerance [m] of a position."""

    position: Position
    tolerance: float

    def holds_for(self, name: str, stage: Stage) -> bool:
        """See EntityCheck."""
        return is_near(stage.reference_pose(name), self.position.pose(stage), self.tolerance)


@dataclass(frozen=True, kw_only=True)
class Collided:
    """An entity touches one of these."""

    others: tuple[str, ...]

    def holds_for(self, name: str, stage: Stage) -> bool:
        """See EntityCheck."""
        return any(
            other != name and stage.states[other].present and stage.apart(name, other) <= 0 for other in self.others
        )


@dataclass(frozen=True, kw_only=True)
class SimulationTime:
    """The time since the scenario began compared with a value [s]."""

    rule: str
    value: float

    def holds(self, stage: Stage) -> bool:
        """See Check."""
        if self.rule in ("equalTo", "notEqualTo"):  # met by the instant that is nearest
            return (abs(stage.time - self.value) <= stage.dt / 2) == (self.rule == "equalTo")
        return RULES[self.rule](stage.time, self.value)


@dataclass(frozen=True, kw_only=True)
class ElementState:
    """An element of the storyboard is in a state, or makes a transition."""

    kind: str
    name: str
    state: str

    def holds(self, stage: Stage) -> bool:
        """See Check."""
        return self.state in stage.elements.get((self.kind, self.name), frozenset())


@dataclass(frozen=True, kw_only=True)
class ParameterValue:
    """A parameter compared with a value: as numbers where both are, else as texts, which are but equal or not."""

    name: str
    rule: str
    value: str

    def holds(self, stage: Stage) -> bool:
        """See Check."""
        now = stage.parameters.get(self.name, "")
        try:
            return RULES[self.rule](float(now), float(self.value))
        except ValueError:  # texts have no order
            return self.rule in ("equalTo", "notEqualTo") and (now == self.value) == (self.rule == "equalTo")


@dataclass(frozen=True, kw_only=True)
class LightShows:
    """A traffic light that the scenario holds shows a state."""

    signal: str
    state: str

    def holds(self, stage: Stage) -> bool:
        """See Check."""
        return light_of(stage.lights.get(self.signal, "")) == light_of(self.state)


@dataclass(frozen=True, kw_only=True)
class _Distance:
    """How a distance is measured.

    Args:
        to: an entity, or a position.
        kind: "euclidian", "longitudinal" or "lateral".
        freespace: between boxes, not between the points that positions refer to.
        along_road: along the path over the lanes, not in the entity's own frame.
    """

    to: str | Position
    kind: str
    freespace: bool
    along_road: bool

    def __call__(self, name: str, stage: Stage) -> float | None:
        """The distance of an entity [m], at least 0; None where it cannot be measured."""
        if isinstance(self.to, str):
            if not stage.states[self.to].present:
                return None
            place = stage.states[self.to].pose if self.freespace else stage.reference_pose(self.to)
        else:
            place = self.to.pose(stage)
        own = stage.states[name].pose if self.freespace else stage.reference_pose(name)
        if self.kind == "euclidian" and not self.along_road:
            if self.freespace and isinstance(self.to, str):
                return max(stage.apart(name, self.to), 0.0)
            return max(math.hypot(place.x - own.x, place.y - own.y) - self._room(name, stage, own.yaw, 0), 0.0)
        found = stage.on_path_of(name, place) if self.along_road else stage.in_frame_of(name, place)
        if found is None:
            return None
        if self.kind == "lateral":
            return max(abs(found[1]) - self._room(name, stage, own.yaw, 1), 0.0)
        ahead = found[0] if self.freespace else found[0] + stage.entities[name].center
        return max(abs(ahead) - self._room(name, stage, own.yaw, 0), 0.0)

    def _room(self, name: str, stage: Stage, yaw: float, axis: int) -> float:
        """What boxes take up of a distance along an axis [m]."""
        if not self.freespace:
            return 0.0
        others = stage.half_extents(self.to, yaw)[axis] if isinstance(self.to, str) else 0.0
        return stage.half_extents(name, yaw)[axis] + others


@dataclass(frozen=True, kw_only=True)
class _Headway:
    """Time in which an entity is where another is now [s]."""

    distance: _Distance

    def __call__(self, name: str, stage: Stage) -> float | None:
        """The headway; None of one that stands."""
        distance, speed = self.distance(name, stage), stage.states[name].speed
        return None if distance is None or speed < STANDS else distance / speed


@dataclass(frozen=True, kw_only=True)
class _TimeToCollision:
    """Time in which an entity touches what it closes in on [s]."""

    distance: _Distance

    def __call__(self, name: str, stage: Stage) -> float | None:
        """The time; None where it does not close in."""
        distance = self.distance(name, stage)
        if distance is None:
            return None
        own = _velocity(name, stage)
        to = self.distance.to
        other = _velocity(to, stage) if isinstance(to, str) else (0.0, 0.0)
        place = stage.states[to].pose if isinstance(to, str) else to.pose(stage)
        at = stage.states[name].pose
        dx, dy = place.x - at.x, place.y - at.y
        away = max(math.hypot(dx, dy), 1e-6)
        closing = ((own[0] - other[0]) * dx + (own[1] - other[1]) * dy) / away
        return None if closing <= SAME_VALUE else distance / closing


def _velocity(name: str, stage: Stage) -> tuple[float, float]:
    state = stage.states[name]
    return state.speed * math.cos(state.yaw), state.speed * math.sin(state.yaw)


class ConditionReader:
    """Reads conditions.

    Args:
        frame: how the file writes places.
        names: of its entities.
        lights: ids of the traffic lights that the file itself sets.
        parameters: names of those that the whole file knows.
        elements: kind and name of those of the storyboard.
    """

    def __init__(
        self,
        frame: Frame,
        names: Sequence[str],
        lights: Sequence[str],
        parameters: Collection[str],
        elements: Collection[tuple[str, str]],
    ) -> None:
        self._frame, self._names, self._lights = frame, names, lights
        self._parameters, self._elements = parameters, elements

    def read(self, node: Node) -> Check:
        """What a <Condition> asks for.

        Raises:
            ScenarioFileError: a condition that is not supported, or wrong.
        """
        what = node.only()
        if what.tag == "ByEntityCondition":
            entities = what.need("TriggeringEntities")
            names = tuple(self._entity(each, each.text("entityRef")) for each in entities.all("EntityRef"))
            if not names:
                raise entities.error("names no entity")
            rule = entities.choice("triggeringEntitiesRule", "any", "all")
            check = self._read_entity_check(what.need("EntityCondition").only())
            return ByEntity(names=names, all_of_them=rule == "all", check=check)
        if what.tag == "ByValueCondition":
            return self._read_value_check(what.only())
        raise what.error("is a condition that is not supported")

    def _entity(self, node: Node, name: str) -> str:
        if name not in self._names:
            raise node.error(f"there is no entity named {name!r}; there are {', '.join(self._names)}")
        return name

    def _read_value_check(self, node: Node) -> Check:
        match node.tag:
            case "SimulationTimeCondition":
                return SimulationTime(rule=node.choice("rule", *RULES), value=node.number("value"))
            case "StoryboardElementStateCondition":
                name = node.text("storyboardElementRef").rpartition("::")[2]
                kind = node.choice(
                    "storyboardElementType", "story", "act", "maneuverGroup", "maneuver", "event", "action"
                )
                state = node.choice(
                    "state", "standbyState", "runningState", "completeState", "startTransition", "endTransition",
                    "stopTransition", "skipTransition",
                )  # fmt: skip
                if (kind, name) not in self._elements:
                    there = ", ".join(sorted(other for k, other in self._elements if k == kind)) or "none"
                    raise node.error(f"the storyboard has no {kind} named {name!r}; there are {there}")
                return ElementState(kind=kind, name=name, state=state)
            case "ParameterCondition" | "VariableCondition":
                reference = "parameterRef" if node.tag == "ParameterCondition" else "variableRef"
                rule, value = node.choice("rule", *RULES), node.text("value")
                if rule not in ("equalTo", "notEqualTo"):
                    node.number("value")  # texts have no order
                return ParameterValue(name=declared_name(node, reference, self._parameters), rule=rule, value=value)
            case "TrafficSignalCondition":
                if node.text("name") not in self._lights:
                    raise node.error(f"light {node.text('name')!r} is never set by this file; only such are known")
                return LightShows(signal=node.text("name"), state=read_light_state(node))
        raise node.error("is a condition that is not supported")

    def _read_entity_check(self, node: Node) -> EntityCheck:
        def compared(quantity: Callable[[str, Stage], float | None]) -> Compared:
            return Compared(quantity=quantity, rule=node.choice("rule", *RULES), value=node.number("value"))

        def lasts(quantity: Callable[[str, Stage], float | None]) -> Compared:
            return Compared(quantity=quantity, rule="greaterOrEqual", value=node.number("duration") - 1e-6)

        match node.tag:
            case "StandStillCondition":
                return lasts(lambda name, stage: stage.states[name].still_for)
            case "OffroadCondition":
                return lasts(lambda name, stage: stage.states[name].off_road_for)
            case "EndOfRoadCondition":
                return lasts(_time_beyond_road)
            case "SpeedCondition":
                _refuse_direction(node)
                return compared(lambda name, stage: stage.states[name].speed)
            case "AccelerationCondition":
                _refuse_direction(node)
                return compared(lambda name, stage: stage.states[name].acceleration)
            case "RelativeSpeedCondition":
                _refuse_direction(node)
                other = self._entity(node, node.text("entityRef"))
                return compared(
                    lambda name, stage: (
                        stage.states[name].speed - stage.states[other].speed if stage.states[other].present else None
                    )
                )
            case "TraveledDistanceCondition":
                value = node.number("value")
                return Compared(
                    quantity=lambda name, stage: stage.states[name].travelled, rule="greaterOrEqual", value=value
                )
            case "ReachPositionCondition":
                return Reached(
                    position=read_position(node.need("Position"), self._frame), tolerance=node.number("tolerance")
                )
            case "DistanceCondition":
                return compared(self._distance(node, read_position(node.need("Position"), self._frame)))
            case "RelativeDistanceCondition":
                return compared(self._distance(node, self._entity(node, node.text("entityRef"))))
            case "TimeHeadwayCondition":
                return compared(_Headway(distance=self._distance(node, self._entity(node, node.text("entityRef")))))
            case "TimeToCollisionCondition":
                target = node.need("TimeToCollisionConditionTarget").only()
                to: str | Position
                if target.tag == "EntityRef":
                    to = self._entity(target, target.text("entityRef"))
                else:
                    to = read_position(node.need("TimeToCollisionConditionTarget/Position"), self._frame)
                return compared(_TimeToCollision(distance=self._distance(node, to)))
            case "CollisionCondition":
                other = node.only()
                if other.tag == "EntityRef":
                    return Collided(others=(self._entity(other, other.text("entityRef")),))
                return Collided(others=tuple(self._names))
        raise node.error("is a condition that is not supported")

    def _distance(self, node: Node, to: str | Position) -> _Distance:
        given = node.attributes
        kind = given.get("relativeDistanceType", "euclidianDistance").removesuffix("Distance")
        kind = {"cartesian": "euclidian"}.get(kind, kind)
        if kind not in ("euclidian", "longitudinal", "lateral"):
            raise node.error(
                f"relativeDistanceType {kind!r} is not supported; euclidianDistance, longitudinal, lateral are"
            )
        system = given.get("coordinateSystem", "lane" if self._frame.carla else "entity")
        along = "alongRoute" in given and node.flag("alongRoute")
        # along a road, distances are along it unless told otherwise
        along_road = along or (kind != "euclidian" and system in ("lane", "road", "trajectory"))
        if along and kind == "euclidian":
            kind = "longitudinal"
        return _Distance(to=to, kind=kind, freespace=node.flag("freespace"), along_road=along_road)


def _refuse_direction(node: Node) -> None:
    if node.attributes.get("direction", "longitudinal") != "longitudinal":
        raise node.error(f"direction {node.text('direction')!r} is not supported; longitudinal is")


def _time_beyond_road(name: str, stage: Stage) -> float:
    """How long an entity has been where its road has ended, by its speed [s]; negative before."""
    own = stage.following(name)
    if own is None:
        return -math.inf
    left = stage.network.path(own.lanes).length - own.s if own.along > 0 else own.s
    speed = max(stage.states[name].speed, STANDS)
    return (stage.half_extents(name, stage.states[name].yaw)[0] - left) / speed
