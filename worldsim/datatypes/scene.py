"""SceneState, the language between worlds, and the layouts of controls and events. numpy only.

Axes and units: SI, radians. Vehicle frame: origin at the ego's centre, x forward, y left, z up, yaw
counter-clockwise (ISO 8855). Every value has a validity mask: an unknown value is marked, never invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike

CONTROL_NAMES = ("steer", "throttle", "brake", "reverse")
"""A control `a_t` acts over [t, t+1). steer in [-1, 1], positive left; throttle and brake in [0, 1]; reverse 0 or 1."""

EGO_NAMES = ("speed", "acceleration", "yaw_rate", "steer_angle")
"""[m/s], [m/s²], [rad/s], front wheels [rad]."""
LANE_NAMES = ("lateral_offset", "heading_error", "half_width", "speed_limit")
"""Ego relative to the centre of the route's lane, positive left [m], [rad]; half the lane's width [m]; [m/s]."""
LEAD_NAMES = ("gap", "speed")
"""Bumper to bumper along the route to the nearest object in the ego's corridor [m], its speed along the route [m/s]."""
OBJECT_NAMES = ("x", "y", "yaw", "speed", "length", "width")
"""Centre and yaw in the vehicle frame [m, m, rad], speed along the object's own heading [m/s], size [m]."""


class ControlColumn(IntEnum):
    """Columns of CONTROL_NAMES."""

    STEER = 0
    THROTTLE = 1
    BRAKE = 2
    REVERSE = 3


class EgoColumn(IntEnum):
    """Columns of EGO_NAMES."""

    SPEED = 0
    ACCELERATION = 1
    YAW_RATE = 2
    STEER_ANGLE = 3


class LaneColumn(IntEnum):
    """Columns of LANE_NAMES."""

    LATERAL_OFFSET = 0
    HEADING_ERROR = 1
    HALF_WIDTH = 2
    SPEED_LIMIT = 3


class LeadColumn(IntEnum):
    """Columns of LEAD_NAMES."""

    GAP = 0
    SPEED = 1


class ObjectColumn(IntEnum):
    """Columns of OBJECT_NAMES."""

    X = 0
    Y = 1
    YAW = 2
    SPEED = 3
    LENGTH = 4
    WIDTH = 5


BOX_COLUMNS = [ObjectColumn.X, ObjectColumn.Y, ObjectColumn.YAW, ObjectColumn.LENGTH, ObjectColumn.WIDTH]
"""Columns of OBJECT_NAMES, and of ACTOR_NAMES, that make a box of `worldsim.datatypes.boxes`."""

ROUTE_DISTANCES = tuple(float(d) for d in (3, 6, 9, 12, 16, 20, 25, 30, 40, 50))
"""Arc length ahead of the ego's projection on the route at which route points are given [m]."""
NUM_OBJECTS = 12
OBJECT_RANGE = 60.0
"""Objects farther than this are not listed [m]."""


class ObjectKind(IntEnum):
    """What an object is; EMPTY marks an unused slot."""

    EMPTY = 0
    CAR = 1
    TRUCK = 2
    PEDESTRIAN = 3
    STATIC = 4


class RouteCommand(IntEnum):
    """What the route does at the next junction within 30 m of the ego; FOLLOW when there is none."""

    FOLLOW = 0
    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3


UNKNOWN_COMMAND = len(RouteCommand)
"""Stands for a RouteCommand that is withheld or not known."""


def unknown_signals(batch_shape: Sequence[int] = ()) -> dict[str, np.ndarray]:
    """The fields of SceneState that tell of lights and signs, [...], where nothing is known of them.

    Recordings from before there were such fields are read with these.
    """
    b = tuple(batch_shape)
    return {
        "signal": np.zeros(b, np.int64),
        "signal_distance": np.zeros(b, np.float32),
        "signal_valid": np.zeros(b, bool),
    }


