"""The loop below every face of the viewer: the session forward in time, on a worker, as keys and commands ask."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

from envs.viewer.action_smoothing import ActionSmoother
from envs.viewer.config import PLAY_WORLDS, PlayConfig
from envs.viewer.held import Held
from envs.viewer.placing import Tool, describe_tool, next_tool
from envs.viewer.session import Session

POLL_RATE = 120
"""A face reads its inputs, and a world that is ready gets its next step, this often [1/s]."""
PACES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Simulated time over wall-clock time."""
MESSAGE_TIME = 5.0
"""How long a message stays [s]."""


def next_pace(pace: float, direction: int) -> float:
    """The next of PACES above `pace` (direction 1) or below it (-1); the last one stays."""
    beyond = [p for p in PACES[::direction] if (p - pace) * direction > 0]
    return beyond[0] if beyond else pace


@dataclass(frozen=True, kw_only=True)
class DriveStatus:
    """What a face shows besides the moments.

    Args:
        world: what is driven, of PLAY_WORLDS.
        paused: the drive stands still.
        recording: a film is being taken.
        driver: name of the policy that can drive; None when there is none.
        autopilot: the policy drives.
        busy: text over the image while a world is not there yet; "" otherwise.
        message: a line for the person.
        steps_per_second: steps of the worlds in a second, as it went lately.
        pace: simulated time over wall-clock time.
        trust_threshold: a picture below it gets a red border, [0, 1].
        overlay: lane and objects are drawn into the pictures.
        tool: what a click in the picture does; "" steers.
    """

    world: str
    paused: bool
    recording: bool
    driver: str | None
    autopilot: bool
    busy: str
    message: str
    steps_per_second: float
    pace: float
    trust_threshold: float
    overlay: bool
    tool: str = ""

    @property
    def who_drives(self) -> str:
        """A line that says so."""
        return f"{self.driver if self.autopilot else 'you'} driving"


