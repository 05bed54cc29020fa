"""What the person holds down, and how a place in a picture or a stick becomes steering and pedals."""

from __future__ import annotations

from dataclasses import dataclass

DEAD_ZONE = 0.12
"""Share of a stick's, trigger's or mouse's range that counts as released."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the person holds down now.

    Args:
        left: steer left.
        right: steer right.
        accelerate: throttle pedal.
        brake: brake pedal.
        full_brake: brake at once and fully.
        steer: where a mouse or a stick holds the steering, [-1, 1], positive left; None when none does.
        pedal: where a mouse or triggers hold the pedals, [-1, 1], positive throttle; None when none does.
    """

    left: bool = False
    right: bool = False
    accelerate: bool = False
    brake: bool = False
    full_brake: bool = False
    steer: float | None = None
    pedal: float | None = None


def aim(across: float, down: float) -> tuple[float, float]:
    """Steering (positive left) and pedals (positive up), both in [-1, 1], of a pointer on a box.

    Args:
        across: share of the box's width to the left of the pointer; outside [0, 1] it is beyond an edge.
        down: share of its height above the pointer.
    """
    return max(-1.0, min(1.0, 1 - 2 * across)), max(-1.0, min(1.0, 1 - 2 * down))


def beyond_dead_zone(value: float) -> float | None:
    """The value in [-1, 1] from the edge of the dead zone on; None within."""
    if abs(value) < DEAD_ZONE:
        return None
    beyond = (min(abs(value), 1.0) - DEAD_ZONE) / (1 - DEAD_ZONE)
    return beyond if value > 0 else -beyond


def hold_pad(
    steer: float | None, pedal: float | None, *, stick: float, throttle: float, brake: float
) -> tuple[float | None, float | None]:
    """Steering and pedals as a gamepad holds them where nothing else does.

    Args:
        steer: where something else holds the steering; None when nothing does.
        pedal: the same of the pedals.
        stick: its left stick, [-1, 1], positive right.
        throttle: its right trigger, [0, 1].
        brake: its left trigger, [0, 1].
    """
    return (
        beyond_dead_zone(-stick) if steer is None else steer,
        beyond_dead_zone(throttle - brake) if pedal is None else pedal,
    )
