"""Which lane goes on into which, however a map writes it; and what is refused or named where it contradicts itself."""

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section, through_junction, to_road

from envs.maps.road_map import load_map

BOTH = [section(0, lane(1), lane(-1))]


def test_roads_that_meet_head_on() -> None:
    """Both roads' ends touch: lane -1 goes on as lane 1."""
    text = opendrive(
        road("1", 100, [section(0, lane(1, after=-1), lane(-1, after=1))], link=to_road("successor", "2", "end")),
        road("2", 100, BOTH, start=(200, 0, np.pi)),
    )
    lanes = load_map(text).lanes
    assert lanes[(1, 0, -1)].successors == ((2, 0, 1),)
    assert lanes[(2, 0, -1)].successors == ((1, 0, 1),)
    assert lanes[(1, 0, 1)].successors == ()


def test_a_link_without_a_contact_point_is_to_the_nearer_end() -> None:
    link = '<successor elementType="road" elementId="2"/>'
    text = opendrive(
        road("1", 100, [section(0, lane(-1, after=-1))], link=link),
        road("2", 100, [section(0, lane(-1))], start=(100, 0, 0)),
    )
    assert load_map(text).lanes[(1, 0, -1)].successors == ((2, 0, -1),)


def test_lanes_are_linked_through_sections_too_short_to_have_a_surface() -> None:
    sections = [
        section(0, lane(-1, after=-2), lane(-2)),
        section(50, lane(-2, before=-1, after=-1), lane(-1)),
        section(50.001, lane(-1, before=-2)),
    ]
    lanes = load_map(opendrive(road("1", 100, sections))).lanes
    assert set(lanes) == {(1, 0, -1), (1, 0, -2), (1, 2, -1)}
    assert lanes[(1, 0, -1)].successors == ((1, 2, -1),)


def test_a_junction_without_lane_links_links_equal_ids() -> None:
    text = through_junction().replace('<laneLink from="-1" to="-1"/>', "")
    road_map = load_map(text)
    number = {name: n for n, name in road_map.road_ids.items()}
    assert road_map.lanes[(number["in"], 0, -1)].successors == ((number["way"], 0, -1),)


def test_a_closed_ring_goes_on_for_ever() -> None:
    radius = 50.0
    length = 2 * np.pi * radius
    ring = road(
        "ring",
        length,
        [section(0, lane(1, before=1, after=1), lane(-1, before=-1, after=-1))],
        shape=f'<arc curvature="{1 / radius}"/>',
        link=to_road("predecessor", "ring", "end") + to_road("successor", "ring", "start"),
    )
    road_map = load_map(opendrive(ring))
    rng = np.random.default_rng(0)
    route = road_map.route_from(road_map.random_lane_point(rng), 1000.0, rng)
    assert route.length == 1000
    assert np.abs(np.hypot(*(route.points - [0.0, radius]).T) - radius).max() < 1.76
    assert np.hypot(*np.diff(route.points, axis=0).T).max() < 1.01
    assert not len(road_map.geometry.aprons)


def test_a_link_to_a_road_that_is_missing_ends_the_road() -> None:
    text = opendrive(road("1", 100, [section(0, lane(-1, after=-1))], link=to_road("successor", "9", "start")))
    with pytest.warns(UserWarning, match="road '1': its successor road '9' does not exist; it ends there"):
        assert load_map(text).lanes[(1, 0, -1)].successors == ()


def test_a_link_that_tears_the_way_is_named_and_left_out() -> None:
    text = opendrive(
        road("a", 100, [section(0, lane(-1, after=-1))], link=to_road("successor", "b", "start")),
        road("b", 100, [section(0, lane(-1))], start=(130, 0, 0)),
    )
    with pytest.warns(UserWarning, match=r"road 'a' lane -1 is linked to road 'b' lane -1, which begins 30.0 m away"):
        assert not any(other.successors for other in load_map(text).lanes.values())


def test_a_virtual_junction_is_named() -> None:
    text = opendrive(road("1", 100, BOTH), '<junction id="v7" type="virtual" mainRoad="1" sStart="40" sEnd="60"/>')
    with pytest.warns(UserWarning, match="junction 'v7' is virtual: nothing turns off there"):
        load_map(text)


def test_lanes_for_others_than_cars_are_paved_but_not_driven() -> None:
    lanes = [lane(-1), lane(-2, "bus"), lane(-3, "taxi"), lane(-4, "HOV"), lane(-5, "restricted"), lane(-6, "slipLane")]
    road_map = load_map(opendrive(road("1", 100, [section(0, *lanes)])))
    assert {key[2] for key in road_map.lanes} == {-1, -6}
    across = np.array([[50.0, -3.5 * (k + 0.5)] for k in range(7)])
    assert road_map.drivable(across).tolist() == [True] * 6 + [False]


def test_an_unknown_lane_type_is_named() -> None:
    with pytest.warns(UserWarning, match=r"road '1', lane section at s = 0 m, lane -2: type='hovercraft' is not known"):
        load_map(opendrive(road("1", 100, [section(0, lane(-1), lane(-2, "hovercraft"))])))


def test_lanes_with_borders_narrow_as_they_say() -> None:
    inside = '<border sOffset="0" a="-4" b="0.01" c="0" d="0"/>'
    outer = '<border sOffset="0" a="-7" b="0" c="0" d="0"/>'
    road_map = load_map(opendrive(road("1", 100, [section(0, lane(-1, inside=inside), lane(-2, inside=outer))])))
    assert road_map.lanes[(1, 0, -1)].half_width[[0, -1]] == pytest.approx([2.0, 1.5])
    assert road_map.lanes[(1, 0, -2)].half_width[[0, -1]] == pytest.approx([1.5, 2.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (opendrive(road("1", 100, BOTH), road("1", 100, BOTH)), "road '1' is there more than once"),
        (opendrive(road("1", 100, [section(0, lane(-1), lane(-1))])), "lane -1 is there twice"),
        (opendrive(road("7", 100, [section(0, lane(-1, inside="<roadMark/>"))])), "neither <width> nor <border>"),
        (opendrive(road("7", 100, [])), "road '7': no <laneSection>"),
        (opendrive(road("7", 100, BOTH, geometries=" ")), "road '7': no <geometry>"),
        (opendrive(road("7", 100, BOTH, rule="UHT")), "road '7': rule='UHT'; it must be RHT or LHT"),
        (opendrive(road("7", 100, BOTH, link=to_road("successor", "7", "middle"))), "contactPoint='middle'"),
        (opendrive(road("7", 100, BOTH, shape="<bezier/>")), "<geometry> holds <bezier>; it must hold exactly one"),
        (opendrive(road("7", 100, [section(0, lane(-1, "sidewalk"))])), "no lane of type driving"),
        (opendrive(road("7", 100, [section(0, lane(-1)), section(120, lane(-1))])), "sections begin at s = 0, 120 m"),
        (opendrive(road("", 100, BOTH)), "a <road> .* has no id"),
        (opendrive(road("7", 100, BOTH), '<junction id="1"><connection/></junction>'), "does not name two roads"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_by_name(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"map given as text cannot be used: .*{message}"):
        load_map(text)
