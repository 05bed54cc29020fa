"""Drivers of others as policies: what they are told, how they are followed, and all that they may do wrong."""

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface")
from alpasim_drivers import NOT_A_NUMBER, Answers, Hangs, Straight, straight_plan
from carla_driver_interface.geometry import Pose, Trajectory
from carla_driver_interface.policies import load_policy
from carla_driver_interface.server import serving
from small_worlds import SMALL

from envs.registration import make_road_env
from policies.alpasim.rig import rig_poses
from policies.drive import drive
from policies.policy_error import PolicyError
from policies.registry import make_policy
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.scene import LaneColumn
from worldsim.datatypes.vehicle import VehicleModel

MODEL = VehicleModel()


@pytest.fixture(scope="module")
def env():
    env = make_road_env(world_config=SMALL, obs="state")
    yield env
    env.close()


def drive_by(env, driver, num_steps, options="camera=none", seed=1, mode="carla"):
    with serving(driver, port=0, host="127.0.0.1", mode=mode) as port:
        return drive(env, make_policy(f"alpasim:127.0.0.1:{port},{options}"), seed, max_steps=num_steps)


def test_a_driver_is_told_motion_route_and_what_is_around(env):
    driver = Straight()
    rollout = drive_by(env, driver, 3)
    session, clip = driver.session, rollout.clip
    told = np.array([[*p.position[:2], p.yaw] for p in session.ego_trajectory.poses])
    truth = rig_poses(np.concatenate([clip.vehicles, rollout.vehicles[1:3]]), MODEL)
    np.testing.assert_allclose(told[:, :2], truth[:, :2], atol=1e-4)  # float32
    np.testing.assert_allclose(np.cos(told[:, 2] - truth[:, 2]), 1.0, atol=1e-6)
    assert set(np.diff(session.ego_trajectory.timestamps_us)) == {100_000}
    assert session.seed == 1

    # the route begins beside the rear axle, and goes where the scene's does, seen from there
    scene, route = rollout.scenes[2], session.route_waypoints_in_rig
    assert abs(route[0, 0]) < 0.1
    in_centre = route[:, :2] - [MODEL.wheelbase / 2, 0.0]
    for point in scene.route[scene.route_valid]:
        assert np.hypot(*(in_centre - point).T).min() < 1.3  # no farther than half way to the next of 2.5 m
    assert driver.truth.speed_limit_mps == pytest.approx(float(scene.speed_limit))
    assert len(driver.truth.actors) == scene.object_valid.sum()
    assert driver.closed == [session.uuid]


def test_a_picture_comes_with_the_camera_that_made_it():
    driver = Straight()
    env = make_road_env(world_config=SMALL, frame_size=(48, 64))
    rollout = drive_by(env, driver, 2, options="camera=front")
    env.close()
    frames = driver.session.frame_history["front"]
    np.testing.assert_array_equal(frames[-1].as_array(), rollout.frames[1])
    np.testing.assert_array_equal(frames[-3].as_array(), rollout.clip.frames[-2])
    assert [frame.timestamp_us for frame in frames] == driver.session.ego_trajectory.timestamps_us

    # a point on the ground is where it appears in ours
    camera, lens = driver.session.cameras["front"], driver.session.cameras["front"].intrinsics.opencv_pinhole_param
    at_rig = np.array([[12.0, 2.0, 0.0]])
    x, y, z = Pose.from_proto(camera.rig_to_camera).inverse().transform_points(at_rig)[0]
    pixel = [lens.focal_length_x * x / z + lens.principal_point_x, lens.focal_length_y * y / z + lens.principal_point_y]
    ours, _ = CameraGeometry().with_frame_size((48, 64)).project(at_rig - [MODEL.wheelbase / 2, 0.0, 0.0])
    np.testing.assert_allclose(pixel, ours[0], atol=1e-3)


