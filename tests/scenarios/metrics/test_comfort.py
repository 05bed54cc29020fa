"""Comfort: exactly the broken bounds are named; plans that agree."""

from dataclasses import replace

import numpy as np
import pytest
from drive_records import record, unknown_drive

from policies.comfort import comfortable_instants
from scenarios.metrics.comfort import (
    broken_comfort_bounds,
    comfort,
    comfort_signals,
    extended_comfort,
    plans_agree,
)
from scenarios.metrics.metric_value import Validity


def drive(acceleration=0.0, yaw_rate=0.0, num_instants=60):
    signals = {"ego_acceleration": acceleration, "ego_yaw_rate": yaw_rate}
    arrays = {name: np.broadcast_to(np.asarray(v, float), num_instants) for name, v in signals.items()}
    return record(10.0, num_instants=num_instants, **arrays)


def test_exactly_the_broken_bounds_are_named():
    t = np.arange(60) * 0.1
    assert broken_comfort_bounds(drive()) == {}
    assert comfort(drive()).value == 1.0
    assert broken_comfort_bounds(drive(yaw_rate=0.6)) == pytest.approx({"lateral_acceleration": 6.0})
    assert broken_comfort_bounds(drive(acceleration=-4.1)) == pytest.approx({"braking": 4.1})
    assert broken_comfort_bounds(drive(acceleration=2.5)) == pytest.approx({"acceleration": 2.5})
    # jerk up to 6.3 m/s³ within the acceleration bounds
    shaken = drive(acceleration=2.0 * np.sin(2 * np.pi * t / 2.0))
    assert set(broken_comfort_bounds(shaken)) == {"longitudinal_jerk"}
    assert comfort(shaken).value == 0.0
    assert "longitudinal_jerk" in comfort(shaken).provenance


def test_a_ramp_has_its_slope_as_jerk():
    signals = comfort_signals(drive(acceleration=0.3 * np.arange(60) * 0.1))
    np.testing.assert_allclose(signals.longitudinal_jerk[15:45], 0.3, atol=1e-9)  # filters bend the ends
    late = drive(acceleration=np.where(np.arange(60) < 30, 0.0, 3.0))
    comfortable = comfortable_instants(comfort_signals(late))
    assert comfortable[:15].all()
    assert not comfortable[45:].any()


def test_short_and_unknown_drives():
    assert comfort(drive(num_instants=2)).validity is Validity.NOT_APPLICABLE
    assert comfort(unknown_drive()).validity is Validity.UNKNOWN
    assert broken_comfort_bounds(unknown_drive()) == {}
    with pytest.raises(ValueError, match="ego_acceleration is not known at 41 of 41 instants"):
        comfort_signals(unknown_drive())


def straight_plans(speeds, num_steps=40):
    """At each instant, to go on straight at the speed of that instant."""
    plans = np.zeros((len(speeds), num_steps, 3))
    starts = np.concatenate([[0.0], np.cumsum(speeds)[:-1] * 0.1])
    plans[..., 0] = starts[:, None] + np.asarray(speeds)[:, None] * 0.1 * np.arange(1, num_steps + 1)
    return plans


def test_plans_that_go_on_as_before_agree():
    steady = replace(record(10.0, num_instants=5), plans=straight_plans([10.0] * 5))
    assert extended_comfort(steady).value == 1.0
    plans = straight_plans([10.0] * 5)
    plans[2, :, 0] = plans[2, :1, 0] + np.cumsum(1.0 + 0.01 * np.arange(40))  # this one accelerates by 1 m/s²
    assert extended_comfort(replace(steady, plans=plans)).value == 0.5  # two of four pairs
    assert extended_comfort(record(10.0)).validity is Validity.UNKNOWN
    lonely = straight_plans([10.0] * 5)
    lonely[1::2] = np.nan
    assert extended_comfort(replace(steady, plans=lonely)).validity is Validity.UNKNOWN


def test_plans_disagree_above_the_bounds():
    times = np.arange(40) * 0.1
    straight = np.stack([10 * times, 0 * times, 0 * times], -1)[None]

    def accelerating(a):
        return np.stack([10 * times + a * times**2 / 2, 0 * times, 0 * times], -1)[None]

    assert plans_agree(straight, accelerating(0.65), 0.1).all()
    assert not plans_agree(straight, accelerating(0.75), 0.1).any()

    def turning(rate):
        return np.stack([10 * np.sin(rate * times) / rate, 10 * (1 - np.cos(rate * times)) / rate, rate * times], -1)[
            None
        ]

    assert plans_agree(straight, turning(0.09), 0.1).all()
    assert not plans_agree(straight, turning(0.11), 0.1).any()
