"""Rows and frames of random episodes."""

import numpy as np

from training.data.rollouts import Rows, all_valid
from worldsim.datatypes.scene import ObjectKind, SceneState

SIZE = (32, 48)


def random_rows(length: int, rng: np.random.Generator) -> Rows:
    """Rows with different values everywhere, masks included."""
    scenes = {}
    for name, empty in SceneState.empty((length,)).arrays().items():
        values = rng.normal(size=empty.shape) * 10
        scenes[name] = (values > 0) if empty.dtype == bool else np.abs(values).astype(empty.dtype)
    scenes["object_kinds"] %= len(ObjectKind)
    return Rows(
        controls=rng.uniform(-1, 1, (length, 4)).astype(np.float32),
        vehicles=rng.normal(size=(length, 6)) * 1000,
        scenes=SceneState(**scenes),
        collision=rng.random(length).astype(np.float32),
        off_road=rng.random(length).astype(np.float32),
        wrong_way=rng.random(length) > 0.5,
        red_light=rng.random(length) > 0.5,
        stop_sign_missed=rng.random(length) > 0.5,
        progress=rng.normal(size=length).astype(np.float32),
        tasks=rng.integers(0, 2, length),
        valid=all_valid(length),
    )


def smooth_frames(length: int, rng: np.random.Generator) -> np.ndarray:
    """Coloured gradients that move, so that every frame differs clearly from its neighbours."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    phase = rng.uniform(0, 6, 3)
    t = np.arange(length)[:, None, None, None]
    waves = np.sin(0.08 * x[..., None] + 0.06 * y[..., None] * [1, -1, 0.5] + phase + 0.5 * t)
    return (127.5 + 110 * waves).astype(np.uint8)