class DriveLoop:
    """A drive as it goes on: commands, steering, pace, pauses.

    The session lives on a worker thread, one job at a time, so that the face stays responsive while a world computes.

    Args:
        config: see PlayConfig.
        open_session: makes the session of a config; called on the worker.
    """

    def __init__(self, config: PlayConfig, open_session: Callable[[PlayConfig], Session]) -> None:
        self.config = config
        self.session: Session | None = None
        self.paused = self.overlay = False
        self.tool: Tool | None = None
        self.num_steps = 0
        self._open_session = open_session
        self._smoother = ActionSmoother()
        self._worker = ThreadPoolExecutor(max_workers=1)
        self._opening: tuple[PlayConfig, Future[Session]] | None = None
        self._job: Future[None] | None = None
        self._commands: deque[Callable[[Session], None]] = deque()
        self._step_times: deque[float] = deque([time.perf_counter()], maxlen=20)
        self._due = self._input_time = 0.0
        self._pace = config.pace
        self._message, self._message_since, self._last_message = "", 0.0, ""
        self._open(config)

    def say(self, message: str) -> None:
        """Show a line to the person for MESSAGE_TIME."""
        self._message, self._message_since = message, time.perf_counter()

    def command(self, name: str) -> bool:
        """Do what a key or a button asks; what concerns the session waits for its turn on the worker.

        Args:
            name: of COMMANDS, or a digit "1" to "9" for a start.

        Returns:
            Whether it was done; False where it is for the face itself.
        """
        if name == "overlay":
            self.overlay = not self.overlay
        elif name == "pause":
            self.paused = not self.paused
        elif name == "tool":
            self.tool = next_tool(self.tool)
            self.say("the mouse steers" if self.tool is None else describe_tool(self.tool))
        elif name in ("slower", "faster"):
            self._pace = next_pace(self._pace, 1 if name == "faster" else -1)
            self.say(f"{self._pace:g} times as fast as time")
        elif name == "world":
            self.choose_world(PLAY_WORLDS[(PLAY_WORLDS.index(self.config.world) + 1) % len(PLAY_WORLDS)])
        elif name == "step":
            self.paused = True
            self._commands.append(self._step)
        elif name == "rewind":
            if self.session is not None and self.session.ended:
                self.paused = False
            self._commands.append(Session.rewind)
        elif name in _SESSION_COMMANDS:
            if name not in ("record", "autopilot", "keep"):
                self.paused = False
            self._commands.append(_SESSION_COMMANDS[name])
        elif name in tuple("123456789"):
            self.paused = False
            self._commands.append(lambda session: session.pick_start(int(name)))
        else:
            return False
        return True

    def click(self, index: int, pixel: tuple[float, float]) -> bool:
        """A click on column and row of a world's frame; whether it puts something there, or takes it away."""
        if self.tool is None or self.session is None or self._opening is not None:
            return False
        tool = self.tool
        self._commands.append(lambda session: session.change(index, pixel, tool))
        return True

    def choose_world(self, name: str) -> None:
        """Go on in another of PLAY_WORLDS with the present seed; a message says so where that cannot be."""
        if self._opening is not None:
            return
        try:
            if name not in PLAY_WORLDS:
                raise ValueError(f"no world {name!r}; right would be {', '.join(PLAY_WORLDS)}")
            seed = self.config.seed if self.session is None else self.session.leading.seed
            self._open(replace(self.config, world=name, seed=seed))
            self._commands.clear()
        except ValueError as error:
            self.say(str(error))

    def forward(self, held: Held, seconds: float) -> None:
        """Update steering and pedals; collect what the worker has done and give it the next job.

        Args:
            held: what the person holds down.
            seconds: since the last call.

        Raises:
            Exception: whatever a world or the driver raised.
        """
        if self._opening is not None:
            self._collect_opened()
            return
        session = self.session
        assert session is not None
        if not self.paused:
            passed = min(self._pace * seconds, self._input_time)  # no more than the world's time, were that slower
            self._input_time -= passed
            self._smoother.update(held, float(session.leading.scene.speed), passed)
        if self._job is not None:
            if not self._job.done():
                return
            self._job.result()
            self._job = None
        now = time.perf_counter()
        if self._commands:
            self._job = self._worker.submit(self._commands.popleft(), session)
        elif not self.paused and now >= self._due:
            interval = session.dt / self._pace
            self._due = (self._due if now < self._due + interval else now) + interval
            self._input_time = session.dt
            self._job = self._worker.submit(self._step, session)

    def status(self) -> DriveStatus:
        """What a face shows now."""
        session = self.session
        if session is not None and session.message != self._last_message:
            self._last_message = session.message
            self.say(self._last_message)
        elapsed = self._step_times[-1] - self._step_times[0]
        return DriveStatus(
            world=self.config.world,
            paused=self.paused,
            recording=session is not None and session.recording,
            driver=self.config.policy,
            autopilot=session is not None and session.autopilot,
            busy="" if self._opening is None else _OPENING.get(self._opening[0].world, "Opening the world …"),
            message=self._message if time.perf_counter() - self._message_since < MESSAGE_TIME else "",
            steps_per_second=(len(self._step_times) - 1) / elapsed if elapsed > 0 else 0.0,
            pace=self._pace,
            trust_threshold=self.config.trust_threshold,
            overlay=self.overlay,
            tool="" if self.tool is None else describe_tool(self.tool),
        )

    def close(self) -> None:
        """End the worker and the session; a film that is being taken is written."""
        self._worker.shutdown(wait=True)
        if self.session is not None:
            self.session.close()
        if self._opening is not None and self._opening[1].exception() is None:
            self._opening[1].result().close()

    def _open(self, config: PlayConfig) -> None:
        self._opening = config, self._worker.submit(self._open_session, config)

    def _collect_opened(self) -> None:
        """Change to the session that was being opened once it is there, or stay where we are if it cannot be."""
        assert self._opening is not None
        config, opening = self._opening
        if not opening.done():
            return
        self._opening = None
        try:
            opened = opening.result()
        except (ValueError, OSError) as error:
            if self.session is None:
                raise
            self.say(str(error))
            return
        if self.session is not None:
            self.session.close()
            self.paused = False
        self.config, self.session, self._last_message = config, opened, ""
        self._smoother.reset()

    def _step(self, session: Session) -> None:
        had_ended = [bool(moment.ended) for moment in session.moments]
        session.advance(self._smoother.action)
        self._step_times.append(time.perf_counter())
        self.num_steps += 1
        if any(moment.ended and not before for moment, before in zip(session.moments, had_ended, strict=True)):
            self.paused = True
            self._smoother.reset()


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
