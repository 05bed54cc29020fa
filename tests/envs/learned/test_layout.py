"""The learned world keeps the layout and the sun of its start clip: through steps, states and the clips it hands on."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from small_worlds import SMALL

import drivedit  # noqa: F401  registers the ids
from envs.road.road_world import RoadWorld
from worldsim.datatypes.layout import Layout


@pytest.fixture(scope="module")
def clip():
    world = RoadWorld(replace(SMALL, num_context=8))
    world.reset(0, {"town": 0})
    return world.start_clip(pictures=False)


@pytest.fixture
def env(tiny_checkpoint):
    env = gymnasium.make("DriveDiT-v0", obs="state", checkpoint=tiny_checkpoint).unwrapped
    yield env
    env.close()


def test_the_layout_is_that_of_the_start_clip(env, clip):
    env.reset(seed=0, options={"start_clip": clip})
    env.step(np.zeros(2, np.float32))

    assert env.world.layout() is clip.layout
    assert len(env.world.layout().boxes) > 0
    assert env.start_clip().layout is clip.layout


def test_states_hold_the_layout(env, clip):
    env.reset(seed=0, options={"start_clip": clip})
    state = env.get_state()
    env.reset(seed=1, options={"start_clip": replace(clip, layout=Layout.unknown())})
    assert env.world.layout() == Layout.unknown()

    env.set_state(state)
    assert env.world.layout() == clip.layout
    assert env.branch(1)[0].world.layout() == clip.layout


def test_the_sun_is_that_of_the_start_clip_in_states_and_branches_too(env, clip):
    env.reset(seed=0, options={"start_clip": clip})
    env.step(np.zeros(2, np.float32))
    assert np.array_equal(env.start_clip().sun, clip.sun)

    state = env.get_state()
    env.reset(seed=1, options={"start_clip": replace(clip, sun=None)})
    assert env.start_clip().sun is None
    env.set_state(state)
    for one in (env, env.branch(1)[0]):
        one.step(np.zeros(2, np.float32))
        assert np.array_equal(one.start_clip().sun, clip.sun)


def test_starts_without_a_layout_know_none(env):
    env.reset(seed=0)
    assert env.world.layout() == Layout.unknown()
