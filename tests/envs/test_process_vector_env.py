"""Envs of the reference world in processes: those of Gymnasium's SyncVectorEnv, bit for bit, and no process is left."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from assertions import assert_equal
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from places import environment

import drivedit  # noqa: F401 (registers the ids)
from envs.registration import make_road_env, make_road_vector_env
from envs.road.config import RoadWorldConfig
from envs.vector_env import DrivingVectorEnv

CONFIG = RoadWorldConfig(frame_size=(32, 32), num_vehicles=3, num_pedestrians=2, num_context=2)
OPTIONS = {"world_config": CONFIG, "max_episode_seconds": 0.4}
NUM_ENVS = 3


@pytest.fixture(scope="module")
def envs() -> Iterator[VectorEnv]:
    """Three envs in two processes."""
    made = make_road_vector_env(NUM_ENVS, num_workers=2, obs="both", **OPTIONS)
    yield made
    made.close()


def sync(mode: AutoresetMode, obs: str) -> SyncVectorEnv:
    return SyncVectorEnv([lambda: make_road_env(obs=obs, **OPTIONS)] * NUM_ENVS, autoreset_mode=mode)


@pytest.mark.parametrize(
    ("mode", "obs", "num_workers"),
    [
        (AutoresetMode.NEXT_STEP, "both", 2),
        (AutoresetMode.SAME_STEP, "pixels", 0),
        (AutoresetMode.DISABLED, "state", 0),
    ],
)
def test_many_envs_are_as_many_single_envs(mode: AutoresetMode, obs: str, num_workers: int) -> None:
    theirs = sync(mode, obs)
    ours = make_road_vector_env(NUM_ENVS, num_workers=num_workers, obs=obs, autoreset_mode=mode, **OPTIONS)
    assert ours.metadata["autoreset_mode"] is mode
    assert ours.observation_space == theirs.observation_space
    assert_equal(ours.reset(seed=5, options={"town": 2}), theirs.reset(seed=5, options={"town": 2}), 0.0)
    rng = np.random.default_rng(0)
    num_ended = 0
    for _ in range(10):
        actions = rng.uniform(-1, 1, (NUM_ENVS, 2)).astype(np.float32)
        answer = ours.step(actions)
        assert_equal(answer, theirs.step(actions), 0.0)
        ended = answer[2] | answer[3]
        num_ended += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            with pytest.raises(ValueError, match="have ended: reset them"):
                ours.step(actions)
            both = [env.reset(seed=[7, 8, 9], options={"reset_mask": ended.copy()}) for env in (ours, theirs)]
            assert_equal(*both, 0.0)
    assert num_ended >= 6
    ours.close()


def test_statistics_survive_a_masked_reset() -> None:
    """Over SyncVectorEnv, Gymnasium 1.4's wrapper forgets the envs that are not reset."""
    made = make_road_vector_env(2, num_workers=0, obs="state", autoreset_mode="Disabled", world_config=CONFIG)
    env = RecordEpisodeStatistics(made)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.zeros((2, 2), np.float32))
    env.reset(seed=[4, 5], options={"reset_mask": np.array([True, False])})
    assert env.episode_lengths.tolist() == [0, 3]
    env.close()


def test_attributes_and_methods_of_the_envs(envs: VectorEnv) -> None:
    envs.reset(seed=3)
    assert envs.np_random_seed == (3, 4, 5)
    assert [clip.frames.shape for clip in envs.call("start_clip")] == [(2, 32, 32, 3)] * NUM_ENVS
    assert [clip.frames.shape[1:] for clip in envs.call("start_clip", pictures=False)] == [(0, 0, 3)] * NUM_ENVS
    states = envs.call("get_state")
    assert len(set(states)) == NUM_ENVS
    envs.set_attr("render_mode", ["rgb_array", None, "rgb_array"])
    assert envs.get_attr("render_mode") == ("rgb_array", None, "rgb_array")
    envs.set_attr("render_mode", None)
    with pytest.raises(ValueError, match="3 envs need as many values of 'render_mode', got 2"):
        envs.set_attr("render_mode", [None, None])


