"""The viewer behind `drivedit play`: a pygame window in which a person, or a policy, drives any world, or two."""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pygame

from envs.maps.map_files import MapFile, read_maps
from envs.registration import make_learned_env, make_road_env
from envs.road.config import RoadWorldConfig
from envs.viewer.action_smoothing import ActionSmoother
from envs.viewer.config import PlayConfig
from envs.viewer.input import Inputs
from envs.viewer.layout import Layout, Status, arrange
from envs.viewer.placing import Tool, describe_tool, next_tool
from envs.viewer.session import Driver, Session, View
from envs.viewer.window_renderer import WindowRenderer
from envs.worlds import WORLDS
from worldsim.datatypes.camera import CameraGeometry

if TYPE_CHECKING:
    from envs.learned.learned_world import LearnedWorld

REFRESH_RATE = 30
"""The window is drawn this often [1/s]; the worlds step at their own time step, `pace` times as fast."""
POLL_RATE = 120
"""Input is read, and a world that is ready gets its next step, this often [1/s]."""
USUAL_SECONDS = 60.0
"""A drive of the learned world is over after this, unless it is endless [s]."""
PACES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Simulated time over wall-clock time."""
MESSAGE_TIME = 5.0
"""How long a message stays [s]."""
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
        Window(surface, config, partial(make_session, config, make_driver), scale=scale).run()
    finally:
        pygame.quit()


def make_session(config: PlayConfig, make_driver: Callable[[str], Driver]) -> Session:
    """The drive that `config` asks for, at its start; arguments and ValueError as for `play`, no window."""
    driver = None if config.policy is None else make_driver(config.policy)
    maps = read_maps(config.maps)
    if config.world == "both":
        learned, alike = _learned_view(config)
        views = (_road_view(alike), learned)
    elif config.world == "learned":
        views = (_learned_view(config)[0],)
    elif config.world == "road":
        views = (_road_view(RoadWorldConfig()),)
    else:
        views = (_view(config.world),)
    return Session(
        views,
        seed=config.seed,
        options=_first_options(config, maps),
        start_options=partial(_start_options, config, maps),
        driver=driver,
        video_folder=config.output,
    )


def _view(name: str) -> View:
    """A world of which nothing is known but its name: its frames are taken to be of the usual camera."""
    entry = WORLDS[name]
    env = entry.make()
    return View(name=entry.title, env=env, camera=CameraGeometry().with_frame_size(env.world.frame_size))


def _road_view(world: RoadWorldConfig) -> View:
    env = make_road_env(frame_size=world.frame_size, world_config=world)
    return View(name="Reference", env=env, camera=CameraGeometry().with_frame_size(world.frame_size))


def _learned_view(config: PlayConfig) -> tuple[View, RoadWorldConfig]:
    """The learned world, and a reference world in whose drives it can go on. One core is left to the window."""
    env = make_learned_env(
        checkpoint=config.checkpoint,
        num_sampling_steps=config.num_sampling_steps,
        max_episode_seconds=math.inf if config.endless else USUAL_SECONDS,
    )
    import torch  # which the env has loaded

    torch.set_num_threads(max(1, min(torch.get_num_threads(), (os.cpu_count() or 1) - 1)))
    model = cast("LearnedWorld", env.world).model.config
    camera = model.camera.with_frame_size(model.frame_size)
    alike = RoadWorldConfig(frame_size=model.frame_size, dt=model.dt, num_context=model.num_context)
    return View(name="Learned", env=env, camera=camera), alike


def _first_options(config: PlayConfig, maps: Sequence[MapFile]) -> dict[str, Any]:
    """Reset options of all drives, but for what those of a start say."""
    return {**maps[0].reset_options} if maps else {"endless": True} if config.endless else {}


def _start_options(config: PlayConfig, maps: Sequence[MapFile], digit: int) -> dict[str, Any]:
    """Reset options of start `digit`; the person's own maps take turns."""
    if config.world == "learned":
        return {"start_index": digit - 1}
    return {**maps[(digit - 1) % len(maps)].reset_options} if maps else {"town": digit}


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


