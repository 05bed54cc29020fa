"""A street's coordinates, and things beside it as boxes and back."""

import numpy as np
from layouts import layout_of

from worldsim.datatypes.layout import BoxColumn, LayoutKind, LineKind
from worldsim.layouts.street import LEFT, RIGHT, Street, resample
from worldsim.layouts.things import things_beside, to_layout


def bend() -> Street:
    """100 m: straight, then a quarter turn to the left of 30 m radius."""
    angle = np.linspace(0.0, np.pi / 2, 60)
    turn = np.stack([50 + 30 * np.sin(angle), 30 - 30 * np.cos(angle)], axis=-1)
    points, yaws = resample(np.concatenate([[[0.0, 0.0]], turn]))
    return Street(
        points=points,
        yaws=yaws,
        num_lanes=1,
        lane_width=3.5,
        sidewalk=2.0,
        reaches=(14.0, 14.0),
        openings=np.array([[True, False], [False, True]]),
        lit=(True, False),
        centre_line=LineKind.BROKEN,
    )


def test_coordinates_and_places_invert_each_other():
    street, rng = bend(), np.random.default_rng(0)
    s, t = rng.uniform(-12, street.length + 12, 200), rng.uniform(-20, 20, 200)
    found_s, found_t, distance = street.coordinates(street.offset(s, t))
    np.testing.assert_allclose(found_s, s, atol=0.15)
    np.testing.assert_allclose(found_t, t, atol=0.1)
    np.testing.assert_allclose(distance, np.abs(t), atol=0.1)


def test_curvature_is_that_of_the_turn():
    np.testing.assert_allclose(bend().curvature(np.array([20.0, 75.0])), [0.0, 1 / 30], atol=2e-3)


def test_in_the_other_direction_left_is_right():
    street, turned = bend(), bend().reversed()
    np.testing.assert_allclose(
        turned.offset(np.array([10.0]), 4.0), street.offset(np.array([street.length - 10]), -4.0), atol=0.05
    )
    assert turned.openings.tolist() == [[True, False], [False, True]]
    assert turned.lit == (False, True)


def test_boxes_become_things_and_come_back():
    street = bend()
    for side in (LEFT, RIGHT):
        place = street.offset(np.array([30.0]), side * 16.0)[0]
        layout = layout_of(LayoutKind.BUILDING, (*place, 0.0, -side * np.pi / 2, 10.0, 12.0, 7.0), seed=9)
        things = things_beside(layout, np.array([0]), street, side)
        np.testing.assert_allclose(things.rows[0], [30.0, 16 - 5.5 - 5, 0.0, 10.0, 12.0, 7.0], atol=0.1)
        back = to_layout(things, street, side)
        np.testing.assert_allclose(back.boxes, layout.boxes, atol=1e-6)
        assert back.box_kinds[0] == LayoutKind.BUILDING
        assert back.boxes[0, BoxColumn.Z] == 0.0
