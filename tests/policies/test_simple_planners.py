"""Constant velocity, stop, the PID for the speed, replay, and what decisions cost."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from driving_scenes import MODEL, scene_on_circle

from policies.constant_velocity import ConstantVelocity
from policies.effort import Effort, TimedPolicy
from policies.pid_follower import PIDFollower
from policies.policy import ConstantPolicy
from policies.replay import Replay
from policies.rule_based import LaneFollower
from policies.speed_pid import PIDConfig, SpeedPID
from policies.stop import Stop
from worldsim.datatypes.scene import control_from_action

FRAME = np.zeros((0, 0, 3), np.uint8)
ENV = SimpleNamespace(world=SimpleNamespace(dt=0.1))


def drive(policy, *, speed, seconds=10.0, car=MODEL, curvature=0.0, limit=12.0):
    """Speeds and actions of a car on a lane of constant curvature that always sees itself in the lane's middle."""
    policy.reset(ENV, 0)
    state, speeds, actions = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0]), [], []
    for _ in range(int(10 * seconds)):
        scene = scene_on_circle(curvature, speed=state[3], limit=limit)
        actions.append(policy.act(FRAME, {"scene": scene.to_vector()}))
        state = car.step(state, control_from_action(actions[-1]), 0.1)
        speeds.append(state[3])
    return np.array(speeds), np.array(actions)


@pytest.mark.parametrize("speed", [0.0, 6.0, 13.0])
@pytest.mark.parametrize("drag", [1.0, 1.5])
def test_constant_velocity_holds_speed_and_heading_whatever_the_road_and_the_car(speed, drag):
    car = replace(MODEL, rolling_drag=drag * MODEL.rolling_drag)
    speeds, actions = drive(ConstantVelocity(), speed=speed, car=car, curvature=0.05)
    assert speeds[-30:] == pytest.approx(speed, abs=0.05)
    assert np.abs(speeds - speed).max() < (0.05 if drag == 1 else 0.8)
    assert not actions[:, 0].any()


def test_stop_brakes_evenly_to_a_standstill_and_stays():
    speeds, actions = drive(Stop(), speed=9.0, curvature=0.05)
    deceleration = -np.diff(speeds[:20]) / 0.1
    assert deceleration[5:] == pytest.approx(3.0, abs=0.1)
    assert not speeds[40:].any()
    assert (actions[:20, 0] > 0).all()  # it stays in its lane
    with pytest.raises(ValueError, match="braking must be positive, got 0"):
        Stop(0)


def test_the_pid_makes_up_for_a_car_that_is_not_the_vehicle_model():
    heavy = replace(MODEL, rolling_drag=1.6 * MODEL.rolling_drag, max_acceleration=0.8 * MODEL.max_acceleration)
    without, _ = drive(LaneFollower(), speed=8.0, car=heavy, seconds=25.0)
    corrected, _ = drive(PIDFollower(), speed=8.0, car=heavy, seconds=25.0)
    assert without[-1] < 9.0
    assert corrected[-1] == pytest.approx(12.0, abs=0.3)
    own, _ = drive(PIDFollower(), speed=8.0, seconds=25.0)
    same, _ = drive(LaneFollower(), speed=8.0, seconds=25.0)
    assert np.abs(own - same).max() < 0.35  # where the car is the model, there is nothing to make up for
    with pytest.raises(ValueError, match="integral must not be negative, got -1"):
        PIDConfig(integral=-1)


def test_the_pid_is_the_same_at_any_time_step():
    def pedal_after_a_second(dt: float) -> float:
        pid = SpeedPID(MODEL)
        pid.pedal(0.0, 9.0, dt)
        return [pid.pedal(0.0, 8.0, dt) for _ in range(round(1 / dt))][-1]

    assert pedal_after_a_second(0.05) == pytest.approx(pedal_after_a_second(0.1), rel=0.01)


def test_replay_repeats_the_actions_and_then_stops():
    actions = np.array([[0.1, 0.5], [-0.2, 0.3]])
    _, driven = drive(Replay(actions), speed=5.0, seconds=4.0)
    np.testing.assert_allclose(driven[:2], actions, rtol=1e-6)
    np.testing.assert_allclose(driven[2:], np.tile(drive(Stop(), speed=5.0, seconds=0.1)[1], (38, 1)), atol=0.3)
    assert drive(Replay(actions), speed=5.0, seconds=4.0)[0][-1] == 0.0


def test_replay_reads_a_drive_and_an_episode(tmp_path):
    np.savez(tmp_path / "drive.npz", actions=np.array([[0.1, 0.5]], np.float32), dt=0.1)
    np.testing.assert_allclose(Replay.load(tmp_path / "drive.npz").actions, [[0.1, 0.5]])
    controls = np.array([[0.1, 0.0, 0.4, 0.0], [0.0, 0.7, 0.0, 0.0]], np.float32)
    np.savez(tmp_path / "controls.npz", controls=controls)
    np.testing.assert_allclose(Replay.load(tmp_path / "controls.npz").actions, [[0.1, -0.4], [0.0, 0.7]])

    columns = {"action": controls.tolist(), "timestamp": [0.0, 0.1], "episode_index": [3, 3]}
    pq.write_table(pa.table(columns), tmp_path / "file-003.parquet")
    episode = Replay.load(tmp_path / "file-003.parquet")
    np.testing.assert_allclose(episode.actions, [[0.1, -0.4], [0.0, 0.7]], rtol=1e-6)
    with pytest.raises(ValueError, match=r"time step is 0.05 s, that of the replayed actions 0.1"):
        episode.reset(SimpleNamespace(world=SimpleNamespace(dt=0.05)), 0)  # pyright: ignore[reportArgumentType]


def test_what_cannot_be_replayed_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", speeds=np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npz holds neither `actions` nor `controls` but speeds"):
        Replay.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"drive.csv cannot be replayed; give drive.npz of a failure"):
        Replay.load(tmp_path / "drive.csv")
    with pytest.raises(ValueError, match=r"step 1 has \[0.0, nan\]"):
        Replay(np.array([[0.0, 0.0], [0.0, np.nan]]))
    np.savez(tmp_path / "back.npz", controls=np.array([[0, 0.5, 0, 0], [0, 0.5, 0, 1.0]]))
    with pytest.raises(ValueError, match=r"back.npz reverses in step 1"):
        Replay.load(tmp_path / "back.npz")
    pq.write_table(pa.table({"speed": [1.0]}), tmp_path / "table.parquet")
    with pytest.raises(ValueError, match=r"table.parquet has no columns action"):
        Replay.load(tmp_path / "table.parquet")


def test_decisions_are_timed_and_model_steps_counted_from_reset_to_reset():
    class Searching(ConstantPolicy):
        def __init__(self):
            super().__init__()
            self.effort = Effort()

        def act(self, frame, info):
            self.effort.model_steps += 30
            return super().act(frame, info)

    timed = TimedPolicy(Searching())
    for num, num_counted in ((3, 2), (2, 2)):  # the first decision of all warms up
        timed.reset(ENV, 0)  # pyright: ignore[reportArgumentType]
        for _ in range(num):
            timed.act(FRAME, {})
        assert (len(timed.wall_seconds), len(timed.cpu_seconds)) == (num_counted, num_counted)
        assert timed.model_steps == 30 * num_counted
    plain = TimedPolicy(ConstantPolicy())
    plain.reset(ENV, 0)  # pyright: ignore[reportArgumentType]
    for _ in range(2):
        plain.act(FRAME, {})
    assert plain.model_steps == 0
    assert plain.cpu_seconds[0] >= 0
    assert plain.wall_seconds[0] > 0
