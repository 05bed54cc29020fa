"""The registry of worlds: what Gymnasium and the command line offer comes from it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
import tyro
from small_worlds import ConstantWorld, world_step

from envs.driving_env import DrivingEnv
from envs.viewer.config import PlayConfig
from envs.worlds import LOCAL_WORLDS, REFERENCE_WORLDS, WORLDS, WorldEntry
from scenarios.validation_config import ValidateConfig
from training.recording.record import RecordConfig, make_named_world


def make_constant_env(*, obs: str = "pixels") -> DrivingEnv:
    return DrivingEnv(ConstantWorld(world_step()), obs=obs)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", WORLDS)
def test_every_world_is_registered_and_made_by_its_entry(name):
    entry = WORLDS[name]
    spec = gymnasium.spec(entry.env_id)
    assert (spec.entry_point, spec.vector_entry_point) == (entry.factory, entry.vector_factory)
    assert {"obs", "render_mode", "trust_threshold"} <= set(entry.options)
    with pytest.raises(ValueError, match=r"has no options \['wether'\]; it knows obs, "):
        entry.make(wether=1)


def test_a_new_world_needs_its_module_and_an_entry():
    entry = WorldEntry(env_id="Constant-v0", title="Constant", factory=f"{__name__}:make_constant_env")
    sys.modules.setdefault(__name__, sys.modules[make_constant_env.__module__])
    entry.register()
    entry.register()
    try:
        env = gymnasium.make("Constant-v0", obs="state")
        assert env.unwrapped.obs == entry.make(obs="state").obs == "state"
    finally:
        del gymnasium.registry["Constant-v0"]


def test_the_command_line_offers_the_worlds_of_the_registry():
    assert (REFERENCE_WORLDS, LOCAL_WORLDS) == (("road", "carla"), ("learned", "road"))
    for config, offered in (
        (ValidateConfig, set(WORLDS)),
        (RecordConfig, REFERENCE_WORLDS),
        (PlayConfig, LOCAL_WORLDS),
    ):
        for name in offered:
            assert tyro.cli(config, args=["--world", name]).world == name
        with pytest.raises(SystemExit):
            tyro.cli(config, args=["--world", "moon"])
    assert make_named_world(replace(RecordConfig(), frame_size=(16, 24))).frame_size == (16, 24)


def test_the_id_imports_the_project_by_itself(tiny_checkpoint: Path):
    code = (
        "import gymnasium, sys; assert 'drivedit' not in sys.modules;"
        f"env = gymnasium.make('drivedit:DriveDiT-v0', obs='state', checkpoint={str(tiny_checkpoint)!r});"
        "print(env.reset(seed=0)[0].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(137,)"
