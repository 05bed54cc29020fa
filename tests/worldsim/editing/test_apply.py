"""Edits applied to a layout: what stands there then, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from layouts import layout_of, with_road

from drivedit import edit
from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind, LineColor, LineKind, SignFace, join_polylines
from worldsim.datatypes.scene import ObjectKind
from worldsim.editing.apply import check_ground, stand_on_road

TREE = (30.0, 8.0, 0.0, 0.0, 3.0, 3.0, 6.0)
ROUTE = edit.RouteLine(points=np.array([(-20.0, -1.75), (60.0, -1.75), (60.0, 80.0)]), ego_s=20.0)
EGO = np.array([0.0, -1.75, 0.0, 4.6, 1.9])


@pytest.fixture
def street() -> Layout:
    """A straight road along x, 3.5 m to either side, and a tree 8 m to its left."""
    return with_road(layout_of(LayoutKind.TREE, TREE))


def put(thing, x, y, **more):
    return edit.Put(thing=thing, place=edit.OnMap(x=x, y=y, **more))


def test_what_is_built_becomes_a_box_and_the_rest_stays(street):
    before = street.arrays()
    standing = edit.apply_edits([put("building", 20, 15), put("hedge", 40, 6)], street)
    boxes, kinds = standing.layout.boxes, standing.layout.box_kinds
    assert kinds.tolist() == [LayoutKind.TREE, LayoutKind.BUILDING, LayoutKind.WALL]
    assert boxes[1, :2].tolist() == [20, 15]
    assert boxes[1, BoxColumn.LENGTH :].tolist() == list(edit.THINGS["building"].size)
    assert np.array_equal(standing.layout.area_points, street.area_points)
    assert np.array_equal(standing.layout.boxes[:1], street.boxes)
    assert all(np.array_equal(before[name], array) for name, array in street.arrays().items())
    assert len(standing.parked) == 0


def test_vehicles_and_barriers_become_parked_road_users_on_the_road_too(street):
    edits = [put("truck", 20, -2.5, yaw=0.0), put("barrier", 50, 1.75, yaw=0.0), put("car", 30, 14, yaw=0.0)]
    standing = edit.apply_edits(edits, street)
    assert standing.layout is street
    assert standing.parked.kinds.tolist() == [ObjectKind.TRUCK, ObjectKind.STATIC, ObjectKind.CAR]
    assert standing.parked.parked.all()
    assert standing.parked_rows.tolist() == [-1, -1, -1]
    assert stand_on_road(street, standing.parked.boxes[:, [0, 1, 3, 4, 5]]).tolist() == [True, True, False]


def test_a_place_along_the_route_is_ahead_of_the_ego_and_to_its_left(street):
    at = edit.AlongRoute(ahead=20.0, left=-3.0)
    standing = edit.apply_edits([edit.Put(thing="truck", place=at)], street, route=ROUTE)
    assert standing.parked.boxes[0, :4] == pytest.approx([20, -4.75, 0, 0])
    # round the corner, where the route leads north, left is west, and a building there looks east, at the road
    house = edit.Put(thing="building", place=edit.AlongRoute(ahead=80.0, left=12.0))
    corner = edit.apply_edits([house], street, route=ROUTE).layout.boxes[-1]
    assert corner[:2] == pytest.approx([48, 18.25])
    assert np.cos(corner[BoxColumn.YAW]) == pytest.approx(1.0)
    turned = edit.Put(thing="truck", place=edit.AlongRoute(ahead=20.0, turn=np.pi / 2))
    assert edit.apply_edits([turned], street, route=ROUTE).parked.boxes[0, BoxColumn.YAW] == pytest.approx(np.pi / 2)


def test_without_a_heading_a_thing_stands_along_the_nearest_lane(street):
    points, starts = join_polylines([np.array([(-20.0, 0.0), (200.0, 0.0)]), np.array([(200.0, 30.0), (-20.0, 30.0)])])
    lanes = replace(
        street,
        line_points=points,
        line_starts=starts,
        line_kinds=np.full(2, LineKind.LANE_CENTRE, np.int64),
        line_colors=np.full(2, LineColor.NONE, np.int64),
        line_widths=np.zeros(2, np.float32),
        line_dashes=np.zeros((2, 2), np.float32),
        line_speed_limits=np.zeros(2, np.float32),
    )
    boxes = edit.apply_edits([put("wall", 50, 8), put("wall", 50, 24)], lanes).layout.boxes
    assert np.abs(boxes[1:, BoxColumn.YAW]) == pytest.approx([0.0, np.pi])
    house = edit.apply_edits([put("building", 50, 12)], lanes).layout.boxes[-1]
    assert house[BoxColumn.YAW] == pytest.approx(-np.pi / 2)


def test_what_stands_nearest_is_taken_away_or_repainted(street):
    more = edit.apply_edits([put("car", 30, 14, yaw=0.0), put("hedge", 50, 6)], street)
    after = edit.apply_edits(
        [edit.Remove(place=edit.OnMap(x=30.2, y=8)), edit.Repaint(place=edit.OnMap(x=50, y=6), color=(9, 8, 7))],
        more.layout,
        parked=more.parked,
    )
    assert after.layout.box_kinds.tolist() == [LayoutKind.WALL]
    assert after.layout.box_colors[0].tolist() == [9, 8, 7]
    gone = edit.apply_edits([edit.Remove(place=edit.OnMap(x=31, y=14))], more.layout, parked=more.parked)
    assert len(gone.parked) == 0
    assert len(gone.layout.boxes) == 2
    red = edit.apply_edits([edit.Repaint(place=edit.OnMap(x=31, y=14), color=(255, 0, 0))], street, parked=more.parked)
    assert red.parked.colors[0].tolist() == [255, 0, 0]
    assert red.parked_rows.tolist() == [0]


def test_a_look_is_handed_on(street):
    assert edit.apply_edits([], street).look is None
    assert edit.apply_edits([edit.Look(name="fog"), edit.Look(name="rain")], street).look == "rain"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        (put("building", 20, 6), r"building at x = 20, y = 6 stands on the road, .*right would be x = "),
        (put("tree", 20, 0), "tree at x = 20, y = 0 stands on the road, where only cars, trucks and barriers may"),
        (
            put("building", 30, 12),
            r"building at x = 30, y = 12 stands inside a tree at x = 30, y = 8; right would be x",
        ),
        (put("car", 0, -2), "car at x = 0, y = -2 stands inside the ego at x = 0, y = -1.8; right would be"),
        (put("truck", 80, 1.75), "truck at x = 80, y = 1.75 stands inside another road user"),
        (put("car", 60, 10), "car at x = 60, y = 10 stands inside a parked truck at x = 60, y = 10"),
        (put("tree", 20, 90), "outside the map's reach, 8[0-9] m from its ground; right would be at most 60 m"),
        (edit.Remove(place=edit.OnMap(x=20, y=20)), "nothing stands within 1.5 m; the nearest is a "),
        (
            edit.Put(thing="car", place=edit.AlongRoute(ahead=400)),
            "car at 400 m ahead, 0 m to the left of the route is",
        ),
        (edit.Put(thing="car", place=edit.AlongRoute(ahead=-30)), "reaches from -20 m to"),
    ],
)
def test_a_place_where_it_cannot_be_is_refused_with_what_would_be_right(street, what, says):
    truck = edit.apply_edits([put("truck", 60, 10, yaw=0.0)], street).parked
    others = np.array([(80.0, 1.75, 0.0, 4.5, 1.9)])
    with pytest.raises(ValueError, match=says):
        edit.apply_edits([put("wall", 100, 8), what], street, parked=truck, route=ROUTE, ego=EGO, others=others)


def test_the_place_that_would_be_right_is_right(street):
    with pytest.raises(ValueError, match="right would be") as refused:
        edit.apply_edits([put("building", 20, 6)], street)
    x, y = (
        float(part.split("=")[1].rstrip(",")) for part in str(refused.value).split("right would be ")[1].split(", ")[:2]
    )
    edit.apply_edits([put("building", x, y)], street)


def test_lights_and_signs_stay(street):
    sign = layout_of(LayoutKind.SIGN, (20.0, -6.0, 0.0, np.pi, 0.1, 0.7, 2.5), sign=SignFace.STOP)
    with pytest.raises(ValueError, match="the sign at x = 20, y = -6 cannot be removed: it would be obeyed"):
        edit.apply_edits([edit.Remove(place=edit.OnMap(x=20, y=-6))], with_road(sign))


def test_where_nothing_is_known_nothing_is_put():
    with pytest.raises(ValueError, match="tree at x = 0, y = 9: the layout here is not known"):
        edit.apply_edits([put("tree", 0, 9)], Layout.unknown())
    with pytest.raises(ValueError, match="no route is known here; right would be OnMap"):
        edit.apply_edits([edit.Put(thing="car", place=edit.AlongRoute(ahead=5))], with_road(Layout()))


def test_the_ground_belongs_to_the_map(street):
    check_ground(street.with_boxes_of(Layout()), street, "map Town")
    with pytest.raises(ValueError, match="its area_points are not those of map Town"):
        check_ground(with_road(street, half_width=4.0), street, "map Town")
