"""Whether the quantities of a recording agree with each other: wrong units, signs and columns show in this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from training.importers.recording import Recording, Signal
from training.importers.resample import ResampleConfig, sample
from worldsim.datatypes.boxes import wrap_angle

_STEP = 0.5
"""Quantities are compared over steps of this length [s]."""
_PARTS = 10
"""A step is seen at so many parts of it."""
_LEAST_STEPS = 6
_MOVING = 1.0
"""From this speed on a direction of travel is believed [m/s]."""
_FACTORS = ((3.6, "km/h?"), (2.237, "mph?"), (57.3, "degrees?"), (0.01745, "radians, read as degrees?"), (100.0, "cm?"))


@dataclass(frozen=True, eq=False)
class _Steps:
    """Signals over steps of one length.

    Args:
        values: at the begin of each step, at its end and evenly between, by quantity, NaN where unknown, [n, k].
    """

    values: Mapping[str, np.ndarray]

    def mean(self, name: str) -> np.ndarray:
        """Means over the steps [n]; NaN where the quantity is unknown in one."""
        inside = self.values[name]
        return (inside[:, :-1] + inside[:, 1:]).mean(1) / 2

    def slope(self, name: str) -> np.ndarray:
        """Rates of change [n]."""
        return (self.values[name][:, -1] - self.values[name][:, 0]) / _STEP


def implausibilities(recording: Recording, config: ResampleConfig) -> list[str]:
    """What does not agree, a sentence each that names quantities and columns; empty where nothing is found."""
    steps = _steps(recording, config)
    named = {
        name: f"{name} ({recording.origins[name].source})" if name in recording.origins else name
        for name in steps.values
    }
    found = []
    for check in _CHECKS:
        try:
            found.append(check(steps, named))
        except KeyError:
            continue  # it compares a quantity that was not recorded
    return [text for text in found if text]


def _steps(recording: Recording, config: ResampleConfig) -> _Steps:
    clock = recording.clock
    begins = clock[0] + _STEP * np.arange(int((clock[-1] - clock[0]) / _STEP))
    times = begins[:, None] + np.linspace(0, _STEP, _PARTS + 1)
    signals = dict(recording.signals)
    if "yaw" in signals:
        signals["yaw"] = Signal(signals["yaw"].times, np.unwrap(signals["yaw"].values))
    values = {}
    for name, signal in signals.items():
        at, known = sample(signal, times.reshape(-1), config.max_gap)
        values[name] = np.where(known, at, np.nan).reshape(times.shape)
    return _Steps(values)


def _factor(values: np.ndarray, truth: np.ndarray, least: float) -> float | None:
    """How many times as large values [n] are as truth [n], by least squares; None where too little is told."""
    known = np.isfinite(values) & np.isfinite(truth)
    if known.sum() < _LEAST_STEPS or np.sqrt(np.mean(truth[known] ** 2)) < least:
        return None
    return float(values[known] @ truth[known] / (truth[known] @ truth[known]))


def _guess(factor: float) -> str:
    near = [text for known, text in _FACTORS if abs(factor / known - 1) < 0.15]
    return f": {near[0]}" if near else ": another unit or another column?"


def _speed_against_positions(steps: _Steps, named: Mapping[str, str]) -> str:
    driven = np.hypot(steps.slope("x"), steps.slope("y"))
    factor = _factor(np.abs(steps.mean("speed")), driven, 0.5)
    if factor is None or 0.8 <= factor <= 1.25:
        return ""
    return f"{named['speed']} is {factor:.2f} times as fast as {named['x']} and {named['y']} move{_guess(factor)}"


def _yaw_against_positions(steps: _Steps, named: Mapping[str, str]) -> str:
    vx, vy = steps.slope("x"), steps.slope("y")
    off = np.abs(wrap_angle(steps.mean("yaw") - np.arctan2(vy, vx)))
    off = off[np.isfinite(off) & (np.hypot(vx, vy) > _MOVING)]
    if len(off) < _LEAST_STEPS or np.median(off) < np.radians(30):
        return ""
    return (
        f"{named['yaw']} is {np.degrees(np.median(off)):.0f}° off the direction in which {named['x']} and {named['y']} "
        "move: degrees, a compass's, or positive to the right?"
    )


def _yaw_rate_against_yaw(steps: _Steps, named: Mapping[str, str]) -> str:
    factor = _factor(steps.mean("yaw_rate"), steps.slope("yaw"), 0.05)
    if factor is None or 0.7 <= factor <= 1.4:
        return ""
    return f"{named['yaw_rate']} is {factor:.2f} times the rate at which {named['yaw']} turns{_guess(abs(factor))}"


def _acceleration_against_speed(steps: _Steps, named: Mapping[str, str]) -> str:
    factor = _factor(steps.mean("acceleration"), steps.slope("speed"), 0.5)
    if factor is None or 0.5 <= factor <= 2.0:
        return ""
    return f"{named['acceleration']} is {factor:.2f} times the rate at which {named['speed']} grows{_guess(factor)}"


def _steering_against_turning(name: str) -> Callable[[_Steps, Mapping[str, str]], str]:
    def check(steps: _Steps, named: Mapping[str, str]) -> str:
        steer = steps.mean(name)
        turn = steps.mean("yaw_rate") if "yaw_rate" in steps.values else steps.slope("yaw")
        other = named.get("yaw_rate") or named["yaw"]
        if "speed" in steps.values:  # turning is looked at where it is driving forward
            turn = np.where(steps.mean("speed") > _MOVING, turn, np.nan)
        known = np.isfinite(steer) & np.isfinite(turn)
        steer, turn = steer[known], turn[known]
        if len(steer) < _LEAST_STEPS or np.sqrt(np.mean(turn**2)) < 0.03:
            return ""
        if np.ptp(steer) < 1e-6:
            steady = np.std(turn) < 0.2 * abs(np.mean(turn)) and steer[0] * np.mean(turn) > 0
            turned = np.degrees(np.abs(turn).sum() * _STEP)
            return "" if steady else f"{named[name]} is {steer[0]:g} all the time, while {other} turns by {turned:.0f}°"
        if np.corrcoef(steer, turn)[0, 1] < -0.5:
            return f"{named[name]} is positive where {other} turns right: give --drive.left-handed?"
        return ""

    return check


_CHECKS = (
    _speed_against_positions,
    _yaw_against_positions,
    _yaw_rate_against_yaw,
    _acceleration_against_speed,
    _steering_against_turning("steer"),
    _steering_against_turning("steer_angle"),
)
