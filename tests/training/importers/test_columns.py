"""Columns by their whole names and units; values that no such quantity has."""

import numpy as np
import pytest

from training.importers.columns import recognise
from training.importers.tables import read_states, read_table


@pytest.mark.parametrize(
    ("header", "quantity", "value"),
    [
        ("speed", "speed", 1.0),
        ("Speed (km/h)", "speed", 1 / 3.6),
        ("yaw [deg]", "yaw", np.pi / 180),
        ("yaw_compass", "yaw", np.pi / 2 - np.pi / 180),
        ("steering_angle_normalized", "steer", 1.0),
        ("gas_pedal_normalized", "throttle", 1.0),
        ("field.twist.linear.x", "speed", 1.0),
        ("twist.twist.angular.z", "yaw_rate", 1.0),
        ("%time", "time", 1.0),
        ("# time", "time", 1.0),
    ],
)
def test_names_and_units(header, quantity, value):
    column = recognise(header)
    assert column is not None
    assert (column.quantity, column.convert(np.array(1.0), False)) == (quantity, pytest.approx(value))


@pytest.mark.parametrize(
    "header", ["linear.x", "field.linear.x", "accel.x", "imu.yaw", "steering_angle", "speed (furlongs)", "target_speed"]
)
def test_only_whole_names_are_believed(header):
    assert recognise(header) is None


def test_left_handed_mirrors_all_but_a_compass():
    headers = ("steer", "yaw", "yaw_compass", "speed")
    turned = [recognise(h).convert(np.array(1.0), True) / recognise(h).convert(np.array(1.0), False) for h in headers]
    assert turned == [-1, -1, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "t,heading\n0,1\n0.1,93\n",
            r"s\.csv:3: heading is 93, but no yaw in rad is over 6\.28: degrees\? Assign yaw=heading:deg",
        ),
        ("t,steer_angle\n0,12\n", r"s\.csv:2: steer_angle is 12, .*degrees"),
        ("t,yaw_rate\n0,30\n", r"yaw_rate is 30, .*Assign yaw_rate=yaw_rate:dps"),
        ("t,speed\n0,130\n", r"speed is 130, .*km/h\?"),
        ("t,throttle\n0,55\n", r"throttle is 55, outside \[0, 1\]: percent"),
        ("t,steer\n0,-20\n", r"steer is -20, outside \[-1, 1\]: degrees"),
        ("t,speed,speed\n0,1,2\n", r"3 columns, of which more than one is called 'speed'"),
    ],
)
def test_a_value_that_the_quantity_cannot_have_is_refused_by_name(tmp_path, text, message):
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / "s.csv")


def test_a_unit_that_the_user_gives_is_believed(tmp_path):
    (tmp_path / "s.csv").write_text("t,heading\n0,1\n0.1,93\n")
    assert read_states(tmp_path / "s.csv", ["yaw=heading:rad"]).signals["yaw"].values[1] == 93


@pytest.mark.parametrize("header", ["heading_deg", "heading (deg)", "Heading [°]"])
def test_a_heading_in_degrees_may_be_a_compass_and_is_called_assumed(tmp_path, header):
    (tmp_path / "s.csv").write_text(f"t,{header}\n0,1\n0.1,400\n", encoding="utf-8")
    recording = read_states(tmp_path / "s.csv")
    assert recording.signals["yaw"].values[1] == pytest.approx(np.radians(400))  # their unit is no guess
    assert recording.origins["yaw"].unit == "°, assumed"
    assert read_states(tmp_path / "s.csv", [f"yaw={header}:deg"]).origins["yaw"].unit == "°"


@pytest.mark.parametrize(
    ("factor", "unit"), [(1, "s, assumed"), (1e3, "ms, by their size"), (1e9, "ns, by their size")]
)
def test_times_since_1970_tell_their_unit_by_their_size(tmp_path, factor, unit):
    rows = "".join(f"{int(1_700_000_000 * factor + k * factor / 20)},5\n" for k in range(0, 60, 20))
    (tmp_path / "s.csv").write_text("timestamp,speed\n" + rows)
    recording = read_states(tmp_path / "s.csv")
    assert recording.origins["time"].unit == unit
    np.testing.assert_allclose(np.diff(recording.clock), 1.0, atol=1e-3)
