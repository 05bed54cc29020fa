"""Colours, fonts and sizes of the viewer's window."""

from __future__ import annotations

import pygame

from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

Color = tuple[int, int, int]

BACKGROUND = (16, 19, 24)
CARD = (26, 30, 38)
RAISED = (40, 46, 57)
LINE = (58, 66, 80)
TEXT = (232, 236, 242)
DIM = (138, 148, 164)
ACCENT = (86, 196, 190)
ALARM = (240, 98, 84)
WARM = (244, 184, 96)

OBJECT_COLORS = {
    ObjectKind.CAR: (122, 166, 240),
    ObjectKind.TRUCK: (178, 148, 240),
    ObjectKind.PEDESTRIAN: WARM,
    ObjectKind.STATIC: DIM,
}
SIGNAL_COLORS = {
    SignalKind.RED: (236, 72, 60),
    SignalKind.YELLOW: (250, 204, 60),
    SignalKind.GREEN: (70, 200, 110),
    SignalKind.STOP: (236, 72, 60),
    SignalKind.YIELD: (250, 204, 60),
}


class Theme:
    """Fonts and lengths at one scale. pygame.font must be initialised.

    Args:
        scale: pixels a unit takes.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale
        names = "inter,segoeui,helveticaneue,dejavusans,liberationsans,arial"
        self.small, self.normal = (pygame.font.SysFont(names, self.px(size)) for size in (14, 16))
        self.title, self.large, self.huge = (
            pygame.font.SysFont(names, self.px(size), bold=True) for size in (20, 36, 60)
        )

    def px(self, units: float) -> int:
        """Pixels of a length in units."""
        return round(units * self.scale)

    def text(
        self,
        surface: pygame.Surface,
        font: pygame.font.Font,
        text: str,
        color: Color,
        at: tuple[int, int],
        *,
        align: float = 0.0,
    ) -> int:
        """Draw text whose top lies at `at` [px]; align 0, 0.5 or 1 puts its left, middle or right there. Its width."""
        image = font.render(text, True, color)
        surface.blit(image, (at[0] - round(align * image.get_width()), at[1]))
        return image.get_width()

    def shade(self, surface: pygame.Surface, box: tuple[int, int, int, int], opacity: int) -> None:
        """Darken a box [px] by `opacity`, 0 to 255."""
        shade = pygame.Surface((max(box[2], 1), max(box[3], 1)), pygame.SRCALPHA)
        shade.fill((*BACKGROUND, opacity))
        surface.blit(shade, box[:2])
