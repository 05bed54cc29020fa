"""Snapshot, perturb, restore equals never perturbed, in every field of the state that walking it finds."""

import dataclasses

import gymnasium
import numpy as np
import pytest
from small_envs import ACTION, make
from state_leaves import leaves_of

from envs.driving_env import DrivingEnv

NUM_STEPS = 6


ENDLESS = {"start_index": 0, "endless": True}


@pytest.fixture(params=["DriveDiT-v0", "DriveDiT-Road-v0", "endless"])
def twins(request, tiny_checkpoint) -> tuple[DrivingEnv, DrivingEnv]:
    """Two envs that have driven the same."""
    if request.param == "endless":  # by the shipped world, which has a model of layouts
        envs = tuple(gymnasium.make("DriveDiT-v0", obs="state").unwrapped for _ in range(2))
    else:
        envs = tuple(make(request.param, "pixels", tiny_checkpoint).unwrapped for _ in range(2))
    for env in envs:
        env.reset(seed=3, options=ENDLESS if request.param == "endless" else None)
        drive(env, ACTION)
    return envs


def drive(env, action) -> None:
    for _ in range(NUM_STEPS):
        env.step(action)


def test_restored_is_as_never_perturbed_in_every_field(twins):
    env, never_perturbed = twins
    snapshot = env.snapshot()
    before = leaves_of(snapshot)
    for part, at in ((snapshot, "state"), (snapshot.world, "state.world")):  # no field is passed over
        for field in dataclasses.fields(part):
            assert any(f"{path}.".startswith(f"{at}.{field.name}.") for path in before), field.name

    drive(env, -ACTION)
    perturbed = leaves_of(env.snapshot())
    env.reset(seed=8)
    env.step(ACTION)
    changed = {
        path.split(".")[2] for path in before if path.startswith("state.world.") and before[path] != perturbed.get(path)
    }
    assert {"vehicle", "past"} <= changed or {"state", "past"} <= changed  # there was something to set back
    assert leaves_of(snapshot) == before

    env.restore(snapshot)
    assert leaves_of(env.snapshot()) == before == leaves_of(never_perturbed.snapshot())
    for one in (env, never_perturbed):
        drive(one, ACTION)
    assert leaves_of(env.snapshot()) == leaves_of(never_perturbed.snapshot())


def test_one_env_of_many_is_set_back_alone(tiny_checkpoint):
    many = [
        gymnasium.make_vec("DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="state").unwrapped for _ in "ab"
    ]
    actions = np.stack([ACTION, -ACTION]).astype(np.float32)
    for envs in many:
        envs.reset(seed=3)
        envs.step(actions)
    perturbed, plain = many
    snapshot = perturbed.envs[0].snapshot()
    perturbed.step(-actions)
    plain.step(-actions)
    perturbed.envs[0].restore(snapshot)
    assert leaves_of(perturbed.envs[0].snapshot()) == leaves_of(snapshot)
    assert leaves_of(perturbed.envs[1].snapshot()) == leaves_of(plain.envs[1].snapshot())
