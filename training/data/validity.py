"""What a recording knows, as far as training and evaluation must ask: the one place where masks are read for them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from training.data.lerobot_layout import VALID_NAMES
from worldsim.datatypes.vehicle import VEHICLE_NAMES


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Which parts of rows [...] may be learned from and told to the model; what is unknown is hidden or left out.

    SceneState's own masks tell of ego, lane and route points.

    Args:
        picture: the frame shows what the camera saw, bool [...].
        motion: the control and the ego's motion before it, so that the vehicle model tells what became of them by the
            next row, bool [...]. Where reverse is not told, driving is forward.
        pose: where the ego was, bool [...].
        objects: all around the ego are listed, and where and how fast the ego itself was, bool [...].
        route: whether there is a route, and with it the command, bool [...].
        lead: whether somebody is ahead on the route, and how far, bool [...].
        collision: whether the ego touched something, bool [...].
        off_road: whether it left the road, bool [...].
    """

    picture: np.ndarray
    motion: np.ndarray
    pose: np.ndarray
    objects: np.ndarray
    route: np.ndarray
    lead: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray

    def __getitem__(self, index: Any) -> Known:
        """The rows selected by `index` on the leading dims."""
        return Known(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


def known_of(valid: np.ndarray) -> Known:
    """What masks bool [..., 16] (VALID_NAMES) tell."""

    def all_of(*names: str) -> np.ndarray:
        return np.asarray(valid[..., [VALID_NAMES.index(name) for name in names]].all(-1))

    pose, motion = VEHICLE_NAMES[:3], VEHICLE_NAMES[3:]
    objects = all_of("objects", *pose, "speed")
    route = all_of("progress")
    return Known(
        picture=all_of("frame"),
        motion=all_of("steer", "throttle", "brake", *motion),
        pose=all_of(*pose),
        objects=objects,
        route=route,
        lead=objects & route,
        collision=all_of("collision"),
        off_road=all_of("off_road"),
    )