@dataclass(frozen=True, kw_only=True, eq=False)
class SceneState:
    """What matters for driving at one instant, or at many: every array may carry the same leading dims `...`.

    Args:
        ego: EGO_NAMES, float32 [..., 4].
        lane: LANE_NAMES, float32 [..., 4].
        route: points (x, y) ahead on the route at ROUTE_DISTANCES, float32 [..., 10, 2].
        lead: LEAD_NAMES, float32 [..., 2].
        command: RouteCommand, int64 [...].
        objects: OBJECT_NAMES, nearest first, float32 [..., NUM_OBJECTS, 6].
        object_kinds: ObjectKind, int64 [..., NUM_OBJECTS]; EMPTY exactly where a slot is invalid.
        ego_valid: bool [..., 4].
        lane_valid: bool [..., 4].
        route_valid: bool [..., 10].
        lead_valid: bool [...]; False also when there is nothing ahead.
        signal: SignalKind of the light or sign that counts next on the route, int64 [...]; NONE without one within
            SIGNAL_RANGE. A stop sign is STOP until the ego has stopped at it, then YIELD.
        signal_distance: from the front bumper to its stop line, float32 [...] [m]; at least -SIGNAL_BEHIND, 0 of NONE.
        signal_valid: bool [...]; False where the route's lights and signs are not known.
    """

    ego: np.ndarray
    lane: np.ndarray
    route: np.ndarray
    lead: np.ndarray
    command: np.ndarray
    objects: np.ndarray
    object_kinds: np.ndarray
    ego_valid: np.ndarray
    lane_valid: np.ndarray
    route_valid: np.ndarray
    lead_valid: np.ndarray
    signal: np.ndarray
    signal_distance: np.ndarray
    signal_valid: np.ndarray

    @property
    def object_valid(self) -> np.ndarray:
        """Bool [..., NUM_OBJECTS]."""
        return self.object_kinds != ObjectKind.EMPTY

    @property
    def object_boxes(self) -> np.ndarray:
        """Boxes [..., NUM_OBJECTS, 5] of the objects: x, y, yaw, length, width."""
        return self.objects[..., BOX_COLUMNS]

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """The leading dims, () for a single instant."""
        return self.ego.shape[:-1]

    @property
    def speed(self) -> np.ndarray:
        """Ego speed [m/s], shape [...]."""
        return self.ego[..., EgoColumn.SPEED]

    @property
    def lateral_offset(self) -> np.ndarray:
        """Ego offset from the lane centre, positive left [m], shape [...]."""
        return self.lane[..., LaneColumn.LATERAL_OFFSET]

    @property
    def heading_error(self) -> np.ndarray:
        """Ego heading minus lane heading [rad], shape [...]."""
        return self.lane[..., LaneColumn.HEADING_ERROR]

    @property
    def half_width(self) -> np.ndarray:
        """Half the lane's width [m], shape [...]."""
        return self.lane[..., LaneColumn.HALF_WIDTH]

    @property
    def speed_limit(self) -> np.ndarray:
        """[m/s], shape [...]."""
        return self.lane[..., LaneColumn.SPEED_LIMIT]

    def __getitem__(self, index) -> SceneState:
        """The instants selected by `index` on the leading dims."""
        return SceneState(**{name: getattr(self, name)[index] for name in _FIELDS})

    def __eq__(self, other: object) -> bool:
        """Same values and masks, exactly."""
        if not isinstance(other, SceneState):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in _FIELDS)

    __hash__ = None  # type: ignore[assignment]

    def copy(self) -> SceneState:
        """The same values in arrays of their own."""
        return SceneState(**{name: np.array(getattr(self, name)) for name in _FIELDS})

    def arrays(self) -> dict[str, np.ndarray]:
        """Field name to array, in declaration order; `SceneState(**arrays)` is the inverse."""
        return {name: getattr(self, name) for name in _FIELDS}

    def to_vector(self) -> np.ndarray:
        """All of it as float32 [..., SCENE_SIZE]: field after field as SCENE_LAYOUT says, masks as 0 or 1."""
        batch_shape = self.batch_shape
        if not batch_shape:
            return np.concatenate([getattr(self, name).ravel() for name in _FIELDS], dtype=np.float32)
        flat = [np.reshape(value, (*batch_shape, -1)) for value in self.arrays().values()]
        return np.concatenate(flat, axis=-1, dtype=np.float32)

    @staticmethod
    def from_vector(vector: ArrayLike) -> SceneState:
        """The scene of `to_vector` float32 [..., SCENE_SIZE], exactly; `info["scene"]` of single and batched envs.

        Raises:
            ValueError: the last dim is not SCENE_SIZE.
        """
        v = np.asarray(vector)
        if v.shape[-1:] != (SCENE_SIZE,):
            raise ValueError(f"a scene's vector has shape [..., {SCENE_SIZE}], got {v.shape}")
        fields_of_one = SceneState.empty().arrays().items()
        return SceneState(
            **{
                name: v[..., SCENE_LAYOUT[name]].reshape((*v.shape[:-1], *one.shape)).astype(one.dtype)
                for name, one in fields_of_one
            }
        )

    @staticmethod
    def empty(batch_shape: Sequence[int] = ()) -> SceneState:
        """A state in which nothing is known."""
        b = tuple(batch_shape)
        return SceneState(
            ego=np.zeros((*b, 4), np.float32),
            lane=np.zeros((*b, 4), np.float32),
            route=np.zeros((*b, len(ROUTE_DISTANCES), 2), np.float32),
            lead=np.zeros((*b, 2), np.float32),
            command=np.zeros(b, np.int64),
            objects=np.zeros((*b, NUM_OBJECTS, len(OBJECT_NAMES)), np.float32),
            object_kinds=np.zeros((*b, NUM_OBJECTS), np.int64),
            ego_valid=np.zeros((*b, 4), bool),
            lane_valid=np.zeros((*b, 4), bool),
            route_valid=np.zeros((*b, len(ROUTE_DISTANCES)), bool),
            lead_valid=np.zeros(b, bool),
            **unknown_signals(b),
        )

    @staticmethod
    def concatenate(parts: Sequence[SceneState]) -> SceneState:
        """All of them, in that order, along the first dim."""
        return SceneState(**{name: np.concatenate([getattr(s, name) for s in parts]) for name in _FIELDS})

    @staticmethod
    def stack(states: Sequence[SceneState]) -> SceneState:
        """Many states of one shape as one, along a new first dim."""
        if not states:
            raise ValueError("SceneState.stack needs at least one state, got none")
        return SceneState(**{name: np.stack([getattr(s, name) for s in states]) for name in _FIELDS})


