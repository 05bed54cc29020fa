"""The ego's newest past, instant by instant. A frame is made when somebody first looks at it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.scene import CONTROL_NAMES, SceneState
from worldsim.datatypes.start_clip import NO_FRAME, NO_LANES, StartClip, check_finite
from worldsim.datatypes.vehicle import VEHICLE_NAMES

Show = Callable[[Any], np.ndarray]
"""Makes a frame, uint8 [h, w, 3], of a world's view."""


@dataclass(kw_only=True, eq=False)
class Instant:
    """One moment of the ego's past.

    Args:
        control: that led to it, float32 [4].
        vehicle: VEHICLE_NAMES, float64 [6].
        scene: of the moment.
        frame: RGB, uint8 [h, w, 3], where it is there from the first.
        view: else what it is made from, of the world's own kind.
    """

    control: np.ndarray
    vehicle: np.ndarray
    scene: SceneState
    frame: np.ndarray | None = None
    view: Any = None

    def __post_init__(self) -> None:
        self._seen = self.frame  # no field: whether somebody looked is no part of a state

    def seen(self, show: Show | None) -> np.ndarray:
        """The frame, not to be written to; `show` makes it of the view the first time."""
        if self._seen is None:
            assert show is not None, "this world's frames are there from the first"
            self._seen = show(self.view)
        return self._seen


def check_past(past: Sequence[Instant]) -> None:
    """Refuse a past that was read from somewhere and cannot have been.

    Raises:
        ValueError: it is empty, or a number of an instant is not finite or too many or few; names it.
    """
    if not past:
        raise ValueError("past is empty; right would be one instant or more")
    for k, instant in enumerate(past):
        for name, columns in (("control", CONTROL_NAMES), ("vehicle", VEHICLE_NAMES)):
            values = getattr(instant, name)
            if values.shape != (len(columns),):
                raise ValueError(f"past[{k}].{name} must be [{len(columns)}], got {list(values.shape)}")
            check_finite(f"past[{k}].{name}", values)
        if instant.scene.batch_shape != ():
            raise ValueError(f"past[{k}].scene must be a single one, got {list(instant.scene.batch_shape)}")
    shapes = {None if instant.frame is None else instant.frame.shape for instant in past}
    if len(shapes) > 1:
        raise ValueError(f"frames of the past must have one shape, got {shapes}")


def clip_of(
    past: Sequence[Instant],
    show: Show | None,
    route: np.ndarray,
    dt: float,
    lanes: np.ndarray = NO_LANES,
    signals: np.ndarray | None = None,
    *,
    layout: Layout,
    light_cycles: np.ndarray | None = None,
    road_users: KnownRoadUsers | None = None,
    ego_z: float = np.nan,
    sun: np.ndarray | None = None,
    partner_path: PartnerPath | None = None,
    pictures: bool = True,
) -> StartClip:
    """The past, newest last, as a start clip.

    Args:
        past: the instants.
        show: makes those frames that nobody has looked at yet.
        route: ahead, [r, 2] in the newest vehicle frame [m].
        dt: time between instants [s].
        lanes: ROUTE_LANE_NAMES of the route, [r, 4].
        signals: ROUTE_SIGNAL_NAMES of its stop lines, [k, 6], with time 0 now; None where they are not known.
        layout: around the route, in the ground frame.
        light_cycles: LIGHT_CYCLE_NAMES of the layout's light groups, [g, 4], with time 0 now; None where not known.
        road_users: all others now; None where only the scenes' objects are known.
        ego_z: height of the road under the ego now [m]; NaN where not known.
        sun: unit vector towards the sun in the ground frame, [3]; None where not known.
        partner_path: of scripted road users that come from another road; None without them.
        pictures: False leaves the frames out, and makes none.
    """
    frames = [instant.seen(show) if pictures else NO_FRAME for instant in past]
    return StartClip(
        frames=np.stack(frames),
        controls=np.array([instant.control for instant in past[1:]], np.float32).reshape(-1, 4),
        vehicles=np.stack([instant.vehicle for instant in past]),
        scenes=SceneState.stack([instant.scene for instant in past]),
        route=route.astype(np.float32),
        dt=dt,
        lanes=lanes,
        signals=signals,
        layout=layout,
        light_cycles=light_cycles,
        road_users=road_users,
        ego_z=ego_z,
        sun=sun,
        partner_path=partner_path,
    )
