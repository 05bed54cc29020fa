"""What PlanT sees of a scene: a token for each road user and each piece of the route, and what its decoder is told.

Tokens are boxes in the vehicle frame, as in Renz et al. 2022 (https://arxiv.org/abs/2210.14222). Unlike there a yaw is
its cosine and sine, the ego's own motion is shown, since labels come from an expert asked about every state, and the
lead, which may be none of the nearest objects.
What is not known is marked as such: a token is left out, a value is 0 beside a mask that says so.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np

from worldsim.datatypes.scene import (
    EGO_NAMES,
    LANE_NAMES,
    LEAD_NAMES,
    NUM_OBJECTS,
    ROUTE_DISTANCES,
    LaneColumn,
    ObjectColumn,
    ObjectKind,
    SceneState,
)
from worldsim.datatypes.signals import SignalKind

TOKEN_NAMES = ("x", "y", "cos_yaw", "sin_yaw", "speed", "length", "width")
"""Centre and yaw of a box in the vehicle frame, speed along its heading, size; of a piece of the route the speed is its
number along the route, the nearest 0. All in the units of TOKEN_UNITS."""
TOKEN_UNITS = np.array([20.0, 20.0, 1.0, 1.0, 10.0, 5.0, 2.0], np.float32)
ROUTE_ENDS = (3.0, 9.0, 16.0, 30.0, 50.0)
"""The pieces of the route reach from one of these arc lengths ahead of the ego to the next [m]."""
NUM_ROUTE_TOKENS = len(ROUTE_ENDS) - 1
NUM_TOKENS = NUM_OBJECTS + NUM_ROUTE_TOKENS
DEFAULT_ROUTE_WIDTH = 3.5
"""Width of a piece of the route whose lane's width is not known [m]."""
STATE_NAMES = (*EGO_NAMES, *LANE_NAMES, *(f"lead_{name}" for name in LEAD_NAMES))
"""The ego's motion, its place in the lane, and what is ahead in its corridor."""
STATE_UNITS = np.array([10.0, 4.0, 0.5, 0.5, 1.0, 0.3, 2.0, 10.0, 20.0, 10.0], np.float32)
LIGHT_NAMES = ("known", "red", "yellow", "green", "stop", "yield", "near", "far")
"""Whether lights and signs are known at all, what the next one shows (SignalKind), and how far its line is from the
front bumper: in SIGNAL_UNITS, each cut off at ±1, so that the last metres are told as finely as the first."""
SIGNAL_UNITS = (10.0, 60.0)
"""[m]."""
TARGET_UNIT = 50.0
"""Of the target point [m]."""


class TokenColumn(IntEnum):
    """Columns of TOKEN_NAMES."""

    X = 0
    Y = 1
    COS_YAW = 2
    SIN_YAW = 3
    SPEED = 4
    LENGTH = 5
    WIDTH = 6


