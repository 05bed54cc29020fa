"""The viewer behind `drivedit play`: a pygame window in which a person, or a policy, drives any world."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pygame

from envs.driving_env import DrivingEnv, make_dream_env, make_road_env
from envs.viewer_layout import Layout, arrange
from envs.viewer_panels import Painter, Status
from envs.viewer_session import Driver, Hands, Held, Session

REFRESH_RATE = 30
"""The window is drawn this often [1/s]; the world steps at its own time step."""
MESSAGE_TIME = 5.0
"""How long a message stays [s]."""


@dataclass(frozen=True, kw_only=True)
class PlayConfig:
    """What to drive and how.

    Args:
        world: the learned world, or the reference world it was learned from.
        seed: seed of the first drive.
        policy: name of a policy that drives until you take over with M; none by default.
        checkpoint: learned world to drive; the shipped one by default.
        map: OpenDRIVE file for the reference world; procedural towns by default.
        window: width and height of the window at the start [px].
        output: folder for recorded videos.
        screenshot: save the window here as PNG after `steps` steps, and quit.
        steps: steps before the screenshot.

    Raises:
        ValueError: a window or a number of steps that cannot be, or an option of the other world.
    """

    world: Literal["learned", "road"] = "learned"
    seed: int = 0
    policy: str | None = None
    checkpoint: Path | None = None
    map: Path | None = None
    window: tuple[int, int] = (1120, 780)
    output: Path = Path("runs/play")
    screenshot: Path | None = None
    steps: int = 50

    def __post_init__(self) -> None:
        if min(self.window) < 200:
            raise ValueError(f"the window must be at least 200 x 200 px, got {self.window}")
        if self.steps < 0:
            raise ValueError(f"steps must not be negative, got {self.steps}")
        if self.map is not None and self.world != "road":
            raise ValueError("a map is for the reference world: add --world road")
        if self.checkpoint is not None and self.world != "learned":
            raise ValueError("a checkpoint is for the learned world: leave out --world road")


def play(config: PlayConfig, make_driver: Callable[[str], Driver]) -> None:
    """Open the window and drive until it is closed.

    Args:
        config: what to drive.
        make_driver: the policy of a name; ValueError when there is none.

    Raises:
        ValueError: an unknown policy, or an option that the world refuses.
        OSError: there is no display, or a file is missing.
    """
    surface = _open_window(config.window)
    try:
        window = Window(surface, config, partial(_make_session, config, make_driver))
        window.run()
    finally:
        pygame.quit()


def _make_session(config: PlayConfig, make_driver: Callable[[str], Driver]) -> Session:
    driver = None if config.policy is None else make_driver(config.policy)
    env: DrivingEnv
    if config.world == "learned":
        env = make_dream_env(checkpoint=config.checkpoint)
        options: dict[str, Any] = {}
        start_options = _start_clip
    else:
        env = make_road_env()
        options = {} if config.map is None else {"map": config.map}
        start_options = _town if config.map is None else _another_seed
    return Session(
        env,
        seed=config.seed,
        options=options,
        start_options=start_options,
        driver=driver,
        video_folder=config.output,
    )


def _start_clip(digit: int) -> dict[str, Any]:
    return {"start_index": digit - 1}


def _town(digit: int) -> dict[str, Any]:
    return {"town": digit}


def _another_seed(_: int) -> dict[str, Any]:
    return {}  # on a map of the person's own a start differs by its seed alone


def _open_window(size: tuple[int, int]) -> pygame.Surface:
    """The window's surface.

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
        return pygame.display.set_mode(size, pygame.RESIZABLE)
    except pygame.error as error:
        raise OSError(f"{hint}; SDL says: {error}") from error


COMMAND_OF_KEY = {
    pygame.K_r: "restart",
    pygame.K_RETURN: "next_start",
    pygame.K_p: "pause",
    pygame.K_n: "step",
    pygame.K_b: "rewind",
    pygame.K_v: "record",
    pygame.K_m: "autopilot",
    pygame.K_TAB: "clean",
    pygame.K_ESCAPE: "quit",
}


