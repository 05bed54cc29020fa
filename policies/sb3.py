"""SB3Policy: a network that Stable-Baselines3 trained in one of the envs, from its .zip."""

from __future__ import annotations

import importlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from envs.features import NUM_FEATURES, features_of_state
from worldsim.datatypes.scene import SCENE_SIZE

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

ALGORITHMS = {"PPO": "clip_range", "SAC": "target_entropy", "TD3": "target_policy_noise", "A2C": "vf_coef"}
"""By a parameter that a saved one has and those before it have not: a .zip does not say what made it."""
WHY_REFUSED = (
    "holds pickled objects, which can run any code when they are loaded: if you trust who made it, say so by "
    "--allow-pickle (of validate, play, demo, fidelity and bench-planners) or allow_pickle=True"
)


class SB3Policy:
    """A trained network; it takes the most likely action.

    What it observes is told by the shape of its observations: the frame, the state or features.

    Args:
        path: .zip that `save` of PPO, A2C, SAC, TD3 or DDPG wrote.
        allow_pickle: a .zip holds pickled objects, which can run any code when they are loaded.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: pickles are not allowed, Stable-Baselines3 is not installed, or it is of another algorithm or for
            other observations or actions.
    """

    def __init__(self, path: Path, *, allow_pickle: bool = False) -> None:
        algorithm = find_algorithm(path)
        if not allow_pickle:
            raise ValueError(f"{path} {WHY_REFUSED}")
        try:
            sb3 = importlib.import_module("stable_baselines3")
        except ModuleNotFoundError as error:
            raise ValueError(f"{path} needs Stable-Baselines3: pip install stable-baselines3") from error
        self.model = getattr(sb3, algorithm).load(path, device="cpu")

        space, action = self.model.observation_space, self.model.action_space
        shape = space.shape
        self.uses_pictures = isinstance(space, gymnasium.spaces.Box) and len(shape or ()) == 3
        if not self.uses_pictures and shape not in ((NUM_FEATURES,), (SCENE_SIZE,)):
            wanted = f"frames, a state [{SCENE_SIZE}] or features [{NUM_FEATURES}]"
            raise ValueError(f"{path} must observe {wanted}, it observes {space}")
        if getattr(action, "shape", None) != (2,):
            raise ValueError(f"{path} must act by Box [2] = steer, acceleration, it acts by {action}")

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Nothing to prepare: such networks have no memory."""

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2].

        Raises:
            ValueError: it needs frames and there are none, or they are of another size.
        """
        observation = frame
        if not self.uses_pictures:
            state = info["scene"]
            observation = features_of_state(state) if self.model.observation_space.shape == (NUM_FEATURES,) else state
        elif not frame.size:
            raise ValueError("the network observes frames, and this env makes none")
        return np.clip(self.model.predict(observation, deterministic=True)[0], -1.0, 1.0).astype(np.float32)


def find_algorithm(path: Path) -> str:
    """The class of Stable-Baselines3 that saved a .zip, found without loading what is pickled in it.

    Raises:
        FileNotFoundError: it does not exist.
        ValueError: it is no such file, or of another algorithm.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r} in {Path.cwd()}")
    try:
        with zipfile.ZipFile(path) as archive:
            data = json.loads(archive.read("data"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no .zip that Stable-Baselines3 saved") from error
    for name, parameter in ALGORITHMS.items():
        if parameter in data:
            return name
    raise ValueError(f"{path} was saved by none of {', '.join(ALGORITHMS)}, DDPG, whose actions are continuous")
