"""Which parts of a recording are known: the one place where training and evaluation read its masks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from training.data.lerobot_layout import VALID_NAMES
from worldsim.datatypes.vehicle import VEHICLE_NAMES


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Which parts of rows [...] may be learned from and given to the model; what is unknown is hidden or left out.

    Ego, lane and route points have masks of their own in SceneState.

    Args:
        picture: the frame shows what the camera saw, bool [...].
        motion: the control and the ego's motion before it, from which the vehicle model predicts the motion up to the
            next row, bool [...]. Where reverse is unknown, driving is forward.
        pose: where the ego was, bool [...].
        objects: everyone around the ego is listed, and where and how fast the ego itself was, bool [...].
        route: whether there is a route, and with it the command, bool [...].
        lead: whether there is a lead on the route, and how far ahead, bool [...].
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
    """Which parts are known by masks bool [..., 16] (VALID_NAMES)."""

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
