"""The learned world as a World and an env: random small weights for the contract, the shipped world for the rest."""

import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from test_world_model import random_clip, random_model

import drivedit
from envs.dream_world import DreamWorld, DreamWorldConfig
from envs.driving_env import DrivingEnv
from worldsim.scene import SceneState
from worldsim.world_model import DEFAULT_CHECKPOINT

CONTROL = np.array([0.1, 0.6, 0.0, 0.0], np.float32)
shipped = pytest.mark.skipif(
    not (DEFAULT_CHECKPOINT / "weights.safetensors").is_file(), reason="the default checkpoint is not there"
)


@pytest.fixture(scope="module")
def world() -> DreamWorld:
    return DreamWorld(model=random_model(), starts=[random_clip(8, seed=s) for s in range(3)])


def test_the_env_passes_gymnasiums_checker_without_warnings(world: DreamWorld) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(DrivingEnv(world), skip_render_check=True)


def test_equal_seeds_give_equal_drives_and_other_seeds_others(world: DreamWorld) -> None:
    drives = []
    for seed in (4, 4, 5):
        first = world.reset(seed, {"start_index": 1})
        drives.append([first.frame] + [world.step(CONTROL).frame for _ in range(3)])
    assert np.array_equal(drives[0], drives[1])
    assert np.array_equal(drives[0][0], drives[2][0])
    assert not np.array_equal(drives[0][1], drives[2][1])


def test_a_drive_goes_on_from_a_clip(world: DreamWorld) -> None:
    clip = random_clip(12, seed=9)
    first = world.reset(0, {"start": clip})
    assert np.array_equal(first.frame, clip.frames[-1])
    assert np.array_equal(first.vehicle, clip.vehicles[-1])
    assert first.progress == 0
    step = world.step(CONTROL)
    assert step.vehicle[0] > clip.vehicles[-1, 0]


def test_the_start_clip_holds_what_was_driven_and_can_be_continued(world: DreamWorld) -> None:
    world.reset(1, {"start_index": 0})
    steps = [world.step(CONTROL * [k / 10, 1, 1, 1]) for k in range(10)]
    clip = world.start_clip()
    assert len(clip.frames) == world.model.config.num_context
    assert np.array_equal(clip.frames[-1], steps[-1].frame)
    assert clip.controls[-1, 0] == pytest.approx(0.09)
    assert clip.scenes[-1] == steps[-1].scene
    assert np.array_equal(world.reset(2, {"start": clip}).frame, steps[-1].frame)


def test_snapshot_continues_exactly(world: DreamWorld) -> None:
    world.reset(3, {})
    world.step(CONTROL)
    snapshot = world.snapshot()
    first = [world.step(CONTROL) for _ in range(3)]
    world.restore(snapshot)
    second = [world.step(CONTROL) for _ in range(3)]
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.frame, b.frame)
        assert a.scene == b.scene
        assert a.collision == b.collision


def test_bad_options_are_named(world: DreamWorld) -> None:
    with pytest.raises(ValueError, match="town"):
        world.reset(0, {"town": 3})
    with pytest.raises(ValueError, match=r"\[0, 3\), got 7"):
        world.reset(0, {"start_index": 7})
    small = random_clip(8)
    small = replace(small, frames=small.frames[:, ::2, ::2])
    with pytest.raises(ValueError, match="64x64"):
        world.reset(0, {"start": small})
    with pytest.raises(ValueError, match=r"0.05 s.*0.1 s"):
        world.reset(0, {"start": replace(random_clip(8), dt=0.05)})
    with pytest.raises(ValueError, match="call reset"):
        DreamWorld(model=world.model, starts=[]).step(CONTROL)
    with pytest.raises(ValueError, match="num_steps"):
        DreamWorldConfig(num_steps=0)


@shipped
def test_the_shipped_world_passes_gymnasiums_checker_without_warnings() -> None:
    env = gymnasium.make("DriveDiT-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped, skip_render_check=True)
    assert drivedit.__name__ in sys.modules


@shipped
def test_the_shipped_world_turns_when_steered_and_stays_a_picture() -> None:
    env = gymnasium.make("DriveDiT-v0")
    base = env.unwrapped
    assert isinstance(base, DrivingEnv)
    base.reset(seed=0)
    start = base.snapshot()
    yaws, last = [], []
    for steer in (0.1, -0.1):
        base.restore(start)
        for _ in range(10):
            frame, _, _, _, info = base.step(np.array([steer, 0.3], np.float32))
        yaws.append(info["vehicle"][2])
        last.append(frame.astype(int))
        assert isinstance(info["scene"], SceneState)
        assert frame.std() > 15
    assert yaws[0] > yaws[1]
    assert np.abs(last[0] - last[1]).mean() > 3


@shipped
def test_the_shipped_worlds_frames_are_the_same_in_another_process() -> None:
    code = (
        "import drivedit, gymnasium, hashlib, torch; torch.set_num_threads(1); e = gymnasium.make('DriveDiT-v0');"
        "f, _ = e.reset(seed=3); d = hashlib.sha256(f.tobytes());"
        "[d.update(e.step(e.unwrapped.action_space.high * 0.2)[0].tobytes()) for _ in range(3)]; print(d.hexdigest())"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].strip()) == 64
