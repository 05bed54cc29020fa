"""Painted lines: lane 0, per section and offset, kinds, colours, dashes."""

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section

from envs.maps.geometry import Marking
from envs.maps.road_map import load_map

WIDTH = '<width sOffset="0" a="3.5" b="0" c="0" d="0"/>'


def markings(*sections: str, length: float = 100) -> tuple[Marking, ...]:
    return load_map(opendrive(road("1", length, sections))).geometry.markings


def test_a_mark_holds_from_its_offset_within_its_section() -> None:
    marks = (
        '<roadMark sOffset="0" type="solid" color="yellow" width="0.2"/>'
        '<roadMark sOffset="12.5" type="broken" color="white"/><roadMark sOffset="30" type="none"/>'
    )
    first = section(0, lane(-1, inside=WIDTH, after=-1), centre=marks)
    second = section(
        60, lane(-1, inside=WIDTH, before=-1), centre='<roadMark sOffset="5" type="solid solid" color="yellow"/>'
    )
    found = [(m.kind, m.color, m.points[0, 0], m.points[-1, 0]) for m in markings(first, second)]
    expected = [("solid", "yellow", 0, 12.5), ("broken", "white", 12.5, 30), ("solid_solid", "yellow", 65, 100)]
    assert [(kind, color) for kind, color, _, _ in found] == [(kind, color) for kind, color, _, _ in expected]
    assert np.allclose([row[2:] for row in found], [row[2:] for row in expected])


def test_marks_follow_the_lane_offset() -> None:
    text = opendrive(
        road(
            "1",
            100,
            [section(0, lane(-1, inside=WIDTH), centre='<roadMark sOffset="0" type="solid" color="white"/>')],
            offset='<laneOffset s="0" a="2" b="0.01" c="0" d="0"/>',
        )
    )
    (mark,) = load_map(text).geometry.markings
    assert np.allclose(mark.points, [[0, 2], [100, 3]])


def test_dashes_of_the_lines_of_a_mark() -> None:
    mark = (
        '<roadMark sOffset="0" type="broken" color="white" width="0.12"><type name="broken" width="0.12">'
        '<line length="6" space="12" tOffset="0" sOffset="0" width="0.12"/></type></roadMark>'
    )
    (broken,) = markings(section(0, lane(-1, inside=WIDTH), centre=mark))
    assert (broken.kind, broken.dash_length, broken.dash_gap) == ("broken", 6.0, 12.0)


def test_a_custom_mark_is_its_lines() -> None:
    mark = (
        '<roadMark sOffset="0" type="custom" color="yellow"><type name="" width="0.1">'
        '<line length="3" space="3" tOffset="0.2" sOffset="0" width="0.1"/>'
        '<line length="1" space="0" tOffset="-0.2" sOffset="0" width="0.3"/></type></roadMark>'
    )
    first, second = markings(section(0, lane(-1, inside=WIDTH), centre=mark))
    assert (first.kind, first.width, first.dash_length) == ("broken", 0.1, 3.0)
    assert (second.kind, second.width) == ("solid", 0.3)
    assert np.allclose(first.points[:, 1], 0.2)
    assert np.allclose(second.points[:, 1], -0.2)


@pytest.mark.parametrize(("number", "expected"), [(-1, "solid_broken"), (1, "broken_solid"), (0, "solid_broken")])
def test_two_part_marks_are_told_from_left_to_right(number: int, expected: str) -> None:
    mark = '<roadMark sOffset="0" type="solid broken" color="white"/>'
    lanes = [lane(n, inside=WIDTH + (mark if n == number else "")) for n in (1, -1)]
    (found,) = markings(section(0, *lanes, centre=mark if number == 0 else ""))
    assert found.kind == expected


def test_grass_and_edges_are_not_paint() -> None:
    marks = '<roadMark sOffset="0" type="grass"/><roadMark sOffset="50" type="edge" color="white"/>'
    assert not markings(section(0, lane(-1, inside=WIDTH), centre=marks))
