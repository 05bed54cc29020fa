"""What happens in the viewer, without a window: hands that steer, and a session that drives, rewinds and records."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from envs.driving_env import DrivingEnv, TruncationReason
from envs.video import write_mp4
from worldsim.scene import SceneState
from worldsim.vehicle import VehicleModel

REWIND_TIME = 2.0
"""How far one rewind goes back, at least [s]."""
SNAPSHOT_INTERVAL = 0.5
"""Time between snapshots [s]."""
NUM_SNAPSHOTS = 40
MIN_VIDEO_HEIGHT = 512
"""Recorded frames are enlarged by a whole factor to about this height [px]."""


class Driver(Protocol):
    """Whoever drives instead of the person; every policy of the project fits."""

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Get ready for a drive."""
        ...

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action [2] for what is seen now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the person holds down at this moment.

    Args:
        left: steer left.
        right: steer right.
        accelerate: throttle pedal.
        brake: brake pedal.
        full_brake: brake at once and fully.
        steer: where the mouse holds the steering bar, [-1, 1], positive left; None when it does not.
    """

    left: bool = False
    right: bool = False
    accelerate: bool = False
    brake: bool = False
    full_brake: bool = False
    steer: float | None = None


@dataclass(frozen=True, kw_only=True)
class HandsConfig:
    """How keys become steering and pedals.

    Args:
        steer_rate: steering turned in a second while a key is held [1/s].
        centre_rate: steering given back in a second when let go [1/s].
        pedal_rate: pedal pressed in a second while held [1/s].
        release_rate: pedal released in a second when let go [1/s].
        lateral_acceleration: full deflection never asks for more than this [m/s²].
    """

    steer_rate: float = 1.6
    centre_rate: float = 2.4
    pedal_rate: float = 2.5
    release_rate: float = 5.0
    lateral_acceleration: float = 4.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")


class Hands:
    """Turns held keys into a smooth action: steering ramps up and centres itself, and is finer at speed."""

    def __init__(self, config: HandsConfig | None = None, vehicle: VehicleModel | None = None) -> None:
        self.config = HandsConfig() if config is None else config
        self.vehicle = VehicleModel() if vehicle is None else vehicle
        self.steer = self.throttle = self.brake = 0.0

    def reset(self) -> None:
        """Let go of everything."""
        self.steer = self.throttle = self.brake = 0.0

    def steer_limit(self, speed: float) -> float:
        """The steering in (0, 1] that reaches the configured lateral acceleration at `speed` [m/s]."""
        curvature = self.config.lateral_acceleration / max(speed * speed, 1e-6)
        return min(1.0, float(np.arctan(curvature * self.vehicle.wheelbase)) / self.vehicle.max_steer_angle)

    @property
    def action(self) -> np.ndarray:
        """Steer and acceleration as the hands stand now, float32 [2]."""
        return np.array([self.steer, self.throttle - self.brake], np.float32).clip(-1, 1)

    def update(self, held: Held, speed: float, seconds: float) -> None:
        """Hold `held` for `seconds` at `speed` [m/s]."""
        c, limit = self.config, self.steer_limit(speed)
        direction = float(held.left) - float(held.right)
        if held.steer is not None:
            self.steer = _toward(self.steer, held.steer * limit, 4 * c.steer_rate * seconds)
        elif direction and direction * self.steer >= 0:
            self.steer = _toward(self.steer, direction * limit, c.steer_rate * limit * seconds)
        else:  # let go, or counter-steering through the centre
            self.steer = _toward(self.steer, direction * limit, c.centre_rate * max(limit, abs(self.steer)) * seconds)
        self.throttle = self._pedal(self.throttle, held.accelerate, seconds)
        self.brake = 1.0 if held.full_brake else self._pedal(self.brake, held.brake, seconds)

    def _pedal(self, value: float, pressed: bool, seconds: float) -> float:
        rate = self.config.pedal_rate if pressed else self.config.release_rate
        return _toward(value, float(pressed), rate * seconds)


def _toward(value: float, target: float, step: float) -> float:
    return target if abs(target - value) <= step else value + float(np.sign(target - value)) * step


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the viewer shows: one instant of the drive.

    Args:
        frame: RGB, uint8 [h, w, 3].
        scene: SceneState of the frame.
        action: steer and acceleration that led here, float32 [2].
        collision: probability, [0, 1].
        off_road: probability, [0, 1].
        wrong_way: drives against its lane.
        time: since the start [s].
        distance: along the route since the start [m].
        latency: what the last step took [s].
        seed: seed of the drive.
        ended: why the episode ended, "" while it goes on.
    """

    frame: np.ndarray
    scene: SceneState
    action: np.ndarray
    collision: float
    off_road: float
    wrong_way: bool
    time: float
    distance: float
    latency: float
    seed: int
    ended: str


