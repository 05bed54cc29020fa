"""Where things go in the viewer's window; plain numbers, no pygame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from envs.viewer.commands import BUTTONS
from envs.viewer.drive_loop import DriveStatus

# sizes in units: pixels where the scale is 1
MARGIN = 16
PANEL_WIDTH = 320
BAR_HEIGHT = 44
STEER_BAR_HEIGHT = 26
FOOTER_HEIGHT = 22
MIN_WINDOW = (760, 560)
"""Smaller windows hide the side panel."""


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
class WindowStatus(DriveStatus):
    """What the window shows besides the moments.

    Args:
        draw_time: what drawing the window takes [s].
        hovered: button under the mouse.
        help: the keys' help is shown.
    """

    draw_time: float
    hovered: str | None
    help: bool
