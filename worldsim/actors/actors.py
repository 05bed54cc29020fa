"""The tracked road users around the egos, and who is who from one instant to the next. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectColumn, ObjectKind, SceneState
from worldsim.datatypes.vehicle import VehicleColumn

ACTOR_NAMES = ("x", "y", "yaw", "speed", "length", "width", "yaw_rate", "drives", "lane", "acceleration")
"""Ground frame [m, m, rad], [m/s], [m, m], [rad/s]; 1 for who has moved before or stands in a lane, 0 for the parked;
offset from the ego's route that it keeps, positive left [m], NaN for who keeps none; [m/s²]."""


class ActorColumn(IntEnum):
    """Columns of ACTOR_NAMES; the first six are those of OBJECT_NAMES."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    LENGTH = 4
    WIDTH = 5
    YAW_RATE = 6
    DRIVES = 7
    LANE = 8
    ACCELERATION = 9


SIZE = slice(ActorColumn.LENGTH, ActorColumn.WIDTH + 1)
"""Length and width of an actor or object."""
STANDING = 0.15
"""Slower actors stand and do not turn [m/s]."""
NUM_ACTORS = 16
"""Slots of a drive: as many as SceneState lists, and some for those who are still farther away."""
BRAKE_LIGHTS = -0.6
"""Vehicles that accelerate less than this show brake lights, as do those that stand in traffic [m/s²]."""
STRIDE_LENGTH = 1.4
"""Distance walked in one cycle of the legs [m]."""

PARKED_NAMES = ("x", "y", "yaw", "length", "width", "z", "kind")
"""Who stands beside the lanes, in the ground frame: [m, m, rad, m, m], height of the ground below [m], NaN where it is
not known; ObjectKind."""


class ParkedColumn(IntEnum):
    """Columns of PARKED_NAMES; the first five make a box of `worldsim.datatypes.boxes`."""

    X = 0
    Y = 1
    YAW = 2
    LENGTH = 3
    WIDTH = 4
    Z = 5
    KIND = 6


TRAIT_NAMES = ("red", "green", "blue", "height", "z", "phase", "id", "recurs", "waited", "pace", "headway", "way")
"""RGB in [0, 1], NaN where unknown; height, and that of the ground below [m], NaN where it is not known; of a
pedestrian's stride [rad]; who it is, and of a free slot whoever was there last; 1 for whose place another one takes;
how long it has stood [s]; of drivers the speed that they like, as a share of the limit, and the time that they leave
to their lead [s], NaN before these are drawn; number by which it chooses its way, NaN before that is drawn."""


class TraitColumn(IntEnum):
    """Columns of TRAIT_NAMES."""

    RED = 0
    GREEN = 1
    BLUE = 2
    HEIGHT = 3
    Z = 4
    PHASE = 5
    ID = 6
    RECURS = 7
    WAITED = 8
    PACE = 9
    HEADWAY = 10
    WAY = 11


COLOR = slice(TraitColumn.RED, TraitColumn.BLUE + 1)
"""RGB of an actor."""
HABITS = slice(TraitColumn.PACE, TraitColumn.HEADWAY + 1)
"""Pace and headway of a driver."""


@dataclass(frozen=True, kw_only=True)
class Actors:
    """The actors around `b` egos, `s` slots each.

    Args:
        states: ACTOR_NAMES, float64 [b, s, 10].
        kinds: ObjectKind, EMPTY in free slots, int64 [b, s].
        vacant: free slots that a new arrival may take, bool [b, s]; the others stay free, as they were at the start.
        traits: TRAIT_NAMES: what pictures of them need, and who they are, float64 [b, s, 12].
    """

    states: np.ndarray
    kinds: np.ndarray
    vacant: np.ndarray
    traits: np.ndarray

    @property
    def colors(self) -> np.ndarray:
        """RGB in [0, 1], float64 [b, s, 3]; NaN where unknown."""
        return self.traits[..., COLOR]

    @property
    def braking(self) -> np.ndarray:
        """Whose brake lights are on, bool [b, s]."""
        speed, acceleration = self.states[..., ActorColumn.SPEED], self.states[..., ActorColumn.ACCELERATION]
        vehicle = (self.kinds == ObjectKind.CAR) | (self.kinds == ObjectKind.TRUCK)
        slows = (acceleration < BRAKE_LIGHTS) | (speed < STANDING)
        return vehicle & slows & (self.states[..., ActorColumn.DRIVES] > 0)

    def take(self, rows: Sequence[int]) -> Actors:
        """The given worlds, in that order, in memory of their own."""
        index = list(rows)
        return Actors(
            states=self.states[index],
            kinds=self.kinds[index],
            vacant=self.vacant[index],
            traits=self.traits[index],
        )

    @staticmethod
    def concat(many: Sequence[Actors]) -> Actors:
        """The worlds of all of them, in that order."""
        return Actors(
            states=np.concatenate([actors.states for actors in many]),
            kinds=np.concatenate([actors.kinds for actors in many]),
            vacant=np.concatenate([actors.vacant for actors in many]),
            traits=np.concatenate([actors.traits for actors in many]),
        )

    def in_ego_frame(self, vehicles: np.ndarray) -> np.ndarray:
        """ACTOR_NAMES with position and yaw in the frames of `vehicles` [b, 6]; float64 [b, s, 10]."""
        ego_yaw = vehicles[:, VehicleColumn.YAW, None]
        local = self.states.copy()
        local[..., :2] = rotate(self.states[..., :2] - vehicles[:, None, :2], -ego_yaw)
        local[..., ActorColumn.YAW] = wrap_angle(self.states[..., ActorColumn.YAW] - ego_yaw)
        return np.where(self.kinds[..., None] > 0, local, 0.0)


def object_states(scene: SceneState, vehicle: np.ndarray) -> np.ndarray:
    """ACTOR_NAMES [..., s, 10] of the objects of a scene around `vehicle` [..., 6]; the last four are not known."""
    objects = scene.objects.astype(np.float64)
    ego_yaw = vehicle[..., VehicleColumn.YAW, None]
    ground = vehicle[..., None, :2] + rotate(objects[..., :2], ego_yaw)
    yaw = wrap_angle(objects[..., ObjectColumn.YAW] + ego_yaw)
    unknown = np.broadcast_to([0.0, 0.0, np.nan, 0.0], (*yaw.shape, 4))
    return np.concatenate([ground, yaw[..., None], objects[..., ObjectColumn.SPEED :], unknown], axis=-1)


def match_objects(
    before: np.ndarray, kinds_before: np.ndarray, after: np.ndarray, kinds: np.ndarray, seconds: float, within: float
) -> np.ndarray:
    """For each object [..., s] the index of the same one `seconds` before, -1 where there is none.

    The same one has kind and size in common and lies within `within` [m] of where its mean speed would have brought it.
    """
    yaw = after[..., ActorColumn.YAW]
    heading = np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)
    mean_speed = 0.5 * (after[..., :, None, ActorColumn.SPEED] + before[..., None, :, ActorColumn.SPEED])
    expected = after[..., :, None, :2] - seconds * mean_speed[..., None] * heading[..., :, None, :]
    miss = np.hypot(*np.moveaxis(expected - before[..., None, :, :2], -1, 0))
    size, size_before = after[..., SIZE], before[..., SIZE]
    resized = np.abs(size[..., :, None, :] - size_before[..., None, :, :]).max(-1)
    same = (kinds[..., :, None] == kinds_before[..., None, :]) & (kinds[..., :, None] > 0) & (resized < 1e-3)
    miss = np.where(same & (miss < within), miss, np.inf)
    return np.where(np.isfinite(miss.min(-1)), miss.argmin(-1), -1)


def with_rates(states: np.ndarray, before: np.ndarray, match: np.ndarray, dt: float) -> np.ndarray:
    """`states` [..., s, 10] with yaw rate and acceleration since `before`, where `match` [..., s] tells who is who."""
    known = match >= 0
    old = np.take_along_axis(before, np.maximum(match, 0)[..., None], axis=-2)
    yaw_rate = wrap_angle(states[..., ActorColumn.YAW] - old[..., ActorColumn.YAW]) / dt
    moves = states[..., ActorColumn.SPEED] > STANDING
    acceleration = (states[..., ActorColumn.SPEED] - old[..., ActorColumn.SPEED]) / dt
    new = states.copy()
    new[..., ActorColumn.YAW_RATE] = np.where(known & moves, yaw_rate, 0.0)
    new[..., ActorColumn.ACCELERATION] = np.where(known, acceleration, 0.0)
    return new
