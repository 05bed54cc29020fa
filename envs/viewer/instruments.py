"""Draws the viewer's side panel: speed, instruments and bird's-eye map, a column for each world."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pygame

from envs.viewer.colors import (
    ACCENT,
    ALARM,
    BACKGROUND,
    CARD,
    DIM,
    LINE,
    OBJECT_COLORS,
    RAISED,
    SIGNAL_COLORS,
    TEXT,
)
from envs.viewer.layout import Box, WindowStatus
from envs.viewer.readouts import Readout, drive_line, readouts, speedometer
from envs.viewer.session import Moment
from envs.viewer.theme import Theme
from envs.viewer.top_view import EGO_CORNERS, MAP_AHEAD, lane_sides, map_points, object_corners
from worldsim.datatypes.route import centreline_of
from worldsim.datatypes.scene import ObjectKind, SceneState

MIN_MAP_HEIGHT = 120
"""Where less is left below the instruments the map is not drawn."""
READOUT_HEIGHT = 31


class Instruments:
    """Draws the panel in a theme."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme

    def draw(self, surface: pygame.Surface, box: Box, moments: Sequence[Moment], status: WindowStatus) -> None:
        """Draw the panel into `box`: what the worlds share, then a column for each."""
        theme, px = self._theme, self._theme.px
        pygame.draw.rect(surface, CARD, box, border_radius=px(10))
        left, right, top, bottom = box.x + px(18), box.x + box.w - px(18), box.y + px(14), box.y + box.h - px(26)
        gap = px(16)
        width = (right - left - gap * (len(moments) - 1)) // len(moments)
        leading = moments[0]
        theme.text(surface, theme.small, status.who_drives, ACCENT if status.autopilot else DIM, (left, top))
        theme.text(surface, theme.small, drive_line(leading), DIM, (right, top), align=1)
        for i, moment in enumerate(moments):
            x = left + i * (width + gap)
            self._draw_column(surface, Box(x, top + px(26), width, bottom - px(10) - top - px(26)), moment, status)
        times = (
            f"step {leading.latency * 1e3:.0f} ms   draw {status.draw_time * 1e3:.0f} ms"
            f"   {status.steps_per_second:.1f} steps/s" + ("" if status.pace == 1 else f"   pace {status.pace:g}")
        )
        theme.text(surface, theme.small, times, DIM, (left, bottom))

    def _draw_column(self, surface: pygame.Surface, box: Box, moment: Moment, status: WindowStatus) -> None:
        theme, px = self._theme, self._theme.px
        theme.text(surface, theme.title, moment.world, TEXT, box[:2])
        y = self._draw_speed(surface, box.x, box.x + box.w, box.y + px(24), moment.scene)
        for line in readouts(moment, status.trust_threshold):
            self._draw_readout(surface, line, box.x, box.x + box.w, y)
            y += px(READOUT_HEIGHT)
        left = box.y + box.h - y - px(6)
        if left > px(MIN_MAP_HEIGHT):
            self._draw_map(surface, Box(box.x, y + px(6), box.w, left), moment.scene)

    def _draw_speed(self, surface: pygame.Surface, x: int, right: int, y: int, scene: SceneState) -> int:
        """Speed and speed limit; returns where to go on below."""
        theme, px = self._theme, self._theme.px
        told = speedometer(scene)
        wide = right - x > px(200)
        font, height = (theme.huge, 76) if wide else (theme.large, 50)
        width = theme.text(surface, font, told.speed, TEXT, (x, y))
        theme.text(surface, theme.small, "km/h", DIM, (x + width + px(6), y + px(height) - px(38 if wide else 28)))
        if told.limit:
            radius = px(height * 0.31)
            center = (right - radius, y + px(height // 2 - 3))
            pygame.draw.circle(surface, ALARM if told.over else LINE, center, radius, width=px(4 if wide else 3))
            font = theme.normal if wide else theme.small
            theme.text(surface, font, told.limit, TEXT, (center[0], center[1] - font.get_height() // 2), align=0.5)
        return y + px(height)

    def _draw_readout(self, surface: pygame.Surface, line: Readout, x: int, right: int, y: int) -> None:
        theme, px = self._theme, self._theme.px
        color = ALARM if line.alarm else TEXT
        theme.text(surface, theme.small, line.label, DIM, (x, y))
        width = theme.text(surface, theme.small, line.text, color, (right, y), align=1)
        if line.signal in SIGNAL_COLORS:
            center = (right - width - px(12), y + px(9))
            pygame.draw.circle(surface, SIGNAL_COLORS[line.signal], center, px(5))
        bar = Box(x, y + px(20), right - x, px(4))
        pygame.draw.rect(surface, RAISED, bar, border_radius=px(2))
        if line.level is None:
            return
        fill = ALARM if line.alarm else ACCENT
        if line.signed:
            middle, end = bar.x + bar.w // 2, bar.x + round(bar.w / 2 * (1 - line.level))
            filled = (min(middle, end), bar.y, max(abs(end - middle), 2), bar.h)
        else:
            filled = (bar.x, bar.y, max(round(bar.w * line.level), 2), bar.h)
        if line.signed or line.level > 0:
            pygame.draw.rect(surface, fill, filled, border_radius=px(2))

    def _draw_map(self, surface: pygame.Surface, box: Box, scene: SceneState) -> None:
        pygame.draw.rect(surface, BACKGROUND, box, border_radius=self._theme.px(8))
        surface.set_clip(pygame.Rect(box))
        for distance in range(10, int(MAP_AHEAD), 10):
            y = round(map_points(np.array([distance, 0.0]), box)[0, 1])
            pygame.draw.line(surface, CARD, (box.x, y), (box.x + box.w, y))
        left, right = lane_sides(scene)
        if len(left):
            pygame.draw.polygon(surface, RAISED, map_points(np.concatenate([left, right[::-1]]), box).tolist())
            pygame.draw.aalines(surface, ACCENT, False, map_points(centreline_of(scene), box).tolist())
        for pose, kind in zip(scene.objects, scene.object_kinds, strict=True):
            if kind != ObjectKind.EMPTY:
                corners = map_points(object_corners(pose), box)
                pygame.draw.polygon(surface, OBJECT_COLORS[ObjectKind(int(kind))], corners.tolist())
        pygame.draw.polygon(surface, TEXT, map_points(EGO_CORNERS, box).tolist())
        surface.set_clip(None)
