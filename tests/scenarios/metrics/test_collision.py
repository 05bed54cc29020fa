"""Collisions on constructed drives: with whom, how fast, whose fault."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import record, track, unknown_drive, with_lane

from scenarios.metrics.collision import (
    CollisionType,
    find_collisions,
    first_event,
    measure_collisions,
    neuroncap_score,
    no_at_fault_collisions,
)
from scenarios.metrics.metric_value import Validity
from worldsim.datatypes.scene import ObjectKind


def values(drive):
    return {value.name: value.value for value in measure_collisions(drive)}


def test_a_standing_car_is_hit_at_the_egos_speed_and_at_its_fault():
    drive = record(10.0, track(24.35, 0.0, 0.0))  # bumpers 20.05 m apart
    (hit,) = find_collisions(drive)
    assert (hit.instant, hit.track, hit.type, hit.at_fault) == (21, 0, CollisionType.STOPPED_TRACK, True)
    assert hit.impact_speed == pytest.approx(10.0)
    assert values(drive) == pytest.approx(
        {"collisions": 1.0, "no_at_fault_collisions": 0.0, "impact_speed": 10.0, "neuroncap_score": 0.0}
    )


def test_speed_at_impact_is_relative():
    ahead = record(10.0, track(24.3, 0.0, 6.0), num_instants=101)
    assert find_collisions(ahead)[0].type is CollisionType.FRONT
    assert values(ahead)["impact_speed"] == pytest.approx(4.0)
    assert values(ahead)["neuroncap_score"] == pytest.approx(4.0 * 0.6)
    oncoming = record(10.0, track(44.3, 0.0, 6.0, yaw=np.pi))
    assert values(oncoming)["impact_speed"] == pytest.approx(16.0)
    assert values(oncoming)["neuroncap_score"] == 0.0
    assert neuroncap_score(5.0, 10.0) == 2.0


def test_whose_fault_it_is():
    from_behind = record(5.0, track(-9.0, 0.0, 10.0))
    (hit,) = find_collisions(from_behind)
    assert (hit.type, hit.at_fault) == (CollisionType.REAR, False)
    assert no_at_fault_collisions(from_behind).value == 1.0

    ego_stands = record(0.0, track(10.0, 0.0, 5.0, yaw=np.pi))
    assert [(c.type, c.at_fault) for c in find_collisions(ego_stands)] == [(CollisionType.STOPPED_EGO, False)]

    sideways = track(0.0, 4.0, 2.0, yaw=-np.pi / 2)
    beside = with_lane(record(0.1, sideways, num_instants=21), lateral_offset=0.0)
    (hit,) = find_collisions(beside)
    assert (hit.type, hit.at_fault) == (CollisionType.LATERAL, False)
    over_the_line = with_lane(beside, lateral_offset=1.0)
    assert find_collisions(over_the_line)[0].at_fault is True
    assert no_at_fault_collisions(over_the_line).value == 0.0

    unknown_lane = with_lane(beside, lateral_offset=np.nan)
    assert find_collisions(unknown_lane)[0].at_fault is None
    assert no_at_fault_collisions(unknown_lane).validity is Validity.UNKNOWN
    assert find_collisions(replace(unknown_lane, drivable=None, off_road=np.ones(21, bool)))[0].at_fault is True


def test_objects_cost_half_and_a_second_all():
    cone = {"kind": ObjectKind.STATIC, "length": 0.4, "width": 0.4}
    one = record(10.0, track(20.0, 0.0, 0.0, **cone))
    two = record(10.0, track(20.0, 0.0, 0.0, **cone), track(30.0, 0.0, 0.0, **cone))
    pedestrian = record(10.0, track(20.0, 0.0, 0.0, kind=ObjectKind.PEDESTRIAN, length=0.5, width=0.5))
    assert [no_at_fault_collisions(drive).value for drive in (one, two, pedestrian)] == [0.5, 0.0, 0.0]


def test_a_reported_contact_is_with_who_is_near_or_with_something_unlisted():
    contact = np.arange(41) >= 20
    near = record(10.0, track(24.6, 0.0, 0.0), num_instants=41)
    stopped = replace(near, ego=np.repeat(near.ego[20:21], 41, axis=0), contact=contact)  # 0.3 m short of it
    stopped.ego[:20, 3] = 10.0
    (hit,) = find_collisions(stopped)
    assert (hit.instant, hit.track, hit.ego_speed) == (20, 0, 10.0)

    wall = record(10.0, track(-20.0, 0.0, 0.0), contact=contact)
    (hit,) = find_collisions(wall)
    assert (hit.instant, hit.track, hit.kind, hit.at_fault) == (20, None, ObjectKind.STATIC, True)
    assert no_at_fault_collisions(wall).value == 0.0


def test_no_collision_and_no_knowledge_differ():
    assert values(record(10.0)) == {
        "collisions": 0.0,
        "no_at_fault_collisions": 1.0,
        "impact_speed": None,
        "neuroncap_score": 5.0,
    }
    assert {value.validity for value in measure_collisions(unknown_drive())} == {Validity.UNKNOWN}
    no_reference = record(10.0, track(20.0, 0.0, 0.0), reference_speed=None)
    assert measure_collisions(no_reference)[-1].validity is Validity.UNKNOWN


def test_the_first_event_is_above_the_threshold():
    collision = np.array([0.1, 0.2, 0.9, 1.0])
    assert first_event(collision) == 2
    assert first_event(collision[:2]) is None
