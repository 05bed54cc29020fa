"""Names of the release before: they work, and a DeprecationWarning says what they are called now."""

import subprocess
import sys

import gymnasium
import pytest
from gymnasium.envs.registration import EnvSpec

import drivedit
from envs.registration import make_learned_env, make_learned_vector_env


@pytest.mark.parametrize(("old", "new"), drivedit._RENAMED.items())
def test_old_public_names_are_the_new_ones(old, new):
    with pytest.warns(DeprecationWarning, match=f"'drivedit.{old}' is called 'drivedit.{new}' now"):
        assert getattr(drivedit, old) is getattr(drivedit, new)
    assert old not in drivedit.__all__


@pytest.mark.parametrize("factory", [make_learned_env, make_learned_vector_env])
def test_speed_is_backend(factory, tiny_checkpoint):
    with pytest.warns(DeprecationWarning, match="argument 'speed' is called 'backend' now") as caught:
        env = factory(checkpoint=tiny_checkpoint, speed="bf16")
    assert caught[0].filename == __file__
    assert (env.envs[0] if factory is make_learned_vector_env else env).world.config.backend == "bf16"
    with pytest.raises(ValueError, match="speed is the old name of backend"):
        factory(checkpoint=tiny_checkpoint, speed="bf16", backend="int8")


def test_specs_saved_before_the_move_still_make_an_env():
    saved = EnvSpec(id="DriveDiT-Road-v0", entry_point="envs.make:make_road_env", kwargs={"obs": "state"}).to_json()
    with pytest.warns(DeprecationWarning, match=r"'envs.registration.make_road_env' now"):
        env = gymnasium.make(EnvSpec.from_json(saved))
    assert env.unwrapped.obs == "state"


def test_a_script_sees_the_warning_without_asking_for_it():
    done = subprocess.run(
        [sys.executable, "-c", "import drivedit; drivedit.DreamWorldConfig"], capture_output=True, text=True, check=True
    )
    assert "DeprecationWarning" in done.stderr
    assert "drivedit.LearnedWorldConfig" in done.stderr
