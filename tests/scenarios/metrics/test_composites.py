"""Composite scores of drives whose parts are known."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import record, track, unknown_drive, with_lane

from scenarios.metrics.bench2drive import measure_bench2drive
from scenarios.metrics.carla_driving_score import (
    Infractions,
    collision_kinds,
    count_infractions,
    global_driving_score,
    measure_carla,
    penalty_2_0,
    penalty_2_1,
)
from scenarios.metrics.hugsim import measure_hugsim
from scenarios.metrics.metric_value import Metric, Validity, combine
from scenarios.metrics.nuplan import measure_nuplan
from scenarios.metrics.pdm import epdms, measure_pdm, pdm_score, pdms
from scenarios.metrics.waymax import infeasible_steps, measure_waymax
from worldsim.datatypes.scene import ObjectKind

FAMILIES = (measure_nuplan, measure_pdm, measure_carla, measure_hugsim)


def values(found):
    return {value.name: value.value for value in found}


def planned(drive):
    """The drive with plans that always came true."""
    plans = drive.ego[0, :3] + np.zeros((drive.num_instants, 30, 3))
    plans[..., 0] = drive.ego[:, :1] + drive.speed[:, None] * drive.dt * np.arange(1, 31)
    return replace(drive, plans=plans)


def test_a_perfect_drive_scores_one_by_all():
    drive = planned(record(10.0))
    for family in FAMILIES:
        assert {value.value for value in family(drive)} == {1.0}, family


def test_nuplan_weighs_5_5_4_2():
    half = record(10.0, reference_progress=80.0)
    assert values(measure_nuplan(half))["nuplan_closed_loop_score"] == pytest.approx(1 - 0.5 * 5 / 16)
    close = record(10.0, track(51.0, 0.0, 0.0))
    assert values(measure_nuplan(close))["nuplan_closed_loop_score"] == pytest.approx(11 / 16)
    fast = with_lane(record(10.0), speed_limit=10.0 - 2.23 / 2)
    assert values(measure_nuplan(fast))["nuplan_closed_loop_score"] == pytest.approx(1 - 0.5 * 4 / 16)
    shaken = record(10.0, ego_acceleration=np.full(41, 2.5))
    assert values(measure_nuplan(shaken))["nuplan_closed_loop_score"] == pytest.approx(14 / 16)
    against = replace(record(10.0), wrong_way=np.arange(41) % 20 < 3)
    assert values(measure_nuplan(against))["nuplan_closed_loop_score"] == pytest.approx(0.5)
    crawling = record(1.0, reference_progress=20.1)
    assert values(measure_nuplan(crawling))["nuplan_closed_loop_score"] == 0.0  # no more than 0.2 of it


def test_pdm_scores_weigh_5_5_2_and_16():
    half = planned(record(10.0, reference_progress=80.0))
    assert pdms(half).value == pytest.approx(1 - 0.5 * 5 / 12)
    assert epdms(half).value == pytest.approx(1 - 0.5 * 5 / 16)
    close = planned(record(10.0, track(51.0, 0.0, 0.0)))  # 0.67 s at the end
    assert pdms(close).value == pytest.approx(7 / 12)
    assert epdms(close).value == pytest.approx(11 / 16)
    off_centre = with_lane(planned(record(10.0)), lateral_offset=0.6)
    assert (pdms(off_centre).value, epdms(off_centre).value) == pytest.approx((1.0, 14 / 16))
    against = planned(replace(record(10.0), wrong_way=np.arange(41) % 20 < 3))
    assert (pdms(against).value, pdm_score(against).value, epdms(against).value) == pytest.approx((1.0, 0.5, 0.5))
    red = planned(replace(record(10.0), red_light=np.arange(41) == 3))
    assert (pdms(red).value, epdms(red).value) == (1.0, 0.0)
    assert epdms(record(10.0)).validity is Validity.UNKNOWN  # without plans
    assert {value.value for value in measure_pdm(planned(record(10.0, track(20.0, 0.0, 0.0))))} == {0.0}


def test_carla_scores():
    found = Infractions(pedestrians=1, red_lights=1)
    assert penalty_2_0(found) == pytest.approx(0.5 * 0.7)
    assert penalty_2_1(found) == pytest.approx(1 / (1 + 1.0 + 0.4))
    many = Infractions(vehicles=2, static=1, stop_signs=1, timeouts=1, outside_lane=0.1, min_speed=0.5)
    assert penalty_2_0(many) == pytest.approx(0.6**2 * 0.65 * 0.8 * 0.7 * 0.9 * 0.85)
    assert penalty_2_0(many, with_min_speed=False) == pytest.approx(0.6**2 * 0.65 * 0.8 * 0.7 * 0.9)
    assert penalty_2_1(many) == pytest.approx(0.9 / (1 + 1.4 + 0.6 + 0.25 + 0.4 + 0.2))
    half = replace(record(10.0), red_light=np.arange(41) == 3, route_length=80.0)
    assert values(measure_carla(half)) == pytest.approx(
        {"carla_driving_score_2_0": 0.5 * 0.7, "carla_driving_score_2_1": 0.5 / 1.4}
    )
    assert global_driving_score([1.0, None, 0.5], 4) == pytest.approx(1.5 / 4)
    with pytest.raises(ValueError, match="num_routes must be at least 1 and the number of scores, 2, got 1"):
        global_driving_score([1.0, 1.0], 1)


def test_carla_counts_collisions_after_debouncing():
    cone = {"kind": ObjectKind.STATIC, "length": 0.4, "width": 0.4}
    near = record(10.0, track(20.0, 0.0, 0.0, **cone), track(23.0, 0.0, 0.0, kind=ObjectKind.PEDESTRIAN))
    assert collision_kinds(near) == [ObjectKind.STATIC]  # the second is within 5 m
    far = record(10.0, track(20.0, 0.0, 0.0, **cone), track(30.0, 0.0, 0.0))
    assert collision_kinds(far) == [ObjectKind.STATIC, ObjectKind.CAR]
    found = count_infractions(far)
    assert isinstance(found, Infractions)
    assert (found.static, found.vehicles, found.num_events) == (1, 1, 2)
    again = replace(record(0.0, num_instants=101), contact=np.isin(np.arange(101), (10, 30, 90)))
    assert len(collision_kinds(again)) == 1  # the ego has not left the place


def test_carla_measures_lane_and_speed():
    offset = np.where(np.arange(41) < 21, 2.3, 0.0)  # beyond 1.75 + 0.5
    found = count_infractions(with_lane(record(10.0), lateral_offset=offset))
    assert isinstance(found, Infractions)
    assert found.outside_lane == pytest.approx(21 / 41)
    slow = count_infractions(
        record(5.0, track(100.0, 0.0, 10.0), track(50.0, 5.0, 0.0))
    )  # the parked car is no traffic
    assert isinstance(slow, Infractions)
    assert slow.min_speed == pytest.approx(0.5)
    assert count_infractions(unknown_drive()) == "road users are not known"
    assert measure_carla(with_lane(record(10.0), half_width=np.nan))[0].reason == "the lane is not known"


def test_bench2drive():
    found = values(measure_bench2drive(record(10.0, track(100.0, 0.0, 20.0))))
    assert found["bench2drive_driving_score"] == 1.0  # nothing off for driving slowly
    assert (found["bench2drive_success"], found["bench2drive_efficiency"]) == pytest.approx((1.0, 0.5))
    assert values(measure_bench2drive(record(10.0, route_length=80.0)))["bench2drive_success"] == 0.0
    red = replace(record(10.0), red_light=np.arange(41) == 3)
    assert values(measure_bench2drive(red))["bench2drive_success"] == 0.0
    assert values(measure_bench2drive(red))["bench2drive_driving_score"] == pytest.approx(0.7)


def test_bench2drive_as_published_takes_degrees_for_radians():
    turning = record(10.0, ego_yaw_rate=np.where(np.arange(41) < 20, 0.0, 0.05), dt=0.05)  # 2.9 °/s
    found = values(measure_bench2drive(turning))
    assert found["bench2drive_smoothness_compat"] == 0.5
    assert found["bench2drive_smoothness"] == 1.0
    # 3 m/s³ in steps of 0.05 s look like 1.5 m/s³ in steps of 0.1 s; 6 m/s³ like 3 m/s³
    jerky = record(10.0, ego_acceleration=(np.arange(41) % 20) * 0.05 * 6.0 - 2.85, dt=0.05)
    found = values(measure_bench2drive(jerky))
    assert (found["bench2drive_smoothness_compat"], found["bench2drive_smoothness"]) == (0.0, 0.0)
    jerky = record(10.0, ego_acceleration=(np.arange(41) % 20) * 0.05 * 5.0 - 2.5, dt=0.05)
    found = values(measure_bench2drive(jerky))
    assert (found["bench2drive_smoothness_compat"], found["bench2drive_smoothness"]) == (1.0, 0.0)


def test_waymax():
    fine = values(measure_waymax(record(10.0)))
    assert set(fine.values()) == {0.0}
    hit = values(measure_waymax(record(10.0, track(40.35, 0.0, 0.0))))  # the last four of 41 instants
    assert hit["waymax_overlap"] == pytest.approx(4 / 41)
    assert hit["waymax_reward"] == pytest.approx(-4 / 41)
    beside = values(measure_waymax(with_lane(record(10.0), lateral_offset=np.where(np.arange(41) < 10, 3.5, 0.0))))
    assert (beside["waymax_wrong_way"], beside["waymax_off_route"]) == pytest.approx((10 / 41, 0.0))
    lost = values(measure_waymax(with_lane(record(10.0), lateral_offset=5.01)))
    assert (lost["waymax_wrong_way"], lost["waymax_off_route"]) == (1.0, 1.0)
    reported = values(measure_waymax(replace(record(10.0), drivable=None, off_road=np.arange(41) < 5)))
    assert reported["waymax_reward"] == pytest.approx(-5 / 41)


def test_waymax_names_steps_that_no_car_drives():
    jump = np.where(np.arange(41) < 20, 10.0, 11.1)  # 11 m/s²
    assert infeasible_steps(record(jump)).sum() == 1
    assert infeasible_steps(record(np.where(np.arange(41) < 20, 10.0, 11.0))).sum() == 0
    sharp = record(10.0)
    ego = sharp.ego.copy()
    ego[20:, 2] = 0.31  # over 1 m
    assert infeasible_steps(replace(sharp, ego=ego)).sum() == 1
    standing = replace(record(0.0), ego=np.where(np.arange(6) == 2, ego, record(0.0).ego))
    assert infeasible_steps(standing).sum() == 0


def test_hugsim_scores_instants():
    assert values(measure_hugsim(record(10.0, route_length=80.0)))["hugsim_driving_score"] == pytest.approx(0.5)
    close = measure_hugsim(record(10.0, track(51.0, 0.0, 0.0)))  # 6.7 m at the end: below 0.95 s from instant 38 on
    assert values(close)["hugsim_driving_score"] == pytest.approx((38 + 3 * 2 / 7) / 41)
    off = replace(record(10.0), drivable=None, off_road=np.arange(41) < 5)
    assert values(measure_hugsim(off))["hugsim_driving_score"] == pytest.approx(36 / 41)


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_known_makes_no_score(family):
    assert {value.validity for value in family(unknown_drive())} == {Validity.UNKNOWN}


def test_a_gate_of_zero_decides_and_what_is_not_applicable_counts_as_met():
    whole, part = Metric(name="whole", source="test"), Metric(name="part", source="test")
    one, half, none = part.measured(1.0), part.measured(0.5), part.measured(0.0)
    unknown, absent = part.unknown("no data"), part.not_applicable("nothing there")
    assert combine(whole, [half], [(3.0, one), (1.0, none)]).value == pytest.approx(0.375)
    assert combine(whole, [none, unknown], [(1.0, unknown)]).value == 0.0
    assert combine(whole, [one], [(1.0, none), (1.0, unknown)]).reason == "part: no data"
    met = combine(whole, [absent], [(1.0, half)])
    assert (met.value, met.provenance) == (0.5, "test; counted as met: part")
