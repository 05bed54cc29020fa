"""Depth and semantic classes as observations: in every mode, in vector envs, through JSON; refused by name."""

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from small_worlds import ConstantWorld, world_step

import drivedit  # noqa: F401  registers the ids
from envs.driving_env import DrivingEnv
from worldsim.gbuffer.classes import SemanticClass

BOTH = ("depth", "semantic")
SMALL = {"frame_size": (32, 48), "world_config": {"num_vehicles": 2, "num_pedestrians": 1, "num_towns": 1}}
COAST = np.zeros(2, np.float32)


def make(**options):
    return gymnasium.make("DriveDiT-Road-v0", **SMALL, **options)


def test_extra_pictures_stand_beside_what_the_mode_shows():
    for obs, keys in (("pixels", {"pixels"}), ("state", {"state"}), ("both", {"pixels", "state"})):
        env = make(obs=obs, extra_obs=BOTH)
        seen, _ = env.reset(seed=0)
        assert set(seen) == keys | set(BOTH)
        assert seen in env.observation_space
        assert (seen["depth"].dtype, seen["depth"].shape) == (np.float16, (32, 48))
        assert (seen["semantic"].dtype, seen["semantic"].shape) == (np.uint8, (32, 48))
        assert np.isinf(seen["depth"][seen["semantic"] == SemanticClass.SKY]).mean() > 0.9
        env.close()


def test_pictures_are_of_the_same_instant_as_the_frame():
    env, plain = make(extra_obs=BOTH), make()
    (seen, _), (frame, _) = env.reset(seed=1), plain.reset(seed=1)
    for _ in range(5):
        np.testing.assert_array_equal(seen["pixels"], frame)
        expected = env.unwrapped.world.sensor_frames(BOTH)
        for name in BOTH:
            np.testing.assert_array_equal(seen[name], expected[name])
        seen, frame = env.step(COAST)[0], plain.step(COAST)[0]


def test_gymnasium_finds_nothing_amiss():
    check_env(make(extra_obs=BOTH).unwrapped, skip_render_check=True)


def test_extra_pictures_survive_specs_branches_and_states():
    env = make(extra_obs=BOTH)
    again = gymnasium.make(EnvSpec.from_json(env.unwrapped.spec.to_json()))
    assert again.observation_space == env.observation_space
    env.reset(seed=2)
    (branch,) = env.unwrapped.branch(1)
    again.reset(seed=9)
    again.unwrapped.set_state(env.unwrapped.get_state())
    seen = [one.step(COAST)[0] for one in (env, branch, again)]
    for other in seen[1:]:
        for name in ("pixels", *BOTH):
            np.testing.assert_array_equal(other[name], seen[0][name])


def test_vector_envs_stack_them():
    envs = gymnasium.make_vec("DriveDiT-Road-v0", num_envs=2, num_workers=0, extra_obs=("depth",), **SMALL)
    seen, _ = envs.reset(seed=3)
    assert seen["depth"].shape == (2, 32, 48)
    single = make(extra_obs=("depth",))
    for k in range(2):
        np.testing.assert_array_equal(seen["depth"][k], single.reset(seed=3 + k)[0]["depth"])
    seen, *_ = envs.step(np.zeros((2, 2), np.float32))
    assert seen in envs.observation_space
    envs.close()


@pytest.mark.parametrize("obs", ["state", "pixels"])
def test_the_learned_world_has_the_same_keys(obs, tiny_checkpoint):
    """Those of a state-only drive too: they are drawn of what is tracked."""
    env = gymnasium.make("DriveDiT-v0", obs=obs, extra_obs=BOTH, checkpoint=tiny_checkpoint).unwrapped
    check_env(env, skip_render_check=True)
    env.reset(seed=2)
    (branched,) = env.branch(1)
    again = gymnasium.make("DriveDiT-v0", obs=obs, extra_obs=BOTH, checkpoint=tiny_checkpoint).unwrapped
    again.set_state(env.get_state())
    seen = [one.step(COAST)[0] for one in (env, branched, again)]
    assert set(seen[0]) == {obs, *BOTH}
    assert (seen[0]["semantic"] == SemanticClass.CAR).any()
    for other in seen[1:]:
        for name in BOTH:
            np.testing.assert_array_equal(other[name], seen[0][name])


def test_what_cannot_be_shown_is_refused_by_name():
    with pytest.raises(ValueError, match="a ConstantWorld shows no depth and no semantic"):
        DrivingEnv(ConstantWorld(world_step()), extra_obs=BOTH)
    with pytest.raises(ValueError, match="extra_obs may hold depth and semantic, got 'lidar'"):
        make(extra_obs=("lidar",))
    with pytest.raises(ValueError, match="got the string 'depth'"):
        make(extra_obs="depth")
