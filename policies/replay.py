"""Replay: the actions of an earlier drive or of a recording, one after another, whatever comes of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from policies.stop import Stop
from worldsim.array_files import load_arrays
from worldsim.datatypes.scene import CONTROL_NAMES, ControlColumn, action_from_control

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

FORMATS = "drive.npz of a failure of `drivedit validate`, an .npz with `actions` [t, 2] or `controls` [t, 4], or an "
FORMATS += "episode's data/chunk-.../file-....parquet of a recording"


class Replay:
    """Replays actions; after the last of them it brakes to a standstill.

    From the start that they were recorded from, and in the same world, they repeat the drive. From any other they say
    how much a world's answer matters: a log of what someone did elsewhere.

    Args:
        actions: steer and acceleration, [t, 2] in [-1, 1].
        dt: time between them [s]; None where that is not known.

    Raises:
        ValueError: there are none, they are of another shape, or one is not in [-1, 1].
    """

    uses_pictures = False

    def __init__(self, actions: np.ndarray, dt: float | None = None) -> None:
        if actions.ndim != 2 or actions.shape[1] != 2 or not len(actions):
            raise ValueError(f"actions to replay must be [t, 2] = steer, acceleration, got {actions.shape}")
        bad = ~(np.abs(actions) <= 1 + 1e-6).all(axis=1)  # of NaN too
        if bad.any():
            step = int(bad.argmax())
            raise ValueError(f"actions to replay must lie in [-1, 1], step {step} has {actions[step].tolist()}")
        self.actions, self.dt = np.clip(actions, -1.0, 1.0).astype(np.float32), dt
        self._stop = Stop()

    @staticmethod
    def load(path: Path) -> Replay:
        """The actions of a file: FORMATS.

        Raises:
            ValueError: the file is of none of these, or a control reverses, which no action can.
            FileNotFoundError: it does not exist.
        """
        if path.suffix == ".parquet":
            return _of_episode(path)
        if path.suffix == ".npz":
            return _of_arrays(path)
        raise ValueError(f"{path} cannot be replayed; give {FORMATS}")

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin at the first action.

        Raises:
            ValueError: the env's time step is another than that of the actions.
        """
        if self.dt is not None and abs(env.world.dt - self.dt) > 1e-3:
            raise ValueError(f"the env's time step is {env.world.dt} s, that of the replayed actions {self.dt} s")
        self._step = 0

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The next action, float32 [2]."""
        if self._step >= len(self.actions):
            return self._stop.act(frame, info)
        self._step += 1
        return self.actions[self._step - 1].copy()


def _of_arrays(path: Path) -> Replay:
    arrays = load_arrays(path)
    dt = float(arrays["dt"]) if "dt" in arrays else None
    if "actions" in arrays:
        return Replay(arrays["actions"], dt)
    if "controls" in arrays:
        return Replay(_actions(arrays["controls"], path), dt)
    raise ValueError(f"{path} holds neither `actions` nor `controls` but {', '.join(arrays) or 'nothing'}")


def _of_episode(path: Path) -> Replay:
    table = pq.ParquetFile(path)
    names = table.schema_arrow.names
    if not {"action", "timestamp", "episode_index"} <= {*names}:
        raise ValueError(f"{path} has no columns action, timestamp and episode_index; give {FORMATS}")
    rows = table.read(columns=["action", "timestamp", "episode_index"])
    episodes = np.unique(rows["episode_index"].to_numpy())
    if len(episodes) != 1:
        raise ValueError(f"{path} must hold one episode to replay, it holds {len(episodes)}")
    controls = np.stack(rows["action"].to_pylist())
    times = rows["timestamp"].to_numpy()
    return Replay(_actions(controls, path), float(np.diff(times).mean()) if len(times) > 1 else None)


def _actions(controls: np.ndarray, path: Path) -> np.ndarray:
    """Of controls [t, 4]."""
    if controls.ndim != 2 or controls.shape[1] != len(CONTROL_NAMES):
        raise ValueError(f"controls of {path} must be [t, 4] = {', '.join(CONTROL_NAMES)}, got {controls.shape}")
    reverse = np.flatnonzero(controls[:, ControlColumn.REVERSE] > 0.5)
    if len(reverse):
        raise ValueError(f"{path} reverses in step {reverse[0]}, which actions cannot")
    return action_from_control(controls)
