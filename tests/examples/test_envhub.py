"""The learned world as LeRobot's EnvHub loads it: what the file answers, and LeRobot's own loader and rollout on it."""

import importlib.util
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

FILE = ROOT / "examples" / "envhub" / "env.py"
LEROBOT = os.environ.get("DRIVEDIT_LEROBOT_PYTHON", "")
"""An interpreter that has lerobot 0.6, and what DriveDiT needs."""
_ROLLOUT = """
import sys
import torch
from lerobot.envs.factory import make_env
from lerobot.envs.utils import close_envs
from lerobot.scripts.lerobot_eval import rollout

class FullThrottle(torch.nn.Module):
    def reset(self):
        pass

    def select_action(self, observation):
        self.seen = observation
        return torch.tensor([[0.0, 1.0]] * len(observation["task"]))

suites = make_env("user/drivedit", n_envs=2, trust_remote_code=True, hub_cache_dir=sys.argv[1])
[suite], [envs] = suites, next(iter(suites.values())).values()
envs.set_attr("_max_episode_steps", 3)
policy, frames, same = FullThrottle(), [], lambda value: value
result = rollout(envs, policy, same, same, same, same, seeds=[7, 8],
                 render_callback=lambda envs: frames.append(envs.call("render")))
close_envs(suites)
seen = {key: tuple(value.shape) for key, value in policy.seen.items() if key != "task"}
print(suite, seen, policy.seen["task"][0][:5], result["reward"].shape, len(frames), frames[0][0].shape)
print(result["success"].tolist(), bool((result["reward"] > 0).any()))
"""


def test_drives_have_tasks_lengths_and_success():
    spec = importlib.util.spec_from_file_location("hub_env", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.SECONDS = 0.2
    [envs] = module.make_env(n_envs=2, use_async_envs=True)["DriveDiT-v0"].values()
    observations, _ = envs.reset(seed=[3, 4], options={"lerobot_new_rollout": True})
    assert {key: value.shape for key, value in observations.items()} == {"pixels": (2, 128, 128, 3), "state": (2, 137)}
    assert envs.call("_max_episode_steps") == (2, 2)
    assert envs.get_attr("task_description") == (module.TASK,) * 2
    successes = [envs.step(np.zeros((2, 2), np.float32))[4]["is_success"].tolist() for _ in range(2)]
    assert successes == [[False, False], [True, True]]
    with pytest.raises(ValueError, match="wether"):
        envs.reset(options={"wether": 1})
    envs.close()


@pytest.fixture
def hub_cache(tmp_path) -> Path:
    """A cache of the Hub that holds a repository with this file."""
    repository = tmp_path / "models--user--drivedit"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "env.py").write_text(FILE.read_text())
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    return tmp_path


@pytest.mark.skipif(not LEROBOT, reason="DRIVEDIT_LEROBOT_PYTHON names no interpreter that has lerobot")
@pytest.mark.timeout(1800)
def test_lerobot_loads_it_and_drives(hub_cache):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    if subprocess.run([LEROBOT, "-c", "import numba, drivedit"], env=environment, capture_output=True).returncode:
        pytest.skip("DRIVEDIT_LEROBOT_PYTHON lacks what DriveDiT needs")
    done = subprocess.run([LEROBOT, "-c", _ROLLOUT, str(hub_cache)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    told, successes = done.stdout.splitlines()[-2:]
    seen = "{'observation.image': (2, 3, 128, 128), 'observation.state': (2, 137)}"
    assert told == f"DriveDiT-v0 {seen} Drive torch.Size([2, 3]) 4 (128, 128, 3)"
    assert successes == "[[False, False, False], [False, False, False]] True"
