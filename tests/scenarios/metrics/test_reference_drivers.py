"""Reference drivers: formulas by hand, and what they make of constructed drives."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import braking, record, track, unknown_drive, with_lane

from scenarios.metrics.fuzzy_safety import FuzzyDriver, measure_fuzzy_safety
from scenarios.metrics.metric_value import Validity
from scenarios.metrics.r157 import CarefulDriver, cut_ins_must_be_avoided, measure_r157, must_be_avoided
from scenarios.metrics.reference_driver import drive_reference
from scenarios.metrics.rss import RSSDriver, measure_rss
from worldsim.datatypes.scene import ObjectKind

DRIVERS = (CarefulDriver(), FuzzyDriver(), RSSDriver())
MEASURES = (measure_r157, measure_fuzzy_safety, measure_rss)


def avoids(drive):
    return [drive_reference(drive, driver).collides_at is None for driver in DRIVERS]


def test_rss_distance():
    driver = RSSDriver()
    assert driver.safe_distance(20.0, 20.0) == pytest.approx(20 + 1.5 + 23**2 / 8 - 20**2 / 16)
    assert driver.safe_distance(0.0, 20.0) == 0.0
    assert RSSDriver(margin=2.0).safe_distance(0.0, 20.0) == 2.0
    assert driver.safe_clearance(0.0) == pytest.approx(0.3 + 0.5 + 0.5)
    assert driver.safe_clearance(1.0) == pytest.approx(0.3 + 1.5 + 2.0)
    assert driver.safe_clearance(-1.0) == driver.safe_clearance(0.0)


def test_fsm_formulas():
    driver = FuzzyDriver()
    # d_unsafe = 15 + 400/12 - 100/14, d_safe = 15 + 400/8 - 100/14 + 2; 2 m of the gap are a margin
    unsafe, safe = 15 + 400 / 12 - 100 / 14, 15 + 400 / 8 - 100 / 14 + 2
    np.testing.assert_allclose(
        driver.proactive(np.array([50.0, 70.0, 40.0]), 20.0, np.full(3, 10.0)),
        [(safe - 48) / (safe - unsafe), 0.0, 1.0],
    )
    # closing at 10 m/s: d_safe = 7.5 + 100/8, d_unsafe = 7.5 + 100/12
    np.testing.assert_allclose(
        driver.critical(np.array([18.0, 21.0, 15.0]), 20.0, np.full(3, 10.0), 0.0),
        [(20 - 18) / (100 / 8 - 100 / 12), 0.0, 1.0],
    )
    assert driver.critical(np.array([1.0]), 10.0, np.array([10.0]), 0.0) == 0.0
    # braking by 4 m/s² it is slower than the lead within 0.75 s: 1² / 8 m are enough
    braked = [float(driver.critical(np.array([gap]), 11.0, np.array([10.0]), -4.0)[0]) for gap in (0.1, 0.2)]
    assert braked == [1.0, 0.0]


def test_r157_cut_in_condition():
    assert must_be_avoided(1.0, 7.0)  # 7/12 + 0.35 = 0.933
    assert not must_be_avoided(0.93, 7.0)


def test_careful_driver_reacts_after_perception_and_delay():
    driver = CarefulDriver()
    assert driver.reaction_time == pytest.approx(1.15)
    assert driver.max_braking == pytest.approx(7.593, abs=1e-3)
    # 20 m/s towards a standing car: braking by more than 3 m/s² will be asked for within 66.7 m and 1.15 s
    drive = drive_reference(record(20.0, track(104.3, 0.0, 0.0)), driver)
    assert drive.collides_at is None
    assert drive.reacts_at == 6  # 88 m left
    assert drive.speed[:19] == pytest.approx(20.0)  # 12 steps of reaction, then braking builds up
    assert drive.speed[19] == pytest.approx(20.0 - 0.1265)
    assert drive.speed[-1] == 0.0


@pytest.mark.parametrize(
    ("gap", "headway_kept"),
    [(13.9 * 1.5, [True, True, False]), (3.0, [False, False, False]), (60.0, [True, True, True])],
)
def test_a_lead_that_brakes_hard(gap, headway_kept):
    """R157's 50 km/h with 1.5 s and 6 m/s²; RSS asks for more distance than that, and brakes by 4 m/s² only."""
    lead = track(gap + 4.3, 0.0, braking(13.9, 6.0, 61))
    assert avoids(record(13.9, lead, num_instants=61)) == headway_kept


def test_who_appears_too_near_cannot_be_avoided():
    assert avoids(record(20.0, track(19.3, 0.0, 0.0))) == [False] * 3
    known = np.arange(41) >= 20
    appears = record(20.0, track(64.3, 0.0, 0.0), num_instants=41)  # 20 m ahead when it is first seen
    assert avoids(replace(appears, track_known=known[None])) == [False] * 3


def test_others_are_let_be():
    for others in (
        track(30.0, 0.0, 10.0),  # as fast
        track(-12.0, 0.0, 12.0),  # from behind
        track(60.0, 4.0, 10.0, yaw=np.pi),  # oncoming in the other lane
        track(40.0, 6.0, 0.0),  # parked
    ):
        drive = record(10.0, others)
        assert avoids(drive) == [True] * 3
        assert drive_reference(drive, CarefulDriver()).reacts_at is None


