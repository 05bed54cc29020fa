"""All metrics at once: turned scenes, standing drives, what is not known, what a record refuses."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import braking, record, track, turned, unknown_drive, with_lane

from scenarios.metrics.drive_record import differentiate
from scenarios.metrics.measure_drive import FAMILIES, define_metrics, measure_drive
from scenarios.metrics.metric_value import Metric, MetricValue, Validity
from worldsim.datatypes.scene import ObjectKind

FROM_THE_EGO_ALONE = {"waymax_kinematic_infeasibility"}


def eventful_drive():
    """A lead that brakes, a pedestrian who crosses, a parked and an oncoming car; the ego is fast, swerves and hits."""
    lead = track(25.0, 0.3, braking(11.0, 4.0, 61))
    walker = track(40.0, -6.0, 1.4, yaw=np.pi / 2, kind=ObjectKind.PEDESTRIAN, length=0.5, width=0.6)
    others = track(15.0, 3.4, 0.0), track(90.0, 3.5, 9.0, yaw=np.pi)
    drive = record(np.linspace(9.0, 12.0, 61), lead, walker, *others, num_instants=61, lead_gap=np.full(61, 12.0))
    ego = drive.ego.copy()
    ego[:, 1] = 0.8 * np.sin(np.arange(61) / 10)
    ego[:, 2] = 0.05 * np.cos(np.arange(61) / 10)
    plans = np.zeros((61, 20, 3))
    plans[..., 0] = ego[:, :1] + np.arange(1, 21)
    drive = replace(drive, ego=ego, plans=plans, wrong_way=np.arange(61) % 25 < 3, route_length=90.0)
    return with_lane(drive, lateral_offset=ego[:, 1], heading_error=ego[:, 2], speed_limit=11.0)


@pytest.mark.parametrize("angle", [0.3, 1.7, -2.9])
def test_a_turned_scene_gives_the_same_values(angle):
    drive = eventful_drive()
    before, after = measure_drive(drive), measure_drive(turned(drive, angle, np.array([300.0, -200.0])))
    assert sum(value.valid for value in before.values()) > 40
    for name, value in before.items():
        assert after[name].validity is value.validity, name
        assert after[name].value == pytest.approx(value.value, abs=1e-6), name


def test_names_are_unique_and_all_say_where_they_come_from():
    drive = eventful_drive()
    found = [value for family in FAMILIES.values() for value in family(drive)]
    assert len({value.name for value in found}) == len(found) == len(measure_drive(drive))
    assert all(value.provenance for value in found)


def test_definitions_are_those_of_all_values():
    definitions = define_metrics()
    found = measure_drive(eventful_drive())
    assert list(definitions) == list(found)
    for name, value in found.items():
        assert (definitions[name].unit, definitions[name].source) == (value.unit, value.source)
    assert {d.family for d in definitions.values()} == set(FAMILIES)


def test_what_is_not_known_is_no_zero():
    found = measure_drive(unknown_drive())
    assert {name for name, value in found.items() if value.valid} == FROM_THE_EGO_ALONE
    assert {v.validity for name, v in found.items() if name not in FROM_THE_EGO_ALONE} == {Validity.UNKNOWN}
    assert all(value.reason for name, value in found.items() if name not in FROM_THE_EGO_ALONE)


def test_a_standing_drive_behind_a_standing_car():
    found = measure_drive(record(0.0, track(10.0, 0.0, 0.0), reference_progress=0.0, route_length=40.0))
    expected = {
        "collisions": 0.0,
        "required_deceleration": 0.0,
        "distance_of_closest_encounter": 5.7,
        "time_to_closest_encounter": 0.0,
        "comfort": 1.0,
        "ego_progress_navsim": 1.0,
        "pdms": 1.0,
        "carla_driving_score_2_0": 0.0,
        "avoidable_by_careful_driver": 1.0,
        "waymax_kinematic_infeasibility": 0.0,
    }
    assert {name: found[name].value for name in expected} == pytest.approx(expected)
    assert found["min_time_to_collision"].validity is Validity.NOT_APPLICABLE
    assert found["post_encroachment_time"].validity is Validity.NOT_APPLICABLE


def test_a_drive_of_one_instant_has_values_without_warnings():
    found = measure_drive(record(10.0, track(20.0, 0.0, 5.0), num_instants=1))
    assert found["comfort"].validity is Validity.NOT_APPLICABLE
    assert found["min_time_to_collision"].validity is Validity.NOT_APPLICABLE
    assert found["required_deceleration"].value == pytest.approx(25.0 / (2 * 15.7))


def test_a_road_user_that_comes_and_goes():
    known = np.zeros((1, 41), bool)
    known[0, 10:20] = True
    drive = replace(record(10.0, track(30.0, 0.0, 10.0)), track_known=known)
    drive.tracks[0, ~known[0]] = np.nan
    found = measure_drive(drive)
    assert found["distance_of_closest_encounter"].value == pytest.approx(25.7)
    assert found["collisions"].value == 0.0


def test_derivatives_beside_unknown_values_are_one_sided():
    values = np.array([0.0, 1.0, 3.0, np.nan, 5.0, np.nan, 2.0, 4.0])
    np.testing.assert_allclose(differentiate(values, 0.5), [2.0, 3.0, 4.0, np.nan, np.nan, np.nan, 4.0, 4.0])


def test_records_refuse_what_does_not_fit():
    drive = record(10.0, track(20.0, 0.0, 0.0))
    with pytest.raises(ValueError, match=r"lane must be \[41, 4\] for 41 instants and 1 tracks, got \(40, 4\)"):
        replace(drive, lane=drive.lane[1:])
    with pytest.raises(ValueError, match=r"progress must be \[40\]"):
        replace(drive, progress=np.zeros(41))
    with pytest.raises(ValueError, match="at least one instant and a positive dt, got 41 and 0"):
        replace(drive, dt=0.0)
    with pytest.raises(ValueError, match="ego must be finite, row 7 is not"):
        replace(drive, ego=np.where(np.arange(41)[:, None] == 7, np.nan, drive.ego))


def test_values_and_reasons_exclude_each_other():
    metric = Metric(name="gap", unit="m", source="a ruler")
    assert metric.measured(2).value == 2.0
    assert (metric.unknown("no ruler").value, metric.unknown("no ruler").valid) == (None, False)
    with pytest.raises(ValueError, match="gap must be finite, got inf"):
        metric.measured(np.inf)
    with pytest.raises(ValueError, match="gap must have a value and no reason if valid"):
        MetricValue(name="gap", value=0.0, unit="m", validity=Validity.UNKNOWN, reason="no ruler", source="")