_FIELDS = tuple(f.name for f in fields(SceneState))


def _layout() -> dict[str, slice]:
    sizes = {name: value.size for name, value in SceneState.empty().arrays().items()}
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}


SCENE_LAYOUT = _layout()
"""Where each field of a SceneState stands in its vector, in row-major order."""
SCENE_SIZE = SCENE_LAYOUT["signal_valid"].stop
"""Length of a SceneState's vector."""


def control_from_action(action: ArrayLike) -> np.ndarray:
    """The control [..., 4] (CONTROL_NAMES) of an env action [..., 2] = steer, acceleration, both in [-1, 1].

    Positive acceleration is throttle, negative is brake; the action never reverses.

    Raises:
        ValueError: the last dim is not 2, or a value is not finite.
    """
    a = np.asarray(action, np.float32)
    if a.shape[-1:] != (2,):
        raise ValueError(f"an action has shape [..., 2] = steer, acceleration, got {a.shape}")
    if not np.isfinite(a).all():
        raise ValueError(f"an action must be finite, got {a}")
    a = np.minimum(np.maximum(a, -1.0), 1.0)
    control = np.zeros((*a.shape[:-1], len(CONTROL_NAMES)), np.float32)
    control[..., ControlColumn.STEER] = a[..., 0]
    control[..., ControlColumn.THROTTLE] = np.maximum(a[..., 1], 0.0)
    control[..., ControlColumn.BRAKE] = np.maximum(-a[..., 1], 0.0)
    return control


def action_from_control(control: ArrayLike) -> np.ndarray:
    """The action [..., 2] nearest to a control [..., 4]: steer and throttle minus brake."""
    c = np.asarray(control, np.float32)
    acceleration = c[..., ControlColumn.THROTTLE] - c[..., ControlColumn.BRAKE]
    return np.stack([c[..., ControlColumn.STEER], acceleration], axis=-1)
