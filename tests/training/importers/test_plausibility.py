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


def test_neither_is_a_steady_turn():
    turn = {"yaw": 0.2 * TIMES, "yaw_rate": 0.2 + 0 * TIMES, "x": None, "y": None}
    assert doubts(steer=0.1 + 0 * TIMES, **turn) == []
    assert "steer (column steer) is 0 all the time" in doubts(steer=0 * TIMES, **turn)[0]


SPEED = 10 + 3 * np.sin(TIMES)
YAW = 0.6 * np.sin(0.5 * TIMES)
RATE = 0.3 * np.cos(0.5 * TIMES)


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
    ],
)
def test_what_does_not_agree_is_named(changes, message):
    (doubt,) = doubts(**changes)
    assert message in doubt
