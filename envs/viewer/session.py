"""A drive in the viewer, without a window: stepped, rewound, kept, returned to and recorded, in one world or more."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from envs.driving_env import DrivingEnv, TruncationReason
from envs.video import write_mp4
from envs.viewer.placing import Tool, edit_at
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.scene import SceneState

REWIND_TIME = 2.0
"""How far one rewind goes back, at least [s]."""
SNAPSHOT_INTERVAL = 0.5
"""Time between snapshots [s]."""
NUM_SNAPSHOTS = 40
MIN_VIDEO_HEIGHT = 512
"""Recorded frames are enlarged by a whole factor to about this height [px]."""
_WHY_ENDED = {
    TruncationReason.TIME: "time is up",
    TruncationReason.TRUST: "no longer to be trusted",
    TruncationReason.SCENARIO: "the scenario is over",
}


class Driver(Protocol):
    """What can drive instead of the person: every policy of the project fits."""

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Get ready for a drive."""
        ...

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action [2] for the present frame and info."""
        ...


@dataclass(frozen=True, kw_only=True)
class View:
    """A world to drive in and how it is shown.

    Args:
        name: of the world.
        env: the env to drive, of any world.
        camera: takes its frames.
    """

    name: str
    env: DrivingEnv
    camera: PinholeCamera


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the viewer shows of a world at one instant of the drive.

    Args:
        world: name of the world.
        camera: took the frame.
        frame: RGB, uint8 [h, w, 3].
        scene: SceneState of the frame.
        action: steer and acceleration that led here, float32 [2].
        collision: probability, [0, 1].
        off_road: probability, [0, 1].
        wrong_way: drives against its lane.
        trust: how far the frame may be believed, [0, 1]; 1 in a reference world.
        time: since the start [s].
        distance: along the route since the start [m].
        latency: what the last step took, the driver's thinking included [s].
        seed: seed of the drive.
        ended: why the episode ended, "" while it goes on.
    """

    world: str
    camera: PinholeCamera
    frame: np.ndarray
    scene: SceneState
    action: np.ndarray
    collision: float
    off_road: float
    wrong_way: bool
    trust: float
    time: float
    distance: float
    latency: float
    seed: int
    ended: str


@dataclass(frozen=True, kw_only=True)
class _SavedMoment:
    """A moment to go back to: what was shown, the leading env's info, and every env's state."""

    moments: tuple[Moment, ...]
    info: Mapping[str, Any]
    snapshots: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class _Bookmark:
    """A saved moment with the history before it and the start it came from."""

    moment: _SavedMoment
    history: tuple[_SavedMoment, ...]
    seed: int
    options: Mapping[str, Any]


