"""Encounters as driven: closest encounter, post-encroachment time, required deceleration."""

import numpy as np
import pytest
from drive_records import braking, record, track

from scenarios.metrics.encounters import (
    braking_needed,
    closest_encounters,
    measure_encounters,
    post_encroachment_time,
    required_deceleration,
)
from scenarios.metrics.metric_value import Validity
from scenarios.metrics.time_to_collision import time_to_collision
from worldsim.datatypes.scene import ObjectKind


def braking_lead():
    """Equal speeds of 10 m/s, 20 m apart; the lead brakes by 5 m/s² and stands 10 m on after 2 s, as the drive ends."""
    return record(10.0, track(24.3, 0.0, braking(10.0, 5.0, 21)), num_instants=21)


def test_a_braking_lead_is_seen_before_it_is_slower():
    drive = braking_lead()
    assert time_to_collision(drive)[0] == np.inf
    times, distances = closest_encounters(drive)
    assert (times[0], distances[0]) == pytest.approx((2.0, 10.0))
    assert (times[5], distances[5]) == pytest.approx((1.5, 10.0))
    assert distances[-1] == pytest.approx(10.0)
    required = required_deceleration(drive)
    assert required[0] == pytest.approx(10.0**2 / (2 * (20.0 + 10.0)))  # to stop behind it
    assert required[-1] == pytest.approx(10.0**2 / (2 * 10.0))
    found = {value.name: value.value for value in measure_encounters(drive)}
    assert found["required_deceleration"] == pytest.approx(5.0)
    assert found["distance_of_closest_encounter"] == pytest.approx(10.0)


def test_required_deceleration_closed_forms():
    assert braking_needed(10.0, 6.0, 0.0, 8.0) == pytest.approx(1.0)  # 4² / 16
    assert braking_needed(10.0, 0.0, 0.0, 10.0) == pytest.approx(5.0)
    # the speeds meet after 2 s, before the lead stands after 8 s
    assert braking_needed(12.0, 8.0, -1.0, 4.0) == pytest.approx(1.0 + 16.0 / 8.0)
    # the lead stands after 1 s and 4 m
    assert braking_needed(10.0, 8.0, -8.0, 6.0) == pytest.approx(100.0 / (2 * 10.0))
    assert braking_needed(10.0, 12.0, 0.0, 5.0) == 0.0
    assert braking_needed(10.0, 10.0, 0.0, 5.0) == 0.0
    assert braking_needed(0.0, 0.0, 0.0, 5.0) == 0.0


def test_who_is_beside_or_behind_asks_for_no_braking():
    assert required_deceleration(record(10.0, track(20.0, 3.0, 0.0))).max() == 0.0
    assert required_deceleration(record(10.0, track(-20.0, 0.0, 12.0))).max() == 0.0


def test_a_curve_does_not_hide_the_lead():
    angle = np.arange(41) * 0.1 * 10.0 / 50.0  # 10 m/s on a circle of 50 m
    drive = record(10.0, track(0.0, 0.0, 5.0))
    ego, lead = drive.ego.copy(), drive.tracks.copy()
    ego[:, 0], ego[:, 1], ego[:, 2] = 50.0 * np.sin(angle), 50.0 * (1 - np.cos(angle)), angle
    ahead = 0.5 + angle / 2
    lead[0, :, 0], lead[0, :, 1], lead[0, :, 2] = 50.0 * np.sin(ahead), 50.0 * (1 - np.cos(ahead)), ahead
    curved = record(10.0, track(0.0, 0.0, 5.0), ego=ego, tracks=lead)
    gap = 25.0 - 4.3
    assert required_deceleration(curved)[0] == pytest.approx(5.0**2 / (2 * gap), rel=0.05)


def test_post_encroachment_time_of_a_crossing():
    # the car is in the ego's way until its centre is at y = 2.95, which is after 2.59 s
    first = track(38.9, -10.0, 5.0, yaw=np.pi / 2)
    drive = record(10.0, first, num_instants=61)
    # the ego's front at 2.3 + 10 t is at the car's side at x = 37.9 after 3.56 s: 0.97 s, rounded up
    assert post_encroachment_time(drive) == pytest.approx(1.1, abs=0.1)
    later = record(10.0, track(10.0, -20.0, 5.0, yaw=np.pi / 2), num_instants=61)
    # the ego's rear leaves x = 11 after 1.33 s, the car's front is at y = -0.95 after 3.41 s: 2.08 s, rounded up
    assert post_encroachment_time(later) == pytest.approx(2.18, abs=0.1)


def test_post_encroachment_time_of_followers_and_collisions():
    follower = record(10.0, track(24.3, 0.0, 10.0))  # 20 m behind: 2 s
    assert post_encroachment_time(follower) == pytest.approx(2.05, abs=0.06)
    followed = record(10.0, track(-24.3, 0.0, 10.0))
    assert post_encroachment_time(followed) is None
    assert post_encroachment_time(record(10.0, track(20.0, 0.0, 0.0))) == 0.0
    assert post_encroachment_time(record(10.0, track(20.0, 8.0, 0.0))) is None


def test_without_road_users_there_is_no_encounter():
    assert {value.validity for value in measure_encounters(record(10.0))} == {Validity.NOT_APPLICABLE}
    walker = track(200.0, 0.0, 1.0, kind=ObjectKind.PEDESTRIAN)
    found = {value.name: value for value in measure_encounters(record(10.0, walker))}
    assert found["post_encroachment_time"].validity is Validity.NOT_APPLICABLE
    assert found["required_deceleration"].value == 0.0
