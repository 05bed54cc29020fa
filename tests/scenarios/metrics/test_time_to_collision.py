"""Time to collision against closed forms."""

import numpy as np
import pytest
from drive_records import braking, record, track

from scenarios.metrics.metric_value import Validity
from scenarios.metrics.time_to_collision import measure_time_to_collision, time_to_collision


def at_start(speed, *tracks, **options):
    return time_to_collision(record(speed, *tracks, num_instants=11), **options)[0]


def values(drive):
    return {value.name: value for value in measure_time_to_collision(drive)}


def test_closed_forms_at_constant_velocity():
    assert at_start(10.0, track(24.29, 0, 0.0)) == pytest.approx(2.0)  # gap 20 m
    assert at_start(10.0, track(24.29, 0, 10.0)) == np.inf
    assert at_start(10.0, track(24.29, 0, 10.0, yaw=np.pi)) == pytest.approx(1.0)
    assert at_start(10.0, track(24.29, 4.0, 0.0)) == np.inf
    assert at_start(0.0, track(24.29, 0, 10.0, yaw=np.pi)) == np.inf
    assert at_start(10.0) == np.inf
    # fronts meet when 10 - 5 t = 2 + 0.95 across, and 5 t = 10 - 2.3 - 1 along: t = 1.41 and 1.34
    assert at_start(5.0, track(10.0, -10.0, 5.0, yaw=np.pi / 2)) == pytest.approx(1.5)


def test_a_lead_that_brakes_at_equal_speeds_is_seen_at_constant_acceleration_only():
    lead = track(19.3, 0.0, braking(10.0, 6.0, 11))  # gap 15 m; it stands after 8.33 m, the ego is there after 2.33 s
    assert at_start(10.0, lead) == np.inf
    assert at_start(10.0, lead, constant_acceleration=True) == pytest.approx(2.4)
    # both brake alike
    ego = braking(10.0, 6.0, 11)
    assert time_to_collision(record(ego, lead, num_instants=11), constant_acceleration=True)[0] == np.inf


def test_bounds_and_who_counts():
    close = values(record(10.0, track(14.0, 0.0, 0.0), num_instants=2))  # 0.97 s, then 0.87 s
    assert close["time_to_collision_within_bound"].value == 0.0
    assert close["min_time_to_collision"].value == pytest.approx(0.9)
    behind = values(record(5.0, track(-7.0, 0.0, 9.0), num_instants=2))
    assert behind["min_time_to_collision"].value == pytest.approx(0.6)  # 0.575 s at the second instant
    assert behind["time_to_collision_within_bound"].value == 1.0
    assert behind["time_to_collision_navsim"].value == 1.0
    far = values(record(10.0, track(80.0, 0.0, 9.0)))
    assert far["min_time_to_collision"].validity is Validity.NOT_APPLICABLE
    assert far["time_to_collision_navsim"].value == 1.0


def test_navsim_projects_0_9_seconds():
    assert (
        values(record(10.0, track(13.2, 0.0, 0.0), num_instants=1))["time_to_collision_navsim"].value == 0.0
    )  # 0.89 s
    assert (
        values(record(10.0, track(13.4, 0.0, 0.0), num_instants=1))["time_to_collision_navsim"].value == 1.0
    )  # 0.91 s


def test_a_collision_that_was_is_no_close_call_afterwards():
    hit_from_behind = record(5.0, track(-9.0, 0.0, 10.0))
    assert values(hit_from_behind)["time_to_collision_within_bound"].value == 1.0
