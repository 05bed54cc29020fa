"""Where the lane follower would go: on roads, behind cars and before lights whose answer is known."""

import numpy as np
from known_drives import rows_of

from policies.rule_based import LaneFollower
from training.batches.expert_plans import plan_expert
from training.data.rollouts import Rows
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ROUTE_DISTANCES, LaneColumn, ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleColumn

TIMES = (0.5, 1.0, 1.5, 2.0)
LIMIT = 10.0


def drive_straight(speed: float, num: int = 30, lateral: float = 0.0) -> Rows:
    """Rows [num] of a car that drives along the ground's x axis, `lateral` left of a route on it."""
    vehicles = np.zeros((num, len(VehicleColumn)))
    vehicles[:, VehicleColumn.X] = 0.1 * speed * np.arange(num)
    vehicles[:, VehicleColumn.Y], vehicles[:, VehicleColumn.SPEED] = lateral, speed
    scenes = SceneState.empty((num,))
    scenes.ego[:, 0], scenes.ego_valid[:] = speed, True
    scenes.lane[:], scenes.lane_valid[:] = (lateral, 0.0, 1.75, LIMIT), True
    scenes.route[..., 0], scenes.route[..., 1], scenes.route_valid[:] = ROUTE_DISTANCES, -lateral, True
    scenes.signal_valid[:] = True
    rows = rows_of(vehicles, scenes, np.zeros(4, np.float32))
    rows.progress[1:] = 0.1 * speed
    return rows


def plan(rows: Rows, scenes: SceneState | None = None) -> np.ndarray:
    """Of the first moment, [4, 2]."""
    first = np.array([0])
    scenes = rows.scenes[first] if scenes is None else scenes
    return plan_expert(rows, scenes, first, TIMES, 0.1, LaneFollower())[0]


def test_on_a_free_road_it_keeps_the_limit() -> None:
    plans = plan(drive_straight(LIMIT))
    np.testing.assert_allclose(plans[:, 0], LIMIT * np.array(TIMES), atol=0.15)
    np.testing.assert_allclose(plans[:, 1], 0.0, atol=1e-6)


def test_a_standing_driver_does_not_keep_it_from_setting_off() -> None:
    plans = plan(drive_straight(0.0))
    assert 2.0 < plans[-1, 0] < 4.0  # 1.8 m/s² for two seconds, after a lag


def test_off_the_lane_it_comes_back() -> None:
    plans = plan(drive_straight(8.0, lateral=1.0))
    assert (np.diff(plans[:, 1]) < 0).all()
    assert -1.1 < plans[-1, 1] < -0.5


def test_along_a_bend_it_stays_on_the_route() -> None:
    rows, radius = drive_straight(6.0), 25.0
    angle = np.array(ROUTE_DISTANCES) / radius
    rows.scenes.route[0] = radius * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=-1)
    rows.vehicles[0, VehicleColumn.STEER_ANGLE] = np.arctan(2.84 / radius)
    plans = plan(rows)
    np.testing.assert_allclose(np.hypot(plans[:, 0], plans[:, 1] - radius), radius, atol=0.2)
    assert plans[-1, 1] > 1.5


def test_it_brakes_for_a_lead_where_that_was_recorded_to_go() -> None:
    parked = drive_straight(8.0)
    parked.scenes.lead[:, 0], parked.scenes.lead_valid[:] = 15.0 - 0.8 * np.arange(30), True
    leaving = drive_straight(8.0)
    leaving.scenes.lead[:], leaving.scenes.lead_valid[:] = (15.0, 8.0), True
    assert plan(parked)[-1, 0] < 12.0 < plan(leaving)[-1, 0]
    # the same lead seen by a recorded car that stands still
    standing = drive_straight(0.0)
    standing.vehicles[0, VehicleColumn.SPEED] = 8.0
    standing.scenes.lead[:, 0], standing.scenes.lead_valid[:] = 15.0, True
    np.testing.assert_allclose(plan(standing), plan(parked), atol=1e-5)


def test_a_light_that_turns_green_is_not_stopped_at() -> None:
    def light(kinds: np.ndarray) -> Rows:
        rows = drive_straight(8.0)
        rows.scenes.signal[:], rows.scenes.signal_distance[:] = kinds, 16.0 - 0.8 * np.arange(30)
        return rows

    red, green = np.full(30, SignalKind.RED), np.full(30, SignalKind.GREEN)
    turning = np.where(np.arange(30) < 5, red, green)
    ends = [plan(light(kinds))[-1, 0] for kinds in (red, turning, green)]
    assert ends[0] + 1.0 < ends[1] < ends[2] - 0.3

    # who passed the line does not take the light away, and who knows of none does not stop
    passed = light(red)
    passed.scenes.signal[10:], passed.scenes.signal_distance[10:] = SignalKind.NONE, 0.0
    np.testing.assert_allclose(plan(passed)[-1, 0], ends[0], atol=1e-6)
    unknown = light(red).scenes[np.array([0])].copy()
    unknown.signal_valid[:] = False
    assert plan(light(red), unknown)[-1, 0] > 15.0


def test_pedestrians_are_where_they_were_recorded_on_the_ground() -> None:
    rows = drive_straight(8.0)
    ground = np.array([14.0, 0.5])
    rows.scenes.object_kinds[:, 0] = ObjectKind.PEDESTRIAN
    rows.scenes.objects[:, 0, :2] = rotate(ground - rows.vehicles[:, :2], -rows.vehicles[:, 2])
    rows.scenes.objects[:, 0, 4:] = 0.5
    assert plan(rows)[-1, 0] < 12.0
    rows.scenes.objects[:, 0, 1] = 8.0
    assert plan(rows)[-1, 0] > 15.0


def test_it_brakes_for_a_pedestrian_who_was_not_there() -> None:
    rows, first = drive_straight(8.0), np.array([0])
    crossing = np.array([[14.0, -2.0, np.pi / 2, 1.4, 0.5, 0.6]], np.float32)
    nobody = np.full_like(crossing, np.nan)
    ends = [
        plan_expert(rows, rows.scenes[first], first, TIMES, 0.1, LaneFollower(), walker)[0, -1, 0]
        for walker in (crossing, nobody)
    ]
    assert ends[0] < 12.0 < 15.0 < ends[1]
    assert rows.scenes.object_kinds[0, -1] == ObjectKind.EMPTY


def test_an_unknown_limit_is_the_lane_followers_own() -> None:
    rows = drive_straight(LIMIT)
    hidden = rows.scenes[np.array([0])].copy()
    hidden.lane_valid[:, LaneColumn.SPEED_LIMIT] = False
    assert plan(rows, hidden)[-1, 0] < plan(rows)[-1, 0] - 0.5