def test_observations_are_in_memory_of_their_own(envs: VectorEnv) -> None:
    before, _ = envs.reset(seed=1)
    copies = {name: value.copy() for name, value in before.items()}
    envs.step(np.ones((NUM_ENVS, 2), np.float32))
    assert_equal(before, copies, 0.0)


def test_bad_use_is_named(envs: VectorEnv) -> None:
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions must be \[3, 2\]"):
        envs.step(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="actions must be finite"):
        envs.step(np.full((3, 2), np.nan))
    with pytest.raises(ValueError, match="num_workers must be at least 0, got -1"):
        make_road_vector_env(2, num_workers=-1)
    with pytest.raises(ValueError, match="num_envs must be at least 1, got 0"):
        make_road_vector_env(0)
    with pytest.raises(ValueError, match="max_episode_steps must be at least 1"):
        make_road_vector_env(1, max_episode_steps=0)
    with pytest.raises(ValueError, match="obs must be one of"):
        make_road_vector_env(2, num_workers=2, obs="smells")  # pyright: ignore[reportArgumentType]


def test_an_error_in_a_worker_comes_with_its_words(envs: VectorEnv) -> None:
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="no_such_option") as error:
        envs.reset(seed=0, options={"no_such_option": 1})
    assert "in a worker process:" in str(error.value.__cause__)
    assert "read_reset_options" in str(error.value.__cause__)
    with pytest.raises(ValueError, match=r"envs \[0, 2\] have no episode: call reset before step"):
        envs.step(np.zeros((NUM_ENVS, 2), np.float32))
    envs.reset(seed=0)
    envs.step(np.zeros((NUM_ENVS, 2), np.float32))


def test_a_lost_worker_is_said_and_ends_the_others() -> None:
    env = make_road_vector_env(2, num_workers=2, obs="state", world_config=CONFIG)
    env.reset(seed=0)
    processes = [worker._process for worker in env._workers]
    processes[1].kill()
    with pytest.raises(RuntimeError, match="the worker process of envs 1 to 1 ended with exit status -9"):
        env.step(np.zeros((2, 2), np.float32))
    assert all(process.poll() is not None for process in processes)
    with pytest.raises(ValueError, match="the vector env is closed"):
        env.step(np.zeros((2, 2), np.float32))
    env.close()


def test_closing_ends_the_workers_and_leaves_no_file() -> None:
    env = make_road_vector_env(2, num_workers=2, obs="pixels", world_config=CONFIG)
    processes = [worker._process for worker in env._workers]
    assert all(process.poll() is None for process in processes)
    env.close()
    env.close()
    assert [process.poll() for process in processes] == [0, 0]
    assert not list(Path("/dev/shm").glob("drivedit-*"))


def test_workers_end_with_their_parent_and_need_no_guard(tmp_path: Path) -> None:
    """The script has no `if __name__ == "__main__"`, and is killed."""
    script = tmp_path / "script.py"
    script.write_text(
        "import drivedit, gymnasium, time\n"
        "env = gymnasium.make_vec('DriveDiT-Road-v0', num_envs=2, num_workers=2, obs='state')\n"
        "env.reset(seed=0)\n"
        "print(*(worker._process.pid for worker in env._workers), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment())
    assert parent.stdout is not None
    workers = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def test_one_core_needs_no_process(monkeypatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    env = make_road_vector_env(2, obs="state", world_config=CONFIG)
    assert isinstance(env, DrivingVectorEnv)
    assert len(env.envs) == 2


def test_the_id_makes_one() -> None:
    env = gymnasium.make_vec(
        "DriveDiT-Road-v0", num_envs=2, num_workers=1, obs="state", world_config=CONFIG, max_episode_steps=1
    )
    obs, infos = env.reset(seed=0)
    assert obs.shape == env.observation_space.shape
    assert infos["town"].dtype == np.int64
    assert env.spec is not None
    assert env.step(np.zeros((2, 2), np.float32))[3].tolist() == [True, True]
    env.close()
