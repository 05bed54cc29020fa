"""Positions of OpenSCENARIO: World, Lane, Road and Route, and those relative to an entity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from scenarios.openscenario.network import Network, Pose
from scenarios.openscenario.source import Node
from worldsim.datatypes.boxes import wrap_angle

if TYPE_CHECKING:
    from scenarios.openscenario.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Frame:
    """How a file writes places.

    Args:
        network: of its map.
        carla: CARLA's left-handed coordinates, in which y, headings and all that is to the side are negated.
    """

    network: Network
    carla: bool

    @property
    def left(self) -> float:
        """1 where the file counts to the left, -1 where it counts to the right."""
        return -1.0 if self.carla else 1.0


class Position(Protocol):
    """A position of a file."""

    def pose(self, stage: Stage) -> Pose:
        """Where it is now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A place that never changes.

    Args:
        at: it.
        has_heading: whether the file gives its heading.
    """

    at: Pose
    has_heading: bool = True

    def pose(self, stage: Stage) -> Pose:
        """See Position."""
        return self.at


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A heading: `angle` [rad] from that of a reference, or from the x axis."""

    angle: float = 0.0
    absolute: bool = False

    def of(self, reference: float) -> float:
        """The heading [rad]."""
        return self.angle if self.absolute else float(wrap_angle(reference + self.angle))


@dataclass(frozen=True, kw_only=True)
class RelativeWorld:
    """Beside an entity, along the axes of the ground frame.

    Args:
        entity: its name.
        dx: [m].
        dy: [m].
        turn: heading.
    """

    entity: str
    dx: float
    dy: float
    turn: Turn

    def pose(self, stage: Stage) -> Pose:
        """See Position."""
        at = stage.reference_pose(self.entity)
        return Pose(at.x + self.dx, at.y + self.dy, self.turn.of(at.yaw), at.z)


@dataclass(frozen=True, kw_only=True)
class RelativeObject:
    """Beside an entity, along its own axes.

    Args:
        entity: its name.
        dx: ahead of it [m].
        dy: to its left [m].
        turn: heading.
    """

    entity: str
    dx: float
    dy: float
    turn: Turn

    def pose(self, stage: Stage) -> Pose:
        """See Position."""
        at = stage.reference_pose(self.entity)
        return at.moved(self.dx, self.dy)._replace(yaw=self.turn.of(at.yaw))


@dataclass(frozen=True, kw_only=True)
class RelativeRoad:
    """Along the road that an entity is on, or along its lane.

    Args:
        entity: its name.
        ds: in the direction of the road's s; of its lane in that of travel [m].
        dt: to the left [m].
        in_lane: whether it is the lane that counts.
        num_lanes: how many lanes to the left of the entity's; its middle counts then.
        turn: heading, from that of the lane there.
        node: for messages.
    """

    entity: str
    ds: float
    dt: float
    in_lane: bool
    num_lanes: int
    turn: Turn
    node: Node

    def pose(self, stage: Stage) -> Pose:
        """See Position."""
        at = stage.reference_pose(self.entity)
        found = stage.network.follow(at)
        if found is None:
            raise self.node.error(f"{self.entity} is on no lane at x = {at.x:.1f}, y = {at.y:.1f} m")
        route = stage.network.path(found.lanes)
        # traffic on lanes with positive ids goes against s
        sense = 1.0 if self.in_lane or found.lanes[0][2] < 0 else -1.0
        s = found.s + found.along * sense * self.ds
        if s < 0.0:
            found, s = stage.network.reach_back(found, -s)
        found = stage.network.reach_ahead(found, s)
        route = stage.network.path(found.lanes)
        lateral = found.lateral + sense * self.dt
        if self.in_lane:
            lateral = found.along * self.dt
        x, y, yaw = route.pose_at(s, lateral, 0.0 if found.along > 0 else np.pi)
        z = route.height_at(s)
        if self.num_lanes:
            x, y = stage.network.beside(Pose(x, y, yaw, z), self.num_lanes, self.node, self.dt)
        return Pose(x, y, self.turn.of(float(wrap_angle(yaw))), z)


