"""Lights and signs: where they stand, whom they are for, and where a route stops for them."""

import re

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section, through_junction, two_roads

from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import RoadMap, load_map

LIGHT = '<signal s="{s}" t="-4" id="light" dynamic="yes" orientation="{o}" zOffset="3" type="1000001" height="0.9"/>'


def number(road_map: RoadMap, name: str) -> int:
    return next(n for n, text in road_map.road_ids.items() if text == name)


def test_a_light_before_a_junction_stops_traffic_at_the_end_of_its_lane() -> None:
    controllers = '<controller id="group"><control signalId="light"/></controller>'
    road_map = load_map(through_junction(signals=LIGHT.format(s=195, o="+"), controllers=controllers))
    (signal,) = road_map.signals
    assert signal.kind == SignalType.TRAFFIC_LIGHT
    assert (signal.x, signal.y, signal.z, signal.height) == pytest.approx((195.0, -4.0, 3.0, 0.9))
    assert abs(signal.yaw) == pytest.approx(np.pi)  # looks at those who come
    assert signal.stops == (((number(road_map, "in"), 0, -1), 200.0),)
    assert signal.controller == "group"
    assert road_map.junction_ids[signal.junction] == "j"
    (line,) = road_map.geometry.stop_lines
    assert np.allclose(line, [[200, 0, 0], [200, -3.5, 0]])


def test_a_route_knows_its_stop_lines() -> None:
    road_map = load_map(through_junction(signals=LIGHT.format(s=195, o="+")))
    start = road_map.lane_at(np.array([50.0, -1.75]))
    assert start is not None
    route = road_map.route_from(start, 300.0, np.random.default_rng(0))
    assert route.stops.s == pytest.approx([150.0])
    assert route.stops.signals.tolist() == [0]
    past = road_map.lane_at(np.array([230.0, -1.75]))
    assert past is not None
    assert not len(road_map.route_from(past, 100.0, np.random.default_rng(0)).stops.s)


def test_a_sign_of_the_other_direction_counts_for_that() -> None:
    road_map = load_map(two_roads(signals='<signal s="120" t="4" id="s" orientation="-" type="206"/>'))
    (signal,) = road_map.signals
    assert signal.stops == (((0, 0, 1), pytest.approx(180.0)),)  # no junction near: where it stands
    assert signal.yaw == pytest.approx(0.0)
    assert signal.junction == -1


def test_a_signal_on_a_connecting_road_stops_traffic_before_it() -> None:
    """As CARLA's maps have it: the light is written on the connecting road, at whichever end."""
    for s in (0.5, 19.5):
        reference = f'<signalReference s="{s}" t="0" id="light" orientation="-">'
        reference += '<validity fromLane="-1" toLane="-1"/></signalReference>'
        light = LIGHT.format(s=1, o="+").replace("/>", '><validity fromLane="0" toLane="0"/></signal>')
        road_map = load_map(through_junction(signals=light, connecting=reference))
        (signal,) = road_map.signals
        assert signal.stops == (((number(road_map, "way"), 0, -1), 0.0),)
        assert road_map.junction_ids[signal.junction] == "j"


@pytest.mark.parametrize(
    "line",
    [
        '<signal s="190" t="0" id="line" orientation="+" type="294"/>',
        '<object id="7" type="roadMark" name="StopLine" s="190" t="-1.75" hdg="1.5707963" length="3.5" width="0.3"/>',
        '<object id="7" type="-1" name="stop_line" s="190" t="-1.75" hdg="0"><outline>'
        '<cornerLocal u="0" v="1.7" z="0"/><cornerLocal u="0" v="-1.7" z="0"/></outline></object>',
    ],
)
def test_a_written_stop_line_is_where_one_stops(line: str) -> None:
    text = through_junction(signals=LIGHT.format(s=195, o="+") + (line if line.startswith("<signal") else ""))
    if line.startswith("<object"):
        text = text.replace("<objects></objects>", f"<objects>{line}</objects>", 1)
    road_map = load_map(text)
    light = next(signal for signal in road_map.signals if signal.kind == SignalType.TRAFFIC_LIGHT)
    assert light.stops == (((number(road_map, "in"), 0, -1), pytest.approx(190.0)),)
    assert len(road_map.geometry.stop_lines) == 1
    assert np.allclose(road_map.geometry.stop_lines[0][:, 0], 190, atol=0.2)


def test_listed_lanes_and_direction_together() -> None:
    lanes = [lane(2), lane(1), lane(-1), lane(-2)]
    validity = '<validity fromLane="{}" toLane="{}"/></signal>'
    for listed, orientation, expected in (
        (("-2", "-2"), "+", {-2}),
        (("-2", "2"), "+", {-1, -2}),
        (("1", "2"), "+", {1, 2}),
    ):
        light = LIGHT.format(s=50, o=orientation).replace("/>", ">" + validity.format(*listed))
        road_map = load_map(opendrive(road("1", 100, [section(0, *lanes)], signals=light)))
        assert {key[2] for key, _ in road_map.signals[0].stops} == expected


