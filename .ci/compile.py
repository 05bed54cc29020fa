"""Drive both worlds for a moment: numba's machine code then lies beside the sources, for every process of the tests."""

import gymnasium
import numpy as np

import drivedit  # noqa: F401  registers the ids

ACTION = np.array([0.1, 0.5], np.float32)

for env_id in ("DriveDiT-v0", "DriveDiT-Road-v0"):
    env = gymnasium.make(env_id)
    env.reset(seed=0)
    for _ in range(20):
        env.step(ACTION)
    env.close()
