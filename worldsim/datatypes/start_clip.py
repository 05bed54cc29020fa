"""StartClip: a short piece of the past from which a world goes on. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.route import ROUTE_LANE_NAMES
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import LIGHT_CYCLE_NAMES, ROUTE_SIGNAL_NAMES
from worldsim.datatypes.sun import check_sun
from worldsim.datatypes.vehicle import VEHICLE_NAMES

NO_FRAME = np.zeros((0, 0, 3), np.uint8)
"""Stands for a frame in a state-only clip."""
NO_LANES = np.zeros((0, len(ROUTE_LANE_NAMES)), np.float32)
"""Stands for lanes of which nothing is known."""
LAYOUT_RADIUS = 80.0
"""How far around its route a clip's layout reaches, and those of its road users who are parked [m]."""
USER_RANGE = 150.0
"""Road users that are not parked are in a clip up to this far from the ego [m]: farther ones are not drawn."""


@dataclass(frozen=True, kw_only=True)
class StartClip:
    """`t` consecutive frames, newest last, and what led from each to the next.

    Args:
        frames: RGB, uint8 [t, h, w, 3].
        controls: CONTROL_NAMES, float32 [t-1, 4]; controls[k] leads from frame k to frame k+1.
        vehicles: ego motion at each frame, VEHICLE_NAMES, float64 [t, 6].
        scenes: SceneState with leading dim [t].
        route: centreline ahead of the last frame, float32 [r, 2], in that frame's vehicle frame [m].
        dt: time between frames [s].
        lanes: ROUTE_LANE_NAMES at each point of the route, float32 [r, 4]; NaN where unknown, as all is without it.
        signals: ROUTE_SIGNAL_NAMES of the stop lines along the route, in order, float32 [k, 6]; time 0 is the last
            frame's. NO_SIGNALS of a route without any; None where they are not known.
        layout: what stands and lies within LAYOUT_RADIUS of the route, in the ground frame of `vehicles`; else unknown.
        light_cycles: LIGHT_CYCLE_NAMES by light group of the layout, float64 [g, 4], 0 of groups that no light of it
            shows; time 0 is the last frame's. None where they are not known.
        road_users: all others at the last frame, those parked within LAYOUT_RADIUS of the route included, in the ground
            frame of `vehicles`. None where only the objects of `scenes` are known.
        ego_z: height of the road under the ego at the last frame [m]; NaN where it is not known.
        sun: unit vector towards the sun in the ground frame of `vehicles`, float64 [3]; None where it is not known.
        partner_path: of scripted road users that come from another road, in the ground frame of `vehicles`; None of a
            start without them.

    A state-only clip has no frames: uint8 [t, 0, 0, 3]. Only a state-only drive can begin from it.

    Raises:
        ValueError: a shape does not fit the others, or a number of the ego's past or of its route is not finite.
    """

    frames: np.ndarray
    controls: np.ndarray
    vehicles: np.ndarray
    scenes: SceneState
    route: np.ndarray
    dt: float
    lanes: np.ndarray = field(default_factory=lambda: NO_LANES)
    signals: np.ndarray | None = None
    layout: Layout = field(default_factory=Layout.unknown)
    light_cycles: np.ndarray | None = None
    road_users: KnownRoadUsers | None = None
    ego_z: float = np.nan
    sun: np.ndarray | None = None
    partner_path: PartnerPath | None = None

    def __post_init__(self) -> None:
        t = len(self.frames)
        if t < 1 or self.frames.ndim != 4 or self.frames.shape[-1] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(f"frames must be uint8 [t, h, w, 3], got {self.frames.dtype} {self.frames.shape}")
        if self.controls.shape != (t - 1, 4):
            raise ValueError(f"controls must be [{t - 1}, 4] for {t} frames, got {self.controls.shape}")
        if self.vehicles.shape != (t, len(VEHICLE_NAMES)):
            raise ValueError(f"vehicles must be [{t}, {len(VEHICLE_NAMES)}], got {self.vehicles.shape}")
        if self.scenes.batch_shape != (t,):
            raise ValueError(f"scenes must have leading dim [{t}], got {self.scenes.batch_shape}")
        if self.route.ndim != 2 or self.route.shape[1] != 2:
            raise ValueError(f"route must be [r, 2], got {self.route.shape}")
        if self.lanes is NO_LANES:
            object.__setattr__(self, "lanes", np.full((len(self.route), len(ROUTE_LANE_NAMES)), np.nan, np.float32))
        if self.lanes.shape != (len(self.route), len(ROUTE_LANE_NAMES)):
            raise ValueError(
                f"lanes must be [{len(self.route)}, {len(ROUTE_LANE_NAMES)}], the route has {len(self.route)} points, "
                f"got {self.lanes.shape}; NO_LANES says that nothing is known of them"
            )
        if self.signals is not None and self.signals.shape[1:] != (len(ROUTE_SIGNAL_NAMES),):
            raise ValueError(
                f"signals must be [k, {len(ROUTE_SIGNAL_NAMES)}] = {', '.join(ROUTE_SIGNAL_NAMES)}, or None where they "
                f"are not known, got {self.signals.shape}"
            )
        if self.light_cycles is not None:
            groups = int(self.layout.box_signals.max(initial=-1)) + 1
            if self.light_cycles.shape[1:] != (len(LIGHT_CYCLE_NAMES),) or len(self.light_cycles) < groups:
                raise ValueError(
                    f"light_cycles must be [g, {len(LIGHT_CYCLE_NAMES)}] = {', '.join(LIGHT_CYCLE_NAMES)} of at least "
                    f"the layout's {groups} light groups, got {self.light_cycles.shape}"
                )
        if self.sun is not None:
            check_sun(self.sun)
        if not 0 < self.dt < np.inf:
            raise ValueError(f"dt must be a positive, finite number of seconds, got {self.dt}")
        for name in ("controls", "vehicles", "route", "light_cycles"):
            check_finite(name, getattr(self, name))
        for name, values in self.scenes.arrays().items():
            check_finite(f"scenes.{name}", values)

    @property
    def has_frames(self) -> bool:
        """False of a state-only clip."""
        return self.frames.size > 0

    def last(self, num_frames: int) -> StartClip:
        """The newest `num_frames` frames as a clip of their own."""
        if not 1 <= num_frames <= len(self.frames):
            raise ValueError(f"the clip has {len(self.frames)} frames, asked for {num_frames}")
        i = len(self.frames) - num_frames
        return replace(
            self,
            frames=self.frames[i:],
            controls=self.controls[i:],
            vehicles=self.vehicles[i:],
            scenes=self.scenes[i:],
        )


