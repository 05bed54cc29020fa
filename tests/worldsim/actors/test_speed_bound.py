"""How fast a road user may be at most."""

import numpy as np
import pytest

from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.courses import free_courses
from worldsim.actors.speed_bound import HOLD_BRAKING, allowed_speeds


def test_no_vehicle_is_faster_than_it_can_stop_for_its_lead_its_line_and_whom_it_waits_for() -> None:
    courses = free_courses((1, 5))
    courses[0, 0, [CourseColumn.GAP, CourseColumn.LEAD_SPEED]] = 1.5 + 7.0, 3.0
    courses[0, 1, CourseColumn.STOP] = 7.0
    courses[0, 2, CourseColumn.WAIT] = 0.0
    courses[0, 3, CourseColumn.STOP] = 7.0
    allowed = allowed_speeds(courses, np.array([[1, 2, 1, 3, 1]]), np.zeros((1, 5)), 1e-9)[0]
    assert allowed[:3] == pytest.approx([np.sqrt(9 + 14 * HOLD_BRAKING), np.sqrt(14 * HOLD_BRAKING), 0.0], abs=1e-6)
    assert np.isinf(allowed[3])  # pedestrians
    assert allowed[4] > 20

    # braked step by step, it stops at the line and never has to brake harder than at first
    speed, left, kinds = 10.0, 10.0**2 / (2 * HOLD_BRAKING), np.ones((1, 1), int)
    courses = free_courses((1, 1))
    while speed > 0.05:
        courses[0, 0, CourseColumn.STOP] = left
        after = min(allowed_speeds(courses, kinds, np.array([[speed]]), 0.1)[0, 0], speed)
        assert (speed - after) / 0.1 < 1.02 * HOLD_BRAKING
        left -= 0.1 * (speed + after) / 2
        speed = after
    assert abs(left) < 0.05