def read_position(node: Node, frame: Frame) -> Position:
    """The position in a <Position>, <TargetPosition> or the like.

    Raises:
        ScenarioFileError: one of a kind that is not supported, or that the map does not have.
    """
    what = node.only()
    turn, has_heading = _read_turn(what, frame)
    left, network = frame.left, frame.network
    try:
        match what.tag:
            case "WorldPosition":
                x, y = what.number("x"), left * what.number("y")
                yaw = float(wrap_angle(left * what.number("h", 0.0)))
                return Fixed(at=Pose(x, y, yaw, network.ground(x, y)), has_heading="h" in what.attributes)
            case "RelativeWorldPosition":
                dx, dy = what.number("dx"), left * what.number("dy")
                return RelativeWorld(entity=what.text("entityRef"), dx=dx, dy=dy, turn=turn)
            case "RelativeObjectPosition":
                dx, dy = what.number("dx"), left * what.number("dy")
                return RelativeObject(entity=what.text("entityRef"), dx=dx, dy=dy, turn=turn)
            case "RoadPosition":
                road = network.road(what.text("roadId"))
                at = network.at_road(road, what.number("s"), left * what.number("t"))
                return Fixed(at=at._replace(yaw=turn.of(network.travel(at))), has_heading=has_heading)
            case "LanePosition":
                road = network.road(what.text("roadId"))
                offset = what.number("offset", 0.0)
                lane_id = what.whole("laneId")
                # CARLA counts to the right as one drives, the standard to the left along s
                sense = -1.0 if frame.carla and lane_id < 0 else 1.0
                at = network.at_lane(road, lane_id, what.number("s"), sense * offset)
                return Fixed(at=at._replace(yaw=turn.of(at.yaw)), has_heading=has_heading)
            case "RelativeRoadPosition":
                return RelativeRoad(
                    entity=what.text("entityRef"),
                    ds=what.number("ds"),
                    dt=left * what.number("dt"),
                    in_lane=False,
                    num_lanes=0,
                    turn=turn,
                    node=what,
                )
            case "RelativeLanePosition":
                return RelativeRoad(
                    entity=what.text("entityRef"),
                    ds=what.number("dsLane") if "dsLane" in what.attributes else what.number("ds"),
                    dt=left * what.number("offset", 0.0),
                    in_lane=True,
                    num_lanes=int(left) * what.whole("dLane"),
                    turn=turn,
                    node=what,
                )
            case "RoutePosition":
                return _read_route_position(what, frame, turn)
    except ValueError as error:
        raise error if str(error).startswith(what.file) else what.error(str(error)) from error
    raise what.error("is a position that is not supported; World, Lane, Road, Route and Relative ones are")


def _read_turn(what: Node, frame: Frame) -> tuple[Turn, bool]:
    orientation = what.find("Orientation")
    if orientation is None:
        return Turn(), False
    absolute = orientation.attributes.get("type", "absolute") == "absolute"
    return Turn(angle=frame.left * orientation.number("h", 0.0), absolute=absolute), True


def _read_route_position(what: Node, frame: Frame, turn: Turn) -> Position:
    """A place along a route that is written inside it."""
    route = what.need("RouteRef/Route")
    waypoints = [read_position(each.need("Position"), frame) for each in route.all("Waypoint")]
    if not all(isinstance(each, Fixed) for each in waypoints) or len(waypoints) < 2:
        raise route.error("a route position needs a route of at least two waypoints at fixed places")
    places = tuple(each.at for each in waypoints if isinstance(each, Fixed))
    inside = what.need("InRoutePosition").only()
    if inside.tag not in ("FromRoadCoordinates", "FromLaneCoordinates"):
        raise inside.error("is not supported; FromRoadCoordinates and FromLaneCoordinates are")
    found = frame.network.follow_to(places[0], places[1:])
    if found is None:
        raise route.error("no way over the lanes of the map leads along it")
    path = frame.network.path(found.lanes)
    s = found.s + inside.number("pathS")
    lateral = frame.left * inside.number("t" if inside.tag == "FromRoadCoordinates" else "laneOffset", 0.0)
    x, y, yaw = path.pose_at(s, lateral, 0.0)
    return Fixed(at=Pose(x, y, turn.of(yaw), path.height_at(s)))


def needs_map(root: Node) -> Node | None:
    """The first position that has no meaning without the file's own map; None where all are relative to entities."""
    fixed = ("WorldPosition", "LanePosition", "RoadPosition", "RoutePosition", "GeoPosition")
    return next((node for node in root.walk() if node.tag in fixed), None)


def is_near(a: Pose, b: Pose, tolerance: float) -> bool:
    """Whether two places are at most so far apart [m]."""
    return math.hypot(a.x - b.x, a.y - b.y) <= tolerance
