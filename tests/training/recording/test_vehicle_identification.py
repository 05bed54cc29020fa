"""Identification: a known vehicle found again from its own drives, hits left out, what is not told left alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.importers.recording import Recording, Signal
from training.recording.vehicle_identification import IdentifyConfig, fit, windows_of
from worldsim.datatypes.vehicle import VehicleModel

TRUE = VehicleModel(
    max_steer_angle=0.8,
    steer_lag=0.12,
    max_acceleration=5.0,
    pedal_lag=0.2,
    rolling_drag=1.5,
    max_lateral_acceleration=5.0,
)
CONFIG = IdentifyConfig(sources=(Path("unused"),))


def drive(seed: int, braking: bool, seconds: float = 30.0) -> np.ndarray:
    """Rows of time, speed, yaw, steer, throttle, brake of TRUE under changing controls [n, 6]."""
    rng, dt = np.random.default_rng(seed), 0.05
    vehicle, rows = np.array([0, 0, 0, 8.0, 0, 0]), []
    for k in range(round(seconds / dt)):
        if k % 20 == 0:
            steer, pedal = rng.uniform(-0.4, 0.4), rng.uniform(-0.3 if braking else 0.2, 1.0)
            pedal = min(pedal, 0.3) if vehicle[3] > 14 else max(pedal, 0.6) if vehicle[3] < 5 else pedal
        control = np.array([steer, max(pedal, 0), max(-pedal, 0), 0])
        rows.append([k * dt, vehicle[3], vehicle[2], *control[:3]])
        vehicle = TRUE.step(vehicle, control, dt, num_substeps=2)
    return np.array(rows)


def recording(rows: np.ndarray, name: str = "drive") -> Recording:
    t, speed, yaw, steer, throttle, brake = rows.T
    values = {"speed": speed, "yaw": yaw, "steer": steer, "throttle": throttle, "brake": brake}
    return Recording(name=name, clock=t, signals={key: Signal(t, v) for key, v in values.items()})


def test_a_known_vehicle_is_found_again():
    model, deviations = fit(windows_of(recording(drive(0, braking=True)), CONFIG), VehicleModel(), CONFIG)
    for name in ("max_steer_angle", "steer_lag", "max_acceleration", "max_braking", "pedal_lag", "rolling_drag"):
        assert getattr(model, name) == pytest.approx(getattr(TRUE, name), rel=0.1), name
        assert deviations[name] < 0.1, name
    assert model.max_lateral_acceleration == pytest.approx(5.0, rel=0.05)


def test_what_the_drives_do_not_tell_stays_as_it_was():
    model, deviations = fit(windows_of(recording(drive(0, braking=False)), CONFIG), VehicleModel(), CONFIG)
    assert model.max_braking == VehicleModel().max_braking
    assert "max_braking" not in deviations


def test_windows_with_a_hit_or_standing_are_left_out():
    rows = drive(1, braking=True, seconds=20.0)
    whole = windows_of(recording(rows), CONFIG)
    assert len(whole) == 36
    rows[200:, 1] -= 4.0  # half of the speed lost within one step
    assert 30 <= len(windows_of(recording(rows), CONFIG)) <= 33
    rows[:, 1] = 0.5
    assert len(windows_of(recording(rows), CONFIG)) == 0


def test_a_recording_that_does_not_tell_enough_is_named():
    rows = drive(1, braking=True, seconds=5.0)
    full = recording(rows)
    signals = {name: signal for name, signal in full.signals.items() if name not in ("brake", "yaw")}
    with pytest.raises(ValueError, match="drive lacks brake, yaw or yaw_rate"):
        windows_of(Recording(name="drive", clock=full.clock, signals=signals), CONFIG)


def test_the_command_writes_parameters_errors_and_a_plot(tmp_path, capsys):
    for k in (0, 1):
        t, speed, yaw, steer, throttle, brake = drive(k, braking=True, seconds=15.0).T
        table = np.stack([t, 3.6 * speed, -np.degrees(yaw), -steer, throttle, brake], -1)
        header = "time_s,speed_kmh,yaw_deg,steer,throttle,brake"
        np.savetxt(tmp_path / f"drive{k}.csv", table, delimiter=",", header=header, comments="")
    from drivedit import main

    sources = [str(tmp_path / f"drive{k}.csv") for k in (0, 1)]
    out = tmp_path / "out"
    assert main(["identify", "--sources", *sources, "--drive.left-handed", "--out", str(out)]) == 0
    model = VehicleModel(**json.loads((out / "vehicle.json").read_text()))
    assert model.max_steer_angle == pytest.approx(0.8, rel=0.1)
    report = json.loads((out / "report.json").read_text())
    assert report["left_out"].keys() == {"drive0", "drive1"}
    for unit in ("speed_mps", "yaw_rate_dps"):
        assert report["fitted"]["all"][unit] < 0.2 * report["before"]["all"][unit]
        assert report["left_out"]["drive1"][unit] < 0.5 * report["before"]["drive1"][unit]
    assert (out / "fit.png").read_bytes().startswith(b"\x89PNG")
    assert "max_steer_angle" in capsys.readouterr().out
    assert main(["identify", "--sources", str(tmp_path / "gone.csv"), "--out", str(out)]) == 2
