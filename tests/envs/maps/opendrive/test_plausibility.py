"""What can be read of a map and is hardly meant is named; what is meant is not."""

import warnings

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section, to_road, two_roads

from envs.maps.road_map import load_map


def warned(text: str) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_map(text)
    return [str(entry.message).removeprefix("map given as text: ") for entry in caught]


def elevation(*rows: tuple[float, float, float]) -> str:
    return "".join(f'<elevation s="{s}" a="{a}" b="{b}" c="0" d="0"/>' for s, a, b in rows)


def one(**inside) -> str:
    return opendrive(road("A", 300, [section(0, lane(1), lane(-1))], **inside))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (one(elevation=elevation((0, 0, 0), (100, 5, 0))), "road 'A': <elevation> jumps by up to 5 m, in road 'A'"),
        (one(elevation=elevation((0, 0, 1))), "road 'A': <elevation> climbs by up to 100%, in road 'A'; b is rise"),
        (
            one(lateral='<superelevation s="0" a="4" b="0" c="0" d="0"/>'),
            "road 'A': <superelevation> is up to 4 rad, in road 'A'; degrees?",
        ),
        (one(start=(0, 0, 90)), "road 'A': hdg is up to 90 rad, in road 'A'; degrees?"),
        (one().replace("</OpenDRIVE>", '<include file="more.xodr"/></OpenDRIVE>'), "<include file='more.xodr'> is not"),
    ],
)
def test_what_is_hardly_meant_is_named(text: str, message: str) -> None:
    (found,) = warned(text)
    assert found.startswith(message)


def test_a_step_from_road_to_road_is_named() -> None:
    first = road(
        "A",
        100,
        [section(0, lane(-1, after=-1))],
        link=to_road("successor", "B", "start"),
        elevation=elevation((0, 7, 0)),
    )
    second = road("B", 100, [section(0, lane(-1))], start=(100, 0, 0), link=to_road("predecessor", "A", "end"))
    (found,) = warned(opendrive(first, second))
    assert found.startswith("road 'A' leads to road 'B' over a step of 7 m in height")


def test_hills_banks_and_headings_that_were_counted_on_are_not_named() -> None:
    hill = elevation((0, 0, 0.3), (100, 30, -0.1))
    bank = '<superelevation s="0" a="0.8" b="0" c="0" d="0"/>'
    assert warned(one(elevation=hill, lateral=bank, start=(0, 0, 8 * np.pi))) == []
    assert warned(two_roads()) == []


@pytest.mark.parametrize("written", ['max="50"', 'max="50" unit="m/s"', 'max="110" unit="mph"'])
def test_a_limit_that_no_road_has_is_named(written: str) -> None:
    (found,) = warned(one(types=f'<type s="0" type="town"><speed {written}/></type>'))
    assert "km/h; is its unit km/h or mph?" in found
    assert warned(one(types='<type s="0" type="motorway"><speed max="130" unit="km/h"/></type>')) == []