class Window:
    """The loop of the viewer: events in, the session forward, the picture out.

    The session lives on a worker thread, one job at a time, so that the window answers while a world thinks.

    Args:
        surface: the window's surface.
        config: see PlayConfig.
        make_session: makes the session; called on the worker.
    """

    def __init__(self, surface: pygame.Surface, config: PlayConfig, make_session: Callable[[], Session]) -> None:
        self._surface = surface
        self._config = config
        self._painter = Painter()
        self._hands = Hands()
        self._session: Session | None = None
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._opening: Future[Session] | None = self._worker.submit(make_session)
        self._job: Future[None] | None = None
        self._commands: deque[Callable[[Session], None]] = deque()
        self._step_times: deque[float] = deque([time.perf_counter()], maxlen=20)
        self._num_steps = 0
        self._due = 0.0
        self._paused = self._clean = self._dragging = self._done = False
        self._message, self._message_since = "", 0.0

    def run(self) -> None:
        """Drive until the window is closed. Errors of the world are raised here."""
        clock = pygame.time.Clock()
        try:
            while not self._done:
                seconds = clock.tick(REFRESH_RATE) / 1000
                for event in pygame.event.get():
                    self._handle(event)
                self._forward(seconds)
                self._paint()
        finally:
            self._worker.shutdown(wait=True)
            if self._session is not None:
                self._session.close()

    def _layout(self) -> Layout:
        frame_size = (1, 1) if self._session is None else self._session.env.world.frame_size
        return arrange(self._surface.get_size(), frame_size, clean=self._clean)

    def _handle(self, event: pygame.event.Event) -> None:
        if event.type == pygame.QUIT:
            self._done = True
        elif event.type == pygame.KEYDOWN and pygame.K_1 <= event.key <= pygame.K_9:
            digit = event.key - pygame.K_0
            self._paused = False
            self._commands.append(lambda session: session.pick_start(digit))
        elif event.type == pygame.KEYDOWN and event.key in COMMAND_OF_KEY:
            self._command(COMMAND_OF_KEY[event.key])
        elif event.type == pygame.MOUSEBUTTONDOWN and event.button == 1:
            layout = self._layout()
            self._dragging = layout.steer_bar is not None and layout.steer_bar.contains(event.pos)
            name = layout.button_at(event.pos)
            if name is not None:
                self._command(name)
        elif event.type == pygame.MOUSEBUTTONUP and event.button == 1:
            self._dragging = False

    def _command(self, name: str) -> None:
        """Do what a key or a button asks; what concerns the session waits for its turn on the worker."""
        if name == "quit":
            self._done = True
        elif name == "clean":
            self._clean = not self._clean
        elif name == "pause":
            self._paused = not self._paused
        elif name == "step":
            self._paused = True
            self._commands.append(self._step)
        elif name == "record":
            self._commands.append(Session.toggle_recording)
        elif name == "autopilot":
            self._commands.append(Session.toggle_autopilot)
        elif name == "rewind":
            if self._session is not None and self._session.moment.ended:
                self._paused = False
            self._commands.append(Session.rewind)
        elif name == "restart":
            self._paused = False
            self._commands.append(Session.restart)
        elif name == "next_start":
            self._paused = False
            self._commands.append(Session.next_start)
        else:
            raise ValueError(f"unknown command {name!r}")

    def _held(self) -> Held:
        keys = pygame.key.get_pressed()
        return Held(
            left=keys[pygame.K_LEFT] or keys[pygame.K_a],
            right=keys[pygame.K_RIGHT] or keys[pygame.K_d],
            accelerate=keys[pygame.K_UP] or keys[pygame.K_w],
            brake=keys[pygame.K_DOWN] or keys[pygame.K_s],
            full_brake=keys[pygame.K_SPACE],
            steer=self._layout().steer_at(pygame.mouse.get_pos()[0]) if self._dragging and not self._clean else None,
        )

    def _forward(self, seconds: float) -> None:
        """Move the hands; collect what the worker has done and give it the next job."""
        if self._opening is not None:
            if self._opening.done():
                self._session, self._opening = self._opening.result(), None
            return
        session = self._session
        assert session is not None
        if not self._paused:
            self._hands.update(self._held(), float(session.moment.scene.speed), seconds)
        if self._job is not None:
            if not self._job.done():
                return
            self._job.result()
            self._job = None
        now = time.perf_counter()
        if self._commands:
            self._job = self._worker.submit(self._commands.popleft(), session)
        elif not self._paused and now >= self._due:
            self._due = max(now, self._due + session.env.world.dt)
            self._job = self._worker.submit(self._step, session)
        self._shoot_when_due(session)

    def _step(self, session: Session) -> None:
        had_ended = bool(session.moment.ended)
        session.advance(self._hands.action)
        self._step_times.append(time.perf_counter())
        self._num_steps += 1
        if session.moment.ended and not had_ended:
            self._paused = True
            self._hands.reset()

    def _shoot_when_due(self, session: Session) -> None:
        path = self._config.screenshot
        if path is None or not (self._num_steps >= self._config.steps or (session.moment.ended and self._paused)):
            return
        self._paint()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.png")
        pygame.image.save(self._surface, temporary)
        temporary.replace(path)
        self._done = True

    def _paint(self) -> None:
        session = self._session
        layout = self._layout()
        self._painter.draw(self._surface, layout, None if session is None else session.moment, self._status(layout))
        pygame.display.flip()

    def _status(self, layout: Layout) -> Status:
        session, config = self._session, self._config
        now = time.perf_counter()
        message = "" if session is None else session.message
        if message != self._message:
            self._message, self._message_since = message, now
        elapsed = self._step_times[-1] - self._step_times[0]
        return Status(
            world="Learned" if config.world == "learned" else "Reference",
            paused=self._paused,
            recording=session is not None and session.recording,
            driver=config.policy,
            autopilot=session is not None and session.autopilot,
            busy=f"Opening the {config.world} world …" if session is None else "",
            message=self._message if now - self._message_since < MESSAGE_TIME else "",
            frames_per_second=(len(self._step_times) - 1) / elapsed if elapsed > 0 else 0.0,
            hovered=layout.button_at(pygame.mouse.get_pos()),
        )