class Session:
    """A drive in one env: whoever acts, what was, and what is being filmed.

    Args:
        env: the env to drive, of any world.
        seed: seed of the first drive.
        options: reset options of the first drive.
        start_options: reset options of the start that a digit key 1 to 9 picks.
        driver: drives while `autopilot` is on; None when only a person drives.
        video_folder: where recordings go.
    """

    def __init__(
        self,
        env: DrivingEnv,
        *,
        seed: int,
        options: Mapping[str, Any],
        start_options: Callable[[int], Mapping[str, Any]],
        driver: Driver | None,
        video_folder: Path,
    ) -> None:
        self.env = env
        self.driver = driver
        self.autopilot = driver is not None
        self.message = ""
        self._seed, self._options, self._start_options = seed, dict(options), start_options
        self._video_folder = video_folder
        self._film: list[np.ndarray] | None = None
        self._history: deque[tuple[Any, Moment, Mapping[str, Any]]] = deque(maxlen=NUM_SNAPSHOTS)
        self.restart()

    @property
    def recording(self) -> bool:
        """A film is being taken."""
        return self._film is not None

    def restart(self) -> None:
        """The same start once more."""
        frame, self._info = self.env.reset(seed=self._seed, options=self._options)
        if self.driver is not None:
            self.driver.reset(self.env, self._seed)
        self.message = ""
        self.moment = _moment(frame, self._info, seed=self._seed, ended="")
        self._history.clear()
        self._remember()

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
        """One step of the env, by the driver while it is on, else by `action`."""
        began = time.perf_counter()
        if self.driver is not None and self.autopilot:
            action = np.asarray(self.driver.act(self.moment.frame, self._info), np.float32)
        frame, _, terminated, truncated, info = self.env.step(action)
        before = self.moment
        self._info = info
        self.moment = replace(
            _moment(frame, info, seed=before.seed, ended=_why(info) if terminated or truncated else ""),
            action=action,
            time=before.time + self.env.world.dt,
            distance=before.distance + float(info["progress"]),
            latency=time.perf_counter() - began,
        )
        if self._film is not None:
            self._film.append(frame)
        if self.moment.time - self._history[-1][1].time >= SNAPSHOT_INTERVAL - 1e-6 and not self.moment.ended:
            self._remember()

    def rewind(self) -> None:
        """Go back by REWIND_TIME, or to the oldest moment that is remembered."""
        target = self.moment.time - REWIND_TIME + 1e-6
        while len(self._history) > 1 and self._history[-1][1].time > target:
            self._history.pop()
        snapshot, self.moment, self._info = self._history[-1]
        self.env.restore(snapshot)
        if self.driver is not None:
            self.driver.reset(self.env, self.moment.seed)

    def toggle_autopilot(self) -> None:
        """Hand over to the driver, or take over from it."""
        if self.driver is None:
            self.message = "no policy to hand over to: start with --policy"
            return
        self.autopilot = not self.autopilot
        if self.autopilot:
            self.driver.reset(self.env, self.moment.seed)

    def toggle_recording(self) -> None:
        """Begin a film, or end it and write it as mp4."""
        if self._film is None:
            self._film, self.message = [self.moment.frame], "recording"
            return
        path = self._video_folder / time.strftime("drive-%Y%m%d-%H%M%S.mp4")
        write_mp4(path, _enlarged(np.stack(self._film)), 1 / self.env.world.dt)
        self._film, self.message = None, f"saved {path}"

    def close(self) -> None:
        """Write what is being filmed and close the env."""
        if self._film is not None:
            self.toggle_recording()
        self.env.close()

    def _remember(self) -> None:
        self._history.append((self.env.snapshot(), self.moment, self._info))


def _moment(frame: np.ndarray, info: Mapping[str, Any], *, seed: int, ended: str) -> Moment:
    return Moment(
        frame=frame,
        scene=SceneState.from_vector(info["scene"]),
        action=np.zeros(2, np.float32),
        collision=float(info["collision"]),
        off_road=float(info["off_road"]),
        wrong_way=bool(info["wrong_way"]),
        time=0.0,
        distance=0.0,
        latency=0.0,
        seed=seed,
        ended=ended,
    )


def _why(info: Mapping[str, Any]) -> str:
    if info["truncation_reason"] != TruncationReason.NONE:
        return "time is up" if info["truncation_reason"] == TruncationReason.TIME else "no longer to be trusted"
    if max(info["collision"], info["off_road"]) < 0.5 and info["route_done"]:
        return "end of the route"
    return "collision" if info["collision"] >= info["off_road"] else "left the road"


def _enlarged(frames: np.ndarray) -> np.ndarray:
    """The frames [t, h, w, 3] enlarged by a whole factor, so that a player shows them at a good size."""
    height, width = frames.shape[1:3]
    factor = max(1, round(MIN_VIDEO_HEIGHT / height))
    size = (width * factor, height * factor)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames])