def check_finite(name: str, values: np.ndarray | None) -> None:
    """Refuse an array of floats that holds something else than finite numbers.

    Raises:
        ValueError: it does; names the array, the place and the value.
    """
    if values is None or values.dtype.kind != "f" or np.isfinite(values).all():
        return
    place = np.unravel_index(int(np.argmin(np.isfinite(values))), values.shape)
    where = f"[{', '.join(map(str, place))}]" if place else ""
    raise ValueError(f"{name} must be finite numbers, {name}{where} is {values[place]}")


def cycles_of_layout(layout: Layout, cycles: np.ndarray | None) -> np.ndarray | None:
    """Of a map's light cycles [g, 4] those that the lights of a part of its layout show, float64 [k, 4], under the same
    group numbers; the groups in between are 0. None where they are not known.

    Raises:
        ValueError: a light of the layout shows a group that has no cycle, or cycles have other columns.
    """
    if cycles is None:
        return None
    shown = np.unique(layout.box_signals[layout.box_signals >= 0])
    groups = int(shown.max(initial=-1)) + 1
    if cycles.shape[1:] != (len(LIGHT_CYCLE_NAMES),) or len(cycles) < groups:
        raise ValueError(
            f"the light cycles of a map must be [g, {len(LIGHT_CYCLE_NAMES)}] = {', '.join(LIGHT_CYCLE_NAMES)} of at "
            f"least the {groups} light groups that its layout shows, got {cycles.shape}"
        )
    kept = np.zeros((groups, len(LIGHT_CYCLE_NAMES)))
    kept[shown] = cycles[shown]
    return kept


def users_along(users: KnownRoadUsers, vehicle: np.ndarray, route: np.ndarray) -> KnownRoadUsers:
    """Those whom pictures of a drive may show: within USER_RANGE of `vehicle` [6] or, if parked, within LAYOUT_RADIUS
    of the route's points [r, 2] in the ground frame."""
    place = users.boxes[:, :2]
    shown = np.hypot(*(place - vehicle[:2]).T) <= USER_RANGE
    apart = np.full(len(users), np.inf)
    for point in route:
        apart = np.minimum(apart, np.hypot(*(place - point).T))
    return users[np.where(users.parked & (len(route) > 0), apart <= LAYOUT_RADIUS, shown)]