def next_pace(pace: float, direction: int) -> float:
    """The next of PACES above `pace` (direction 1) or below it (-1); the last one stays."""
    beyond = [p for p in PACES[::direction] if (p - pace) * direction > 0]
    return beyond[0] if beyond else pace


class Window:
    """The viewer's loop: events in, the session forward, the picture out.

    The session lives on a worker thread, one job at a time, so that the window stays responsive while a world computes.

    Args:
        surface: the window's surface.
        config: see PlayConfig.
        make_session: makes the session; called on the worker.
        scale: of what is drawn.
    """

    def __init__(
        self,
        surface: pygame.Surface,
        config: PlayConfig,
        make_session: Callable[[], Session],
        *,
        scale: float = 1.0,
    ) -> None:
        self._surface = surface
        self._config = config
        self._scale = scale
        self._renderer = WindowRenderer(scale)
        self._inputs = Inputs()
        self._smoother = ActionSmoother()
        self._session: Session | None = None
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._opening: Future[Session] | None = self._worker.submit(make_session)
        self._job: Future[None] | None = None
        self._commands: deque[Callable[[Session], None]] = deque()
        self._step_times: deque[float] = deque([time.perf_counter()], maxlen=20)
        self._num_steps = 0
        self._due = self._paint_due = self._draw_time = 0.0
        self._pace, self._input_time = config.pace, 0.0
        self._paused = self._done = False
        self._shown: set[str] = set()
        self._tool: Tool | None = None
        self._message, self._message_since, self._last_message = "", 0.0, ""

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
                self._forward(seconds)
                if time.perf_counter() >= self._paint_due:
                    self._paint_due = max(time.perf_counter(), self._paint_due + 1 / REFRESH_RATE)
                    self._paint()
        finally:
            self._inputs.close()
            self._worker.shutdown(wait=True)
            if self._session is not None:
                self._session.close()

    def _layout(self) -> Layout:
        frame_size, num_views = (1, 1), 1
        if self._session is not None:
            frame_size, num_views = self._session.frame_size, len(self._session.views)
        size = self._surface.get_size()
        return arrange(size, frame_size, num_views=num_views, clean="clean" in self._shown, scale=self._scale)

    def _click(self, event: pygame.event.Event, layout: Layout) -> bool:
        """Whether an event is a click that puts something into a picture, or takes it away; it waits for its turn."""
        if self._tool is None or self._session is None or event.type != pygame.MOUSEBUTTONDOWN or event.button != 1:
            return False
        where = layout.pixel_at(event.pos, self._session.frame_size)
        if where is None:
            return False
        (index, column, row), tool = where, self._tool
        self._commands.append(lambda session: session.change(index, (column, row), tool))
        return True

    def _command(self, name: str) -> None:
        """Do what a key or a button asks; what concerns the session waits for its turn on the worker."""
        if name == "quit":
            self._done = True
        elif name in ("clean", "overlay", "help"):
            self._shown ^= {name}
        elif name == "pause":
            self._paused = not self._paused
        elif name == "tool":
            self._tool = next_tool(self._tool)
            self._say("the mouse steers" if self._tool is None else describe_tool(self._tool))
        elif name in ("slower", "faster"):
            self._pace = next_pace(self._pace, 1 if name == "faster" else -1)
            self._say(f"{self._pace:g} times as fast as time")
        elif name == "step":
            self._paused = True
            self._commands.append(self._step)
        elif name == "screenshot":
            milliseconds = time.time_ns() // 10**6 % 1000
            path = self._config.output / time.strftime(f"window-%Y%m%d-%H%M%S-{milliseconds:03d}.png")
            save_png(self._surface, path)
            self._say(f"saved {path}")
        elif name in ("record", "autopilot", "keep"):
            self._commands.append(_SESSION_COMMANDS[name])
        elif name == "rewind":
            if self._session is not None and self._session.ended:
                self._paused = False
            self._commands.append(Session.rewind)
        elif name.isdigit():
            self._paused = False
            self._commands.append(lambda session: session.pick_start(int(name)))
        else:
            self._paused = False
            self._commands.append(_SESSION_COMMANDS[name])

    def _forward(self, seconds: float) -> None:
        """Update steering and pedals; collect what the worker has done and give it the next job."""
        if self._opening is not None:
            if self._opening.done():
                self._session, self._opening = self._opening.result(), None
            return
        session = self._session
        assert session is not None
        if not self._paused:
            held, speed = self._inputs.held(self._layout()), float(session.leading.scene.speed)
            passed = min(self._pace * seconds, self._input_time)  # no more than the world's time, were that slower
            self._input_time -= passed
            self._smoother.update(held, speed, passed)
        if self._job is not None:
            if not self._job.done():
                return
            self._job.result()
            self._job = None
        now = time.perf_counter()
        if self._commands:
            self._job = self._worker.submit(self._commands.popleft(), session)
        elif not self._paused and now >= self._due:
            interval = session.dt / self._pace
            self._due = (self._due if now < self._due + interval else now) + interval
            self._input_time = session.dt
            self._job = self._worker.submit(self._step, session)
        self._shoot_when_due(session)

    def _step(self, session: Session) -> None:
        had_ended = [bool(moment.ended) for moment in session.moments]
        session.advance(self._smoother.action)
        self._step_times.append(time.perf_counter())
        self._num_steps += 1
        if any(moment.ended and not before for moment, before in zip(session.moments, had_ended, strict=True)):
            self._paused = True
            self._smoother.reset()

    def _shoot_when_due(self, session: Session) -> None:
        path = self._config.screenshot
        if path is None or not (self._num_steps >= self._config.steps or (session.ended and self._paused)):
            return
        self._paint()
        save_png(self._surface, path)
        self._done = True

    def _paint(self) -> None:
        began = time.perf_counter()
        moments = () if self._session is None else self._session.moments
        layout = self._layout()
        self._renderer.draw(self._surface, layout, moments, self._status(layout))
        pygame.display.flip()
        self._draw_time = time.perf_counter() - began

    def _say(self, message: str) -> None:
        self._message, self._message_since = message, time.perf_counter()

    def _status(self, layout: Layout) -> Status:
        session, config = self._session, self._config
        if session is not None and session.message != self._last_message:
            self._last_message = session.message
            self._say(self._last_message)
        elapsed = self._step_times[-1] - self._step_times[0]
        return Status(
            paused=self._paused,
            recording=session is not None and session.recording,
            driver=config.policy,
            autopilot=session is not None and session.autopilot,
            busy=_OPENING[config.world] if session is None else "",
            message=self._message if time.perf_counter() - self._message_since < MESSAGE_TIME else "",
            steps_per_second=(len(self._step_times) - 1) / elapsed if elapsed > 0 else 0.0,
            pace=self._pace,
            draw_time=self._draw_time,
            hovered=layout.button_at(pygame.mouse.get_pos()),
            trust_threshold=config.trust_threshold,
            overlay="overlay" in self._shown,
            help="help" in self._shown,
            tool="" if self._tool is None else describe_tool(self._tool),
        )


_OPENING = {
    "learned": "Opening the learned world …",
    "road": "Opening the reference world …",
    "both": "Opening both worlds …",
}
_SESSION_COMMANDS = {
    "record": Session.toggle_recording,
    "autopilot": Session.toggle_autopilot,
    "keep": Session.keep,
    "return": Session.return_to_kept,
    "restart": Session.restart,
    "next_start": Session.next_start,
}


def save_png(surface: pygame.Surface, path: Path) -> None:
    """Write `surface` as PNG; the file appears whole or not at all, and its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.png")
    pygame.image.save(surface, temporary)
    temporary.replace(path)
