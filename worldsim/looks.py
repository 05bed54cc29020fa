"""Looks: what light and weather of a name are in the learned world, as drives that were recorded so tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from worldsim.checkpoint import load_tensors, save_tensors
from worldsim.editing.edits import LookName

LOOKS_NAME = "looks.safetensors"
"""The file beside a checkpoint's weights."""
STYLE, ELEVATION = "style", "sun_elevation"
"""What the file's tensors are called, after the look's name and a dot."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedLook:
    """Light and weather.

    Args:
        style: the style vector of drives that look so, float32 [d].
        sun_elevation: of the sun above the horizon then [rad].
    """

    style: np.ndarray
    sun_elevation: float

    def turn_sun(self, sun: np.ndarray | None) -> np.ndarray | None:
        """The direction towards the sun, [3], in this look's elevation where it was in another one; None stays None."""
        if sun is None:
            return None
        azimuth = np.arctan2(sun[1], sun[0])
        flat, up = np.cos(self.sun_elevation), np.sin(self.sun_elevation)
        return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), up])


Looks = Mapping[LookName, LearnedLook]
"""Those that are known, by name."""


def save_looks(looks: Looks, path: Path) -> None:
    """Write `looks` to `path`, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for name, look in looks.items():
        tensors[f"{name}.{STYLE}"] = torch.from_numpy(look.style)
        tensors[f"{name}.{ELEVATION}"] = torch.tensor(look.sun_elevation, dtype=torch.float32)
    save_tensors(tensors, path)


def load_looks(path: Path, style_width: int) -> Looks:
    """What `save_looks` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged, tells of a look that there is none of, or its styles are not of `style_width`.
    """
    tensors = load_tensors(path)
    names = [name for name in get_args(LookName) if f"{name}.{STYLE}" in tensors]
    shapes = {f"{name}.{STYLE}": (style_width,) for name in names} | {f"{name}.{ELEVATION}": () for name in names}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(shapes.keys() | found.keys()):
        if shapes.get(name) != found.get(name):
            wanted, is_now = (known.get(name, "absent") for known in (shapes, found))
            raise ValueError(
                f"{path}: {name} must be {wanted}, is {is_now}; right would be the file that the training stage"
                f" `looks` makes with these weights"
            )
    return {
        name: LearnedLook(
            style=tensors[f"{name}.{STYLE}"].float().numpy(), sun_elevation=float(tensors[f"{name}.{ELEVATION}"])
        )
        for name in names
    }
