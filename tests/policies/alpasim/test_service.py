"""Our policies as drivers: what they make of what they are told, and that they drive there as they drive here."""

import numpy as np
import pytest

pytest.importorskip("carla_driver_interface")
from carla_driver_interface.server import serving
from carla_driver_interface.testing import FakeCamera, FakeLoop
from shipped_world import shipped
from small_worlds import SMALL

from envs.registration import make_learned_env, make_road_env
from policies.alpasim.serve import ServeDriverConfig, serve_driver
from policies.alpasim.service import DriverService
from policies.drive import drive
from policies.registry import make_policy
from worldsim.datatypes.scene import SceneState


class Remembers:
    """The lane follower, which remembers what it is shown and is no memoryless one."""

    def __init__(self):
        self.scenes, self.follower = [], make_policy("lane_follower")

    def reset(self, env, seed):
        self.clip, self.dt = env.start_clip(pictures=False), env.world.dt

    def act(self, frame, info):
        self.scenes.append(SceneState.from_vector(info["scene"]))
        return self.follower.act(frame, info)


@pytest.fixture(scope="module")
def road():
    env = make_road_env(world_config=SMALL, obs="state")
    yield env
    env.close()


def drive_over_the_wire(env, make, seed, num_steps):
    with serving(DriverService("ours", make), port=0, host="127.0.0.1") as port:
        return drive(env, make_policy(f"alpasim:127.0.0.1:{port},camera=none"), seed, max_steps=num_steps)


def test_a_scene_survives_the_wire(road):
    made = []
    rollout = drive_over_the_wire(road, lambda: made.append(Remembers()) or made[-1], 1, 20)
    policy = made[-1]
    assert len(policy.scenes) == 20  # what it looked ahead to is forgotten
    assert policy.dt == pytest.approx(0.1)
    assert policy.clip.route.shape[0] > 20
    for told, true in zip(policy.scenes, (rollout.scenes[k] for k in range(20)), strict=True):
        np.testing.assert_allclose(told.ego, true.ego, atol=0.05)
        np.testing.assert_allclose(told.lane[:2], true.lane[:2], atol=0.06)
        both = told.route_valid & true.route_valid
        assert both.sum() >= true.route_valid.sum() - 1
        np.testing.assert_allclose(told.route[both], true.route[both], atol=0.15)
        np.testing.assert_allclose(told.objects, true.objects, atol=1e-3)
        np.testing.assert_array_equal(told.object_kinds, true.object_kinds)
        if true.lead_valid and true.lead[0] < 40:
            np.testing.assert_allclose(told.lead, true.lead, atol=0.3)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_lane_follower_drives_over_the_wire_as_it_does_here(road, seed):
    there = drive_over_the_wire(road, lambda: make_policy("lane_follower"), seed, 40)
    here = drive(road, make_policy("lane_follower"), seed, max_steps=40)
    check_near(there, here)


@shipped
def test_so_it_does_in_the_learned_world():
    env = make_learned_env(obs="state")
    there = drive_over_the_wire(env, lambda: make_policy("lane_follower"), 1, 25)
    here = drive(env, make_policy("lane_follower"), 1, max_steps=25)
    check_near(there, here)


def check_near(there, here):
    """Within a metre along the road and a few decimetres across."""
    assert there.num_steps == here.num_steps
    apart = np.hypot(*(there.vehicles[:, :2] - here.vehicles[:, :2]).T)
    assert apart.max() < 1.5
    assert np.abs(there.scenes.lateral_offset - here.scenes.lateral_offset).max() < 0.3


@pytest.mark.parametrize("name", ["plant", "pdm_closed", "pid_follower"])
def test_policies_with_a_memory_plan_too(name):
    service = DriverService(name, lambda: make_policy(name))
    with (
        serving(service, port=0, host="127.0.0.1", mode="alpasim") as port,
        FakeLoop(f"127.0.0.1:{port}", initial_speed_mps=4.0, initial_lateral_offset_m=0.5) as loop,
    ):
        result = loop.run(6)
    assert result.steps == 6
    assert result.ego.positions[-1, 0] > 1.0
    assert np.abs(result.lateral_offsets_m).max() < 0.6


def test_a_policy_that_looks_at_pictures_takes_the_sessions_camera():
    service = DriverService("pixels", lambda: make_policy("pixels"), pictures=True)
    with serving(service, port=0, host="127.0.0.1", mode="alpasim") as port:
        square = FakeCamera(width=128, height=128, fov_deg=80.0)
        with FakeLoop(f"127.0.0.1:{port}", [square], initial_speed_mps=4.0) as loop:
            assert loop.run(3).steps == 3
        with (
            FakeLoop(f"127.0.0.1:{port}", [square, FakeCamera(logical_id="left")]) as loop,
            pytest.raises(Exception, match=r"pixels drives by pictures and needs one camera.*'camera_front', 'left'"),
        ):
            loop.run(1)


def test_what_cannot_be_served_is_named():
    with pytest.raises(ValueError, match="planner plans with a world model"):
        ServeDriverConfig(policy="planner")
    with pytest.raises(ValueError, match="no policy is named 'nobody'"):
        serve_driver(ServeDriverConfig(policy="nobody", port=0))
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:0"):
        serve_driver(ServeDriverConfig(host="192.0.2.1", port=0))
