"""Recording: alignment of controls and frames, determinism, resuming, ends of episodes; behaviours on known scenes."""

import math
import os

import numpy as np
import pytest
from faults import files_of_at_most, on_linux

from envs.folder_lock import FolderInUseError
from envs.world import WorldLostError, WorldStep
from training.data.rollouts import RolloutDataset
from training.recording.behaviours import BEHAVIOURS, BehaviourMixture, RandomDriver
from training.recording.record import RecordConfig, record, record_episode
from worldsim.datatypes.layout import AreaKind, Layout
from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState
from worldsim.datatypes.vehicle import VehicleModel

STRAIGHT_ROAD = Layout(
    area_points=np.array([[-50, -4, 0], [500, -4, 0], [500, 4, 0], [-50, 4, 0]], np.float64),
    area_starts=np.array([0, 4]),
    area_kinds=np.array([int(AreaKind.DRIVABLE)]),
    boxes_known=False,
)


class StraightWorld:
    """An endless straight road along x, a standing car at x = 60 and walls far out; frames show the last control."""

    dt = 0.1

    def __init__(self, frame_size):
        self.frame_size = frame_size
        self.resets = []

    def reset(self, seed, options):
        self.resets.append((seed, dict(options)))
        self.vehicle = np.array([0, np.random.default_rng(seed).normal(0, 0.3), 0, 6.0, 0, 0])
        return self._answer(np.zeros(4), 0.0)

    def step(self, control):
        x = self.vehicle[0]
        self.vehicle = VehicleModel().step(self.vehicle, control, self.dt)
        return self._answer(control, self.vehicle[0] - x)

    def frame(self):
        control, frame = self.control, np.empty((*self.frame_size, 3), np.uint8)
        frame[:] = np.clip([128 + 100 * control[0], 20 + 200 * control[1], 20 + 200 * control[2]], 0, 255)
        return frame

    def layout(self):
        return STRAIGHT_ROAD

    def close(self):
        pass

    def _answer(self, control, progress):
        x, y = self.vehicle[:2]
        self.control = control
        return WorldStep(
            scene=straight_scene(self.vehicle, gap=60 - x - 4.6),
            vehicle=self.vehicle,
            collision=float(abs(x - 60) < 4.6 and abs(y) < 1.9),
            off_road=float(abs(y) > 4),
            wrong_way=False,
            progress=progress,
            info={},
        )


def straight_scene(vehicle, gap=None, lead_speed=0.0):
    """What is true on the straight road."""
    scene = SceneState.empty()
    _, y, yaw, speed, _, steer_angle = vehicle
    scene.ego[:] = speed, 0, 0, steer_angle
    scene.lane[:] = y, yaw, 1.75, 10.0
    ahead = np.stack([np.array(ROUTE_DISTANCES), np.full(len(ROUTE_DISTANCES), -y)], -1)
    c, s = np.cos(yaw), np.sin(yaw)
    scene.route[:] = ahead @ np.array([[c, -s], [s, c]])
    for mask in (scene.ego_valid, scene.lane_valid, scene.route_valid):
        mask[:] = True
    if gap is not None and gap > 0:
        scene.lead[:], scene.lead_valid[...] = (gap, lead_speed), True
    return scene


def make_straight_world(config):
    return StraightWorld(config.frame_size)


def config(tmp_path, **changes):
    settings = {"out": tmp_path / "data", "num_episodes": 4, "seconds_per_episode": 6.0, "frame_size": (32, 32)}
    return RecordConfig(**(settings | {"num_workers": 0, "episodes_per_town": 2, "num_towns": 3} | changes))


def drive(name, steps=60, seed=0, **start):
    """Vehicle states [steps+1, 6] of a behaviour on the straight road, with no car on it."""
    driver = RandomDriver(BehaviourMixture.only(name), 0.1, np.random.default_rng(seed))
    states = [np.array([start.get("x", 0.0), start.get("y", 0.0), 0, start.get("speed", 6.0), 0, 0])]
    for _ in range(steps):
        control, _ = driver.control(straight_scene(states[-1], start.get("gap")))
        states.append(VehicleModel().step(states[-1], control, 0.1))
    return np.stack(states)


