"""From each quantity's own times to rows at one rate: states at the instant, controls averaged over their step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from envs.ground_truth import Objects, fill_objects
from training.data.lerobot_layout import VALID_NAMES
from training.data.rollouts import Rows
from training.importers.recording import Recording, Signal, Track
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import CONTROL_NAMES, EGO_NAMES, SceneState
from worldsim.datatypes.vehicle import VEHICLE_NAMES

DERIVED = {"speed": "x, y and yaw", "acceleration": "speed", "yaw_rate": "yaw"}
"""What is worked out where it was not recorded, and from what."""


@dataclass(frozen=True, kw_only=True)
class ResampleConfig:
    """How recordings become episodes.

    Args:
        fps: frames a second [1/s].
        max_gap: a longer gap between samples makes what lies in it unknown; in the clock it splits the recording [s].
        seconds_per_episode: longer pieces are cut [s].
        min_seconds: shorter pieces are left out [s].

    Raises:
        ValueError: a value is out of range.
    """

    fps: int = 10
    max_gap: float = 0.25
    seconds_per_episode: float = 60.0
    min_seconds: float = 1.0

    def __post_init__(self) -> None:
        if self.fps < 1:
            raise ValueError(f"fps must be at least 1, got {self.fps}")
        if not self.max_gap > 0:
            raise ValueError(f"max_gap must be positive, got {self.max_gap}")
        if not self.seconds_per_episode >= self.min_seconds >= 0:
            raise ValueError(
                f"seconds_per_episode must be at least min_seconds, got {self.seconds_per_episode}, {self.min_seconds}"
            )


def pieces(clock: np.ndarray, max_gap: float) -> list[np.ndarray]:
    """The parts of a clock [n] [s] between which it rises by more than `max_gap` [s]."""
    return np.split(clock, np.flatnonzero(np.diff(clock) > max_gap) + 1)


def episode_times(clock: np.ndarray, config: ResampleConfig) -> list[np.ndarray]:
    """The times [t] of the frames of each episode that a recording paced by `clock` [n] gives [s]."""
    dt = 1.0 / config.fps
    longest = max(2, round(config.seconds_per_episode * config.fps))
    shortest = max(2, round(config.min_seconds * config.fps))
    episodes = []
    for piece in pieces(clock, config.max_gap):
        times = piece[0] + dt * np.arange(int((piece[-1] - piece[0]) / dt + 1e-6) + 1)
        episodes += [times[k : k + longest] for k in range(0, len(times), longest)]
    return [times for times in episodes if len(times) >= shortest]


def sample(signal: Signal, times: np.ndarray, max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Values [t] interpolated at `times` [t], and where both neighbours are no more than `max_gap` apart, bool [t]."""
    after = np.searchsorted(signal.times, times, side="left").clip(0, len(signal.times) - 1)
    before = np.searchsorted(signal.times, times, side="right").clip(1) - 1
    slack = 1e-6
    inside = (times >= signal.times[0] - slack) & (times <= signal.times[-1] + slack)
    valid = inside & (signal.times[after] - signal.times[before] <= max_gap)
    return np.where(valid, np.interp(times, signal.times, signal.values), 0.0), valid


