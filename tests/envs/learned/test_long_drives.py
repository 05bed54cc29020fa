"""Drives far past every window, memory and route of the learned world: nothing runs out, nothing becomes not finite."""

import gymnasium
import numpy as np
import pytest
from small_envs import make

from envs.driving_env import DrivingEnvConfig
from worldsim.gbuffer.key_frames import CAPACITY, MIN_MOVE

TIMES = 2
"""As often over, at least."""
NUM_STEPS = 220


def roll(env, num_steps: int) -> tuple[float, bool]:
    """Drive on at full speed, whatever happens; how far it came [m], and whether the route was passed."""
    passed, metres = False, 0.0
    env.config = DrivingEnvConfig(
        max_episode_seconds=1e4, end_on_collision=2.0, end_off_road=2.0, end_at_route_end=False
    )
    for _ in range(num_steps):
        frame, reward, terminated, truncated, info = env.step(np.array([0.0, 1.0], np.float32))
        assert not terminated
        assert not truncated
        assert env.observation_space.contains(frame)
        assert np.isfinite(reward)
        assert all(np.isfinite(value).all() for value in info.values())
        passed |= bool(info["route_done"])
        metres += 0.1 * float(info["scene"][0])
    return metres, passed


def test_past_route_window_and_key_frames(tiny_checkpoint):
    """With pictures: twice as far as for all key frames that are kept, past window and route."""
    env = make("DriveDiT-v0", "pixels", tiny_checkpoint).unwrapped
    env.reset(seed=3)
    model, route = env.world.model, env.world.start_clip(pictures=False).route
    metres, passed = roll(env, NUM_STEPS)
    assert metres > TIMES * CAPACITY * MIN_MOVE
    assert metres > float(np.hypot(*np.diff(route, axis=0).T).sum())
    assert passed
    assert TIMES * model.config.dit.window < NUM_STEPS
    assert len(env.world.snapshot().state.generated.picture.drives[0].key_frames) == CAPACITY


@pytest.mark.slow
def test_endless_past_several_stretches():
    env = gymnasium.make("DriveDiT-v0", obs="state").unwrapped
    env.reset(seed=1, options={"endless": True, "start_index": 0})
    metres, passed = roll(env, 400)
    assert metres > 500.0
    assert not passed
