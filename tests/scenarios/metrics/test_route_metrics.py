"""Drivable area, direction, lane, progress, speed limit, lights and signs, gap, recovery on constructed drives."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import record, unknown_drive, with_lane

from policies.disturbance import Disturbance
from scenarios.metrics.direction import measure_direction
from scenarios.metrics.drivable_area import corner_excursion, distance_outside, measure_drivable_area
from scenarios.metrics.gap import measure_gap, r157_following_distance
from scenarios.metrics.lane_keeping import longest_run, measure_lane_keeping
from scenarios.metrics.metric_value import Validity
from scenarios.metrics.progress import measure_progress, progress_of_reference
from scenarios.metrics.recovery import recovery_time
from scenarios.metrics.signal_violations import measure_signal_violations
from scenarios.metrics.speed_limit import measure_speed_limit


def values(found):
    return {value.name: value.value for value in found}


def flags(*instants, num_instants=41):
    found = np.zeros(num_instants, bool)
    found[list(instants)] = True
    return found


def moved_sideways(drive, distance):
    ego = drive.ego.copy()
    ego[20:, 1] += distance
    return replace(drive, ego=ego)


def test_a_corner_may_be_outside_by_0_3_metres():
    drive = record(10.0)  # the road ends at y = -1.75, the ego reaches to -0.95
    inside, edge, off = (moved_sideways(drive, -d) for d in (0.79, 1.09, 1.2))
    assert values(measure_drivable_area(inside)) == {"drivable_area_compliance": 1.0, "drivable_area_excursion": 0.0}
    assert values(measure_drivable_area(edge)) == pytest.approx(
        {"drivable_area_compliance": 1.0, "drivable_area_excursion": 0.29}
    )
    assert values(measure_drivable_area(off)) == pytest.approx(
        {"drivable_area_compliance": 0.0, "drivable_area_excursion": 0.4}
    )
    assert corner_excursion(off)[:20].max() == 0.0


def test_without_outlines_the_world_says_who_is_off_the_road():
    reported = replace(record(10.0), drivable=None, off_road=flags(7))
    compliance, excursion = measure_drivable_area(reported)
    assert compliance.value == 0.0
    assert "as the world reports it" in compliance.provenance
    assert excursion.validity is Validity.UNKNOWN


def test_areas_are_a_union_of_any_shape():
    notched = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]])
    square = np.array([[4.0, 0.0], [6.0, 0.0], [6.0, 4.0], [4.0, 4.0]])
    points = np.array([[1.0, 1.0], [2.0, 2.0], [5.0, 3.0], [7.0, 1.0], [7.0, -1.0]])
    found = distance_outside([notched, square], points)
    # (2, 2) is in the notch, whose edges rise by 3 in 2
    np.testing.assert_allclose(found, [0.0, 2.0 / np.sqrt(13.0), 0.0, 1.0, np.sqrt(2.0)])
    assert distance_outside([], points).min() == np.inf


@pytest.mark.parametrize(("num_steps", "score"), [(1, 1.0), (3, 0.5), (9, 0.0)])
def test_direction_scores_by_metres_in_a_second(num_steps, score):
    drive = replace(record(10.0), wrong_way=flags(*range(10, 10 + num_steps)))  # 1 m a step
    assert values(measure_direction(drive)) == {"driving_direction_compliance": score}


def test_two_short_stretches_in_different_seconds_are_none():
    drive = replace(record(10.0), wrong_way=flags(5, 25))
    assert measure_direction(drive)[0].value == 1.0
    assert measure_direction(with_lane(record(10.0), heading_error=np.pi))[0].value == 0.0
    backing = replace(record(10.0), in_junction=flags(*range(41)))
    assert measure_direction(with_lane(backing, heading_error=np.pi))[0].value == 1.0
    assert measure_direction(with_lane(record(0.0), heading_error=np.pi))[0].value == 1.0


def test_lane_keeping_fails_after_two_seconds_off():
    def off(first, last, **changes):
        offset = np.zeros(41)
        offset[first:last] = 0.51
        (value,) = measure_lane_keeping(with_lane(replace(record(10.0), **changes), lateral_offset=offset))
        return value

    assert off(5, 24).value == 1.0  # 1.9 s
    assert off(5, 25).value == 0.0  # 2.0 s
    assert off(5, 25, in_junction=flags(15)).value == 1.0
    assert off(5, 25, in_junction=None).validity is Validity.UNKNOWN
    assert off(5, 24, in_junction=None).value == 1.0
    assert longest_run(np.array([True, False, True, True])) == 2
    assert longest_run(np.zeros(0, bool)) == 0


def test_progress_against_a_reference_and_of_a_route():
    drive = record(10.0)  # 40 m
    half = values(measure_progress(replace(drive, reference_progress=80.0, route_length=50.0)))
    assert half == pytest.approx(
        {
            "progress": 40.0,
            "ego_progress_nuplan": 0.5,
            "making_progress": 1.0,
            "ego_progress_navsim": 0.5,
            "route_completion": 0.8,
        }
    )
    assert values(measure_progress(replace(drive, route_length=40.4)))["route_completion"] == 1.0  # 99 %
    slow = values(measure_progress(replace(drive, reference_progress=200.0)))
    assert slow["making_progress"] == 0.0  # not above 0.2
    standing = record(0.0, reference_progress=4.0, route_length=40.0)
    assert values(measure_progress(standing))["ego_progress_nuplan"] == pytest.approx(0.1 / 4.0)
    assert progress_of_reference(standing).value == 1.0
    assert progress_of_reference(replace(standing, reference_progress=10.0)).value == 0.0
    assert measure_progress(replace(drive, route_length=0.0))[-1].validity is Validity.NOT_APPLICABLE


def test_overspeed_costs_by_its_mean():
    fast = with_lane(record(10.0), speed_limit=9.0)
    assert values(measure_speed_limit(fast)) == pytest.approx(
        {"speed_limit_compliance": 1.0 - 1.0 / 2.23, "max_overspeed": 1.0}
    )
    assert values(measure_speed_limit(with_lane(fast, speed_limit=7.0)))["speed_limit_compliance"] == 0.0
    assert values(measure_speed_limit(record(10.0))) == {"speed_limit_compliance": 1.0, "max_overspeed": 0.0}
    half_known = np.where(np.arange(41) < 20, 9.0, np.nan)
    assert measure_speed_limit(with_lane(fast, speed_limit=half_known))[0].validity is Validity.UNKNOWN


def test_violations_count_where_they_are_seen_and_their_absence_where_all_is_known():
    drive = replace(record(10.0), red_light=flags(3, 20), stop_sign_missed=flags(9))
    assert values(measure_signal_violations(drive)) == {
        "red_lights_run": 2.0,
        "stop_signs_missed": 1.0,
        "traffic_light_compliance": 0.0,
    }
    partly = replace(record(10.0), red_light=flags(3), signal_known=flags(*range(20)))
    red, stop, compliance = measure_signal_violations(partly)
    assert (red.value, compliance.value) == (1.0, 0.0)
    assert stop.validity is Validity.UNKNOWN


def test_gap_and_r157_margin():
    assert {value.validity for value in measure_gap(record(10.0))} == {Validity.NOT_APPLICABLE}
    gap = np.full(41, np.nan)
    gap[5:8] = 20.0, 14.0, 16.0
    found = values(measure_gap(record(10.0, lead_gap=gap)))
    assert found["min_gap"] == 14.0
    assert found["r157_following_distance_margin"] == pytest.approx(14.0 - 13.6)  # 10 m/s · (1 + 0.36) s
    np.testing.assert_allclose(r157_following_distance(np.array([10, 30, 60]) / 3.6), [3.1, 10.8, 26.7], atol=0.06)
    assert r157_following_distance(0.0) == 2.0


def test_recovery_runs_from_the_push_until_the_car_stays_back():
    push = Disturbance(offset=-0.5, heading=0.07)
    offsets = [0.0, -0.3, -0.55, -0.6, -0.4, -0.2, 0.3, 0.1, 0.0]

    def recover(offsets, longest=5.0):
        drive = with_lane(record(10.0, num_instants=len(offsets)), lateral_offset=offsets)
        return recovery_time(drive, push, longest)

    assert recover(offsets).value == pytest.approx(0.5)
    assert recover([*offsets, -0.26]).value == 5.0
    assert recover([*offsets, np.nan]).value == 5.0
    assert recover(offsets, 0.3).value == 0.3
    assert recover([0.0, 0.6, 0.0]).validity is Validity.NOT_APPLICABLE
    assert recover([np.nan, np.nan]).validity is Validity.UNKNOWN


@pytest.mark.parametrize(
    "measure",
    [
        measure_drivable_area,
        measure_direction,
        measure_lane_keeping,
        measure_progress,
        measure_speed_limit,
        measure_signal_violations,
        measure_gap,
    ],
)
def test_what_is_not_known_has_no_value(measure):
    assert {value.validity for value in measure(unknown_drive())} == {Validity.UNKNOWN}
