"""Speed limits: lane over road over sign over type; units, notations, and what signs say."""

import warnings
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from small_maps import through_junction, two_roads

from envs.maps.opendrive.sign_codes import NO_LIMIT, SignalType, signal_type, speed_limit_of
from envs.maps.road_map import load_map

KMH, MPH = 1 / 3.6, 0.44704
SIGN = '<signal s="100" t="-4" id="s" dynamic="no" orientation="+" zOffset="2" {}/>'


def limits(text: str, key: tuple[int, int, int] = (0, 0, -1)) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return load_map(text).lanes[key].speed_limit


def typed(kind: str, speed: str = "") -> str:
    return f'<type s="0" type="{kind}">{speed}</type>'


@pytest.mark.parametrize(
    ("maximum", "unit", "expected"),
    [
        ("10", "m/s", 10.0),
        ("10", "", 10.0),
        ("5.0e1", "km/h", 50 * KMH),
        ("+50.", "km/h", 50 * KMH),
        ("30", "mph", 30 * MPH),
        ("4.0000000000000000e+01", "mph", 40 * MPH),
        ("no limit", "", 130 * KMH),
        ("undefined", "", 100 * KMH),
        ("", "", 100 * KMH),
        ("0", "km/h", 100 * KMH),
    ],
)
def test_a_roads_limit_in_any_notation(maximum: str, unit: str, expected: float) -> None:
    written = f'unit="{unit}"' if unit else ""
    assert limits(two_roads(types=typed("rural", f'<speed max="{maximum}" {written}/>'))) == pytest.approx(expected)


def test_a_limit_that_is_not_understood_is_named_once() -> None:
    speed = '<speed max="fast" unit="km/h"/>'
    with pytest.warns(UserWarning, match=r"road '0': <speed max=\"fast\" unit=\"km/h\"> is no speed limit") as caught:
        load_map(two_roads(types=typed("town", speed), next_types=typed("town", speed)))
    assert len(caught) == 1


def test_lane_over_road_over_sign_over_type() -> None:
    lane = '<speed sOffset="200" max="20" unit="km/h"/>'
    road = '<type s="0" type="rural"/><type s="150" type="rural"><speed max="70" unit="km/h"/></type>'
    sign = SIGN.format('type="274" value="40" unit="km/h" country="DE"')
    found = limits(two_roads(lane, types=road, signals=sign))
    assert found[[0, 99, 100, 149, 150, 199, 200, 300]] * 3.6 == pytest.approx([100, 100, 40, 40, 70, 70, 20, 20])


def test_a_type_without_a_limit_ends_the_one_before() -> None:
    road = '<type s="0" type="town"><speed max="30" unit="km/h"/></type><type s="100" type="motorway"/>'
    assert limits(two_roads(types=road))[[0, 99, 100]] * 3.6 == pytest.approx([30, 30, 130])


def test_a_sign_is_for_its_direction_and_lanes() -> None:
    against = SIGN.format('type="274" value="30" unit="km/h"').replace('orientation="+"', 'orientation="-"')
    assert limits(two_roads(signals=against)) == pytest.approx(50 * KMH)
    found = limits(two_roads(signals=against), (0, 0, 1))  # drives towards s = 0
    assert found[[0, 199, 200, 300]] * 3.6 == pytest.approx([50, 50, 30, 30])
    both = SIGN.format('type="274" value="30" unit="km/h"').replace('orientation="+"', 'orientation="none"')
    assert limits(two_roads(signals=both))[-1] * 3.6 == pytest.approx(30)
    listed = both.replace("/>", '><validity fromLane="1" toLane="1"/></signal>')
    assert limits(two_roads(signals=listed)) == pytest.approx(50 * KMH)


def test_a_connecting_road_takes_the_limit_of_the_road_it_comes_from() -> None:
    road_map = load_map(through_junction(types=typed("town", '<speed max="70" unit="km/h"/>')))
    numbers = {name: number for number, name in road_map.road_ids.items()}
    assert road_map.lanes[(numbers["way"], 0, -1)].speed_limit * 3.6 == pytest.approx(70)
    assert road_map.lanes[(numbers["out"], 0, -1)].speed_limit * 3.6 == pytest.approx(50)


def test_a_sign_ends_at_the_junction() -> None:
    sign = SIGN.format('type="274" value="30" unit="km/h"')
    road_map = load_map(through_junction(signals=sign))
    numbers = {name: number for number, name in road_map.road_ids.items()}
    assert road_map.lanes[(numbers["way"], 0, -1)].speed_limit * 3.6 == pytest.approx(30)
    assert road_map.lanes[(numbers["out"], 0, -1)].speed_limit * 3.6 == pytest.approx(50)


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('type="274" value="30" unit="km/h" country="DE"', 30 * KMH),
        ('type="274" value="3.0e1" country="OpenDRIVE"', 30 * KMH),
        ('type="274" subtype="55" value="-1" country="DE"', 50 * KMH),  # its number until 2017
        ('type="274" subtype="57" country="DE"', 70 * KMH),
        ('type="274" subtype="60" country="DE"', 60 * KMH),
        ('type="274-120" country="DE"', 120 * KMH),
        ('type="274.1" value="30" country="DE"', 30 * KMH),
        ('type="R2-1" value="55" unit="mph" country="US"', 55 * MPH),
        ('type="R2-1" value="55" country="US"', 55 * MPH),
        ('type="R2" subtype="1" value="55" country="USA"', 55 * MPH),
        ('type="c" subtype="31" value="5" country="se"', 50 * KMH),
        ('type="278" country="DE"', NO_LIMIT),
        ('type="206" country="DE"', None),
        ('type="274" subtype="-1" value="-1"', None),
        ('type="274" value="30" unit="furlong"', None),
    ],
)
def test_what_a_sign_says(attributes: str, expected: float | None) -> None:
    found = speed_limit_of(ET.fromstring(f"<signal {attributes}/>"))
    assert found == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ('type="1000001" dynamic="yes"', SignalType.TRAFFIC_LIGHT),
        ('type="1000011" dynamic="yes"', SignalType.TRAFFIC_LIGHT),
        ('type="1000002" dynamic="yes"', SignalType.OTHER),  # for pedestrians
        ('type="206"', SignalType.STOP),
        ('type="R1-1" country="US"', SignalType.STOP),
        ('type="R1" subtype="1" country="USA"', SignalType.STOP),
        ('type="205"', SignalType.YIELD),
        ('type="R1-2"', SignalType.YIELD),
        ('type="274" value="50"', SignalType.SPEED_LIMIT),
        ('type="-1" subtype="-1"', SignalType.OTHER),
    ],
)
def test_what_a_signal_asks_for(attributes: str, expected: SignalType) -> None:
    assert signal_type(ET.fromstring(f"<signal {attributes}/>")) == expected


def test_a_speed_sign_that_cannot_be_read_is_named() -> None:
    sign = SIGN.format('type="274" value="-1" country="DE"')
    with pytest.warns(
        UserWarning, match=r"road '0', signal 's': no speed limit can be read from country='DE', type='274'"
    ):
        load_map(two_roads(signals=sign))
