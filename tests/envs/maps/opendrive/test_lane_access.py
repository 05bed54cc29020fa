"""Lanes that <access> keeps cars out of are paved, and nobody drives there."""

import warnings

import pytest
from small_maps import WHITE_EDGE, lane, opendrive, road, section

from envs.maps.opendrive.carla_text import carla_opendrive
from envs.maps.road_map import load_map


def with_access(*elements: str) -> str:
    inside = f'<width sOffset="0" a="3.5" b="0" c="0" d="0"/>{WHITE_EDGE}{"".join(elements)}'
    return opendrive(road("A", 100, [section(0, lane(-1), lane(-2, inside=inside))]))


def access(rule: str, who: str, at: float = 0.0) -> str:
    written = f'rule="{rule}"' if rule else ""
    return f'<access sOffset="{at}" {written} restriction="{who}"/>'


@pytest.mark.parametrize(
    "elements",
    [
        (access("allow", "bus"),),
        (access("allow", "bus"), access("allow", "taxi")),
        (access("deny", "passengerCar"), access("deny", "truck")),
        ('<access sOffset="0" rule="deny"><restriction type="passengerCar"/></access>',),
    ],
)
def test_cars_are_kept_out(elements: tuple[str, ...]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        road_map = load_map(with_access(*elements))
    assert list(road_map.lanes) == [(0, 0, -1)]
    assert sorted(polygon.kind for polygon in road_map.geometry.lanes) == ["driving", "restricted"]
    assert road_map.lanes[(0, 0, -1)].right is None
    assert 'id="-2" type="restricted"' in carla_opendrive(road_map.xodr)


@pytest.mark.parametrize(
    "elements",
    [
        (access("allow", "bus"), access("allow", "passengerCar")),
        (access("allow", "autonomousTraffic"),),
        (access("allow", "simulator"),),
        (access("deny", "bicycle"), access("deny", "none")),
        (access("", "pedestrian"),),
    ],
)
def test_cars_are_let_in(elements: tuple[str, ...]) -> None:
    assert len(load_map(with_access(*elements)).lanes) == 2


@pytest.mark.parametrize(("first", "taken", "count"), [("bus", "kept from cars", 1), ("car", "taken as a lane", 2)])
def test_what_changes_along_a_lane_is_named(first: str, taken: str, count: int) -> None:
    whom = {"bus": "bus", "car": "passengerCar"}
    second = "car" if first == "bus" else "bus"
    with pytest.warns(
        UserWarning, match=f"road 'A', .*lane -2: <access> for cars changes along it; all of it is {taken}"
    ):
        road_map = load_map(with_access(access("allow", whom[first]), access("allow", whom[second], at=40)))
    assert len(road_map.lanes) == count


def test_another_rule_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"road 'A', .*lane -2: <access> has rule='maybe'; it must be allow or deny"):
        load_map(with_access(access("maybe", "bus")))
