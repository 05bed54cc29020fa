"""The reference world's rows of `drivedit benchmark`: steps, pictures, vector envs, recordings."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from envs.ego_route import keep_lane
from envs.registration import make_road_vector_env
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.spaces import ObservationMode
from training.recording.record import RecordConfig, record
from worldsim.datatypes.vehicle import VehicleModel

NUM_STEPS, NUM_WARMING_STEPS = 200, 5
"""Timed steps of each row, and those before them, in which code is loaded and the ground is painted."""
CRUISE = 10.0
"""Speed at which the ego follows its lane [m/s]."""
NUM_ENVS = 8
"""Of the vector envs that are measured."""
SECONDS_RECORDED = 30.0
"""Length of the recording that is measured [s]."""

Look = Callable[[RoadWorld], object]
"""What is looked at in each step."""


def road_rows() -> dict[str, float]:
    """The reference world by itself, in vector envs, and while it is recorded."""
    state, pixels, depth = (_cpu_seconds(look) for look in (_nothing, _frame, _frame_and_depth))
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        together = sum(pool.map(_frames_per_second, range(cores)))
    return {
        "road_steps_per_cpu_second": 1 / state,
        "road_frames_per_cpu_second": 1 / pixels,
        "road_depth_over_without": depth / pixels,
        "road_frames_per_second": together,
        **_vector_rows(cores),
        **_recording_rows(),
    }


def _nothing(world: RoadWorld) -> None:
    """A state-only drive."""


def _frame(world: RoadWorld) -> None:
    world.frame()


def _frame_and_depth(world: RoadWorld) -> None:
    world.frame()
    world.sensor_frames(("depth",))


def _cpu_seconds(look: Look, clock: Callable[[], float] = time.process_time, seed: int = 0) -> float:
    """Mean seconds of a step, the looking included, while the ego follows its lane in default traffic."""
    import cv2

    cv2.setNumThreads(1)
    world, model = RoadWorld(RoadWorldConfig()), VehicleModel()
    step, seconds = world.reset(seed, {}), 0.0
    for k in range(NUM_WARMING_STEPS + NUM_STEPS):
        control = keep_lane(step.scene, model, CRUISE, mind_lead=True)
        start = clock()
        step = world.step(control)
        look(world)
        if k >= NUM_WARMING_STEPS:
            seconds += clock() - start
    return seconds / NUM_STEPS


def _frames_per_second(seed: int) -> float:
    """With the camera in this process."""
    return 1 / _cpu_seconds(_frame, time.perf_counter, seed)


def _vector_rows(cores: int) -> dict[str, float]:
    """Env steps per second, all envs together, by what is observed and the number of processes; 0 is this one."""
    observed: tuple[ObservationMode, ...] = ("state", "pixels")
    return {
        f"road_vector_{obs}_{num_workers}": _vector_steps_per_second(obs, num_workers)
        for obs in observed
        for num_workers in sorted({0, 1, cores})
    }


def _vector_steps_per_second(obs: ObservationMode, num_workers: int) -> float:
    one_town = RoadWorldConfig(num_towns=1)  # so that no town is loaded while time is taken
    env = make_road_vector_env(
        NUM_ENVS, num_workers=num_workers, obs=obs, max_episode_seconds=1000.0, world_config=one_town
    )
    actions = np.tile(np.array([0.0, 0.25], np.float32), (NUM_ENVS, 1))
    env.reset(seed=0)
    for _ in range(NUM_WARMING_STEPS):
        env.step(actions)
    start = time.perf_counter()
    for _ in range(NUM_STEPS // NUM_ENVS):
        env.step(actions)
    rate = NUM_ENVS * (NUM_STEPS // NUM_ENVS) / (time.perf_counter() - start)
    env.close()
    return rate


def _recording_rows() -> dict[str, float]:
    """Frames per CPU second while it is recorded, the encoding of video included, and what an hour takes on disk."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        dataset = record(
            RecordConfig(
                out=Path(folder) / "rollouts", num_episodes=1, seconds_per_episode=SECONDS_RECORDED, num_workers=0
            )
        )
        seconds = time.process_time() - start
        num_bytes = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        frames = sum(len(episode.rows) for episode in dataset)
    hours = frames * RoadWorldConfig().dt / 3600
    return {
        "road_recorded_frames_per_cpu_second": frames / seconds,
        "road_recorded_mb_per_hour": num_bytes / 1e6 / hours,
    }