def test_the_packages_route_follower_keeps_its_lane(env):
    rollout = drive_by(env, load_policy("route_follower"), 60)
    assert rollout.collision.max() == 0.0
    known = rollout.scenes.lane_valid[:, LaneColumn.LATERAL_OFFSET]
    assert np.abs(rollout.scenes.lateral_offset[known]).mean() < 0.15
    assert rollout.progress.sum() > 20.0


def test_speed_and_course_are_those_of_the_plan(env):
    rollout = drive_by(env, Straight(), 40)
    assert rollout.vehicles[-1, 3] == pytest.approx(5.0, abs=0.2)


def test_a_driver_that_stops_answering_is_named_with_what_was_asked_and_how_long(env):
    words = r"step 2: the policy had no answer from its driver at .*: `drive` was asked, and not answered in 0\.3 s"
    with pytest.raises(PolicyError, match=words) as e:
        drive_by(env, Hangs(1.0), 5, options="camera=none,deadline=0.3")
    assert e.value.rollout is not None
    assert e.value.rollout.num_steps == 2


def test_a_driver_that_is_gone_is_named(env):
    with serving(Straight(), port=0, host="127.0.0.1") as port:
        policy = make_policy(f"alpasim:127.0.0.1:{port},camera=none,deadline=2")
    with pytest.raises(PolicyError, match=rf"step 0: the policy lost its driver at 127.0.0.1:{port}: `get_version`"):
        drive(env, policy, 1, max_steps=2)


def test_an_error_of_a_driver_is_told_in_its_words(env):
    class Refuses(Straight):
        def on_session_start(self, session):
            raise ValueError("needs three cameras")

    with pytest.raises(PolicyError, match=r"`start_session` was asked: FAILED_PRECONDITION: straight: needs three"):
        drive_by(env, Refuses(), 2)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t: Trajectory([t + 100_000], [NOT_A_NUMBER]), r"step 0: .* it has the position \[.*nan"),
        (lambda t: Trajectory([t + 2, t + 1], [Pose.identity()] * 2), r"it goes from .* times must rise"),
    ],
)
def test_a_malformed_plan_is_named(env, answer, words):
    with pytest.raises(PolicyError, match=words):
        drive_by(env, Answers(answer), 2)


def test_empty_plans_are_borne_for_a_while(env):
    def late(seconds):
        until = (100 + seconds) * 1_000_000
        return Answers(lambda time: Trajectory.empty() if time < until else straight_plan(time))

    rollout = drive_by(env, late(1.0), 40)
    assert rollout.vehicles[10, 3] < 0.1  # it stands, for it has no plan to follow
    assert rollout.vehicles[-1, 3] == pytest.approx(5.0, abs=0.4)
    with pytest.raises(PolicyError, match=r"step 30: the policy had nothing but empty plans .* for 3 s"):
        drive_by(env, late(9.0), 40)


def test_a_driver_that_ends_the_session_gave_up(env):
    class GivesUp(Straight):
        def drive(self, ctx):
            result = super().drive(ctx)
            result.terminate_session = ctx.session.drive_count == 1
            return result

    with pytest.raises(PolicyError, match=r"step 1: the policy gave up: its driver at .* ended the session"):
        drive_by(env, GivesUp(), 5)


def test_pickles_of_a_driver_are_never_read(env, monkeypatch):
    monkeypatch.setattr("pickle.loads", lambda *_: pytest.fail("a pickle was read"))
    monkeypatch.setattr("pickle.load", lambda *_: pytest.fail("a pickle was read"))
    assert drive_by(env, Straight(), 3, mode="alpasim").num_steps == 3


def test_each_drive_is_a_session_of_its_own(env):
    driver = Straight()
    with serving(driver, port=0, host="127.0.0.1") as port:
        policy = make_policy(f"alpasim:127.0.0.1:{port},camera=none")
        for _ in range(2):
            drive(env, policy, 1, max_steps=2)
        assert len(driver.sessions) == 2
        assert len(driver.closed) == 1


def test_a_driver_that_sees_needs_pictures(env):
    with pytest.raises(PolicyError, match=r"sees pictures, of which there are none: give camera=none"):
        drive_by(env, Straight(), 2, options="deadline=5")
