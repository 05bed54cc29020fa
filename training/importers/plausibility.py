"""Whether the quantities of a recording agree with each other: wrong units, signs and columns show in this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from training.importers.recording import Recording, Signal
from training.importers.resample import ResampleConfig, pieces, sample
from worldsim.datatypes.boxes import wrap_angle

_STEP = 0.5
"""Quantities are compared over steps of this length [s]."""
_PARTS = 10
"""A step is seen at so many parts of it."""
_LEAST_STEPS = 6
_MOVING = 1.0
"""From this speed on a direction of travel is believed [m/s]."""
_FASTEST = 120.0
"""No position moves faster [m/s]."""
_GROWTH, _FALL, _SIDEWAYS = 6.0, 11.0, 12.0
"""Accelerations that road cars hardly reach: forward, braking, across [m/s²]."""
_CRASH_STEPS = 2
"""So many steps a collision may take, in which speed changes by more than acceleration tells."""
_LONGEST_WHEELBASE = 12.0
"""Of what is steered by its front wheels [m]."""
_FACTORS = ((3.6, "km/h?"), (2.237, "mph?"), (57.3, "degrees?"), (0.01745, "radians, read as degrees?"), (100.0, "cm?"))


@dataclass(frozen=True, eq=False)
class _Steps:
    """Signals over steps of one length.

    Args:
        begins: of each step, on the recording's clock, rising [n] [s].
        values: at the begin of each step, at its end and evenly between, by quantity, NaN where unknown, [n, k].
    """

    begins: np.ndarray
    values: Mapping[str, np.ndarray]

    def mean(self, name: str) -> np.ndarray:
        """Means over the steps [n]; NaN where the quantity is unknown in one."""
        inside = self.values[name]
        return (inside[:, :-1] + inside[:, 1:]).mean(1) / 2

    def slope(self, name: str) -> np.ndarray:
        """Rates of change [n]."""
        return (self.values[name][:, -1] - self.values[name][:, 0]) / _STEP

    def driven(self) -> np.ndarray:
        """Speeds at which x and y move [n] [m/s]; NaN where they move faster than anything drives."""
        fast = np.nan_to_num(self.swiftest()) > _FASTEST
        return np.where(fast, np.nan, np.hypot(self.slope("x"), self.slope("y")))

    def swiftest(self) -> np.ndarray:
        """The highest speed at which x and y move in each step [n] [m/s]."""
        moved = np.hypot(np.diff(self.values["x"]), np.diff(self.values["y"]))
        return moved.max(1) / (_STEP / _PARTS)

    def course(self) -> np.ndarray:
        """The direction in which x and y move [n] [rad]; NaN where they hardly do."""
        return np.where(self.driven() > _MOVING, np.arctan2(self.slope("y"), self.slope("x")), np.nan)

    def course_turn(self) -> np.ndarray:
        """The rate at which that direction turns, over the steps before and after [n] [rad/s]."""
        course, turn = self.course(), np.full(len(self.begins), np.nan)
        joined = self.begins[2:] - self.begins[:-2] < 2.5 * _STEP
        turn[1:-1] = np.where(joined, wrap_angle(course[2:] - course[:-2]) / (2 * _STEP), np.nan)
        return turn


def implausibilities(recording: Recording, config: ResampleConfig) -> list[str]:
    """What does not agree, a sentence each that names quantities and columns; empty where nothing is found."""
    steps = _steps(recording, config)
    named = {
        name: f"{name} ({recording.origins[name].source})" if name in recording.origins else name
        for name in steps.values
    }
    found: list[str] = []
    for blamed, check in _CHECKS:
        if any(named.get(name, name) in text for name in blamed for text in found):
            continue  # a closer look told already
        try:
            text = check(steps, named)
        except KeyError:
            continue  # it compares a quantity that was not recorded
        found += [text] if text else []
    return found


def _steps(recording: Recording, config: ResampleConfig) -> _Steps:
    spans = [(piece[0], piece[-1]) for piece in pieces(recording.clock, config.max_gap)]
    begins = np.concatenate([first + _STEP * np.arange(int((last - first) / _STEP)) for first, last in spans])
    times = begins[:, None] + np.linspace(0, _STEP, _PARTS + 1)
    signals = dict(recording.signals)
    if "yaw" in signals:
        signals["yaw"] = Signal(signals["yaw"].times, np.unwrap(signals["yaw"].values))
    values = {}
    for name, signal in signals.items():
        at, known = sample(signal, times.reshape(-1), config.max_gap)
        values[name] = np.where(known, at, np.nan).reshape(times.shape)
    return _Steps(begins, values)


def _factor(values: np.ndarray, truth: np.ndarray, least: float) -> float | None:
    """How many times as large values [n] are as truth [n], by least squares; None where too little is told."""
    known = np.isfinite(values) & np.isfinite(truth)
    if known.sum() < _LEAST_STEPS or np.sqrt(np.mean(truth[known] ** 2)) < least:
        return None
    return float(values[known] @ truth[known] / (truth[known] @ truth[known]))


def _ratio(values: np.ndarray, truth: np.ndarray, least: float) -> float | None:
    """How many times as large values [n] are as noisy truth [n], by their sizes: negative where they are opposed, 0
    where values are constant; None where too little is told or they are not related."""
    known = np.isfinite(values) & np.isfinite(truth)
    values, truth = values[known], truth[known]
    if len(values) < _LEAST_STEPS or np.sqrt(np.mean(truth**2)) < least:
        return None
    if np.ptp(values) < 1e-6:
        steady = np.std(truth) < 0.5 * abs(np.mean(truth))
        return None if steady and values[0] != 0 else 0.0
    related = float(np.corrcoef(values, truth)[0, 1]) if np.ptp(truth) > 1e-6 else 0.0
    if abs(related) < 0.7:
        return None
    return float(np.sign(related) * np.sqrt(np.mean(values**2) / np.mean(truth**2)))


def _guess(factor: float) -> str:
    near = [text for known, text in _FACTORS if abs(factor / known - 1) < 0.15]
    return f": {near[0]}" if near else ": another unit or another column?"


def _positions_alone(steps: _Steps, named: Mapping[str, str]) -> str:
    swiftest = steps.swiftest()
    swift = np.flatnonzero(np.nan_to_num(swiftest) > _FASTEST)
    if not len(swift):
        return ""
    which = f"{named['x']} and {named['y']}"
    if np.nanmedian(swiftest) > _FASTEST:
        return f"{which} move at {np.nanmedian(swiftest):.0f} m/s: cm?"
    first = swift[0]
    far = np.hypot(*(steps.values[name][first, -1] - steps.values[name][first, 0] for name in ("x", "y")))
    return (
        f"{which} jump, first by {far:.0f} m within {_STEP} s after {steps.begins[first]:.6g} s, in {len(swift)} of "
        f"{len(swiftest)} half seconds faster than {_FASTEST:g} m/s"
    )


def _speed_alone(steps: _Steps, named: Mapping[str, str]) -> str:
    if {"x", "y"} <= steps.values.keys() and _factor(np.abs(steps.mean("speed")), steps.driven(), 0.5) is not None:
        return ""  # positions are the better witness
    change = steps.slope("speed")
    known = change[np.isfinite(change)]
    if (known > _GROWTH).sum() >= 4 or (known < -_FALL).sum() >= 2:
        return (
            f"{named['speed']} grows by up to {max(known):.3g} m/s² and falls by up to {max(-known):.3g} m/s² over "
            f"{_STEP} s, as hardly any road car's does: km/h, mph?"
        )
    return ""


def _speed_against_turning(steps: _Steps, named: Mapping[str, str]) -> str:
    name = "yaw_rate" if "yaw_rate" in steps.values else "yaw"
    turn = steps.mean(name) if name == "yaw_rate" else steps.slope(name)
    across = np.abs(steps.mean("speed") * turn)
    if (np.nan_to_num(across) > _SIDEWAYS).sum() < 2:
        return ""
    return (
        f"{named['speed']} and {named[name]} together push sideways by up to {np.nanmax(across):.3g} m/s², as no road "
        "car's tyres do: km/h, degrees?"
    )


def _speed_against_positions(steps: _Steps, named: Mapping[str, str]) -> str:
    driven, speed = steps.driven(), np.abs(steps.mean("speed"))
    factor = _factor(speed, driven, 0.5)
    if factor is None:
        return ""
    known = np.isfinite(speed) & np.isfinite(driven)
    if np.ptp(speed[known]) < 1e-6 and np.std(driven[known]) > max(1.0, 0.15 * np.mean(driven[known])):
        return (
            f"{named['speed']} is {speed[known][0]:g} all the time, while {named['x']} and {named['y']} move at "
            f"{driven[known].min():.1f} to {driven[known].max():.1f} m/s"
        )
    if 0.8 <= factor <= 1.25:
        return ""
    cm = abs(factor * 100 - 1) < 0.15
    guess = f": {named['x']} and {named['y']} in cm?" if cm else _guess(factor)
    return f"{named['speed']} is {factor:.2f} times as fast as {named['x']} and {named['y']} move{guess}"


def _speed_against_reverse(steps: _Steps, named: Mapping[str, str]) -> str:
    backing = steps.values["reverse"].min(1) > 0.5
    ahead = backing & (np.nan_to_num(steps.mean("speed")) > _MOVING)
    if ahead.sum() < max(_LEAST_STEPS, 0.5 * backing.sum()):
        return ""
    return (
        f"{named['speed']} is positive in {ahead.sum() / backing.sum():.0%} of the time in which {named['reverse']} is "
        "held: a magnitude?"
    )


def _yaw_against_positions(steps: _Steps, named: Mapping[str, str]) -> str:
    which = f"{named['x']} and {named['y']}"
    off = wrap_angle(steps.mean("yaw") - steps.course())
    if "speed" in steps.values:  # what backs up moves against its yaw
        off = np.where(steps.mean("speed") < 0, wrap_angle(off + np.pi), off)
    off = np.abs(off[np.isfinite(off)])
    if len(off) < _LEAST_STEPS:
        return ""
    middle, backward = float(np.median(off)), off > np.radians(150)
    if middle >= np.radians(30):
        guess = "a speed of the wrong sign" if middle > np.radians(150) and "speed" in named else "a compass's"
        return (
            f"{named['yaw']} is {np.degrees(middle):.0f}° off the direction in which {which} move: degrees, {guess}, "
            "or positive to the right?"
        )
    turning = _turn_against_positions(steps.slope("yaw"), steps, f"{named['yaw']} turns", which)
    if not turning and backward.sum() >= max(_LEAST_STEPS, 0.1 * len(off)) and "speed" in named:
        return (
            f"{which} move backward along {named['yaw']} in {backward.mean():.0%} of the time, while {named['speed']} "
            "is positive: a magnitude?"
        )
    return turning


def _yaw_rate_against_positions(steps: _Steps, named: Mapping[str, str]) -> str:
    which = f"{named['x']} and {named['y']}"
    return _turn_against_positions(steps.mean("yaw_rate"), steps, f"{named['yaw_rate']} is turning", which)


def _turn_against_positions(turn: np.ndarray, steps: _Steps, turns: str, positions: str) -> str:
    ratio = _ratio(turn, steps.course_turn(), 0.03)
    if ratio is None or 0.5 <= ratio <= 2.0:
        return ""
    guess = ": positive to the right, or y mirrored?" if -2.0 <= ratio <= -0.5 else _guess(abs(ratio))
    return f"{turns} {ratio:.2f} times as fast as the direction in which {positions} move{guess}"


def _yaw_rate_against_yaw(steps: _Steps, named: Mapping[str, str]) -> str:
    factor = _factor(steps.mean("yaw_rate"), steps.slope("yaw"), 0.05)
    if factor is None or 0.7 <= factor <= 1.4:
        return ""
    return f"{named['yaw_rate']} is {factor:.2f} times the rate at which {named['yaw']} turns{_guess(abs(factor))}"


def _acceleration_against_speed(steps: _Steps, named: Mapping[str, str]) -> str:
    growth = steps.slope("speed")
    known = np.flatnonzero(np.isfinite(growth))
    growth[known[np.argsort(np.abs(growth[known]))[-_CRASH_STEPS:]]] = np.nan
    factor = _factor(steps.mean("acceleration"), growth, 0.5)
    if factor is None or 0.5 <= factor <= 2.0:
        return ""
    return f"{named['acceleration']} is {factor:.2f} times the rate at which {named['speed']} grows{_guess(factor)}"


def _turning(steps: _Steps, named: Mapping[str, str]) -> tuple[np.ndarray, str]:
    """The rate at which it turns where it drives forward [n] [rad/s], NaN elsewhere, and what tells of it."""
    if "yaw_rate" in steps.values:
        turn, other = steps.mean("yaw_rate"), named["yaw_rate"]
    elif "yaw" in steps.values:
        turn, other = steps.slope("yaw"), named["yaw"]
    else:
        turn, other = steps.course_turn(), f"the way of {named['x']} and {named['y']}"
    if "speed" in steps.values:
        turn = np.where(steps.mean("speed") > _MOVING, turn, np.nan)
    return turn, other


def _steering_against_turning(name: str) -> Callable[[_Steps, Mapping[str, str]], str]:
    def check(steps: _Steps, named: Mapping[str, str]) -> str:
        steer = steps.mean(name)
        turn, other = _turning(steps, named)
        known = np.isfinite(steer) & np.isfinite(turn)
        steer, turn = steer[known], turn[known]
        if len(steer) < _LEAST_STEPS or np.sqrt(np.mean(turn**2)) < 0.03:
            return ""
        if np.ptp(steer) < 1e-6:
            steady = np.std(turn) < 0.2 * abs(np.mean(turn)) and steer[0] * np.mean(turn) > 0
            turned = np.degrees(np.abs(turn).sum() * _STEP)
            return "" if steady else f"{named[name]} is {steer[0]:g} all the time, while {other} turns by {turned:.0f}°"
        if np.ptp(turn) > 1e-6 and np.corrcoef(steer, turn)[0, 1] < -0.5:
            return f"{named[name]} is positive where {other} turns right: give --drive.left-handed?"
        return ""

    return check


def _steer_angle_against_curvature(steps: _Steps, named: Mapping[str, str]) -> str:
    turn, other = _turning(steps, named)
    with np.errstate(invalid="ignore", divide="ignore"):
        curvature = turn / steps.mean("speed")
    wheelbase = _ratio(steps.mean("steer_angle"), curvature, 1e-4)
    if wheelbase is None or wheelbase <= _LONGEST_WHEELBASE:
        return ""
    return (
        f"{named['steer_angle']} would turn as {other} does a vehicle whose axles are {wheelbase:.0f} m apart: "
        "degrees, or an angle of the steering wheel?"
    )


_CHECKS: tuple[tuple[tuple[str, ...], Callable[[_Steps, Mapping[str, str]], str]], ...] = (
    ((), _positions_alone),
    ((), _speed_against_positions),
    ((), _speed_against_reverse),
    ((), _yaw_against_positions),
    ((), _yaw_rate_against_yaw),
    ((), _acceleration_against_speed),
    ((), _steering_against_turning("steer")),
    ((), _steering_against_turning("steer_angle")),
    (("steer_angle",), _steer_angle_against_curvature),
    (("yaw_rate",), _yaw_rate_against_positions),
    (("speed",), _speed_alone),
    (("speed", "yaw", "yaw_rate"), _speed_against_turning),
)
"""Each with the quantities that none before it may have named."""
