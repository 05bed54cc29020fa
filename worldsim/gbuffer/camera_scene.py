"""CameraScene: all that moves or changes in the picture of an instant; with the static world, what a camera sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from worldsim.datatypes.sun import check_sun
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View


@dataclass(frozen=True, kw_only=True, eq=False)
class CameraScene:
    """What a picture shows beside the layout.

    Args:
        view: where the vehicle stands that carries the camera.
        users: the other road users.
        user_ids: who each of them is, so that one is found again in another picture, int64 [n].
        lights: SignalKind of each light group of the layout, int64 [g]; None where that is not known.
        sun: unit vector towards the sun in the ground frame, float64 [3]; None where that is not known.

    Raises:
        ValueError: there are not as many ids as road users, or the sun's direction is no unit vector.
    """

    view: View
    users: RoadUsers
    user_ids: np.ndarray
    lights: np.ndarray | None = None
    sun: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.user_ids.shape != self.users.kinds.shape:
            raise ValueError(f"{len(self.users.kinds)} road users must have as many ids, got {self.user_ids.shape}")
        if self.sun is not None:
            check_sun(self.sun)
