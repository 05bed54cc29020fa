"""The roads and junctions of a procedural town as OpenDRIVE, without signs. Every curve is a clothoid."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from scenariogeneration import xodr

from envs.maps.towns.street_net import Leg, Pose, Street, curves_through

SIDEWALK_WIDTH = 2.0
"""[m]."""

_RIGHT, _STRAIGHT, _LEFT = 1, 2, 3
"""Quarter turns, counter-clockwise, from the street a car comes from to the one it leaves by."""
_LINE_WIDTH = 0.15  # [m]
_SOLID_LENGTH = 25.0
"""The centre line is solid this far before a junction [m]."""


_CENTRE_KINDS = {
    1: (xodr.RoadMarkType.broken, xodr.RoadMarkType.broken, xodr.RoadMarkType.solid),
    2: (xodr.RoadMarkType.solid_solid, xodr.RoadMarkType.solid_solid, xodr.RoadMarkType.solid),
}
"""How the two directions of a street with so many lanes each way may be divided."""


_Line = list[tuple[float, xodr.RoadMarkType]]
"""s from which on a line is of a kind, ascending from 0 [m]."""


def draw_centre_line(street: Street, rng: random.Random) -> _Line:
    """The line between the two directions of a street; a broken one is solid near junctions."""
    kind, solid = rng.choice(_CENTRE_KINDS[street.num_lanes]), xodr.RoadMarkType.solid
    if kind == xodr.RoadMarkType.broken and street.length > 3 * _SOLID_LENGTH:
        return [(0.0, solid), (_SOLID_LENGTH, kind), (street.length - _SOLID_LENGTH, solid)]
    return [(0.0, kind)]


def _lane_pairs(legs: Mapping[int, Leg]) -> Iterator[tuple[int, int, int, int]]:
    """(quarter in, lane in, quarter out, lane out) of each turn of a junction; lanes count from the middle.

    Right turns keep to the outer lane, left turns to the inner one, and straight on keeps the lane counted
    from the outside. A lane that this leaves without a way on, or without a way in, goes straight on.
    """
    pairs: list[tuple[int, int, int, int]] = []
    for q, leg in sorted(legs.items()):
        for turn in (_RIGHT, _STRAIGHT, _LEFT):
            out = (q + turn) % 4
            if out not in legs:
                continue
            num_in, num_out = leg.street.num_lanes, legs[out].street.num_lanes
            if turn == _RIGHT:
                pairs.append((q, num_in, out, num_out))
            elif turn == _LEFT:
                pairs.append((q, 1, out, 1))
            else:
                pairs.extend((q, num_in - k, out, num_out - k) for k in range(min(num_in, num_out)))
    used_in, used_out = {(q, m) for q, m, _, _ in pairs}, {(o, n) for _, _, o, n in pairs}
    for q in sorted(legs):
        across = (q + _STRAIGHT) % 4
        for lane in range(1, legs[q].street.num_lanes + 1):
            if (q, lane) not in used_in:
                pairs.append((q, lane, across, min(lane, legs[across].street.num_lanes)))
            if (q, lane) not in used_out:
                pairs.append((across, min(lane, legs[across].street.num_lanes), q, lane))
    yield from dict.fromkeys(pairs)


def add_junction(town: xodr.OpenDrive, junction_id: int, first_road_id: int, legs: Mapping[int, Leg]) -> None:
    """Add a junction and the roads through it, whose ids count up from `first_road_id`."""
    junction = xodr.Junction(f"junction_{junction_id}", junction_id)
    for k, (q_in, lane_in, q_out, lane_out) in enumerate(_lane_pairs(legs)):
        into, out = legs[q_in], legs[q_out]
        outermost = lane_in == into.street.num_lanes and lane_out == out.street.num_lanes
        rightmost = next(q for q in ((q_in + turn) % 4 for turn in (_RIGHT, _STRAIGHT, _LEFT)) if q in legs)
        along_curb = outermost and q_out == rightmost
        road_id = first_road_id + k
        town.add_road(_turn_road(road_id, junction_id, into, lane_in, out, lane_out, along_curb))
        connection = xodr.Connection(into.street.road_id, road_id, xodr.ContactPoint.start)
        connection.add_lanelink(into.lane_in(lane_in), -1)
        if along_curb:
            connection.add_lanelink(into.lane_in(lane_in + 1), -2)
        junction.add_connection(connection)
    town.add_junction(junction)


def _turn_road(
    road_id: int, junction_id: int, into: Leg, lane_in: int, out: Leg, lane_out: int, along_curb: bool
) -> xodr.Road:
    """The one-lane road of a turn; its reference line is the left edge of that lane."""
    planview = planview_through((into.edge_in(lane_in), out.edge_out(lane_out)))
    width = into.street.lane_width
    widening = (out.street.lane_width - width) / planview.get_total_length()
    lane = xodr.Lane(xodr.LaneType.driving, a=width, b=widening)
    if along_curb:
        lane.add_roadmark(xodr.RoadMark(xodr.RoadMarkType.curb, 0.15))
    section = xodr.LaneSection(0.0, _bare_centre())
    lanes = [lane, xodr.Lane(xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH)] if along_curb else [lane]
    for k, each in enumerate(lanes):
        each.add_link("predecessor", into.lane_in(lane_in + k))
        each.add_link("successor", out.lane_out(lane_out + k))
        section.add_right_lane(each)
    road = xodr.Road(road_id, planview, xodr.Lanes().add_lanesection(section), road_type=junction_id)
    road.add_predecessor(xodr.ElementType.road, into.street.road_id, _contact(into))
    road.add_successor(xodr.ElementType.road, out.street.road_id, _contact(out))
    limit = min(into.speed_limit, out.speed_limit)
    return road.add_type(xodr.RoadType.town, speed=limit, speed_unit="km/h")


def _contact(leg: Leg) -> xodr.ContactPoint:
    return xodr.ContactPoint.start if leg.at_start else xodr.ContactPoint.end


def street_road(
    street: Street,
    junction_ids: tuple[int, int],
    centre_line: _Line,
    color: xodr.RoadMarkColor,
    unpainted: tuple[float, float],
) -> xodr.Road:
    """The road of a street.

    Args:
        street: the street.
        junction_ids: of the junctions at its start and its end.
        centre_line: between its directions.
        color: of the centre line.
        unpainted: how much of its start and of its end has no lines, for a crosswalk [m].
    """
    middle = _bare_centre()
    _paint(middle, centre_line, color, street.length, unpainted)
    section = xodr.LaneSection(0.0, middle)
    for add in (section.add_left_lane, section.add_right_lane):
        for k in range(1, street.num_lanes + 1):
            kind = xodr.RoadMarkType.solid if k == street.num_lanes else xodr.RoadMarkType.broken
            lane = xodr.Lane(xodr.LaneType.driving, a=street.lane_width)
            _paint(lane, [(0.0, kind)], xodr.RoadMarkColor.white, street.length, unpainted)
            add(lane)
        add(xodr.Lane(xodr.LaneType.sidewalk, a=SIDEWALK_WIDTH))
    road = xodr.Road(street.road_id, planview_through(street.knots), xodr.Lanes().add_lanesection(section))
    road.add_predecessor(xodr.ElementType.junction, junction_ids[0])
    road.add_successor(xodr.ElementType.junction, junction_ids[1])
    first, second = street.speed_limits
    road.add_type(xodr.RoadType.town, speed=first, speed_unit="km/h")
    if second != first:
        road.add_type(xodr.RoadType.town, s=street.length / 2, speed=second, speed_unit="km/h")
    return road


def _paint(
    lane: xodr.Lane, line: _Line, color: xodr.RoadMarkColor, length: float, unpainted: tuple[float, float]
) -> None:
    """Add a line to a lane of a road `length` [m] long, except where the road is unpainted."""
    first, last = unpainted[0], length - unpainted[1]
    kinds = [(max(s, first), kind) for s, kind in line if s < last]
    if first > 0:
        kinds.insert(0, (0.0, xodr.RoadMarkType.none))
    if last < length:
        kinds.append((last, xodr.RoadMarkType.none))
    for s, kind in kinds:
        lane.add_roadmark(xodr.RoadMark(kind, _LINE_WIDTH, soffset=round(s, 3), color=color))


def _bare_centre() -> xodr.Lane:
    return xodr.Lane(xodr.LaneType.none)


def planview_through(knots: Sequence[Pose]) -> xodr.PlanView:
    """The clothoids through poses, one between each two."""
    planview = xodr.PlanView()
    for start, curve in zip(knots, curves_through(knots), strict=False):
        shape = _curve(curve.KappaStart, curve.KappaEnd, curve.length)
        planview.add_fixed_geometry(shape, start.x, start.y, start.yaw)
    return planview


def _curve(start: float, end: float, length: float) -> xodr.Line | xodr.Arc | xodr.Spiral:
    """A clothoid, in a simpler form where readers would divide by a vanishing curvature or change of it."""
    if abs(end - start) * length > 1e-5:
        return xodr.Spiral(start, end, length=length)
    if abs(start) * length > 1e-5:
        return xodr.Arc((start + end) / 2, length=length)
    return xodr.Line(length)
