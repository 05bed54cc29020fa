"""`drivedit record --world carla` over a bridge: killed in the middle of an episode, it goes on and is whole."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from bridge_process import serving
from leaderboard_files import write_route
from places import environment

from envs.maps.road_map import load_town
from training.data.rollouts import RolloutDataset
from worldsim.datatypes.route import rotate

ROAD = ("--world", "road", "--frame-size", "64", "64", "--num-vehicles", "3", "--num-pedestrians", "2")
SECONDS = 240.0


def recorder(out: Path, port: int, num_episodes: int, *more: str) -> subprocess.Popen:
    settings = {
        "world": "carla",
        "port": port,
        "out": out,
        "num-episodes": num_episodes,
        "seconds-per-episode": 2.5,
        "min-seconds": 0.5,
    }
    arguments = [text for name, value in settings.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "drivedit", "record", *arguments, "--frame-size", "64", "64", *more]
    return subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def episodes(out: Path) -> list[int]:
    return RolloutDataset(out).indices if (out / "meta/info.json").exists() else []


@pytest.fixture(scope="module")
def bridge():
    with serving(*ROAD) as running:
        yield running


@pytest.mark.timeout(900)
def test_a_recording_killed_in_an_episode_loses_only_that(bridge, tmp_path):
    out = tmp_path / "recording"
    first = recorder(out, bridge.port, 3)
    deadline = time.monotonic() + SECONDS
    while not episodes(out) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    time.sleep(0.3)
    first.send_signal(signal.SIGKILL)
    first.wait()
    kept = episodes(out)
    assert kept
    assert kept[-1] < 2
    second = recorder(out, bridge.port, 3)
    said, _ = second.communicate(timeout=SECONDS)
    assert second.returncode == 0, said + bridge.said()
    dataset = RolloutDataset(out)
    assert dataset.indices == [0, 1, 2]
    for index in range(3):
        episode = dataset[index]
        assert episode.source.town == -1
        scenes = episode.camera_scenes()
        assert len(scenes) == len(episode.rows)
        np.testing.assert_allclose([scenes[0].view.x, scenes[0].view.y], episode.rows.vehicles[0, :2], atol=1e-3)
        assert len(episode.rows) >= 5
        assert episode.rows.scenes.ego_valid.all()
        np.testing.assert_allclose(episode.rows.scenes.speed, episode.rows.vehicles[:, 3], atol=1e-4)


@pytest.mark.timeout(900)
def test_the_routes_of_a_file_are_driven_in_turn_each_on_its_own_map(bridge, tmp_path):
    routes = {"Town_001": drawn_route(1), "Town_002": drawn_route(2)}
    parts = [
        write_route(tmp_path / f"{name}.xml", name, points[::20], route_id=name).read_text().splitlines()
        for name, points in routes.items()
    ]
    path = tmp_path / "routes.xml"
    path.write_text("\n".join([*parts[0][:-1], *parts[1][2:]]))
    out = tmp_path / "recording"
    process = recorder(out, bridge.port, 3, "--carla-routes", str(path), "--episodes-per-town", "1")
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said + bridge.said()
    dataset = RolloutDataset(out)
    assert dataset.indices == [0, 1, 2]
    for index, name in enumerate(("Town_001", "Town_002", "Town_001")):
        rows, points = dataset[index].rows, routes[name]
        driven = rows.vehicles[:, :2]
        assert np.hypot(*(driven[0] - points[0])) < 6.0
        away = np.hypot(*np.moveaxis(driven[:, None] - points, -1, 0)).min(1)
        assert away.max() < 8.0  # some drivers are told to leave their lane
        ahead = rows.scenes.route[0][rows.scenes.route_valid[0]]
        x, y, yaw = rows.vehicles[0, :3]
        ground = np.array([x, y]) + rotate(ahead, yaw)
        assert np.hypot(*np.moveaxis(ground[:, None] - points, -1, 0)).min(1).max() < 1.0


def drawn_route(town: int) -> np.ndarray:
    road_map, rng = load_town(town), np.random.default_rng(0)
    return road_map.route_from(road_map.random_lane_point(rng), 150.0, rng).points


def test_without_a_server_the_recorder_says_so_in_a_line(tmp_path):
    process = recorder(tmp_path / "none", 1, 1)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 3  # neither a wrong use nor a verdict
    assert "drivedit: record: no CARLA server answers at 127.0.0.1:1" in said
