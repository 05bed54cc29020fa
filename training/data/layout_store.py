"""The layouts of a recording: a file for each map, named by what it holds, which its episodes share."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from training.data import lerobot_layout
from worldsim.array_files import load_arrays
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.layout_file import layout_digest, pack_layouts, unpack_layouts

UNKNOWN = ""
"""Digest of a layout of which nothing is known; it has no file."""


def write_layout(root: Path, layout: Layout) -> str:
    """Write a layout into the dataset at `root`, unless it is there; the digest by which to read it."""
    if not (layout.boxes_known or layout.ground_known):
        return UNKNOWN
    digest = layout_digest(layout)
    path = root / lerobot_layout.LAYOUT_PATH.format(digest=digest)
    if not path.exists():
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **pack_layouts([layout]))  # type: ignore[arg-type]
    return digest


@dataclass(frozen=True, kw_only=True)
class EpisodeLayout:
    """Where the layout of an episode is.

    Args:
        root: folder of the dataset.
        digest: names the file of the layout; UNKNOWN for none.
    """

    root: Path
    digest: str

    def read(self) -> Layout:
        """The layout, in the ground frame of the episode's vehicles; episodes of one map share it. Where it is unknown
        a warning says so, once a dataset.

        Raises:
            ValueError: its file is missing or damaged; the message names it.
        """
        if self.digest != UNKNOWN:
            return _read(self.root, self.digest)
        warnings.warn(
            f"{self.root} has episodes without a layout: imported, or recorded before there were any; what does not "
            f"move is unknown there",
            stacklevel=1,
        )
        return Layout.unknown()


@lru_cache(maxsize=8)
def _read(root: Path, digest: str) -> Layout:
    path = root / lerobot_layout.LAYOUT_PATH.format(digest=digest)
    try:
        (layout,) = unpack_layouts(load_arrays(path))
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    if layout_digest(layout) != digest:
        raise ValueError(f"{path} is damaged: it holds another layout than its name says")
    return layout
