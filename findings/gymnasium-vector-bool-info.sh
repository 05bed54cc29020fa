#!/usr/bin/env bash
# gymnasium's vector envs stack info values of type np.bool_ as an object array; bool and 0-d bool arrays become bool.
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
from gymnasium.vector import SyncVectorEnv

VALUES = {
    "bool": True,
    "np.bool_": np.bool_(True),
    "0-d bool array": np.array(True),
    "np.float64": np.float64(1.0),
    "np.int64": np.int64(1),
}


class EnvWithInfo(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), dict(VALUES)

    def step(self, action):
        return np.zeros(1, np.float32), 0.0, False, False, dict(VALUES)


envs = SyncVectorEnv([EnvWithInfo] * 2)
infos = envs.reset(seed=0)[1]
print(f"gymnasium {gymnasium.__version__}, numpy {np.__version__}")
print("expected: np.bool_ is stacked as dtype bool, as Python's bool is and as the other numpy scalars are by their own")
for name in VALUES:
    print(f"seen: {name}: {infos[name]!r} of dtype {infos[name].dtype}")
dtypes = [infos[name].dtype for name in VALUES]
sys.exit(0 if dtypes == [np.bool_, object, np.bool_, np.float64, np.int64] else 1)
PYTHON
