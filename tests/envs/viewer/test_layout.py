"""The viewer's layout, instruments and overlay as plain numbers."""

from dataclasses import replace

import numpy as np
import pygame
import pytest
from viewer_worlds import StraightEnv, session_on, straight_scene

from envs.viewer.commands import BUTTONS
from envs.viewer.layout import Box, arrange
from envs.viewer.overlay import lane_lines, object_lines, project_lines
from envs.viewer.readouts import readouts
from envs.viewer.top_view import lane_sides, map_points, object_corners
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind


@pytest.mark.parametrize("num_views", [1, 2])
@pytest.mark.parametrize("scale", [1.0, 2.0])
@pytest.mark.parametrize("window", [(1120, 780), (800, 600), (500, 400), (2560, 1440)])
def test_parts_of_the_window_lie_inside_it_and_apart(window, scale, num_views):
    layout = arrange(window, (128, 128), num_views=num_views, scale=scale)
    parts = [*layout.views, layout.steer_bar, layout.footer, *layout.buttons.values()]
    parts += [layout.panel] if layout.panel else []
    rects = [pygame.Rect(part) for part in parts]
    assert all(pygame.Rect(0, 0, *window).contains(rect) for rect in rects)
    assert all(not a.colliderect(b) for i, a in enumerate(rects) for b in rects[i + 1 :])
    assert len(layout.views) == num_views
    assert all(view.w == view.h for view in layout.views)


def test_two_views_lie_the_way_that_makes_them_larger():
    left, right = arrange((1000, 500), (100, 100), num_views=2, clean=True).views
    assert left.y == right.y
    assert left.w > 490
    above, below = arrange((500, 1000), (100, 100), num_views=2, clean=True).views
    assert above.x == below.x
    assert above.w > 490


def test_scale_makes_the_same_window_of_more_pixels():
    small, large = (arrange((1120 * s, 780 * s), (128, 128), scale=s) for s in (1, 2))
    assert large.panel == Box(*(2 * v for v in small.panel))
    assert large.buttons["help"].h == 2 * small.buttons["help"].h


def test_mouse_finds_buttons():
    layout = arrange((1120, 780), (128, 128))
    for name in BUTTONS:
        box = layout.buttons[name]
        assert layout.button_at((box.x + box.w // 2, box.y + box.h // 2)) == name
    assert layout.button_at((1, 1)) is None


def test_map_shows_forward_up_and_left_left():
    box = Box(100, 50, 200, 300)
    ego, ahead, left = map_points(np.array([[0, 0], [10, 0], [0, 3]]), box)
    assert ahead[0] == ego[0]
    assert ahead[1] < ego[1]
    assert left[0] < ego[0]
    assert left[1] == ego[1]


def test_object_corners_of_a_turned_car():
    corners = object_corners(np.array([10, 5, np.pi / 2, 0, 4, 2]))
    np.testing.assert_allclose(corners, [[9, 7], [11, 7], [11, 3], [9, 3]], atol=1e-9)


def test_lane_sides_are_half_a_lane_from_its_centre():
    left, right = lane_sides(straight_scene(5.0, offset=0.5))
    np.testing.assert_allclose(left[:, 1], 1.25, atol=1e-6)
    np.testing.assert_allclose(right[:, 1], -2.25, atol=1e-6)


def test_readouts_say_what_is_and_admit_what_is_not_known(tmp_path):
    moment = session_on(StraightEnv(), tmp_path).leading
    told = {line.label: line for line in readouts(moment, 0.5)}
    assert told["Lead"].text == "13 m, 22 km/h"
    assert told["Lane offset"].text == "+0.00 m"
    assert not told["Collision"].alarm
    assert not told["Trust"].alarm
    told = {
        line.label: line for line in readouts(replace(moment, scene=SceneState.empty(), collision=0.9, trust=0.4), 0.5)
    }
    assert told["Lane offset"].text == told["Heading"].text == "–"
    assert told["Lead"].text == "none"
    assert told["Signal"].text == "–"
    assert told["Collision"].alarm
    assert told["Trust"].text == "40%"
    assert told["Trust"].alarm


def test_the_next_light_or_sign_is_shown_with_its_distance(tmp_path):
    moment = session_on(StraightEnv(), tmp_path).leading
    for signal, distance, text in (
        (SignalKind.RED, 24.4, "red, 24 m"),
        (SignalKind.YIELD, 3.0, "yield, 3 m"),
        (SignalKind.NONE, 0.0, "none"),
    ):
        scene = moment.scene.copy()
        scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = signal, distance, True
        shown = {line.label: line for line in readouts(replace(moment, scene=scene), 0.5)}["Signal"]
        assert (shown.text, shown.signal) == (text, signal)


LEVEL = PinholeCamera(height_px=100, width_px=100, fov=np.pi / 2, mount_height=1.5, mount_x=0.0, pitch=0.0)
"""Focal length 50 px, looking level from 1.5 m above the origin."""


def test_lines_of_a_level_camera_are_where_similar_triangles_put_them():
    ((near, far),) = project_lines(np.array([[[10, 1, 0], [50, 1, 1.5]]]), LEVEL)
    np.testing.assert_allclose(near, [50 - 5, 50 + 7.5])
    np.testing.assert_allclose(far, [50 - 1, 50])


def test_lines_through_the_camera_are_cut_and_those_behind_left_out():
    lines = np.array([[[-20, 1, 0], [20, 1, 0]], [[-20, 1, 0], [-5, 1, 0]], [[20, 1, 0], [-20, 1, 0]]])
    pixels = project_lines(lines, LEVEL)
    assert pixels.shape == (2, 2, 2)
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(pixels[0, 1], pixels[1, 0])
    np.testing.assert_allclose(pixels[0, 0], pixels[1, 1])
    assert pixels[0, 0, 1] > 200  # far below the picture, not mirrored above the horizon


def test_a_car_ahead_is_drawn_around_the_middle_and_farther_ones_first():
    scene = straight_scene(5.0)
    objects, kinds = scene.objects.copy(), scene.object_kinds.copy()
    objects[1], kinds[1] = (40, 0, 0, 0, 0.5, 0.5), ObjectKind.PEDESTRIAN
    objects[2], kinds[2] = (-10, 0, 0, 0, 4.6, 1.9), ObjectKind.CAR
    scene = replace(scene, objects=objects, object_kinds=kinds)
    far, car, behind = object_lines(scene, LEVEL)
    assert (far.kind, far.distance) == (ObjectKind.PEDESTRIAN, 40)
    assert car.lines.shape == (12, 2, 2)
    rear = 50 / (18 - 2.3)  # pixels a metre at the bumper
    corners = car.lines.reshape(-1, 2)
    np.testing.assert_allclose([corners[:, 0].min(), corners[:, 0].max()], [50 - 0.95 * rear, 50 + 0.95 * rear])
    np.testing.assert_allclose(corners[:, 1].max(), 50 + 1.5 * rear)
    assert behind.lines.shape == (0, 2, 2)


def test_lane_lines_meet_at_the_horizon_and_are_none_without_a_route():
    lines = lane_lines(straight_scene(5.0), LEVEL)
    assert lines[..., 1].min() == pytest.approx(50 + 50 * 1.5 / 50)
    assert abs(lines[..., 0][lines[..., 1] < 52] - 50).max() < 3
    assert lane_lines(SceneState.empty(), LEVEL).shape == (0, 2, 2)