def test_control_at_row_t_makes_frame_and_vehicle_at_row_t_plus_1(tmp_path):
    dataset = record(config(tmp_path), make_straight_world)
    for episode in (dataset[k] for k in range(len(dataset))):
        rows = episode.rows
        colour = episode.frames.mean((1, 2))
        steer, throttle, brake, _ = rows.controls.T
        np.testing.assert_allclose(colour[1:, 0], 128 + 100 * steer[:-1], atol=12)
        np.testing.assert_allclose(colour[1:, 1], 20 + 200 * throttle[:-1], atol=12)
        np.testing.assert_allclose(colour[1:, 2], 20 + 200 * brake[:-1], atol=12)
        stepped = VehicleModel().step(rows.vehicles[:-1], rows.controls[:-1], 0.1)
        np.testing.assert_allclose(stepped, rows.vehicles[1:], atol=1e-6)
        np.testing.assert_allclose(rows.scenes.speed, rows.vehicles[:, 3], atol=1e-5)
        np.testing.assert_allclose(rows.progress[1:], np.diff(rows.vehicles[:, 0]), atol=1e-5)


def test_an_episode_is_a_function_of_seed_and_index(tmp_path):
    settings = config(tmp_path)
    drive = record_episode(make_straight_world(settings), settings, 3)
    frames, rows, source = drive.frames, drive.rows, drive.source
    again, *_ = record_episode(make_straight_world(settings), config(tmp_path, num_episodes=99), 3)
    np.testing.assert_array_equal(frames, again)
    assert source.town == 1
    _, other, *_ = record_episode(make_straight_world(settings), settings, 2)
    assert not np.array_equal(rows.controls[:10], other.controls[:10])
    _, other, *_ = record_episode(make_straight_world(settings), config(tmp_path, seed=1), 3)
    assert not np.array_equal(rows.controls[:10], other.controls[:10])


def test_an_interrupted_recording_resumes_with_the_same_result(tmp_path):
    class FailingWorld(StraightWorld):
        def reset(self, seed, options):
            if options["town"] == 1:
                raise KeyboardInterrupt
            return super().reset(seed, options)

    def failing(settings):
        return FailingWorld(settings.frame_size)

    interrupted = config(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        record(interrupted, failing)
    assert RolloutDataset(interrupted.out).indices == [0, 1]
    stamp = next((interrupted.out / "videos").rglob("file-000.mp4")).stat().st_mtime_ns
    (interrupted.out / "data/chunk-000/.file-002.parquet.4000077.tmp").write_bytes(b"half")
    resumed = record(interrupted, make_straight_world)
    assert next((interrupted.out / "videos").rglob("file-000.mp4")).stat().st_mtime_ns == stamp
    assert not list(interrupted.out.rglob("*.tmp"))
    whole = record(config(tmp_path, out=tmp_path / "whole"), make_straight_world)
    assert resumed.checksums == whole.checksums
    for k in range(4):
        np.testing.assert_array_equal(resumed[k].rows.controls, whole[k].rows.controls)


def test_recordings_of_different_settings_do_not_mix(tmp_path):
    record(config(tmp_path, num_episodes=1), make_straight_world)
    with pytest.raises(ValueError, match="was recorded with seed=0, now 1"):
        record(config(tmp_path, num_episodes=2, seed=1), make_straight_world)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"first_town": -3}, "first_town must be at least 0, got -3"),
        ({"seconds_per_episode": math.inf}, "seconds_per_episode must be a finite number, got inf"),
        ({"seconds_off_road": math.nan}, "seconds_off_road must be a finite number, got nan"),
        ({"frame_size": (65, 64)}, r"frame_size must be even for H.264, got \(65, 64\)"),
    ],
)
def test_what_cannot_be_recorded_is_refused_at_once(tmp_path, wrong, named):
    with pytest.raises(ValueError, match=named):
        config(tmp_path, **wrong)


def test_a_start_that_recorded_nothing_stands_in_no_ones_way(tmp_path):
    class BreakingWorld(StraightWorld):
        def step(self, control):
            raise ArithmeticError("no step")

    with pytest.raises(RuntimeError, match="no step"):
        record(config(tmp_path, frame_size=(32, 64), seed=1), lambda _: BreakingWorld((32, 64)))
    dataset = record(config(tmp_path, num_episodes=1), make_straight_world)
    assert dataset.frame_size == (32, 32)


def test_an_episode_ends_soon_after_a_collision_or_off_the_road(tmp_path):
    ram = config(tmp_path, mixture=BehaviourMixture.only("ramming"), seconds_per_episode=20.0)
    _, rows, *_ = record_episode(make_straight_world(ram), ram, 0)
    first = int(np.argmax(rows.collision > 0.5))
    assert rows.collision[first] == 1
    assert len(rows) == first + 1 + 5
    leave = config(tmp_path, mixture=BehaviourMixture.only("leaving_road"), seconds_per_episode=20.0)
    ends = [record_episode(make_straight_world(leave), leave, k)[1] for k in range(8)]
    for rows in ends:
        if rows.off_road[-1] and not rows.collision.any():
            assert rows.off_road[-16:].all()
            assert not rows.off_road[-17]
    assert sum(rows.off_road[-1] for rows in ends) >= 2


