"""Traffic lights and signs of a map as boxes of a Layout: poles with arms, heads, plates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from worldsim.datatypes.layout import NO_SIGNAL, LayoutKind, SignFace

if TYPE_CHECKING:
    from envs.maps.opendrive.signals import Signal

HEAD_LENGTH, HEAD_WIDTH, HEAD_HEIGHT = 0.3, 0.45, 1.3
"""Of a traffic light's head [m]."""
LOW_HEAD, HIGH_HEAD = 2.6, 4.9
"""Lower edges of the head on the pole and of the one on the arm [m]."""
ARM_LENGTH = 4.0
"""How far an arm reaches over the road [m]."""
PLATE, PLATE_FOOT = 0.75, 2.0
"""Size of a sign's plate, and its lower edge [m]."""
POST_WIDTH = 0.2


class Box(NamedTuple):
    """One box of a Layout.

    place: BOX_NAMES. kind: LayoutKind. color: RGB, None where it is not known. seed: of its detail. signal: light
    group. sign: SignFace.
    """

    place: tuple[float, float, float, float, float, float, float]
    kind: LayoutKind
    color: tuple[int, int, int] | None = None
    seed: int = 0
    signal: int = NO_SIGNAL
    sign: SignFace = SignFace.NONE


def signal_boxes(
    signals: Sequence[Signal],
    groups: np.ndarray | None,
    free_side: Callable[[np.ndarray, float], np.ndarray],
    *,
    left_hand: bool = False,
) -> list[Box]:
    """The boxes of all lights and signs.

    Args:
        signals: of the map.
        groups: the light group of each, -1 for none; None: of none it is known.
        free_side: gives the nearest place beside the road to a point that traffic with a heading passes.
        left_hand: traffic keeps to the left.
    """
    if not signals:
        return []
    from envs.maps.opendrive.signals import SignalType

    faces = {
        SignalType.STOP: SignFace.STOP,
        SignalType.YIELD: SignFace.YIELD,
        SignalType.SPEED_LIMIT: SignFace.SPEED_LIMIT,
        SignalType.OTHER: SignFace.OTHER,
    }
    boxes: list[Box] = []
    for k, signal in enumerate(signals):
        place = free_side(np.array([signal.x, signal.y]), signal.yaw)
        if signal.kind == SignalType.TRAFFIC_LIGHT:
            group = NO_SIGNAL if groups is None else int(groups[k])
            boxes += _light(np.array([signal.x, signal.y]), place, signal.yaw, group, left_hand)
        else:
            size = (0.1, PLATE, PLATE_FOOT + PLATE)
            sign = faces[SignalType(signal.kind)]
            boxes.append(Box((*place.tolist(), 0.0, signal.yaw, *size), LayoutKind.SIGN, sign=sign))
    return boxes


def _light(at: np.ndarray, foot: np.ndarray, yaw: float, group: int, left_hand: bool) -> list[Box]:
    """A pole beside the road with a head, and an arm with another head over the lanes.

    Args:
        at: where the map has the light, [2].
        foot: where the pole can stand, [2].
        yaw: direction in which the heads look.
        group: light group.
        left_hand: traffic keeps to the left.
    """
    face = np.array([np.cos(yaw), np.sin(yaw)])
    # seen by the traffic it is for, the road lies to the left of the pole (right in left-hand traffic), or
    # on the side where the map has the light
    right = np.array([-face[1], face[0]])
    side = float((at - foot) @ right)
    towards = right if side > (-0.5 if left_hand else 0.5) else -right
    arm_yaw = float(np.arctan2(towards[1], towards[0]))
    middle = foot + (0.5 * ARM_LENGTH - 0.1) * towards
    pole = (*middle.tolist(), 0.0, arm_yaw, ARM_LENGTH, POST_WIDTH, HIGH_HEAD + HEAD_HEIGHT + 0.1)
    heads = ((foot + 0.25 * face, LOW_HEAD), (foot + (ARM_LENGTH - 0.5) * towards + 0.25 * face, HIGH_HEAD))
    return [
        Box(pole, LayoutKind.POLE, (92, 96, 100)),
        *(
            Box((*p.tolist(), z, yaw, HEAD_LENGTH, HEAD_WIDTH, HEAD_HEIGHT), LayoutKind.LIGHT, (30, 32, 34), 0, group)
            for p, z in heads
        ),
    ]