class TokenKind(IntEnum):
    """What a token is; those of road users are numbered as in ObjectKind."""

    EMPTY = 0
    CAR = 1
    TRUCK = 2
    PEDESTRIAN = 3
    STATIC = 4
    ROUTE = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Tokens:
    """What PlanT sees in `b` scenes; objects first, then the route.

    Args:
        boxes: TOKEN_NAMES in TOKEN_UNITS, float32 [b, NUM_TOKENS, 7]; 0 where there is no token.
        kinds: TokenKind, int64 [b, NUM_TOKENS]; EMPTY where there is no token.
        state: STATE_NAMES in STATE_UNITS, float32 [b, 10]; 0 where not known.
        state_valid: which of these are known, bool [b, 10].
        target: the farthest known point of the route, in TARGET_UNIT, float32 [b, 2]; 0 without one.
        target_valid: bool [b].
        light: LIGHT_NAMES, float32 [b, 8].
    """

    boxes: np.ndarray
    kinds: np.ndarray
    state: np.ndarray
    state_valid: np.ndarray
    target: np.ndarray
    target_valid: np.ndarray
    light: np.ndarray

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: np.ndarray | slice) -> Tokens:
        """Those of the scenes that `index` selects."""
        return Tokens(**{name: value[index] for name, value in self.arrays().items()})

    def arrays(self) -> dict[str, np.ndarray]:
        """Field name to array; `Tokens(**arrays)` is the inverse."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def tokenize(scenes: SceneState) -> Tokens:
    """The tokens of scenes [b]."""
    lead_valid = np.repeat(scenes.lead_valid[:, None], len(LEAD_NAMES), axis=1)
    known = np.concatenate([scenes.ego_valid, scenes.lane_valid, lead_valid], axis=-1)
    state = np.concatenate([scenes.ego, scenes.lane, scenes.lead], axis=-1) / STATE_UNITS
    objects, route = _object_boxes(scenes), _route_boxes(scenes)
    route_kinds = np.where(_route_known(scenes), TokenKind.ROUTE, TokenKind.EMPTY)
    kinds = np.concatenate([scenes.object_kinds, route_kinds], axis=1)
    boxes = np.concatenate([objects, route], axis=1) / TOKEN_UNITS
    target, target_valid = _target_point(scenes)
    return Tokens(
        boxes=np.where((kinds != TokenKind.EMPTY)[..., None], boxes, 0.0).astype(np.float32),
        kinds=kinds.astype(np.int64),
        state=np.where(known, state, 0.0).astype(np.float32),
        state_valid=known,
        target=target,
        target_valid=target_valid,
        light=_light(scenes),
    )


def _object_boxes(scenes: SceneState) -> np.ndarray:
    """TOKEN_NAMES float32 [b, NUM_OBJECTS, 7]."""
    x, y, yaw, speed, length, width = (scenes.objects[..., column] for column in ObjectColumn)
    return np.stack([x, y, np.cos(yaw), np.sin(yaw), speed, length, width], axis=-1)


def _route_known(scenes: SceneState) -> np.ndarray:
    """Which pieces of the route have both ends, bool [b, NUM_ROUTE_TOKENS]."""
    ends = scenes.route_valid[:, [ROUTE_DISTANCES.index(end) for end in ROUTE_ENDS]]
    return ends[:, :-1] & ends[:, 1:]


def _route_boxes(scenes: SceneState) -> np.ndarray:
    """TOKEN_NAMES float32 [b, NUM_ROUTE_TOKENS, 7] of the straight boxes between the route's points at ROUTE_ENDS."""
    ends = scenes.route[:, [ROUTE_DISTANCES.index(end) for end in ROUTE_ENDS]]
    middle, along = (ends[:, 1:] + ends[:, :-1]) / 2, ends[:, 1:] - ends[:, :-1]
    length = np.hypot(along[..., 0], along[..., 1])
    direction = along / np.maximum(length, 1e-6)[..., None]
    number = np.broadcast_to(np.arange(NUM_ROUTE_TOKENS) * TOKEN_UNITS[TokenColumn.SPEED], length.shape)
    known = scenes.lane_valid[:, LaneColumn.HALF_WIDTH]
    width = np.where(known, 2 * scenes.half_width, DEFAULT_ROUTE_WIDTH)[:, None]
    others = [number, length, np.broadcast_to(width, length.shape)]
    return np.concatenate([middle, direction, np.stack(others, axis=-1)], axis=-1)


def _target_point(scenes: SceneState) -> tuple[np.ndarray, np.ndarray]:
    """The last valid point of the route in TARGET_UNIT, float32 [b, 2], and whether there is one, bool [b]."""
    valid = scenes.route_valid
    last = valid.shape[1] - 1 - np.argmax(valid[:, ::-1], axis=1)
    point = np.take_along_axis(scenes.route, last[:, None, None], axis=1)[:, 0] / TARGET_UNIT
    known = np.asarray(valid.any(axis=1))
    return np.where(known[:, None], point, 0.0).astype(np.float32), known


def _light(scenes: SceneState) -> np.ndarray:
    """LIGHT_NAMES float32 [b, 8]."""
    kinds = [SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN, SignalKind.STOP, SignalKind.YIELD]
    shown = [scenes.signal == kind for kind in kinds]
    distance = [np.clip(scenes.signal_distance / unit, -1.0, 1.0) for unit in SIGNAL_UNITS]
    light = np.stack([scenes.signal_valid, *shown, *distance], axis=-1).astype(np.float32)
    light[~scenes.signal_valid] = 0.0
    # without a line its distance means nothing
    light[scenes.signal == SignalKind.NONE, -len(SIGNAL_UNITS) :] = 0.0
    return light


assert [kind.value for kind in ObjectKind] == [kind.value for kind in TokenKind][: len(ObjectKind)]
