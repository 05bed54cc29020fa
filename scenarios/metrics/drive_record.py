"""DriveRecord: all that metrics look at of a drive, whichever world or recording it comes from. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from worldsim.datatypes.boxes import separation
from worldsim.datatypes.scene import BOX_COLUMNS, LANE_NAMES, OBJECT_NAMES, LaneColumn, ObjectColumn, ObjectKind


@dataclass(frozen=True, kw_only=True, eq=False)
class DriveRecord:
    """A drive over t instants with n road users; SI, radians, one ground frame for the whole drive.

    What is not known is NaN, or None for a whole array; it is never 0. What a world reports of a drive is kept apart
    from what follows from the trajectories: metrics say in their provenance which they used.

    Args:
        dt: time between instants [s].
        ego: OBJECT_NAMES of the ego in the ground frame, float64 [t, 6]; speed is negative in reverse.
        ego_acceleration: along the heading, float64 [t] [m/s²].
        ego_yaw_rate: float64 [t] [rad/s].
        tracks: OBJECT_NAMES of each road user in the ground frame, float64 [n, t, 6].
        track_known: where `tracks` says something, bool [n, t].
        track_kinds: ObjectKind, int64 [n].
        tracks_complete: False where road users may have been there that are not in `tracks`.
        lane: LANE_NAMES, the ego on its route's lane, float64 [t, 4].
        lead_gap: bumper to bumper to who is ahead in the ego's lane, NaN without one, float64 [t] [m].
        in_junction: bool [t].
        drivable: outlines of what may be driven on, each float64 [k, 2] [m].
        contact: the world says that the ego touches something, bool [t].
        off_road: the world says that a corner of the ego is more than 0.3 m off the road, bool [t].
        wrong_way: the world says that the ego is in a lane of the opposite direction, bool [t].
        red_light: a stop line was crossed on red on the way to each instant, bool [t].
        stop_sign_missed: a stop sign was passed without a stop on the way to each instant, bool [t].
        signal_known: whether lights and signs are known, bool [t]; where they are not, the two above are False.
        progress: along the route in each step, float64 [t - 1] [m].
        plans: x, y, yaw of what the ego planned at each instant for the next h steps of dt, float64 [t, h, 3]; NaN at
            instants without a plan.
        route_length: of the route that was to be driven [m].
        reference_progress: of a competent driver from the same start in the same time [m].
        reference_speed: at which an ego that does not react hits what it hits, relative to that [m/s].
        approach: the same drive from some time before the policy took over. Reference drivers begin there: a danger
            that was in sight by then does not come as a surprise to them.

    Raises:
        ValueError: a shape does not fit the others, dt is not positive, or a pose, speed or size is not finite.
    """

    dt: float
    ego: np.ndarray
    ego_acceleration: np.ndarray
    ego_yaw_rate: np.ndarray
    tracks: np.ndarray
    track_known: np.ndarray
    track_kinds: np.ndarray
    tracks_complete: bool
    lane: np.ndarray
    lead_gap: np.ndarray
    in_junction: np.ndarray | None = None
    drivable: tuple[np.ndarray, ...] | None = None
    contact: np.ndarray | None = None
    off_road: np.ndarray | None = None
    wrong_way: np.ndarray | None = None
    red_light: np.ndarray | None = None
    stop_sign_missed: np.ndarray | None = None
    signal_known: np.ndarray | None = None
    progress: np.ndarray | None = None
    plans: np.ndarray | None = None
    route_length: float | None = None
    reference_progress: float | None = None
    reference_speed: float | None = None
    approach: DriveRecord | None = None

    def __post_init__(self) -> None:
        t, n = len(self.ego), len(self.tracks)
        if t < 1 or not self.dt > 0:
            raise ValueError(f"a drive needs at least one instant and a positive dt, got {t} and {self.dt}")
        expected = {
            "ego": (t, len(OBJECT_NAMES)),
            "ego_acceleration": (t,),
            "ego_yaw_rate": (t,),
            "tracks": (n, t, len(OBJECT_NAMES)),
            "track_known": (n, t),
            "track_kinds": (n,),
            "lane": (t, len(LANE_NAMES)),
            "lead_gap": (t,),
            "progress": (t - 1,),
        }
        flags = ("in_junction", "contact", "off_road", "wrong_way", "red_light", "stop_sign_missed", "signal_known")
        for name, shape in (expected | dict.fromkeys(flags, (t,))).items():
            array = getattr(self, name)
            if array is not None and array.shape != shape:
                raise ValueError(f"{name} must be {list(shape)} for {t} instants and {n} tracks, got {array.shape}")
        for name, values in (("ego", self.ego), ("tracks", self.tracks[self.track_known])):
            if not np.isfinite(values).all():
                raise ValueError(f"{name} must be finite, row {int(np.argmin(np.isfinite(values).all(-1)))} is not")

    @property
    def num_instants(self) -> int:
        """How many instants there are: t."""
        return len(self.ego)

    @property
    def duration(self) -> float:
        """From the first instant to the last [s]."""
        return (self.num_instants - 1) * self.dt

    @property
    def speed(self) -> np.ndarray:
        """Of the ego, [t] [m/s]."""
        return self.ego[:, ObjectColumn.SPEED]

    @property
    def ego_boxes(self) -> np.ndarray:
        """x, y, yaw, length, width, [t, 5]."""
        return self.ego[:, BOX_COLUMNS]

    @property
    def track_boxes(self) -> np.ndarray:
        """x, y, yaw, length, width, [n, t, 5]."""
        return self.tracks[..., BOX_COLUMNS]

    @cached_property
    def distances(self) -> np.ndarray:
        """Between the ego's box and each road user's, negative where they overlap, inf where unknown, [n, t] [m]."""
        return np.where(self.track_known, separation(self.ego_boxes, self.track_boxes), np.inf)

    @cached_property
    def track_acceleration(self) -> np.ndarray:
        """Of road users along their headings, by differences of their speeds, NaN where unknown, [n, t] [m/s²]."""
        return differentiate(np.where(self.track_known, self.tracks[..., ObjectColumn.SPEED], np.nan), self.dt)

    @cached_property
    def known_ego_acceleration(self) -> np.ndarray:
        """The ego's acceleration, from its speed where it is not recorded, [t] [m/s²]."""
        return np.where(np.isfinite(self.ego_acceleration), self.ego_acceleration, differentiate(self.speed, self.dt))

    @cached_property
    def overlaps(self) -> np.ndarray:
        """Where the ego's box and a road user's share a point, bool [n, t]."""
        return self.distances <= 0

    @cached_property
    def ego_in_several_lanes(self) -> np.ndarray:
        """Whether the ego reaches over the edges of its lane, [t]: 1, 0, or NaN where that is not known."""
        offset, turned = self.lane[:, LaneColumn.LATERAL_OFFSET], self.lane[:, LaneColumn.HEADING_ERROR]
        half_length, half_width = self.ego[:, ObjectColumn.LENGTH] / 2, self.ego[:, ObjectColumn.WIDTH] / 2
        reach = np.abs(offset) + half_length * np.abs(np.sin(turned)) + half_width * np.abs(np.cos(turned))
        edge = self.lane[:, LaneColumn.HALF_WIDTH]
        return np.where(np.isfinite(reach) & np.isfinite(edge), reach > edge, np.nan)

    def in_ego_frame(self) -> np.ndarray:
        """The road users' x and y in the vehicle frame of the ego at each instant, [n, t, 2] [m]."""
        offset = self.tracks[..., :2] - self.ego[:, :2]
        c, s = np.cos(self.ego[:, ObjectColumn.YAW]), np.sin(self.ego[:, ObjectColumn.YAW])
        forward, left = c * offset[..., 0] + s * offset[..., 1], c * offset[..., 1] - s * offset[..., 0]
        return np.stack([forward, left], axis=-1)

    def is_vehicle(self) -> np.ndarray:
        """Which road users are cars or trucks, bool [n]."""
        return np.isin(self.track_kinds, (ObjectKind.CAR, ObjectKind.TRUCK))


def differentiate(values: np.ndarray, dt: float) -> np.ndarray:
    """Time derivative of values [..., t]: central differences, one-sided beside unknown (NaN) values and at both ends;
    NaN where a value has no known neighbour."""
    step = np.diff(values, axis=-1) / dt
    pad = np.full((*values.shape[:-1], 1), np.nan)
    before, after = np.concatenate([pad, step], axis=-1), np.concatenate([step, pad], axis=-1)
    known_before, known_after = np.isfinite(before), np.isfinite(after)
    one_sided = np.where(known_before, before, after)
    return np.where(known_before & known_after, (before + after) / 2, one_sided)


def velocity(states: np.ndarray) -> np.ndarray:
    """Velocity [..., 2] in the frame of states OBJECT_NAMES [..., 6] [m/s]."""
    yaw, speed = states[..., ObjectColumn.YAW], states[..., ObjectColumn.SPEED]
    return np.stack([speed * np.cos(yaw), speed * np.sin(yaw)], axis=-1)
