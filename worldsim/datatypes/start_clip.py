"""StartClip: a short piece of the past from which a world goes on. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from worldsim.datatypes.layout import Layout
from worldsim.datatypes.route import ROUTE_LANE_NAMES
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import ROUTE_SIGNAL_NAMES
from worldsim.datatypes.vehicle import VEHICLE_NAMES

NO_FRAME = np.zeros((0, 0, 3), np.uint8)
"""Stands for a frame in a state-only clip."""
NO_LANES = np.zeros((0, len(ROUTE_LANE_NAMES)), np.float32)
"""Stands for lanes of which nothing is known."""
LAYOUT_RADIUS = 80.0
"""How far around its route a clip's layout reaches [m]."""


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

    A state-only clip has no frames: uint8 [t, 0, 0, 3]. Only a state-only drive can begin from it.

    Raises:
        ValueError: a shape does not fit the others.
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
        if not self.dt > 0:
            raise ValueError(f"dt must be positive, got {self.dt}")

    @property
    def has_frames(self) -> bool:
        """False of a state-only clip."""
        return self.frames.size > 0

    def last(self, num_frames: int) -> StartClip:
        """The newest `num_frames` frames as a clip of their own."""
        if not 1 <= num_frames <= len(self.frames):
            raise ValueError(f"the clip has {len(self.frames)} frames, asked for {num_frames}")
        i = len(self.frames) - num_frames
        return StartClip(
            frames=self.frames[i:],
            controls=self.controls[i:],
            vehicles=self.vehicles[i:],
            scenes=self.scenes[i:],
            route=self.route,
            dt=self.dt,
            lanes=self.lanes,
            signals=self.signals,
            layout=self.layout,
        )
