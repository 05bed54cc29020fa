"""Places along the road ahead: how it bends, who is on it, who is the next."""

import math

import numpy as np
import pytest
from placed_actors import actor, straight, turning

from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, find_lead, to_frenet


def test_the_line_bends_with_the_road_between_the_preview_points() -> None:
    line = turning()
    angle = ROUTE_FRAME_ARCS / 15.0
    known = ROUTE_FRAME_ARCS <= 30
    points = np.stack([15 * np.sin(angle), 15 * (1 - np.cos(angle))], axis=-1)[known]
    assert np.abs(line.points[0, known] - points).max() < 0.15


def test_places_on_the_line() -> None:
    seen = np.stack([actor(20, 3), actor(30, -2, yaw=math.pi), actor(10, 30), actor(-10, 0)])[None]
    place = to_frenet(straight(1.0), seen)
    assert place.s[0, :2] == pytest.approx([20, 30], abs=1e-6)
    assert place.lateral[0, :2] == pytest.approx([2, -3], abs=1e-6)
    assert np.abs(place.heading[0, :2]) == pytest.approx([0, math.pi], abs=1e-6)
    assert place.on[0].tolist() == [True, True, False, False]
    assert place.bend_near[0] == pytest.approx(np.zeros(4), abs=1e-9)
    bend = to_frenet(turning(), np.stack([actor(2, 0), actor(10, 3.4, yaw=0.7 + math.pi)])[None])
    assert bend.bend_near[0] == pytest.approx([8 / 15, -8 / 15], abs=0.08)


def test_the_lead_is_the_nearest_in_the_corridor() -> None:
    rows = [actor(30, 0, speed=4.0), actor(20, 3.0), actor(12, 1.9, speed=2.0)]
    seen = np.stack(rows)[None]
    gap, speed, present = find_lead(to_frenet(straight(), seen), seen, np.ones((1, 3), int), (4.6, 1.9))
    assert (gap[0], speed[0], present[0]) == (pytest.approx(12 - 2.2 - 2.3), 2.0, True)
    apart = np.stack(rows[:2])[None]
    gap, speed, _ = find_lead(to_frenet(straight(), apart), apart, np.ones((1, 2), int), (4.6, 1.9))
    assert (gap[0], speed[0]) == (pytest.approx(30 - 4.5), 4.0)
    none = find_lead(to_frenet(straight(), apart), apart, np.array([[0, 1]]), (4.6, 1.9))
    assert not none[2].any()
