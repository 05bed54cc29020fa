"""DrivingVectorEnv against Gymnasium's SyncVectorEnv over single envs, in every autoreset mode."""

import copy
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from assertions import assert_equal
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tiny_model import CONFIG, random_clip, random_model

import drivedit  # noqa: F401 (registers the ids)
from envs.driving_env import DrivingEnv, DrivingEnvConfig
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.learned.stepping import step_together
from envs.vector_env import DrivingVectorEnv, step_singly
from envs.world import branch
from worldsim.dynamics.trust import FREE_SIGNALS, FULL_SIGNALS
from worldsim.model_state import ModelState

MODES = list(AutoresetMode)
NUM_ENVS = 3


@pytest.fixture(scope="module")
def world() -> LearnedWorld:
    """Contexts of 3 and 8 frames: the shorter ones do not fill the model's window of 4 yet."""
    return LearnedWorld(model=random_model(), starts=[random_clip(8), random_clip(3, seed=1), random_clip(8, seed=2)])


def single_envs(world: LearnedWorld, obs="both") -> list[DrivingEnv]:
    """Envs whose episodes last 2, 3 and 4 steps, so that they are soon at different frames."""
    lengths = [0.2 + 0.1 * k for k in range(NUM_ENVS)]
    configs = [DrivingEnvConfig(max_episode_seconds=s, end_on_collision=2.0, end_off_road=2.0) for s in lengths]
    return [DrivingEnv(copy.copy(world), config, obs=obs) for config in configs]


@pytest.mark.parametrize(
    ("step_worlds", "mode"), [(step_singly, AutoresetMode.NEXT_STEP), *((step_together, mode) for mode in MODES)]
)
def test_many_envs_are_as_many_single_envs(world: LearnedWorld, step_worlds, mode: AutoresetMode) -> None:
    """Bit for bit when they are passed one by one; else within one grey level and 1e-3."""
    tolerance = 0.0 if step_worlds is step_singly else 1e-3
    singles = single_envs(world)
    theirs = SyncVectorEnv([lambda env=env: env for env in singles], autoreset_mode=mode)
    ours = DrivingVectorEnv(single_envs(world), step_worlds, mode)
    assert ours.metadata["autoreset_mode"] is mode
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    rng = np.random.default_rng(0)
    assert_equal(ours.reset(seed=5), theirs.reset(seed=5), tolerance)
    num_ended = 0
    for _ in range(9):
        actions = rng.uniform(-1, 1, (NUM_ENVS, 2)).astype(np.float32)
        answer, reference = ours.step(actions), theirs.step(actions)
        assert_equal(answer, reference, tolerance)
        ended = answer[2] | answer[3]
        num_ended += int(ended.sum())
        if mode is AutoresetMode.DISABLED and ended.any():
            with pytest.raises(ValueError, match="have ended: reset them"):
                ours.step(actions)
            both = [env.reset(seed=[7, 8, 9], options={"reset_mask": ended.copy()}) for env in (ours, theirs)]
            assert_equal(*both, tolerance)
    assert num_ended >= 6


@pytest.mark.parametrize("step_worlds", [step_singly, step_together])
def test_full_signals_of_trust_are_those_of_single_envs(world: LearnedWorld, step_worlds) -> None:
    watched = LearnedWorld(LearnedWorldConfig(trust_signals="full"), model=world.model, starts=world.starts)
    ours = DrivingVectorEnv(single_envs(watched, "state"), step_worlds)
    theirs = SyncVectorEnv([lambda env=env: env for env in single_envs(watched, "state")])
    free = DrivingVectorEnv(single_envs(world, "state"), step_worlds)
    tolerance, actions = 0.0 if step_worlds is step_singly else 1e-3, np.full((NUM_ENVS, 2), 0.3, np.float32)
    for env in (ours, theirs, free):
        env.reset(seed=5)
    for _ in range(5):
        answer, plain = ours.step(actions), free.step(actions)
        assert_equal(answer, theirs.step(actions), tolerance)
        assert np.array_equal(answer[0], plain[0])
        signals = {name: answer[4][name] for name in FULL_SIGNALS}
        assert all(np.array_equal(signals[name], plain[4][name]) for name in FREE_SIGNALS)
        driven = answer[4]["progress"] > 0
        assert len(set(signals["seed_disagreement"][driven])) == len(set(signals["round_trip"][driven])) == driven.sum()
    assert "round_trip" not in plain[4]


