"""What the ground of a map is in a Layout: surfaces, paint, lanes in their direction of travel, and true edges."""

from __future__ import annotations

import numpy as np
import pytest

from envs.maps.ground_layout import Areas, Lines, ground_layout, join_lines, lane_lines, with_ground
from envs.maps.road_map import RoadMap, load_town
from worldsim.datatypes.layout import AreaKind, Layout, LineColor, LineKind


@pytest.fixture(scope="module")
def town() -> RoadMap:
    return load_town(3)


def _pieces(part: Areas | Lines, kind: int) -> list[np.ndarray]:
    return [
        part.points[a:b] for a, b, k in zip(part.starts[:-1], part.starts[1:], part.kinds, strict=True) if k == kind
    ]


def _area(outline: np.ndarray) -> float:
    x, y = outline[:, 0].astype(float), outline[:, 1].astype(float)
    return 0.5 * abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))


def test_every_surface_becomes_an_area_of_its_kind(town: RoadMap) -> None:
    areas, _ = ground_layout(town.geometry)

    sidewalks = [lane for lane in town.geometry.lanes if lane.kind == "sidewalk"]
    driving = [lane for lane in town.geometry.lanes if lane.kind == "driving"]
    assert len(_pieces(areas, AreaKind.SIDEWALK)) == len(sidewalks) > 0
    assert len(_pieces(areas, AreaKind.DRIVABLE)) == len(driving) > 0
    assert len(_pieces(areas, AreaKind.JUNCTION)) == len(town.geometry.junctions) > 0
    assert _area(_pieces(areas, AreaKind.DRIVABLE)[0]) == pytest.approx(_area(driving[0].outline), rel=1e-4)


def test_junctions_lie_on_lanes(town: RoadMap) -> None:
    areas, _ = ground_layout(town.geometry)

    first_junction = int(np.argmax(areas.kinds == AreaKind.JUNCTION))
    assert first_junction > int(np.flatnonzero(areas.kinds == AreaKind.DRIVABLE)[-1])


def test_paint_keeps_kind_colour_and_width(town: RoadMap) -> None:
    _, lines = ground_layout(town.geometry)

    assert len(lines.kinds) >= len(town.geometry.markings)
    for row, marking in enumerate(town.geometry.markings):
        assert LineKind(lines.kinds[row]).name.lower() == marking.kind
        painted = marking.kind != "curb"
        assert LineColor(lines.colors[row]).name.lower() == (marking.color if painted else "none")
        assert lines.widths[row] == pytest.approx(marking.width)
        broken = "broken" in marking.kind
        assert lines.dashes[row].tolist() == ([marking.dash_length, marking.dash_gap] if broken else [0.0, 0.0])


def test_lane_centres_run_with_the_traffic(town: RoadMap) -> None:
    lines = lane_lines(town)
    centres, limits = _pieces(lines, LineKind.LANE_CENTRE), lines.speed_limits[lines.kinds == LineKind.LANE_CENTRE]

    assert len(centres) == len(town.lanes)
    for centre, limit, (_, lane) in zip(centres, limits, sorted(town.lanes.items()), strict=True):
        assert limit == pytest.approx(lane.limit_at(0.5 * lane.s[-1]))
        assert limit > 5
        np.testing.assert_allclose(centre[[0, -1], :2], lane.points[[0, -1]], atol=1e-3)
        assert len(centre) <= len(lane.points)


def test_edges_have_road_to_their_left_and_none_to_their_right(town: RoadMap) -> None:
    edges = _pieces(lane_lines(town), LineKind.EDGE)

    starts = np.concatenate([edge[:-1, :2] for edge in edges]).astype(float)
    ends = np.concatenate([edge[1:, :2] for edge in edges]).astype(float)
    along = (ends - starts) / np.linalg.norm(ends - starts, axis=1)[:, None]
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    middles = 0.5 * (starts + ends)
    assert town.drivable(middles + 0.6 * left).mean() > 0.995
    assert town.drivable(middles - 0.6 * left).mean() < 0.005


def test_no_edge_between_two_lanes_of_a_road(town: RoadMap) -> None:
    edges = np.concatenate(_pieces(lane_lines(town), LineKind.EDGE))[:, :2]

    for lane in town.lanes.values():
        if lane.junction < 0 and lane.left is not None:
            left = np.stack([-np.sin(lane.yaw), np.cos(lane.yaw)], axis=1)
            seam = (lane.points + lane.half_width[:, None] * left)[5:-5]
            nearest = np.linalg.norm(seam[:, None] - edges[None], axis=2).min()
            assert nearest > 1.0


def test_areas_and_lines_make_a_layout(town: RoadMap) -> None:
    areas, painted = ground_layout(town.geometry)
    lines = join_lines([painted, lane_lines(town)])

    layout = with_ground(Layout.unknown(), areas, lines)
    assert layout.ground_known
    assert not layout.boxes_known
    assert len(layout.lines()) == len(painted.kinds) + len(lane_lines(town).kinds)