@pytest.mark.parametrize(
    ("position", "message"),
    [
        ('t="-4"', "no s; it must be a finite number"),
        ('s="nan" t="-4"', "s='nan'; it must be a finite number"),
        ('s="10" t=""', "t=''; it must be a finite number"),
    ],
)
def test_a_signal_without_a_position_is_refused(position: str, message: str) -> None:
    signal = f'<signal {position} id="lost" orientation="+" type="1000001"/>'
    with pytest.raises(
        ValueError, match=f"map given as text cannot be used: road '0', signal 'lost': <signal> has {message}"
    ):
        load_map(two_roads(signals=signal))


def test_a_reference_to_no_signal_is_named() -> None:
    with pytest.warns(UserWarning, match="road '0', reference to signal '99': there is no such signal"):
        load_map(two_roads(signals='<signalReference s="10" t="0" id="99" orientation="+"/>'))


def test_an_object_whose_name_begins_with_speed_does_no_harm() -> None:
    bump = '<object id="1" name="speed_bump_1" type="obstacle" s="50" t="0" length="3" width="0.5" hdg="0"/>'
    road_map = load_map(two_roads().replace("<objects></objects>", f"<objects>{bump}</objects>", 1))
    assert road_map.lanes[(0, 0, -1)].speed_limit == pytest.approx(50 / 3.6)


def test_crosswalks_from_outlines_along_the_road_and_sizes() -> None:
    corners = ((78, 3.5), (78, -3.5), (82, -3.5), (82, 3.5), (78, 3.5))
    walks = (
        '<object id="1" type="crosswalk" name="" s="50" t="0" hdg="1.5707963" length="7" width="3"/>'
        '<object id="2" type="crosswalk" name="" s="80" t="0"><outlines><outline>'
        + "".join(f'<cornerRoad s="{s}" t="{t}" dz="0"/>' for s, t in corners)
        + "</outline></outlines></object>"
    )
    road_map = load_map(two_roads().replace("<objects></objects>", f"<objects>{walks}</objects>", 1))
    first, second = road_map.geometry.crosswalks
    assert np.allclose([first.min(0), first.max(0)], [[48.5, -3.5], [51.5, 3.5]], atol=1e-6)
    assert np.allclose(second, [[78, 3.5], [78, -3.5], [82, -3.5], [82, 3.5]])


LIGHT_ELSEWHERE = (
    '<signal id="a" s="190" t="-4" zOffset="2" hOffset="0" orientation="+" type="1000001" subtype="-1">{}</signal>'
)


def test_a_signal_stands_where_its_position_on_another_road_says() -> None:
    place = '<positionRoad roadId="out" s="5" t="-6" zOffset="3" hOffset="0.1"/>'
    road_map = load_map(through_junction(signals=LIGHT_ELSEWHERE.format(place)))
    (light,) = road_map.signals
    assert (light.x, light.y, light.z) == pytest.approx((225, -6, 3))
    assert light.yaw == pytest.approx(0.1 - np.pi)
    assert [key for key, _ in light.stops] == [(number(road_map, "in"), 0, -1)]


def test_a_position_on_a_road_that_is_not_there_is_named() -> None:
    place = '<positionRoad roadId="17" s="5" t="-6" zOffset="3" hOffset="0"/>'
    with pytest.warns(UserWarning, match=r"'in', signal 'a': <positionRoad> names road '17', which does not exist"):
        (light,) = load_map(through_junction(signals=LIGHT_ELSEWHERE.format(place))).signals
    assert (light.x, light.y, light.z) == pytest.approx((190, -4, 2))


CONTROLLERS = {
    '<controller id="c"><control signalId="ghost"/></controller>':
        "controller 'c': there is no signal 'ghost' to control",
    '<controller id="c"/>': "controller 'c': it has no <control>, so it switches no signal",
    '<controller id="c"><control/></controller>': "controller 'c': there is no signal '' to control",
    '<controller id="b"><control signalId="light"/></controller>'
    '<controller id="c"><control signalId="light"/></controller>':
        "controller 'c': signal 'light' is already switched by controller 'b', which counts",
}  # fmt: skip


@pytest.mark.parametrize("controllers", CONTROLLERS)
def test_a_controller_that_switches_nothing_is_named(controllers: str) -> None:
    with pytest.warns(UserWarning, match=re.escape(CONTROLLERS[controllers])):
        (light,) = load_map(through_junction(signals=LIGHT.format(s=195, o="+"), controllers=controllers)).signals
    assert light.stops
    assert light.controller == ("b" if 'id="b"' in controllers else "")
