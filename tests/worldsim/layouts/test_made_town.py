"""Made towns: the same for the same seed everywhere, nothing on the road, and a route that always goes on."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from made_towns import drive_from_nothing, layout_model

from worldsim.datatypes.boxes import corners, separation
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, AreaKind, BoxColumn, Layout, LayoutKind
from worldsim.datatypes.layout_file import layout_digest
from worldsim.datatypes.scene import RouteCommand
from worldsim.layouts.drive import Stretch, command_at
from worldsim.layouts.endless import AHEAD, EndlessTown
from worldsim.layouts.layout_model import Exit
from worldsim.layouts.town import draw_things

SEED = 3


@pytest.fixture(scope="module")
def town() -> EndlessTown:
    return EndlessTown(layout_model(), drive_from_nothing(SEED))


@pytest.fixture(scope="module")
def stretches(town: EndlessTown) -> list[Stretch]:
    return [town.stretch(index) for index in range(3)]


def solid(layout: Layout) -> np.ndarray:
    """Footprints of what stands on the ground and is more than a post or a trunk."""
    boxes = layout.boxes[np.isin(layout.box_kinds, (LayoutKind.BUILDING, LayoutKind.WALL))]
    return boxes[:, FOOTPRINT_COLUMNS]


def test_another_process_makes_the_same(stretches: list[Stretch]):
    script = (
        "from made_towns import *; from worldsim.layouts.endless import EndlessTown; "
        "from worldsim.datatypes.layout_file import layout_digest; "
        f"print(layout_digest(EndlessTown(layout_model(), drive_from_nothing({SEED})).stretch(0).layout))"
    )
    path = {"PYTHONPATH": ":".join(entry for entry in sys.path if entry)}
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path)
    assert answer.stdout.strip() == layout_digest(stretches[0].layout)


def test_who_comes_back_finds_what_was_there(town: EndlessTown, stretches: list[Stretch]):
    town.town.forget(before=9)
    again = town.stretch(0)
    assert again.layout == stretches[0].layout
    np.testing.assert_array_equal(again.route.points, stretches[0].route.points)


def test_what_two_stretches_share_is_the_same(stretches: list[Stretch]):
    first, second = (set(map(tuple, stretch.layout.boxes.round(6).tolist())) for stretch in stretches[:2])
    on_both = [box for box in first if box in second]
    assert len(on_both) == len(first)


def test_a_stretch_made_little_by_little_is_the_same(stretches: list[Stretch], monkeypatch: pytest.MonkeyPatch):
    town, drawn = EndlessTown(layout_model(), drive_from_nothing(SEED)), []
    town.stretch(0)
    monkeypatch.setattr(
        "worldsim.layouts.town.draw_things", lambda *arguments: drawn.append(1) or draw_things(*arguments)
    )
    most = []
    while 1 not in town._stretches:
        before = len(drawn)
        town.prepare(1)
        most.append(len(drawn) - before)
    assert max(most) == 1  # no call makes much
    assert sum(most) > 3
    assert town.stretch(1).layout == stretches[1].layout
    assert len(drawn) == sum(most)


def test_another_seed_makes_another_town(town: EndlessTown):
    other = EndlessTown(layout_model(), drive_from_nothing(SEED + 1))
    assert len(other.town.course(()).points) != len(town.town.course(()).points)


@pytest.mark.parametrize("index", [0, 2])
def test_nothing_stands_on_the_road(stretches: list[Stretch], index: int):
    layout = stretches[index].layout
    points = corners(solid(layout)).reshape(-1, 2)
    assert len(points) > 100
    roads = [AreaKind.DRIVABLE, AreaKind.JUNCTION, AreaKind.SIDEWALK]
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        if kind in roads:
            shape = outline[:, :2].astype(np.float32)
            inside = [cv2.pointPolygonTest(shape, (float(x), float(y)), True) for x, y in points]
            assert max(inside) < 0.2, AreaKind(kind).name


@pytest.mark.parametrize("index", [0, 2])
def test_houses_do_not_overlap(stretches: list[Stretch], index: int):
    boxes = solid(stretches[index].layout)
    gaps = separation(boxes[:, None], boxes[None])
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() > 0.0


def test_the_route_goes_on_evenly_far_beyond_the_next_stretch(stretches: list[Stretch]):
    for stretch in stretches:
        steps = np.hypot(*np.diff(stretch.route.points, axis=0).T)
        assert steps.max() < 3.0
        assert steps.min() > 0.5
        assert stretch.route.length > stretch.next_at + AHEAD
        assert np.isfinite(stretch.route.lanes).all()


def test_a_stretch_goes_on_where_the_one_before_it_is_left(stretches: list[Stretch]):
    before, after = stretches[0].route, stretches[1].route
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(before.points, axis=0).T))])
    left = before.points[np.searchsorted(arcs, stretches[0].next_at)]
    assert np.hypot(*(after.points - left).T).min() < 1e-6


def test_commands_choose_the_turns_where_there_is_one():
    drive = drive_from_nothing(SEED, (RouteCommand.LEFT,) * 6)
    town = EndlessTown(layout_model(), drive)
    taken = town.way(6)
    has_left = [Exit.LEFT in town.town.junction(taken[:k]).streets for k in range(6)]
    assert any(has_left)
    assert [turn == Exit.LEFT for turn in taken] == has_left


def test_a_command_is_told_before_and_in_its_junction():
    turns = np.array([[100.0, 120.0, RouteCommand.RIGHT]])
    told = [command_at(turns, arc) for arc in (60.0, 75.0, 110.0, 121.0)]
    assert told == [RouteCommand.FOLLOW, RouteCommand.RIGHT, RouteCommand.RIGHT, RouteCommand.FOLLOW]


def test_lights_have_cycles(stretches: list[Stretch]):
    for stretch in stretches:
        groups = stretch.layout.box_signals
        assert groups.max() < len(stretch.light_cycles)
        assert (stretch.light_cycles[np.unique(groups[groups >= 0]), 0] > 20.0).all()


def test_a_made_town_has_the_colours_of_one_recorded_town(town: EndlessTown):
    style = town.town.style
    for side in (1, -1):
        things = town.town.things((), side)
        for kind, color in zip(things.kinds.tolist(), things.colors, strict=True):
            assert (town.town.vocabulary.palettes[style, kind] == color).all(-1).any()


def test_as_much_stands_along_made_streets_as_along_recorded_ones(town: EndlessTown):
    counts, length = np.zeros(9), 0.0
    for index in range(4):
        way = town.way(index)
        length += town.town.street(way).length
        for side in (1, -1):
            counts += np.bincount(town.town.things(way, side).kinds, minlength=9)
    houses, trees, lamps = (100.0 * counts[kinds].sum() / length for kinds in ([0, 1], [2, 3], [4]))
    # recorded towns: 10.3, 25.6 and 6.2 per 100 m
    assert 7.0 < houses < 13.0
    assert 19.0 < trees < 32.0
    assert 4.5 < lamps < 8.0
    heights = [
        box[BoxColumn.HEIGHT]
        for index in range(2)
        for box in town.stretch(index).layout.boxes[town.stretch(index).layout.box_kinds == LayoutKind.BUILDING]
    ]
    assert min(heights) > 3.0
    assert max(heights) < 22.0
