"""What the viewer's instruments say of a moment: texts, bars, alarms; the same in every face."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs.viewer.session import Moment
from envs.viewer.top_view import half_width_of
from worldsim.datatypes.scene import RouteCommand, SceneState
from worldsim.datatypes.signals import SIGNAL_RANGE, SignalKind

OVER_LIMIT = 1.5
"""Speed above the limit at which the speedometer wants attention [m/s]."""


class Readout(NamedTuple):
    """One line of the instruments.

    Args:
        label: what it is.
        text: the value with its unit; "–" where it is unknown.
        level: position on a bar, [-1, 1] when `signed`, else [0, 1]; None draws no bar.
        signed: the bar starts in the middle and grows to both sides, positive to the left.
        alarm: the value wants attention.
        signal: light or sign that a dot beside the text stands for; NONE draws none.
    """

    label: str
    text: str
    level: float | None
    signed: bool
    alarm: bool
    signal: SignalKind = SignalKind.NONE


class Speedometer(NamedTuple):
    """Speed and speed limit.

    Args:
        speed: of the ego [km/h], whole; "–" where it is unknown.
        limit: the speed limit [km/h], whole; "" where it is unknown.
        over: the speed is above the limit by more than OVER_LIMIT.
    """

    speed: str
    limit: str
    over: bool


def speedometer(scene: SceneState) -> Speedometer:
    """The speedometer of a scene."""
    known, limited = bool(scene.ego_valid[0]), bool(scene.lane_valid[3])
    return Speedometer(
        speed=f"{max(float(scene.speed), 0) * 3.6:.0f}" if known else "–",
        limit=f"{float(scene.speed_limit) * 3.6:.0f}" if limited else "",
        over=known and limited and bool(scene.speed > scene.speed_limit + OVER_LIMIT),
    )


def drive_line(moment: Moment) -> str:
    """Which drive it is, and how far it went."""
    return f"seed {moment.seed}   {moment.time:.1f} s   {moment.distance:.0f} m"


def readouts(moment: Moment, trust_threshold: float) -> list[Readout]:
    """The instruments of a moment, top to bottom; trust below `trust_threshold` wants attention."""
    scene = moment.scene
    steer, acceleration = (float(v) for v in moment.action)
    half_width = half_width_of(scene)
    lines = [
        Readout("Steering", f"{_signed_side(steer)}", steer, True, False),
        Readout("Throttle", f"{max(0.0, acceleration):.0%}", max(0.0, acceleration), False, False),
        Readout("Brake", f"{max(0.0, -acceleration):.0%}", max(0.0, -acceleration), False, False),
    ]
    if scene.lane_valid[0]:
        offset = float(scene.lateral_offset)
        level = float(np.clip(offset / half_width, -1, 1))
        lines.append(Readout("Lane offset", f"{offset:+.2f} m", level, True, abs(offset) > half_width))
    else:
        lines.append(Readout("Lane offset", "–", None, True, False))
    if scene.lane_valid[1]:
        error = float(np.degrees(scene.heading_error))
        wrong = moment.wrong_way
        lines.append(Readout("Heading", f"{error:+.1f}°", float(np.clip(error / 45, -1, 1)), True, wrong))
    else:
        lines.append(Readout("Heading", "–", None, True, False))
    lines += [_lead_readout(scene), _signal_readout(scene)]
    known = scene.command < len(RouteCommand)
    lines.append(Readout("Route", RouteCommand(int(scene.command)).name.lower() if known else "–", None, False, False))
    lines.append(Readout("Collision", f"{moment.collision:.0%}", moment.collision, False, moment.collision > 0.5))
    lines.append(Readout("Off road", f"{moment.off_road:.0%}", moment.off_road, False, moment.off_road > 0.5))
    lines.append(Readout("Trust", f"{moment.trust:.0%}", moment.trust, False, moment.trust < trust_threshold))
    return lines


def _signed_side(steer: float) -> str:
    side = "left" if steer > 0 else "right"
    return "0%" if abs(steer) < 0.005 else f"{abs(steer):.0%} {side}"


def _lead_readout(scene: SceneState) -> Readout:
    if not scene.lead_valid:
        return Readout("Lead", "none", None, False, False)
    gap, speed = (float(v) for v in scene.lead)
    time_gap = gap / max(float(scene.speed), 0.1)
    return Readout(
        "Lead", f"{gap:.0f} m, {speed * 3.6:.0f} km/h", float(np.clip(gap / 50, 0, 1)), False, time_gap < 0.8
    )


def _signal_readout(scene: SceneState) -> Readout:
    signal = SignalKind(int(scene.signal))
    if not scene.signal_valid or signal == SignalKind.NONE:
        return Readout("Signal", "none" if scene.signal_valid else "–", None, False, False)
    distance = float(scene.signal_distance)
    level = float(np.clip(distance / SIGNAL_RANGE, 0, 1))
    return Readout("Signal", f"{signal.name.lower()}, {distance:.0f} m", level, False, False, signal)
