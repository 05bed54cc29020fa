"""How an endless drive begins in the learned world, as the reset options ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from worldsim.datatypes.start_clip import StartClip
from worldsim.layouts.drive import EndlessPlace
from worldsim.world_model import WorldModel


def begin_if_endless(
    model: WorldModel, clip: StartClip, seed: int, options: Mapping[str, Any]
) -> tuple[StartClip, EndlessPlace | None]:
    """The clip as the drive begins from it, and the place of an endless drive; None and the clip as it is if `options`
    ask for none. Unless they say otherwise a start without a route is endless where its ground is known: one that
    tells nothing but pictures would be told another place than these show.

    Raises:
        ValueError: commands without an endless drive, a checkpoint that makes none, or a start that it cannot go on
            from.
    """
    drives = model.tracker.endless_drives
    usually = drives is not None and len(clip.route) < 2 and clip.layout.ground_known and clip.layout.is_flat
    if not options.get("endless", usually):
        if "commands" in options:
            raise ValueError("commands are of an endless drive: give endless=True with them")
        return clip, None
    if drives is None:
        raise ValueError("this world's checkpoint has no layout model, by which an endless drive is made")
    return drives.begin(clip, seed, options.get("commands", np.zeros(0, np.int64)))