def test_good_behaviours_stay_and_bad_ones_do_not():
    good = drive("lane_following", steps=100, y=1.0)
    assert np.abs(good[-30:, 1]).max() < 0.9
    assert 5.5 < good[-1, 3] < 12
    assert np.abs(drive("standing")[-1, 3]) < 0.05
    assert drive("braking", seed=1)[:, 3].min() < 3
    assert 1.4 < drive("wrong_lane", steps=100)[:, 1].max() < 4.2
    assert max(np.abs(drive("leaving_road", seed=k)[:, 1]).max() for k in range(4)) > 4
    assert np.abs(np.diff(np.sign(drive("weaving")[10:, 2]))).sum() >= 4


def test_tailgating_keeps_less_distance_than_lane_following():
    def closest(name):
        driver = RandomDriver(BehaviourMixture.only(name), 0.1, np.random.default_rng(0))
        state, lead = np.array([0, 0, 0, 6.0, 0, 0]), 25.0
        for _ in range(150):
            control, _ = driver.control(straight_scene(state, gap=lead - state[0] - 4.6, lead_speed=6.0))
            state, lead = VehicleModel().step(state, control, 0.1), lead + 0.6
        return lead - state[0] - 4.6

    assert 0.3 < closest("tailgating") < 5 < closest("lane_following")


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_behaviour_gives_valid_controls_even_when_nothing_is_known(name):
    driver = RandomDriver(BehaviourMixture.only(name), 0.1, np.random.default_rng(0))
    for _ in range(30):
        control, index = driver.control(SceneState.empty())
        assert control.dtype == np.float32
        assert list(BEHAVIOURS)[index] == name
        assert np.abs(control[0]) <= 1
        assert ((control[1:] >= 0) & (control[1:] <= 1)).all()


def test_the_mixture_says_who_drives():
    def drivers(mixture):
        driver, scene = RandomDriver(mixture, 0.1, np.random.default_rng(0)), SceneState.empty()
        return np.array([driver.control(scene)[1] for _ in range(1000)])

    mixture = BehaviourMixture(segment_seconds=(0.1, 0.1))  # another one in each step
    share = np.bincount(drivers(mixture), minlength=len(BEHAVIOURS)) / 1000
    np.testing.assert_allclose(share, mixture.weights / mixture.weights.sum(), atol=0.05)
    lengths = np.diff(np.flatnonzero(np.diff(drivers(BehaviourMixture()))))
    assert lengths.min() >= 20
    with pytest.raises(ValueError, match="ramming must be at least 0, got -1"):
        BehaviourMixture(ramming=-1)
    with pytest.raises(ValueError, match="no behaviour 'flying'"):
        BehaviourMixture.only("flying")


@pytest.mark.slow
def test_two_processes_record_the_embedded_world_as_one_does(tmp_path):
    settings = {
        "num_episodes": 2,
        "episodes_per_town": 1,
        "num_towns": 2,
        "seconds_per_episode": 2.5,
        "min_seconds": 0.5,
    }
    alone = record(RecordConfig(out=tmp_path / "alone", num_workers=0, frame_size=(64, 64), **settings))
    together = record(RecordConfig(out=tmp_path / "together", num_workers=2, frame_size=(64, 64), **settings))
    assert alone.checksums == together.checksums
    assert alone.towns.tolist() == [0, 1]
    for k in range(2):
        assert alone[k].rows.scenes == together[k].rows.scenes
        np.testing.assert_array_equal(alone[k].rows.vehicles, together[k].rows.vehicles)


class BreakingWorld(StraightWorld):
    """Breaks off in the middle of an episode, a number of times."""

    def __init__(self, frame_size, num_losses):
        super().__init__(frame_size)
        self.num_losses, self.num_steps = num_losses, 0

    def reset(self, seed, options):
        self.num_steps = 0
        return super().reset(seed, options)

    def step(self, control):
        self.num_steps += 1
        if self.num_steps == 8 and self.num_losses > 0:
            self.num_losses -= 1
            raise WorldLostError("the image of frame 8 did not come")
        return super().step(control)


def test_an_episode_in_which_the_world_breaks_off_is_driven_again_the_same(tmp_path):
    settings = config(tmp_path)
    drive = record_episode(BreakingWorld(settings.frame_size, 2), settings, 1)
    frames, rows, source = drive.frames, drive.rows, drive.source
    whole = record_episode(make_straight_world(settings), settings, 1)
    expected, expected_rows, expected_source = whole.frames, whole.rows, whole.source
    assert source == expected_source
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(rows.controls, expected_rows.controls)


