"""Changes along an endless drive, in its next stretch."""

from dataclasses import replace

import numpy as np
from layouts import layout_of, with_road

from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.layouts.assembly import join_layouts
from worldsim.layouts.carried_edits import REACH, carry_edits


def house(x: float) -> Layout:
    return layout_of(LayoutKind.BUILDING, (x, 20.0, 0.0, 0.0, 10.0, 12.0, 7.0))


def houses(*places: float) -> Layout:
    return with_road(join_layouts([house(x) for x in places]))


def test_without_a_change_the_next_stretch_is_as_it_is_made():
    following = houses(30.0, 60.0)
    assert carry_edits(houses(0.0, 30.0), houses(0.0, 30.0), following) is following


def test_what_was_taken_away_is_gone_and_what_was_put_is_there():
    carried = carry_edits(houses(0.0, 30.0), houses(0.0, 45.0), houses(30.0, 60.0))
    assert sorted(carried.boxes[:, 0].tolist()) == [45.0, 60.0]
    np.testing.assert_array_equal(carried.area_points, houses(30.0, 60.0).area_points)


def test_what_was_repainted_keeps_its_paint():
    made = houses(0.0, 30.0)
    red = replace(made, box_colors=np.array([[255, 0, 0], [255, 0, 0]], np.uint8))
    carried = carry_edits(made, red, houses(30.0, 60.0))
    assert carried.boxes[:, 0].tolist() == [60.0, 0.0, 30.0]
    assert carried.box_colors[1:].tolist() == [[255, 0, 0]] * 2


def test_what_was_put_far_behind_is_left_there():
    carried = carry_edits(houses(0.0), houses(0.0, 10.0), houses(30.0 + REACH))
    assert carried.boxes[:, 0].tolist() == [30.0 + REACH]
