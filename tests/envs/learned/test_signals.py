"""Lights and signs through the learned world's env: info, reward, vector envs, states, and clips that go on."""

from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from tiny_model import random_clip

import drivedit  # noqa: F401 (registers the ids)
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SignalKind

COAST = np.zeros(2, np.float32)


def clip(line: float, kind: int, cycle=(100.0, 50.0, 20.0, 3.0)):
    scenes = SceneState.empty((8,))
    scenes.signal[:], scenes.signal_distance[:], scenes.signal_valid[:] = kind, line - 2.3, True
    return replace(random_clip(8), scenes=scenes, signals=np.array([[line, kind, *cycle]], np.float32))


def make(tiny_checkpoint, **options):
    return gymnasium.make("DriveDiT-v0", obs="state", checkpoint=tiny_checkpoint, **options).unwrapped


@pytest.mark.parametrize(
    ("kind", "key", "term"),
    [(SignalKind.RED, "red_light", "reward_red_light"), (SignalKind.STOP, "stop_sign_missed", "reward_stop_sign")],
)
def test_an_infraction_is_told_once_and_costs_and_the_drive_goes_on(kind, key, term, tiny_checkpoint) -> None:
    env = make(tiny_checkpoint)
    _, info = env.reset(seed=0, options={"start_clip": clip(4.0, kind)})
    assert info["signal"] == kind
    assert info["signal_valid"]
    told = []
    for _ in range(8):
        before = info
        _, reward, terminated, _, info = env.step(COAST)
        told.append(bool(info[key]))
        assert not terminated
        if info[key]:
            assert info[term] == -1.0
            assert reward < -0.9
            assert 0 <= before["signal_distance"] < 0.6
    assert sum(told) == 1


def test_infos_of_vector_envs_stack_what_is_known_and_what_is_not(tiny_checkpoint) -> None:
    envs = gymnasium.make_vec("DriveDiT-v0", num_envs=2, obs="state", checkpoint=tiny_checkpoint)
    _, infos = envs.reset(seed=0)
    assert infos["signal"].dtype == np.int64
    assert infos["signal_valid"].dtype == infos["red_light"].dtype == infos["stop_sign_missed"].dtype == bool
    assert infos["signal_distance"].shape == (2,)


def test_states_branches_and_clips_go_on_with_the_same_lights(tiny_checkpoint) -> None:
    env, other = make(tiny_checkpoint), make(tiny_checkpoint)
    env.reset(seed=0, options={"start_clip": clip(60.0, SignalKind.RED, (3.0, 1.03, 0.5, 0.3))})
    for _ in range(7):
        env.step(COAST)
    other.set_state(env.get_state())
    (twin,) = env.branch(1)
    on = LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=False))
    on.reset(0, {"start_clip": env.start_clip()})
    shown = []
    for _ in range(40):
        infos = [one.step(COAST)[-1] for one in (env, other, twin)]
        scene = on.step(np.zeros(4, np.float32)).scene
        shown.append(int(infos[0]["signal"]))
        for info in infos:
            assert (info["signal"], info["signal_distance"]) == (shown[-1], infos[0]["signal_distance"])
        assert int(scene.signal) == shown[-1]
        assert scene.signal_distance == pytest.approx(infos[0]["signal_distance"], abs=1e-3)
    assert set(shown) == {SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN}
