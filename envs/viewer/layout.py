"""Where things go in the viewer's window and what its instruments say; plain numbers, no pygame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from envs.viewer.session import Moment
from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SIGNAL_RANGE, SignalKind

# sizes in units: pixels where the scale is 1
MARGIN = 16
PANEL_WIDTH = 320
BAR_HEIGHT = 44
STEER_BAR_HEIGHT = 26
FOOTER_HEIGHT = 22
MIN_WINDOW = (760, 560)
"""Smaller windows hide the side panel."""
USUAL_HALF_WIDTH = 1.75
"""Drawn where the lane's width is unknown [m]."""
MAP_AHEAD, MAP_BEHIND = 45.0, 8.0
"""What the bird's-eye panel shows of the road ahead and behind [m]."""

BUTTONS = ("restart", "pause", "step", "rewind", "keep", "return", "record", "autopilot", "help")


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
    """The window's parts [px].

    Args:
        views: the camera image of each world.
        panel: instruments and map; None in the clean view and in small windows.
        steer_bar: bar to drag; None in the clean view.
        buttons: name (BUTTONS) to box; empty in the clean view.
        footer: line for the person; None in the clean view.
        scale: pixels a unit of text and instruments takes.
    """

    views: tuple[Box, ...]
    panel: Box | None
    steer_bar: Box | None
    buttons: dict[str, Box]
    footer: Box | None
    scale: float

    def pixel_at(self, point: tuple[int, int], frame_size: tuple[int, int]) -> tuple[int, float, float] | None:
        """The view under `point`, and column and row of its frame of `frame_size`, height and width, there."""
        for index, box in enumerate(self.views):
            if box.contains(point):
                height, width = frame_size
                column = (point[0] + 0.5 - box.x) * width / box.w
                return index, column, (point[1] + 0.5 - box.y) * height / box.h
        return None

    def button_at(self, point: tuple[int, int]) -> str | None:
        """The button under `point`."""
        return next((name for name, box in self.buttons.items() if box.contains(point)), None)


def arrange(
    window: tuple[int, int], frame_size: tuple[int, int], *, num_views: int = 1, clean: bool = False, scale: float = 1.0
) -> Layout:
    """The layout of a window.

    The images are as large as fits, undistorted, beside or above each other, whichever makes them larger.

    Args:
        window: width and height [px].
        frame_size: height and width of every frame [px].
        num_views: worlds shown.
        clean: nothing but the images.
        scale: pixels a unit of text and instruments takes; above 1 on a screen of fine pixels.
    """
    width, height = window
    if clean:
        views = _fit(Box(0, 0, width, height), frame_size, num_views, 0)
        return Layout(views=views, panel=None, steer_bar=None, buttons={}, footer=None, scale=scale)

    def px(units: float) -> int:
        return round(units * scale)

    margin, gap = px(MARGIN), px(8)
    panel, left = None, width
    if width >= px(MIN_WINDOW[0]) and height >= px(MIN_WINDOW[1]):
        left = width - px(PANEL_WIDTH) - margin
        panel = Box(left, margin, px(PANEL_WIDTH), height - 2 * margin)
    inner = max(left - 2 * margin, 1)
    footer = Box(margin, height - px(FOOTER_HEIGHT + 4), inner, px(FOOTER_HEIGHT))
    bar_y = footer.y - px(6 + BAR_HEIGHT)
    steer_y = bar_y - margin // 2 - px(STEER_BAR_HEIGHT)
    button_width = max((inner - gap * (len(BUTTONS) - 1)) // len(BUTTONS), 1)
    buttons = {
        name: Box(margin + i * (button_width + gap), bar_y, button_width, px(BAR_HEIGHT))
        for i, name in enumerate(BUTTONS)
    }
    return Layout(
        views=_fit(Box(margin, margin, inner, max(steer_y - 2 * margin, 1)), frame_size, num_views, gap),
        panel=panel,
        steer_bar=Box(margin, steer_y, inner, px(STEER_BAR_HEIGHT)),
        buttons=buttons,
        footer=footer,
        scale=scale,
    )


def _fit(space: Box, frame_size: tuple[int, int], num_views: int, gap: int) -> tuple[Box, ...]:
    """`num_views` boxes of a frame's shape in `space`, in the row or the column that makes them larger."""
    height, width = frame_size
    shapes = ((num_views, 1), (1, num_views))
    scales = [
        min((space.w - gap * (columns - 1)) / (columns * width), (space.h - gap * (rows - 1)) / (rows * height))
        for columns, rows in shapes
    ]
    scale = max(*scales, 1e-3)
    columns, rows = shapes[0] if scales[0] >= scales[1] else shapes[1]
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    x = space.x + (space.w - columns * w - (columns - 1) * gap) // 2
    y = space.y + (space.h - rows * h - (rows - 1) * gap) // 2
    return tuple(Box(x + c * (w + gap), y + r * (h + gap), w, h) for r in range(rows) for c in range(columns))


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the window shows besides the moments.

    Args:
        paused: the drive stands still.
        recording: a film is being taken.
        driver: name of the policy that can drive; None when there is none.
        autopilot: the policy drives.
        busy: text over the image while the world is not there yet; "" otherwise.
        message: a line for the person.
        steps_per_second: steps of the worlds in a second, as it went lately.
        pace: simulated time over wall-clock time.
        draw_time: what drawing the window takes [s].
        hovered: button under the mouse.
        trust_threshold: a picture below it gets a red border, [0, 1].
        overlay: lane and objects are drawn into the pictures.
        help: the keys' help is shown.
        tool: what a click in the picture does; "" steers.
    """

    paused: bool
    recording: bool
    driver: str | None
    autopilot: bool
    busy: str
    message: str
    steps_per_second: float
    pace: float
    draw_time: float
    hovered: str | None
    trust_threshold: float
    overlay: bool
    help: bool
    tool: str = ""


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


def readouts(moment: Moment, trust_threshold: float) -> list[Readout]:
    """The instruments of a moment, top to bottom; trust below `trust_threshold` wants attention."""
    scene = moment.scene
    steer, acceleration = (float(v) for v in moment.action)
    half_width = float(scene.half_width) if scene.lane_valid[2] else USUAL_HALF_WIDTH
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


def lane_sides(scene: SceneState) -> tuple[np.ndarray, np.ndarray]:
    """Left and right side of the lane ahead, each [r, 2] in the vehicle frame [m]; empty where the route is unknown."""
    line = centreline_of(scene)
    if len(line) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-6)
    half_width = float(scene.half_width) if scene.lane_valid[2] else USUAL_HALF_WIDTH
    aside = half_width * np.stack([-along[:, 1], along[:, 0]], axis=-1)
    return line + aside, line - aside


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
