"""What is not read of a road is named once, with the map's own ids; what says nothing is not named."""

import warnings

import pytest
from small_maps import lane, opendrive, road, section

from envs.maps.road_map import load_map

WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'


def warned(*parts: str) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_map(opendrive(*parts))
    return [str(entry.message).removeprefix("map given as text: ") for entry in caught]


def one_road(name: str, *, lateral: str = "", inside: str = "", y: float = 0.0) -> str:
    return road(name, 100, [section(0, lane(-1, inside=WIDTH + inside))], lateral=lateral, start=(0, y, 0))


@pytest.mark.parametrize(
    ("element", "instead"),
    [
        ('<crossfall side="both" s="0" a="0.02" b="0" c="0" d="0"/>', "<crossfall> is not read; each side is taken as"),
        ('<shape s="0" t="-2" a="0" b="0.1" c="0" d="0"/>', "<shape> is not read; the road is taken as even across"),
    ],
)
def test_a_lateral_profile_that_is_not_read_is_named(element: str, instead: str) -> None:
    roads = [one_road(f"A{i}", lateral=element, y=20.0 * i) for i in range(7)]
    (message,) = warned(*roads)
    assert message.startswith(f"roads 'A0', 'A1', 'A2', 'A3', 'A4' and 2 more: {instead}")


def test_a_raised_lane_is_named() -> None:
    (message,) = warned(one_road("A", inside='<height sOffset="0" inner="0.12" outer="0.12"/>'), one_road("B", y=20))
    assert message == "road 'A': <height> is not read; these lanes are taken as level with the road"


def test_what_is_zero_is_not_named() -> None:
    flat = '<crossfall side="both" s="10" a="0.0" b="0" c="0" d="0"/><shape s="5" t="-2" a="0" b="0" c="0" d="0"/>'
    assert warned(one_road("A", lateral=flat, inside='<height sOffset="3" inner="0.00" outer="0"/>')) == []


def test_superelevation_is_read() -> None:
    road_map = load_map(opendrive(one_road("A", lateral='<superelevation s="0" a="0.1" b="0" c="0" d="0"/>')))
    assert road_map.lanes[(0, 0, -1)].z == pytest.approx(-1.75 * 0.0998334)


def test_a_virtual_junction_is_named_once() -> None:
    junction = (
        '<junction id="V7" name="" type="virtual" mainRoad="A" sStart="40" sEnd="60">'
        '<connection id="0" incomingRoad="A" connectingRoad="B" contactPoint="start"/></junction>'
    )
    assert warned(one_road("A"), one_road("B", y=20), junction) == ["junction 'V7' is virtual: nothing turns off there"]