class Session:
    """A drive: who acts, its history, and its recording.

    Several worlds are driven under the same controls. The first leads: it begins as asked, a driver sees it, and the
    others go on from its start clip.

    Args:
        views: worlds with frames of one size and steps of one length, the leading one first.
        seed: seed of the first drive.
        options: reset options of the first drive.
        start_options: reset options of the start that a digit key 1 to 9 picks.
        driver: drives while `autopilot` is on; None when only a person drives.
        video_folder: where recordings go.

    Raises:
        ValueError: no views, or frames or steps that differ.
    """

    def __init__(
        self,
        views: Sequence[View],
        *,
        seed: int,
        options: Mapping[str, Any],
        start_options: Callable[[int], Mapping[str, Any]],
        driver: Driver | None,
        video_folder: Path,
    ) -> None:
        kinds = {(view.env.world.frame_size, view.env.world.dt) for view in views}
        if len(kinds) != 1:
            raise ValueError(f"a session needs worlds of one frame size and time step, got {sorted(kinds)}")
        ((self.frame_size, self.dt),) = kinds
        self.views = tuple(views)
        self.driver = driver
        self.autopilot = driver is not None
        self.message = ""
        self._seed = seed
        self._options = dict(options)
        self._start_options = start_options
        self._video_folder = video_folder
        self._film: list[np.ndarray] | None = None
        self._history: deque[_SavedMoment] = deque(maxlen=NUM_SNAPSHOTS)
        self._bookmark: _Bookmark | None = None
        self.moments: tuple[Moment, ...] = ()
        self.restart()

    @property
    def leading(self) -> Moment:
        """The leading world's moment."""
        return self.moments[0]

    @property
    def ended(self) -> bool:
        """The episode has ended in one of the worlds."""
        return any(moment.ended for moment in self.moments)

    @property
    def recording(self) -> bool:
        """A film is being taken."""
        return self._film is not None

    def restart(self) -> None:
        """The same start once more."""
        leader = self.views[0].env
        answers = [leader.reset(seed=self._seed, options=self._options)]
        for view in self.views[1:]:
            answers.append(view.env.reset(seed=self._seed, options={"start_clip": leader.start_clip()}))
        self._info = answers[0][1]
        self.message = ""
        self.moments = tuple(
            _moment(view, frame, info, seed=self._seed, ended="")
            for view, (frame, info) in zip(self.views, answers, strict=True)
        )
        self._ready_driver()
        self._history.clear()
        self._history.append(self._save_moment())

    def next_start(self) -> None:
        """Another start: the next seed."""
        self._seed += 1
        self.restart()

    def pick_start(self, digit: int) -> None:
        """Start `digit`, 1 to 9, of the world, with that seed; a message says so when the world has fewer."""
        before = self._seed, self._options
        self._seed, self._options = digit, {**self._options, **self._start_options(digit)}
        try:
            self.restart()
        except ValueError as error:
            self._seed, self._options = before
            self.message = f"no start {digit}: {error}"

    def advance(self, action: np.ndarray) -> None:
        """One step of every env, by the driver while it is on, else by `action`."""
        began = time.perf_counter()
        if self.driver is not None and self.autopilot:
            action = np.asarray(self.driver.act(self.leading.frame, self._info), np.float32)
        steps = [view.env.step(action) for view in self.views]
        self._info = steps[0][-1]
        latency = time.perf_counter() - began
        self.moments = tuple(
            replace(
                _moment(
                    view, frame, info, seed=before.seed, ended=_end_reason(info) if terminated or truncated else ""
                ),
                action=action,
                time=before.time + self.dt,
                distance=before.distance + float(info["progress"]),
                latency=latency,
            )
            for view, before, (frame, _, terminated, truncated, info) in zip(
                self.views, self.moments, steps, strict=True
            )
        )

        if self._film is not None:
            self._film.append(self._picture())
        due = self._history[-1].moments[0].time + SNAPSHOT_INTERVAL
        if self.leading.time >= due - 1e-6 and not self.ended:
            self._history.append(self._save_moment())

    def change(self, index: int, pixel: tuple[float, float], tool: Tool) -> None:
        """Put something where a view's frame shows a pixel, or take it away, in every world; a message says what came
        of it. All worlds change, or none."""
        before = [view.env.snapshot() for view in self.views]
        try:
            view = self.views[index]
            edit = edit_at(view.env.world, view.camera, pixel, tool)
            answers = [view.env.edit([edit]) for view in self.views]
        except ValueError as error:
            for view, snapshot in zip(self.views, before, strict=True):
                view.env.restore(snapshot)
            self.message = str(error)
            return
        self._info = answers[0][1]
        self.moments = tuple(
            replace(moment, frame=frame, scene=SceneState.from_vector(info["scene"]))
            for moment, (frame, info) in zip(self.moments, answers, strict=True)
        )
        self.message = "taken away" if tool == "remove" else f"put a {tool}"

    def rewind(self) -> None:
        """Go back by REWIND_TIME, or to the oldest saved moment."""
        target = self.leading.time - REWIND_TIME + 1e-6
        while len(self._history) > 1 and self._history[-1].moments[0].time > target:
            self._history.pop()
        self._go_to(self._history[-1])

    def keep(self) -> None:
        """Keep this moment, to return to; the one kept before is forgotten."""
        history = tuple(self._history)
        self._bookmark = _Bookmark(moment=self._save_moment(), history=history, seed=self._seed, options=self._options)
        self.message = f"kept {self.leading.time:.1f} s of seed {self.leading.seed}: J returns to it"

    def return_to_kept(self) -> None:
        """Return to the kept moment, from any drive, any number of times; a message says so when there is none."""
        if self._bookmark is None:
            self.message = "no moment is kept: K keeps one"
            return
        self._seed, self._options = self._bookmark.seed, dict(self._bookmark.options)
        self._history = deque(self._bookmark.history, maxlen=NUM_SNAPSHOTS)
        self._go_to(self._bookmark.moment)
        self.message = f"back at {self.leading.time:.1f} s of seed {self.leading.seed}"

    def toggle_autopilot(self) -> None:
        """Hand over to the driver, or take over from it."""
        if self.driver is None:
            self.message = "no policy to hand over to: start with --policy"
            return
        self.autopilot = not self.autopilot
        if self.autopilot:
            self._ready_driver()

    def toggle_recording(self) -> None:
        """Begin a film of the frames, several worlds' beside each other, or end it and write it as mp4."""
        if self._film is None:
            self._film, self.message = [self._picture()], "recording"
            return
        path = self._video_folder / time.strftime("drive-%Y%m%d-%H%M%S.mp4")
        write_mp4(path, _enlarge(np.stack(self._film)), 1 / self.dt)
        self._film, self.message = None, f"saved {path}"

    def close(self) -> None:
        """Write what is being filmed and close the envs."""
        if self._film is not None:
            self.toggle_recording()
        for view in self.views:
            view.env.close()

    def _picture(self) -> np.ndarray:
        return np.concatenate([moment.frame for moment in self.moments], axis=1)

    def _ready_driver(self) -> None:
        if self.driver is not None:
            self.driver.reset(self.views[0].env, self.leading.seed)

    def _save_moment(self) -> _SavedMoment:
        snapshots = tuple(view.env.snapshot() for view in self.views)
        return _SavedMoment(moments=self.moments, info=self._info, snapshots=snapshots)

    def _go_to(self, saved: _SavedMoment) -> None:
        for view, snapshot in zip(self.views, saved.snapshots, strict=True):
            view.env.restore(snapshot)
        self.moments, self._info = saved.moments, saved.info
        self._ready_driver()


