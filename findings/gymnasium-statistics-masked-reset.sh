#!/usr/bin/env bash
# gymnasium's vector RecordEpisodeStatistics over SyncVectorEnv forgets the envs that a masked reset leaves alone.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gymnasium==1.4.0 numpy==2.4.6

"$folder/venv/bin/python" - <<'PYTHON'
import sys

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics

envs = SyncVectorEnv([lambda: gymnasium.make("MountainCar-v0")] * 2, autoreset_mode=AutoresetMode.DISABLED)
envs = RecordEpisodeStatistics(envs)
envs.reset(seed=0)
for _ in range(3):
    envs.step(np.zeros(2, np.int64))
options = {"reset_mask": np.array([True, False])}
envs.reset(seed=[4, 5], options=options)

print(f"gymnasium {gymnasium.__version__}, numpy {np.__version__}")
print("expected: after 3 steps and a reset of env 0 alone, episode lengths [0, 3] and returns [0, -3]")
print(f"seen: lengths {envs.episode_lengths.tolist()}, returns {envs.episode_returns.tolist()}")
print(f"seen: the options that were handed in are now {options}: SyncVectorEnv took the mask out before the wrapper looked")
sys.exit(0 if envs.episode_lengths.tolist() == [0, 0] and options == {} else 1)
PYTHON