def test_a_drive_that_ends_with_the_collision_is_gone_on_with():
    lead = track(24.3, 0.0, braking(10.0, 6.0, 22))
    short = record(10.0, lead, num_instants=22)
    assert drive_reference(short, CarefulDriver()).speed[-1] == 0.0
    assert len(drive_reference(short, CarefulDriver()).arc) == 22 + 60
    too_near = record(10.0, track(6.3, 0.0, braking(10.0, 6.0, 6)), num_instants=6)
    assert drive_reference(too_near, CarefulDriver()).collides_at is not None


def cut_in(gap, speed=6.0, num_instants=61):
    """A car 3.5 m to the left comes over at 1 m/s from instant 10 on; it drives along x."""
    drive = record(10.0, track(gap + 4.3, 3.5, speed), num_instants=num_instants)
    tracks = drive.tracks.copy()
    lateral = np.clip(3.5 - 0.1 * np.maximum(np.arange(num_instants) - 10, 0), 0.0, 3.5)
    tracks[0, :, 1] = lateral
    tracks[0, :, 2] = np.where((lateral > 0) & (lateral < 3.5), -np.arctan2(1.0, speed), 0.0)
    return replace(drive, tracks=tracks)


def test_cut_ins():
    far, near = cut_in(30.0), cut_in(9.5)
    # its side, 1.3 m from its turned centre, is 0.3 m over the marking after 1.8 s; closing at 4 m/s asks for 0.68 s
    assert cut_ins_must_be_avoided(far).value == 1.0
    assert cut_ins_must_be_avoided(near).value == 0.0
    assert avoids(far) == [True] * 3
    assert cut_ins_must_be_avoided(record(10.0, track(30.0, 0.0, 6.0))).validity is Validity.NOT_APPLICABLE
    assert cut_ins_must_be_avoided(cut_in(30.0, speed=12.0)).validity is Validity.NOT_APPLICABLE
    assert cut_ins_must_be_avoided(with_lane(far, half_width=np.nan)).validity is Validity.UNKNOWN


def test_a_crossing_pedestrian():
    def crossing(distance):
        at = distance / 10.0 * 1.4  # in the ego's way when it arrives
        walker = track(distance + 2.3, -at, 1.4, yaw=np.pi / 2, kind=ObjectKind.PEDESTRIAN, length=0.5, width=0.5)
        return record(10.0, walker, num_instants=61)

    assert avoids(crossing(6.0)) == [False] * 3
    assert drive_reference(crossing(40.0), FuzzyDriver()).collides_at is None


def test_measures_of_the_ego_itself():
    found = {
        v.name: v.value for measure in MEASURES for v in measure(record(20.0, track(54.3, 0.0, 10.0), num_instants=1))
    }
    unsafe, safe = 15 + 400 / 12 - 100 / 14, 15 + 400 / 8 - 100 / 14 + 2
    assert found["fsm_max_pfs"] == pytest.approx((safe - 48) / (safe - unsafe))
    assert found["rss_dangerous"] == 1.0  # 50 m are less than 20 + 1.5 + 66.1 - 6.25 m
    assert found["avoidable_by_careful_driver"] == 1.0


@pytest.mark.parametrize("measure", MEASURES)
def test_nobody_and_nothing_known(measure):
    assert {value.validity for value in measure(record(10.0))} == {Validity.NOT_APPLICABLE}
    assert {value.validity for value in measure(unknown_drive())} == {Validity.UNKNOWN}


def test_a_danger_in_sight_before_the_drive_is_seen_coming():
    """A lead 10 m ahead began to brake by 4.5 m/s² half a second before the policy took over."""
    speeds = np.concatenate([[7.3, 7.3], braking(7.3, 4.5, 60)])
    before = record(7.3, track(14.3, 0.0, speeds), num_instants=62)
    gap = float(before.tracks[0, 7, 0] - before.ego[7, 0])
    drive = record(7.3, track(gap, 0.0, speeds[7:]), num_instants=55)
    assert measure_r157(drive)[0].value == 0.0
    known = measure_r157(replace(drive, approach=before))[0]
    assert known.value == 1.0
    assert "from 0.7 s before it" in known.provenance


def test_who_has_begun_to_cut_in_counts():
    whole = cut_in(30.0)
    begun = {"ego": whole.ego[20:], "tracks": whole.tracks[:, 20:], "progress": whole.progress[20:]}
    drive = replace(record(10.0, track(0.0, 0.0, 0.0), num_instants=41), **begun)
    assert cut_ins_must_be_avoided(drive).validity is Validity.NOT_APPLICABLE
    assert cut_ins_must_be_avoided(replace(drive, approach=whole)).value == 1.0
    lost = with_lane(whole, half_width=np.where(np.arange(61) < 20, np.nan, 1.75))
    assert cut_ins_must_be_avoided(replace(drive, approach=lost)).validity is Validity.UNKNOWN
