"""CarlaWorld for tests: its config against a small bridge, and controls."""

import numpy as np

from envs.carla.config import CarlaWorldConfig

GO = np.array([0.02, 0.6, 0, 0], np.float32)
NUM_WARMUP = 2


def carla_config(port: int, **changes) -> CarlaWorldConfig:
    settings = {
        "port": port,
        "frame_size": (48, 48),
        "num_context": 1,
        "num_warmup": NUM_WARMUP,
        "num_vehicles": 0,
        "connect_seconds": 30.0,
        "tick_seconds": 30.0,
        "image_seconds": 20.0,
    }
    return CarlaWorldConfig(**(settings | changes))
