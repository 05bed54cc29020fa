"""Fonts and sizes of the viewer's window."""

from __future__ import annotations

import pygame

from envs.viewer.colors import BACKGROUND, Color


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
