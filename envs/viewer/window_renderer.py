"""Draws the viewer's window: camera images with overlay and trust, panel, buttons, help, on a pygame surface."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pygame

from envs.viewer.colors import ACCENT, ALARM, BACKGROUND, CARD, DIM, LINE, OBJECT_COLORS, RAISED, TEXT, Color
from envs.viewer.commands import ACTIVE_LABELS, HELP, KEYS, LABELS
from envs.viewer.instruments import Instruments
from envs.viewer.layout import Box, Layout, WindowStatus
from envs.viewer.overlay import lane_lines, object_lines
from envs.viewer.session import Moment
from envs.viewer.theme import Theme

BORDER = 6
"""Width of the border around a picture below the trust threshold."""
HELP_LINE, HELP_COLUMNS = 25, (0, 200, 290)
"""Height of a line of help, and where its columns begin."""
HELP_WIDTH = 620


class WindowRenderer:
    """Draws moments onto a surface. pygame.font must be initialised."""

    def __init__(self, scale: float) -> None:
        self._theme = Theme(scale)
        self._instruments = Instruments(self._theme)

    def draw(self, surface: pygame.Surface, layout: Layout, moments: Sequence[Moment], status: WindowStatus) -> None:
        """Draw everything; there are no moments until the worlds have answered once."""
        surface.fill(BACKGROUND)
        if moments:
            self._draw_drive(surface, layout, moments, status)
        else:
            box = layout.views[0]
            pygame.draw.rect(surface, CARD, box, border_radius=self._theme.px(8))
            center = (box.x + box.w // 2, box.y + box.h // 2)
            self._theme.text(surface, self._theme.title, status.busy, TEXT, center, align=0.5)
        if status.help:
            self._draw_help(surface)

    def _draw_drive(
        self, surface: pygame.Surface, layout: Layout, moments: Sequence[Moment], status: WindowStatus
    ) -> None:
        for box, moment in zip(layout.views, moments, strict=True):
            self._draw_view(surface, box, moment, status)
        if len(moments) > 1:
            for box, moment in zip(layout.views, moments, strict=True):
                self._draw_name(surface, box, moment.world)
        if layout.panel is not None:
            self._instruments.draw(surface, layout.panel, moments, status)
        if layout.steer_bar is not None:
            self._draw_steer_bar(surface, layout.steer_bar, moments[0])
        for name, box in layout.buttons.items():
            self._draw_button(surface, box, name, status)
        line = layout.views[0][:2] if layout.footer is None else layout.footer[:2]
        message = status.busy or status.message
        if message or layout.footer is not None:
            usual = (
                f"{status.tool}   E the next tool" if status.tool else "H help   Tab nothing but the picture   Esc quit"
            )
            told = bool(message or status.tool)
            self._theme.text(surface, self._theme.small, message or usual, TEXT if told else DIM, line)

    def _draw_view(self, surface: pygame.Surface, box: Box, moment: Moment, status: WindowStatus) -> None:
        theme, px = self._theme, self._theme.px
        image = cv2.resize(moment.frame, (box.w, box.h), interpolation=cv2.INTER_CUBIC)
        surface.blit(pygame.image.frombuffer(image.tobytes(), (box.w, box.h), "RGB"), box[:2])
        surface.set_clip(pygame.Rect(box))
        if status.overlay:
            self._draw_overlay(surface, box, moment)
        if status.recording:
            pygame.draw.circle(surface, ALARM, (box.x + box.w - px(58), box.y + px(20)), px(7))
            theme.text(surface, theme.normal, "REC", TEXT, (box.x + box.w - px(14), box.y + px(11)), align=1)
        if moment.ended and status.paused:
            self._banner(surface, box, moment.ended.capitalize(), "R again   B back 2 s   P go on", ALARM)
        elif status.paused:
            self._banner(surface, box, "", "Paused   P go on   N one step", ACCENT)
        if moment.trust < status.trust_threshold:
            pygame.draw.rect(surface, ALARM, box, width=px(BORDER))
        surface.set_clip(None)

    def _draw_overlay(self, surface: pygame.Surface, box: Box, moment: Moment) -> None:
        theme, camera = self._theme, moment.camera
        scale = np.array([box.w / camera.width_px, box.h / camera.height_px])

        def draw(lines: np.ndarray, color: Color) -> None:
            for start, end in lines * scale + box[:2]:
                pygame.draw.aaline(surface, color, start.tolist(), end.tolist())

        draw(lane_lines(moment.scene, camera), ACCENT)
        objects = [item for item in object_lines(moment.scene, camera) if len(item.lines)]
        for item in objects:
            draw(item.lines, OBJECT_COLORS[item.kind])
        taken: list[pygame.Rect] = []
        for item in reversed(objects):  # where distances would overlap, the nearest object's is shown
            corners = item.lines.reshape(-1, 2) * scale + box[:2]
            text = f"{item.distance:.0f} m"
            label = pygame.Rect((0, 0), theme.small.size(text))
            label.midbottom = round(float(corners[:, 0].mean())), round(float(corners[:, 1].min()))
            if label.collidelist(taken) < 0:
                theme.text(surface, theme.small, text, OBJECT_COLORS[item.kind], label.topleft)
                taken.append(label)

    def _draw_name(self, surface: pygame.Surface, box: Box, name: str) -> None:
        theme, px = self._theme, self._theme.px
        width, height = theme.normal.size(name)
        theme.shade(surface, (box.x + px(8), box.y + px(8), width + px(16), height + px(8)), 170)
        theme.text(surface, theme.normal, name, TEXT, (box.x + px(16), box.y + px(12)))

    def _banner(self, surface: pygame.Surface, box: Box, title: str, hint: str, color: Color) -> None:
        theme, px = self._theme, self._theme.px
        top, middle = box.y + box.h // 8, box.x + box.w // 2
        theme.shade(surface, (box.x, top, box.w, px(60 if title else 30)), 200)
        if title:
            theme.text(surface, theme.title, title, color, (middle, top + px(6)), align=0.5)
        theme.text(
            surface, theme.small, hint, TEXT if title else color, (middle, top + px(36 if title else 6)), align=0.5
        )

    def _draw_steer_bar(self, surface: pygame.Surface, box: Box, moment: Moment) -> None:
        px = self._theme.px
        pygame.draw.rect(surface, CARD, box, border_radius=box.h // 2)
        middle = box.x + box.w // 2
        pygame.draw.line(surface, LINE, (middle, box.y + px(6)), (middle, box.y + box.h - px(6)), px(2))
        knob = middle - round(float(moment.action[0]) * (box.w / 2 - box.h / 2))
        pygame.draw.circle(surface, ACCENT, (knob, box.y + box.h // 2), box.h // 2 - px(4))

    def _draw_button(self, surface: pygame.Surface, box: Box, name: str, status: WindowStatus) -> None:
        theme, px = self._theme, self._theme.px
        states = {
            "pause": status.paused,
            "record": status.recording,
            "autopilot": status.autopilot,
            "help": status.help,
        }
        active = states.get(name, False)
        label = ACTIVE_LABELS.get(name, LABELS[name]) if active else LABELS[name]
        dead = name == "autopilot" and status.driver is None
        background = LINE if name == status.hovered else RAISED
        pygame.draw.rect(surface, CARD if dead else background, box, border_radius=px(8))
        if active:
            color = ALARM if name == "record" else ACCENT
            pygame.draw.rect(surface, color, box, width=px(2), border_radius=px(8))
        middle = box.x + box.w // 2
        theme.text(surface, theme.small, KEYS[name], DIM, (middle, box.y + px(4)), align=0.5)
        if theme.small.size(label)[0] <= box.w - px(4):
            theme.text(surface, theme.small, label, DIM if dead else TEXT, (middle, box.y + px(22)), align=0.5)

    def _draw_help(self, surface: pygame.Surface) -> None:
        """The keys, in as many columns as the window's height asks for."""
        theme, px = self._theme, self._theme.px
        width, height = surface.get_size()
        theme.shade(surface, (0, 0, width, height), 235)
        num_rows = max((height - px(80)) // px(HELP_LINE), 1)
        num_columns = -(-len(HELP) // num_rows)
        left = max((width - num_columns * px(HELP_WIDTH)) // 2, px(16))
        theme.text(surface, theme.title, "Keys, mouse, gamepad", ACCENT, (left, px(24)))
        for i, line in enumerate(HELP):
            column, row = divmod(i, num_rows)
            for text, color, offset in zip(line, (TEXT, TEXT, DIM), HELP_COLUMNS, strict=True):
                at = (left + column * px(HELP_WIDTH) + px(offset), px(64) + row * px(HELP_LINE))
                theme.text(surface, theme.normal, text, color, at)