def test_one_pass_steps_worlds_that_are_at_different_frames(world: LearnedWorld) -> None:
    """A slot's answer does not depend on who else is in the batch, whatever frame they have come to."""
    worlds = [copy.copy(world) for _ in range(3)]
    alone = []
    for k, one in enumerate(worlds):
        one.reset(k, {"start_index": (0, 2, 2)[k]})
        for _ in range(2 * k):
            one.step(np.array([0.1, 0.5, 0.0, 0.0], np.float32))
        alone.append(branch(one))
    passes = []
    model_step = world.model.step
    try:
        world.model.step = lambda state, *a, **k: passes.append(state.batch_size) or model_step(state, *a, **k)
        controls = np.array([[0.3, 0.5, 0, 0], [-0.3, 0.5, 0, 0], [0, 0, 1, 0]], np.float32)
        together = step_together(worlds, controls)
    finally:
        del world.model.step
    assert passes == [3]
    for other, one, control, step in zip(worlds, alone, controls, together, strict=True):
        own = one.step(control)
        assert np.abs(one.frame().astype(int) - other.frame()).max() <= 1
        np.testing.assert_allclose(own.latent, step.latent, atol=1e-4)
        assert np.array_equal(own.vehicle, step.vehicle)


def test_joining_states_inverts_taking_slots(world: LearnedWorld) -> None:
    states = [world.model.begin([random_clip(8, seed=s)], [s]) for s in range(2)]
    states[1], _ = world.model.step(states[1], np.zeros((1, 4), np.float32))
    joined = ModelState.concat(states)
    window = CONFIG.dit.window
    assert joined.latent.frames == (window - 1, window)
    for k, state in enumerate(states):
        assert np.array_equal(joined[k].latent.latents, state.latent.latents)
        np.testing.assert_array_equal(joined[k].tracked.actors.states, state.tracked.actors.states)
    with pytest.raises(ValueError, match="one cache length"):
        ModelState.concat([states[0], world.model.begin([random_clip(2)], [0])])


def test_the_id_makes_a_vector_env_of_one_model(tiny_checkpoint: Path) -> None:
    env = gymnasium.make_vec(
        "DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="latent", autoreset_mode="SameStep", exact=True
    )
    base = env.unwrapped
    assert isinstance(base, DrivingVectorEnv)
    assert base.envs[0].world.model is base.envs[1].world.model
    assert base.autoreset_mode is AutoresetMode.SAME_STEP
    env.reset(seed=0)
    observations, *_ = env.step(np.zeros((2, 2), np.float32))
    assert env.observation_space.contains(observations)
    assert not np.array_equal(observations[0], observations[1])
    env.close()


def test_bad_use_is_named(world: LearnedWorld, tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="at least 1, got 0"):
        gymnasium.make_vec("DriveDiT-v0", num_envs=0, checkpoint=tiny_checkpoint)
    with pytest.raises(ValueError, match="at least 1 env"):
        DrivingVectorEnv([], step_together)
    with pytest.raises(ValueError, match="Sometimes"):
        DrivingVectorEnv(single_envs(world), step_together, "Sometimes")
    env = DrivingVectorEnv(single_envs(world, "state"), step_together)
    with pytest.raises(ValueError, match="call reset"):
        env.step(np.zeros((NUM_ENVS, 2)))
    with pytest.raises(ValueError, match="as many seeds, got 2"):
        env.reset(seed=[1, 2])
    for mask in (np.zeros(NUM_ENVS, bool), np.ones(2, bool), [True] * NUM_ENVS):
        with pytest.raises(ValueError, match="reset_mask must"):
            env.reset(options={"reset_mask": mask})
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"\[3, 2\], got shape \(2, 2\)"):
        env.step(np.zeros((2, 2)))
    mixed = [DrivingEnv(copy.copy(world), obs=obs) for obs in ("state", "pixels")]
    with pytest.raises(ValueError, match="env 1 observes"):
        DrivingVectorEnv(mixed, step_together)


def test_stable_baselines3_gets_what_its_own_vec_env_gives(world: LearnedWorld) -> None:
    vec_env = pytest.importorskip("stable_baselines3.common.vec_env")
    from envs.sb3_vec_env import SB3VecEnv

    ours = SB3VecEnv(DrivingVectorEnv(single_envs(world), step_singly))
    theirs = vec_env.DummyVecEnv([lambda env=env: env for env in single_envs(world)])
    for env in (ours, theirs):
        env.seed(3)
    assert_equal(dict(ours.reset()), dict(theirs.reset()), 0.0)
    rng = np.random.default_rng(0)
    for _ in range(5):
        actions = rng.uniform(-1, 1, (NUM_ENVS, 2)).astype(np.float32)
        observations, *numbers, infos = ours.step(actions)
        expected, *reference, reference_infos = theirs.step(actions)
        assert_equal(dict(observations), dict(expected), 0.0)
        assert_equal(tuple(numbers), tuple(reference), 0.0)
        assert_equal(tuple(infos), tuple(reference_infos), 0.0)
    assert ours.get_attr("obs") == ["both"] * NUM_ENVS