def test_a_world_that_keeps_breaking_off_ends_the_recording_and_nothing_is_lost(tmp_path):
    settings = config(tmp_path, num_episodes=1)
    record(settings, make_straight_world)
    more = config(tmp_path, num_episodes=2)
    with pytest.raises(WorldLostError, match="frame 8 did not come"):
        record(more, lambda settings: BreakingWorld(settings.frame_size, 99))
    assert RolloutDataset(settings.out).indices == [0]


def test_recordings_of_two_worlds_do_not_mix(tmp_path):
    record(config(tmp_path, num_episodes=1), make_straight_world)
    with pytest.raises(ValueError, match="was recorded with world=road, now carla"):
        record(config(tmp_path, num_episodes=2, world="carla"), make_straight_world)
    assert RecordConfig(world="carla", carla_maps=("Town01", "Town02")).start_options(5) == {"map": "Town02"}
    with pytest.raises(ValueError, match="carla_maps are for world 'carla'"):
        RecordConfig(carla_maps=("Town01",))


def test_the_layout_of_the_world_is_recorded_once(tmp_path):
    dataset = record(config(tmp_path), make_straight_world)

    assert [dataset[k].static.read() == STRAIGHT_ROAD for k in range(len(dataset))] == [True] * 4
    assert len(list((tmp_path / "data/meta/layouts").glob("*.npz"))) == 1


def test_a_recording_goes_on_beside_a_layout_half_written(tmp_path):
    record(config(tmp_path, num_episodes=1), make_straight_world)
    (layout,) = (tmp_path / "data/meta/layouts").glob("*.npz")
    layout.rename(layout.with_name(f".{layout.name}.4000099.tmp"))  # as one that was stopped while it wrote leaves it

    dataset = record(config(tmp_path, num_episodes=2), make_straight_world)
    assert dataset[1].static.read() == STRAIGHT_ROAD
    assert not list((tmp_path / "data/meta/layouts").glob(".*"))


def test_extra_pictures_of_a_world_without_them_are_refused(tmp_path):
    with pytest.raises(RuntimeError, match="a StraightWorld shows no depth"):
        record(config(tmp_path, extra=("depth",)), make_straight_world)


def test_the_reference_world_is_recorded_with_layout_depth_and_classes(tmp_path):
    settings = config(
        tmp_path, num_episodes=2, num_towns=1, seconds_per_episode=2.5, min_seconds=0.5, extra=("depth", "semantic")
    )
    dataset = record(settings)
    episode = dataset[1]
    depth, classes = episode.sensor_frames("depth"), episode.sensor_frames("semantic")
    assert depth.shape == classes.shape == episode.frames.shape[:3]
    assert np.isinf(depth[classes == 0]).mean() > 0.9
    layout = episode.static.read()
    assert layout.boxes_known
    assert len(layout.boxes) > 50
    with pytest.raises(ValueError, match="recorded with extra="):
        record(config(tmp_path, num_episodes=2, num_towns=1, seconds_per_episode=2.5, min_seconds=0.5))


def test_a_second_recording_into_the_folder_is_refused_and_harms_nothing(tmp_path):
    refused = []

    class WatchedWorld(StraightWorld):
        def reset(self, seed, options):
            with pytest.raises(FolderInUseError, match=f"process {os.getpid()} .* is writing to this folder") as caught:
                record(config(tmp_path), make_straight_world)
            refused.append(caught.value)
            return super().reset(seed, options)

    recorded = record(config(tmp_path), lambda settings: WatchedWorld(settings.frame_size))
    assert refused
    assert recorded.checksums == record(config(tmp_path, out=tmp_path / "alone"), make_straight_world).checksums


@on_linux
def test_a_full_disk_is_one_error_that_names_the_file_and_the_same_call_goes_on(tmp_path):
    full = config(tmp_path)
    with files_of_at_most(3000), pytest.raises(OSError, match=f"File too large: '{full.out}/"):
        record(full, make_straight_world)
    assert not list(full.out.rglob("*.tmp"))
    whole = record(config(tmp_path, out=tmp_path / "whole"), make_straight_world)
    assert record(full, make_straight_world).checksums == whole.checksums


def test_sealing_again_changes_nothing(tmp_path):
    first = record(config(tmp_path), make_straight_world)
    files = {path: path.read_bytes() for path in first.root.rglob("*") if path.is_file()}
    record(config(tmp_path), make_straight_world)
    assert {path: path.read_bytes() for path in first.root.rglob("*") if path.is_file()} == files
