"""Plans: what they are followed by, and what is wrong with those that cannot be."""

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface")
from alpasim_drivers import NOT_A_NUMBER
from carla_driver_interface.geometry import Pose, Trajectory
from carla_driver_interface.protocol import PoseAtTime
from carla_driver_interface.protocol import Trajectory as TrajectoryMessage

from policies.alpasim.plan import Plan
from policies.alpasim.rig import centre_poses, ground_poses, rear_axle, relative_poses, rig_poses
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()
RNG = np.random.default_rng(0)


def straight(*ticks: int) -> TrajectoryMessage:
    return Trajectory(list(ticks), [Pose.from_xyz_yaw(k, 0.0, 0.0, 0.0) for k in range(len(ticks))]).to_proto()


def test_the_rig_stands_below_the_rear_axle_and_back():
    vehicle = np.array([10.0, 5.0, np.pi / 2, 3.0, 0.0, 0.0])
    np.testing.assert_allclose(rig_poses(vehicle, MODEL), [10.0, 5.0 - 1.42, np.pi / 2])
    vehicles = RNG.normal(size=(20, 6))
    np.testing.assert_allclose(centre_poses(rig_poses(vehicles, MODEL), MODEL), vehicles[:, :3], atol=1e-12)
    poses, origin = RNG.normal(size=(20, 3)), np.array([3.0, -4.0, 2.0])
    np.testing.assert_allclose(relative_poses(ground_poses(poses, origin), origin), poses, atol=1e-12)


def test_waypoints_are_of_the_centre_and_go_on_beyond_the_end():
    # the rig turns left around (0, 10) at 1 rad/s: so does the centre, a little farther out
    angles = np.linspace(0.0, 1.0, 11)
    rigs = [Pose.from_xyz_yaw(10 * np.sin(a), 10 - 10 * np.cos(a), 0.0, a) for a in angles]
    plan = Plan.read(Trajectory([round(1e6 * a) for a in angles], rigs).to_proto(), MODEL)
    assert plan is not None
    vehicle = np.array([*centre_poses(np.zeros(3), MODEL), 10.0, 0.0, 0.0])
    ahead = plan.waypoints(vehicle, np.array([0.0, 0.5, 1.0, 1.1]))
    radius = np.hypot(ahead[:3, 0] + rear_axle(MODEL), ahead[:3, 1] - 10)
    np.testing.assert_allclose(ahead[0], 0.0, atol=1e-6)
    np.testing.assert_allclose(radius, np.hypot(10, rear_axle(MODEL)), atol=1e-5)
    last = np.array(
        [rear_axle(MODEL) * np.cos(1.0) + 10 * np.sin(1.0), rear_axle(MODEL) * np.sin(1.0) - 10 * np.cos(1.0)]
    )
    np.testing.assert_allclose(ahead[2] + [rear_axle(MODEL), -10.0], last, atol=1e-5)
    np.testing.assert_allclose(np.hypot(*(ahead[3] - ahead[2])), 0.1 * np.hypot(10, rear_axle(MODEL)), rtol=1e-3)


def test_an_empty_plan_is_none():
    assert Plan.read(TrajectoryMessage(), MODEL) is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (straight(1_000, 3_000, 2_000), "goes from 3000 µs to 2000 µs at pose 2: times must rise"),
        (straight(1_000, 1_000), "from 1000 µs to 1000 µs at pose 1"),
        (TrajectoryMessage(poses=[PoseAtTime(timestamp_us=5)]), "has no rotation in pose 0"),
        (
            TrajectoryMessage(poses=[straight(1).poses[0], PoseAtTime(timestamp_us=2, pose=NOT_A_NUMBER.to_proto())]),
            r"has the position \[1.0, nan, 0.0\] .* in pose 1",
        ),
    ],
)
def test_what_cannot_be_followed_is_named(message, words):
    with pytest.raises(ValueError, match=words):
        Plan.read(message, MODEL)


def test_a_plan_is_for_where_and_when_the_car_is():
    plan = Plan.read(straight(1_000_000, 2_000_000), MODEL)
    assert plan is not None
    plan.check_covers(1.5, np.zeros(2))
    assert plan.goes_beyond(1.5)
    plan.check_covers(2.0, np.zeros(2))  # the pose of now alone, which is nothing to follow
    assert not plan.goes_beyond(2.0)
    with pytest.raises(ValueError, match=r"ends at 2\.000 s, and it is 2\.100 s"):
        plan.check_covers(2.1, np.zeros(2))
    with pytest.raises(ValueError, match="begins 99 m from the car: its poses must be in the local frame"):
        plan.check_covers(1.5, np.array([100.0, 0.0]))