def _moment(view: View, frame: np.ndarray, info: Mapping[str, Any], *, seed: int, ended: str) -> Moment:
    return Moment(
        world=view.name,
        camera=view.camera,
        frame=frame,
        scene=SceneState.from_vector(info["scene"]),
        action=np.zeros(2, np.float32),
        collision=float(info["collision"]),
        off_road=float(info["off_road"]),
        wrong_way=bool(info["wrong_way"]),
        trust=float(info["trust"]),
        time=0.0,
        distance=0.0,
        latency=0.0,
        seed=seed,
        ended=ended,
    )


def _end_reason(info: Mapping[str, Any]) -> str:
    if info["truncation_reason"] != TruncationReason.NONE:
        return _WHY_ENDED[TruncationReason(int(info["truncation_reason"]))]
    if max(info["collision"], info["off_road"]) < 0.5 and info["route_done"]:
        return "end of the route"
    return "collision" if info["collision"] >= info["off_road"] else "left the road"


def _enlarge(frames: np.ndarray) -> np.ndarray:
    """The frames [t, h, w, 3] enlarged by a whole factor, so that a player shows them at a good size."""
    height, width = frames.shape[1:3]
    factor = max(1, round(MIN_VIDEO_HEIGHT / height))
    size = (width * factor, height * factor)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames])
