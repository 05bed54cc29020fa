"""The viewer behind `drivedit play`: a pygame window in which a person, or a policy, drives any world, or two."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pygame

from envs.viewer.config import PlayConfig
from envs.viewer.drive_loop import POLL_RATE, DriveLoop
from envs.viewer.input import Inputs
from envs.viewer.layout import Layout, WindowStatus, arrange
from envs.viewer.open_session import make_session
from envs.viewer.session import Driver, Session
from envs.viewer.window_renderer import WindowRenderer

REFRESH_RATE = 30
"""The window is drawn this often [1/s]; the worlds step at their own time step, `pace` times as fast."""
USUAL_SCREEN = (1920, 1080)
"""On a screen so large [px] text and instruments have their usual size."""


def play(config: PlayConfig, make_driver: Callable[[str], Driver]) -> None:
    """Open the window and drive until it is closed.

    Args:
        config: what to drive.
        make_driver: the policy of a name; ValueError when there is none.

    Raises:
        ValueError: an unknown policy, or an option that the world refuses.
        OSError: there is no display, or a file is missing.
    """
    try:
        surface, scale = _open_window(config)
        Window(surface, config, partial(make_session, make_driver), scale=scale).run()
    finally:
        pygame.quit()


def _open_window(config: PlayConfig) -> tuple[pygame.Surface, float]:
    """The window's surface and the scale of what is drawn on it.

    Raises:
        OSError: there is no display to open it on.
    """
    hint = "no display: set DISPLAY or use SDL_VIDEODRIVER=... (dummy draws without a window, for --screenshot)"
    displays = ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")
    if sys.platform.startswith("linux") and not any(os.environ.get(name) for name in displays):
        raise OSError(hint)
    try:
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption("DriveDiT")
        scale = screen_scale(pygame.display.get_desktop_sizes()[0]) if config.scale is None else config.scale
        size = (round(config.window[0] * scale), round(config.window[1] * scale))
        return pygame.display.set_mode(size, pygame.RESIZABLE), scale
    except pygame.error as error:
        raise OSError(f"{hint}; SDL says: {error}") from error


def screen_scale(size: tuple[int, int]) -> float:
    """The scale that suits a screen of `size` [px]: its size over USUAL_SCREEN in halves, at least 1 and at most 4."""
    share = min(size[0] / USUAL_SCREEN[0], size[1] / USUAL_SCREEN[1])
    return min(max(1.0, int(2 * share) / 2), 4.0)


class Window:
    """The window's loop: events in, the drive forward, the picture out.

    Args:
        surface: the window's surface.
        config: see PlayConfig.
        open_session: see DriveLoop.
        scale: of what is drawn.
    """

    def __init__(
        self,
        surface: pygame.Surface,
        config: PlayConfig,
        open_session: Callable[[PlayConfig], Session],
        *,
        scale: float = 1.0,
    ) -> None:
        self._surface = surface
        self._config = config
        self._scale = scale
        self._renderer = WindowRenderer(scale)
        self._inputs = Inputs()
        self._drive = DriveLoop(config, open_session)
        self._paint_due = self._draw_time = 0.0
        self._done = False
        self._shown: set[str] = set()

    def run(self) -> None:
        """Drive until the window is closed. Errors of the world are raised here."""
        clock = pygame.time.Clock()
        try:
            while not self._done:
                seconds = clock.tick(POLL_RATE) / 1000
                layout = self._layout()
                for event in pygame.event.get():
                    if self._click(event, layout):
                        continue
                    name = self._inputs.command(event, layout)
                    if name is not None:
                        self._command(name)
                self._drive.forward(self._inputs.held(layout), seconds)
                self._shoot_when_due()
                if time.perf_counter() >= self._paint_due:
                    self._paint_due = max(time.perf_counter(), self._paint_due + 1 / REFRESH_RATE)
                    self._paint()
        finally:
            self._inputs.close()
            self._drive.close()

    def _layout(self) -> Layout:
        session, frame_size, num_views = self._drive.session, (1, 1), 1
        if session is not None:
            frame_size, num_views = session.frame_size, len(session.views)
        size = self._surface.get_size()
        return arrange(size, frame_size, num_views=num_views, clean="clean" in self._shown, scale=self._scale)

    def _click(self, event: pygame.event.Event, layout: Layout) -> bool:
        """Whether an event is a click that puts something into a picture, or takes it away."""
        session = self._drive.session
        if session is None or event.type != pygame.MOUSEBUTTONDOWN or event.button != 1:
            return False
        where = layout.pixel_at(event.pos, session.frame_size)
        if where is None:
            return False
        index, column, row = where
        return self._drive.click(index, (column, row))

    def _command(self, name: str) -> None:
        """Do what a key or a button asks of the window, or hand it on to the drive."""
        if name == "quit":
            self._done = True
        elif name in ("clean", "help"):
            self._shown ^= {name}
        elif name == "screenshot":
            milliseconds = time.time_ns() // 10**6 % 1000
            path = self._config.output / time.strftime(f"window-%Y%m%d-%H%M%S-{milliseconds:03d}.png")
            save_png(self._surface, path)
            self._drive.say(f"saved {path}")
        else:
            self._drive.command(name)

    def _shoot_when_due(self) -> None:
        path, drive = self._config.screenshot, self._drive
        if path is None or drive.session is None:
            return
        if drive.num_steps >= self._config.steps or (drive.session.ended and drive.paused):
            self._paint()
            save_png(self._surface, path)
            self._done = True

    def _paint(self) -> None:
        began = time.perf_counter()
        moments = () if self._drive.session is None else self._drive.session.moments
        layout = self._layout()
        self._renderer.draw(self._surface, layout, moments, self._status(layout))
        pygame.display.flip()
        self._draw_time = time.perf_counter() - began

    def _status(self, layout: Layout) -> WindowStatus:
        return WindowStatus(
            **vars(self._drive.status()),
            draw_time=self._draw_time,
            hovered=layout.button_at(pygame.mouse.get_pos()),
            help="help" in self._shown,
        )


def save_png(surface: pygame.Surface, path: Path) -> None:
    """Write `surface` as PNG; the file appears whole or not at all, and its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.png")
    pygame.image.save(surface, temporary)
    temporary.replace(path)