def mean_hold(signal: Signal, times: np.ndarray, dt: float, max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Means [t] over [t, t + dt) of a command that holds from one sample to the next, and where it is known, bool [t].

    The last sample is taken to hold for `max_gap`.
    """
    edges = np.append(signal.times, signal.times[-1] + max_gap)
    held = np.concatenate([[0.0], np.cumsum(np.diff(edges) * signal.values)])
    lost = np.concatenate([[0.0], np.cumsum(np.where(np.diff(edges) > max_gap + 1e-9, np.diff(edges), 0.0))])

    def over_step(integral: np.ndarray) -> np.ndarray:
        return (np.interp(times + dt, edges, integral) - np.interp(times, edges, integral)) / dt

    slack = 1e-6
    inside = (times >= edges[0] - slack) & (times + dt <= edges[-1] + slack)
    valid = inside & (over_step(lost) < 1e-9)
    return np.where(valid, over_step(held), 0.0), valid


def slope(signal: Signal, times: np.ndarray, dt: float, max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates of change [t] over what was recorded of [t - dt/2, t + dt/2], and where they are known, bool [t]."""
    first, last = signal.times[0], signal.times[-1]
    early, late = np.clip(times - dt / 2, first, last), np.clip(times + dt / 2, first, last)
    _, inside = sample(signal, times, max_gap)
    (before, before_valid), (after, after_valid) = (sample(signal, t, max_gap) for t in (early, late))
    valid = before_valid & after_valid & inside & (late - early > dt / 4)
    return np.divide(after - before, late - early, out=np.zeros(len(times)), where=valid), valid


def nearest(image_times: np.ndarray, times: np.ndarray, max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Index int64 [t] of the image nearest to each of `times` [t], and whether it is within max_gap / 2, bool [t]."""
    after = np.searchsorted(image_times, times).clip(0, len(image_times) - 1)
    before = (after - 1).clip(0)
    earlier = np.abs(image_times[before] - times) <= np.abs(image_times[after] - times)
    index = np.where(earlier, before, after)
    return index, np.abs(image_times[index] - times) <= max_gap / 2 + 1e-9


def speed_along(x: Signal, y: Signal, yaw: Signal) -> Signal:
    """Speed along the heading [m/s] at the times of `x`, from positions [m] and yaw [rad] of at least two samples."""
    t = x.times
    vx, vy = np.gradient(x.values, t), np.gradient(np.interp(t, y.times, y.values), t)
    heading = np.interp(t, yaw.times, np.unwrap(yaw.values))
    return Signal(t, vx * np.cos(heading) + vy * np.sin(heading))


def rows_at(recording: Recording, times: np.ndarray, config: ResampleConfig) -> Rows:
    """The rows of an episode at `times` [t].

    Acceleration and yaw rate, where the source does not hold them, are the slopes of its speed and yaw; speed is that
    of its position along its yaw. Nothing else is derived: what is not recorded is 0 and invalid.
    """
    t = len(times)
    dt = 1.0 / config.fps
    gap = config.max_gap
    valid = np.zeros((t, len(VALID_NAMES)), bool)
    signals = dict(recording.signals)
    if "speed" not in signals and {"x", "y", "yaw"} <= signals.keys():
        signals["speed"] = speed_along(signals["x"], signals["y"], signals["yaw"])

    controls = np.zeros((t, len(CONTROL_NAMES)), np.float32)
    for k, name in enumerate(CONTROL_NAMES):
        if name in signals:
            values, known = mean_hold(signals[name], times, dt, gap)
            controls[:, k] = values > 0.5 if name == "reverse" else values
            valid[:, VALID_NAMES.index(name)] = known

    ego = {name: _sample_ego(signals, name, times, dt, gap) for name in (*VEHICLE_NAMES, "yaw_rate")}
    vehicles = np.zeros((t, len(VEHICLE_NAMES)))
    for k, name in enumerate(VEHICLE_NAMES):
        vehicles[:, k], valid[:, VALID_NAMES.index(name)] = ego[name]
    scenes = SceneState.empty((t,))
    for k, name in enumerate(EGO_NAMES):
        scenes.ego[:, k], scenes.ego_valid[:, k] = ego[name]

    pose_known = ego["x"][1] & ego["y"][1] & ego["yaw"][1]
    if recording.tracks is not None:
        _list_objects(scenes, vehicles, np.flatnonzero(pose_known), recording.tracks, times, gap)
        valid[:, VALID_NAMES.index("objects")] = pose_known  # objects are listed in the vehicle frame

    collision = np.zeros(t, np.float32)
    if recording.collisions is not None:
        valid[:, VALID_NAMES.index("collision")] = times >= recording.collisions_since
        hits = np.searchsorted(times, recording.collisions, side="left")
        hits = hits[(recording.collisions > times[0] - dt) & (hits < t)]
        collision[hits] = 1.0

    if recording.images is not None:
        _, valid[:, VALID_NAMES.index("frame")] = nearest(recording.images.times, times, gap)
    return Rows(
        controls=controls,
        vehicles=vehicles,
        scenes=scenes,
        collision=collision,
        off_road=np.zeros(t, np.float32),
        wrong_way=np.zeros(t, bool),
        red_light=np.zeros(t, bool),
        stop_sign_missed=np.zeros(t, bool),
        progress=np.zeros(t, np.float32),
        tasks=np.zeros(t, np.int64),
        valid=valid,
    )


def _sample_ego(
    signals: Mapping[str, Signal], name: str, times: np.ndarray, dt: float, max_gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values [t] of a quantity of the ego and where they are known."""
    if name in signals:
        return _sample_angle(signals[name], times, max_gap) if name == "yaw" else sample(signals[name], times, max_gap)
    if name == "acceleration" and "speed" in signals:
        return slope(signals["speed"], times, dt, max_gap)
    if name == "yaw_rate" and "yaw" in signals:
        return slope(_unwrap(signals["yaw"]), times, dt, max_gap)
    return np.zeros(len(times)), np.zeros(len(times), bool)


def _unwrap(yaw: Signal) -> Signal:
    return Signal(yaw.times, np.unwrap(yaw.values))


def _sample_angle(yaw: Signal, times: np.ndarray, max_gap: float) -> tuple[np.ndarray, np.ndarray]:
    values, valid = sample(_unwrap(yaw), times, max_gap)
    return np.where(valid, wrap_angle(values), 0.0), valid


def _list_objects(
    scenes: SceneState,
    vehicles: np.ndarray,
    rows: np.ndarray,
    tracks: tuple[Track, ...],
    times: np.ndarray,
    max_gap: float,
) -> None:
    """Write the tracks that are present at each of `rows` into `scenes`."""
    if not tracks:
        return
    states = [
        (sample(k.x, times, max_gap), sample(k.y, times, max_gap), _sample_angle(k.yaw, times, max_gap)) for k in tracks
    ]
    speeds = np.stack([sample(k.speed, times, max_gap)[0] for k in tracks])
    poses = np.stack([np.stack([values for values, _ in state], -1) for state in states])
    present = np.stack([np.all([known for _, known in state], axis=0) for state in states])
    sizes = np.array([[k.length, k.width] for k in tracks])
    kinds = np.array([k.kind for k in tracks], np.int64)

    for t in rows:
        at = present[:, t]
        boxes = np.concatenate([poses[at, t], sizes[at]], -1)
        fill_objects(scenes[t], vehicles[t], Objects(boxes=boxes, speeds=speeds[at, t], kinds=kinds[at]))
