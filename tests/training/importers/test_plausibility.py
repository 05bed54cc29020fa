"""Quantities that do not agree with each other are told by name; a drive that is sound is not doubted."""

import numpy as np
import pytest

from training.importers.plausibility import implausibilities
from training.importers.recording import Origin, Recording, Signal
from training.importers.resample import ResampleConfig

TIMES = np.arange(0, 20, 0.05)


def doubts(**changes) -> list[str]:
    """Of a drive through an S, faster and slower, with some of its quantities changed; None leaves one out."""
    yaw = 0.6 * np.sin(0.5 * TIMES)
    speed = 10 + 3 * np.sin(TIMES)
    rate, acceleration = 0.3 * np.cos(0.5 * TIMES), 3 * np.cos(TIMES)
    x, y = (np.cumsum(speed * part) * 0.05 for part in (np.cos(yaw), np.sin(yaw)))
    drive = {"x": x, "y": y, "yaw": yaw, "speed": speed, "yaw_rate": rate, "acceleration": acceleration}
    drive |= {"steer": rate / speed} | changes
    signals = {name: Signal(TIMES, values) for name, values in drive.items() if values is not None}
    origins = {name: Origin(f"column {name}") for name in signals}
    recording = Recording(name="drive", clock=TIMES, signals=signals, origins=origins)
    return implausibilities(recording, ResampleConfig())


def test_a_sound_drive_is_not_doubted():
    assert doubts() == []
    assert doubts(yaw_rate=None, acceleration=None) == []
    assert doubts(x=None, y=None, yaw=None) == []
    assert doubts(steer_angle=2.7 * 0.3 * np.cos(0.5 * TIMES) / 10) == []


def test_what_backs_up_is_not_doubted_unless_its_speed_is_a_magnitude():
    backing = np.where(TIMES < 8, -1, 1)
    x, y = (np.cumsum(backing * SPEED * part) * 0.05 for part in (np.cos(YAW), np.sin(YAW)))
    drive = {"x": x, "y": y, "yaw_rate": None, "acceleration": None, "steer": None}
    assert doubts(speed=backing * SPEED, reverse=TIMES < 8, **drive) == []
    (doubt,) = doubts(speed=SPEED, **drive)
    assert "move backward along yaw (column yaw) in 41% of the time, while speed (column speed) is positive" in doubt


def test_mirrored_positions_are_not_taken_for_backing_up():
    yaw = np.sin(0.5 * TIMES) * np.where(TIMES < 12, 0.2, 1.6)
    x, y = (np.cumsum(SPEED * part) * 0.05 for part in (np.cos(yaw), np.sin(yaw)))
    (doubt,) = doubts(x=x, y=-y, yaw=yaw, yaw_rate=None, steer=None)
    assert "yaw (column yaw) turns -1.12 times as fast" in doubt


def test_who_runs_into_something_is_not_doubted():
    drive = {"x": None, "y": None, "yaw": None, "yaw_rate": None, "steer": None}
    assert doubts(speed=np.where(TIMES < 15, 0.5 * TIMES, 0.0), acceleration=0.5 * (TIMES < 15), **drive) == []


def test_a_swift_car_is_not_doubted_where_its_positions_say_the_same():
    speed = np.where(TIMES % 10 < 3, 8 * (TIMES % 10), 24 - 3.4 * (TIMES % 10 - 3))
    x, y = (np.cumsum(speed * part) * 0.05 for part in (np.cos(YAW), np.sin(YAW)))
    drive = {"speed": speed, "acceleration": None, "yaw_rate": None, "steer": None}
    assert doubts(x=x, y=y, **drive) == []
    (doubt,) = doubts(x=None, y=None, yaw=None, **drive)
    assert "speed (column speed) grows by up to 8 m/s²" in doubt


def test_noisy_positions_are_not_doubted():
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, len(TIMES)))
    assert doubts(x=X + noise[0], y=Y + noise[1]) == []
    assert doubts(x=X + noise[0], y=Y + noise[1], yaw=None, yaw_rate=None) == []


def test_neither_is_a_steady_turn():
    turn = {"yaw": 0.2 * TIMES, "yaw_rate": 0.2 + 0 * TIMES, "x": None, "y": None}
    assert doubts(steer=0.1 + 0 * TIMES, **turn) == []
    assert "steer (column steer) is 0 all the time" in doubts(steer=0 * TIMES, **turn)[0]


SPEED = 10 + 3 * np.sin(TIMES)
YAW = 0.6 * np.sin(0.5 * TIMES)
RATE = 0.3 * np.cos(0.5 * TIMES)
X, Y = (np.cumsum(SPEED * part) * 0.05 for part in (np.cos(YAW), np.sin(YAW)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speed": 3.6 * SPEED, "acceleration": None}, "speed (column speed) is 3.60 times as fast as x (column x)"),
        ({"speed": SPEED / 0.44704, "acceleration": None}, "move: mph?"),
        ({"yaw": np.pi / 2 - YAW, "yaw_rate": None, "steer": None}, "off the direction in which x (column x) and y"),
        ({"yaw_rate": np.degrees(RATE), "steer": None}, "yaw (column yaw) turns: degrees?"),
        ({"acceleration": 0.1 * np.cos(TIMES)}, "acceleration (column acceleration) is 0.03 times"),
        (
            {"steer": 0.1 + 0 * TIMES},
            "steer (column steer) is 0.1 all the time, while yaw_rate (column yaw_rate) turns",
        ),
        ({"steer": -RATE / SPEED}, "turns right: give --drive.left-handed?"),
        (
            {"steer": -RATE / SPEED, "yaw_rate": None, "yaw": None},
            "the way of x (column x) and y (column y) turns right",
        ),
        (
            {"yaw": -YAW / 4, "yaw_rate": None, "steer": None},
            "yaw (column yaw) turns -0.25 times as fast as the direction",
        ),
        (
            {"yaw": 0 * YAW, "yaw_rate": None, "steer": None},
            "yaw (column yaw) turns 0.00 times as fast as the direction",
        ),
        (
            {"yaw": None, "yaw_rate": 20 * RATE, "steer": None},
            "is turning 20.20 times as fast as the direction in which",
        ),
        ({"yaw": None, "yaw_rate": -RATE, "steer": None}, "move: positive to the right, or y mirrored?"),
        ({"speed": -SPEED, "acceleration": None}, "yaw (column yaw) is 180° off the direction in which"),
        ({"speed": 9 + 0 * TIMES, "acceleration": None}, "speed (column speed) is 9 all the time, while x"),
        (
            {"speed": 3.6 * SPEED, "x": None, "yaw_rate": None, "acceleration": None},
            "falls by up to 10.7 m/s² over 0.5 s",
        ),
        ({"yaw_rate": 10 * RATE, "x": None, "yaw": None, "steer": None}, "push sideways by up to 33.5 m/s²"),
        ({"reverse": 1 + 0 * TIMES}, "speed (column speed) is positive in 100% of the time in which reverse"),
        (
            {"steer_angle": 15 * 2.7 * RATE / SPEED},
            "whose axles are 41 m apart: degrees, or an angle of the steering wheel",
        ),
        ({"x": 100 * X, "y": 100 * Y}, "x (column x) and y (column y) move at 1065 m/s: cm?"),
        ({"x": X + 80 * (TIMES > 9.9)}, "jump, first by 84 m within 0.5 s after 9.5 s, in 1 of 39 half seconds"),
    ],
)
def test_what_does_not_agree_is_named(changes, message):
    (doubt,) = doubts(**changes)
    assert message in doubt
