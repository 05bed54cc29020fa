"""Where things go in the viewer's window and what its instruments say; plain numbers, no pygame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.centreline import centreline
from envs.viewer_session import Moment
from worldsim.scene import SceneState

MARGIN = 16
PANEL_WIDTH = 320
BAR_HEIGHT = 44
STEER_BAR_HEIGHT = 26
FOOTER_HEIGHT = 22
MIN_WINDOW = (760, 560)
"""Smaller windows hide the side panel [px]."""
USUAL_HALF_WIDTH = 1.75
"""Drawn where the lane's width is unknown [m]."""
SHORT_HEADWAY = 0.8
"""A lead nearer than this wants attention [s]."""
MAP_AHEAD, MAP_BEHIND = 45.0, 8.0
"""What the bird's-eye panel shows of the road ahead and behind [m]."""

BUTTONS = ("restart", "pause", "step", "rewind", "record", "autopilot")


class Box(NamedTuple):
    """A rectangle [px]; pygame takes it where it takes a Rect."""

    x: int
    y: int
    w: int
    h: int

    def contains(self, point: tuple[int, int]) -> bool:
        """Whether `point` lies inside."""
        return self.x <= point[0] < self.x + self.w and self.y <= point[1] < self.y + self.h


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The window's parts.

    Args:
        view: the camera image.
        panel: instruments and map; None in the clean view and in small windows.
        steer_bar: bar to drag; None in the clean view.
        buttons: name (BUTTONS) to box; empty in the clean view.
        footer: line for the keys' help; None in the clean view.
    """

    view: Box
    panel: Box | None
    steer_bar: Box | None
    buttons: dict[str, Box]
    footer: Box | None

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The button under `point`."""
        return next((name for name, box in self.buttons.items() if box.contains(point)), None)

    def steer_at(self, x: int) -> float:
        """Steering in [-1, 1], positive left, for the mouse at column `x` of the steering bar."""
        assert self.steer_bar is not None
        half = self.steer_bar.w / 2
        return float(np.clip((self.steer_bar.x + half - x) / half, -1, 1))


def arrange(window: tuple[int, int], frame_size: tuple[int, int], *, clean: bool) -> Layout:
    """The layout of a window [px] (width, height) for frames of `frame_size` (height, width).

    The image is as large as fits, undistorted and centred. `clean` shows nothing but the image.
    """
    width, height = window
    if clean:
        return Layout(
            view=_fit(Box(0, 0, width, height), frame_size), panel=None, steer_bar=None, buttons={}, footer=None
        )
    panel = None
    left = width
    if width >= MIN_WINDOW[0] and height >= MIN_WINDOW[1]:
        left = width - PANEL_WIDTH - MARGIN
        panel = Box(left, MARGIN, PANEL_WIDTH, height - 2 * MARGIN)
    inner = left - 2 * MARGIN
    footer = Box(MARGIN, height - FOOTER_HEIGHT - 4, inner, FOOTER_HEIGHT)
    bar_y = footer.y - 6 - BAR_HEIGHT
    steer_y = bar_y - MARGIN // 2 - STEER_BAR_HEIGHT
    gap = 8
    button_width = (inner - gap * (len(BUTTONS) - 1)) // len(BUTTONS)
    buttons = {
        name: Box(MARGIN + i * (button_width + gap), bar_y, button_width, BAR_HEIGHT) for i, name in enumerate(BUTTONS)
    }
    return Layout(
        view=_fit(Box(MARGIN, MARGIN, inner, steer_y - 2 * MARGIN), frame_size),
        panel=panel,
        steer_bar=Box(MARGIN, steer_y, inner, STEER_BAR_HEIGHT),
        buttons=buttons,
        footer=footer,
    )


def _fit(space: Box, frame_size: tuple[int, int]) -> Box:
    height, width = frame_size
    scale = max(min(space.w / width, space.h / height), 1e-3)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    return Box(space.x + (space.w - w) // 2, space.y + (space.h - h) // 2, w, h)


class Readout(NamedTuple):
    """One line of the instruments.

    Args:
        label: what it is.
        text: the value with its unit; "–" where it is unknown.
        level: position on a bar, [-1, 1] when `signed`, else [0, 1]; None draws no bar.
        signed: the bar starts in the middle and grows to both sides, positive to the left.
        alarm: the value wants attention.
    """

    label: str
    text: str
    level: float | None
    signed: bool
    alarm: bool


def readouts(moment: Moment) -> list[Readout]:
    """The instruments of a moment, top to bottom."""
    scene = moment.scene
    steer, acceleration = (float(v) for v in moment.action)
    half_width = float(scene.half_width) if scene.lane_valid[2] else USUAL_HALF_WIDTH
    lines = [
        Readout("Steering", f"{_signed_side(steer)}", steer, True, False),
        Readout("Throttle", f"{max(acceleration, 0):.0%}", max(acceleration, 0.0), False, False),
        Readout("Brake", f"{max(-acceleration, 0):.0%}", max(-acceleration, 0.0), False, False),
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
    lines.append(_lead_readout(scene))
    lines.append(Readout("Collision", f"{moment.collision:.0%}", moment.collision, False, moment.collision > 0.5))
    lines.append(Readout("Off road", f"{moment.off_road:.0%}", moment.off_road, False, moment.off_road > 0.5))
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


def lane_outline(scene: SceneState) -> np.ndarray:
    """The lane ahead as a polygon [2 r, 2] in the vehicle frame [m]; empty where the route is not known."""
    line = centreline(scene)
    if len(line) < 2:
        return np.zeros((0, 2))
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    half_width = float(scene.half_width) if scene.lane_valid[2] else USUAL_HALF_WIDTH
    side = half_width * np.stack([-along[:, 1], along[:, 0]], axis=-1)
    return np.concatenate([line + side, (line - side)[::-1]])


def map_points(points: np.ndarray, box: Box) -> np.ndarray:
    """Pixels [n, 2] in the bird's-eye `box` of vehicle-frame points [n, 2]: forward is up, left is left."""
    scale = box.h / (MAP_AHEAD + MAP_BEHIND)
    points = np.asarray(points, np.float64).reshape(-1, 2)
    x = box.x + box.w / 2 - points[:, 1] * scale
    y = box.y + MAP_AHEAD * scale - points[:, 0] * scale
    return np.stack([x, y], axis=-1)


def object_corners(pose: np.ndarray) -> np.ndarray:
    """Corners [4, 2] of an object (OBJECT_NAMES [6]) in the vehicle frame, front left first."""
    x, y, yaw, _, length, width = (float(v) for v in pose)
    local = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * [length / 2, width / 2]
    c, s = np.cos(yaw), np.sin(yaw)
    return local @ np.array([[c, s], [-s, c]]) + [x, y]
