"""`drivedit identify`: the vehicle model's parameters from recorded drives, by least squares on open-loop windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.optimize import least_squares

from training.data import lerobot_layout as layout
from training.importers.formats import find_importer, read_recordings
from training.importers.importer import DriveOptions, SourceHints
from training.importers.recording import Recording
from training.importers.resample import ResampleConfig, episode_times, rows_at
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.scene import EGO_NAMES
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.option_checks import check_options

FITTED = (
    "max_steer_angle",
    "steer_lag",
    "max_acceleration",
    "max_braking",
    "pedal_lag",
    "rolling_drag",
    "air_drag",
    "max_lateral_acceleration",
)
"""Wheelbase is not among them: at small angles only its ratio to the steering angle shows."""
MAX_DEVIATION = 0.25
"""A parameter whose relative standard deviation is larger counts as not determined by the data."""
_NEEDED = ("steer", "throttle", "brake", "speed")
_YAW_RATE = EGO_NAMES.index("yaw_rate")


@dataclass(frozen=True, kw_only=True)
class IdentifyConfig:
    """What the vehicle is identified from, and how.

    Args:
        sources: recordings with steer, throttle, brake, speed and yaw or yaw rate, as `drivedit import` reads them.
        out: folder of vehicle.json (parameters), report.json (errors) and fit.png.
        drive: what tables do not say themselves.
        wheelbase: of the vehicle [m].
        rate: steps a second of the simulation, near that of the recordings [1/s].
        seconds: length of an open-loop window [s].
        stride: from one window's start to the next one's [s].
        min_speed: windows with a slower moment are left out, since clutch and gears are not in the model [m/s].
        max_acceleration: windows with more are left out: something was hit [m/s²].
        max_yaw_acceleration: likewise [rad/s²].
        speed_scale: speed error that counts as much as `yaw_rate_scale` [m/s].
        yaw_rate_scale: [rad/s].

    Raises:
        ValueError: a value is out of range.
    """

    sources: tuple[Path, ...]
    out: Path = Path("runs/identify")
    drive: DriveOptions = field(default_factory=DriveOptions)
    wheelbase: float = VehicleModel.wheelbase
    rate: int = 20
    seconds: float = 2.0
    stride: float = 0.5
    min_speed: float = 1.5
    max_acceleration: float = 20.0
    max_yaw_acceleration: float = 15.0
    speed_scale: float = 0.5
    yaw_rate_scale: float = 0.05

    def __post_init__(self) -> None:
        check_options(self)
        if not self.sources:
            raise ValueError("sources must name at least one recording")
        for name in ("wheelbase", "rate", "seconds", "stride", "speed_scale", "yaw_rate_scale"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True, eq=False)
class DriveWindows:
    """`n` windows of `t` steps.

    Args:
        controls: CONTROL_NAMES [n, t, 4].
        speeds: [n, t+1] [m/s].
        yaw_rates: mean over each step [n, t] [rad/s].
        accelerations: at the start [n] [m/s²].
        dt: length of a step [s].
    """

    controls: np.ndarray
    speeds: np.ndarray
    yaw_rates: np.ndarray
    accelerations: np.ndarray
    dt: float

    def __len__(self) -> int:
        return len(self.controls)

    @staticmethod
    def concatenate(parts: Sequence[DriveWindows]) -> DriveWindows:
        """The windows of all parts, which share `dt`."""
        names = ("controls", "speeds", "yaw_rates", "accelerations")
        return DriveWindows(dt=parts[0].dt, **{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def simulate(self, model: VehicleModel) -> tuple[np.ndarray, np.ndarray]:
        """Speeds [n, t+1] [m/s] and yaw rates [n, t] [rad/s] of `model` under the recorded controls.

        It starts from the first state, the wheels at the angle that explains the first yaw rate.
        """
        vehicle = np.zeros((len(self), len(VehicleColumn)))
        vehicle[:, VehicleColumn.SPEED] = self.speeds[:, 0]
        vehicle[:, VehicleColumn.ACCELERATION] = self.accelerations
        angle = np.arctan(self.yaw_rates[:, 0] * model.wheelbase / self.speeds[:, 0])
        vehicle[:, VehicleColumn.STEER_ANGLE] = np.clip(angle, -model.max_steer_angle, model.max_steer_angle)

        states = [vehicle]
        for k in range(self.controls.shape[1]):
            states.append(model.step(states[-1], self.controls[:, k], self.dt, num_substeps=2))
        path = np.stack(states, axis=1)
        return path[..., VehicleColumn.SPEED], np.diff(path[..., VehicleColumn.YAW], axis=1) / self.dt

    def errors(self, model: VehicleModel) -> dict[str, float]:
        """Root mean square errors of the open loop: speed_mps [m/s] and yaw_rate_dps [°/s]."""
        speeds, rates = self.simulate(model)
        return {
            "speed_mps": float(np.sqrt(np.mean((speeds - self.speeds)[:, 1:] ** 2))),
            "yaw_rate_dps": float(np.degrees(np.sqrt(np.mean((rates - self.yaw_rates) ** 2)))),
        }


def identify(config: IdentifyConfig) -> VehicleModel:
    """Fit the model, write parameters, errors and plot, print a summary; returns the fitted model.

    The error on unseen drives comes from fits that leave one recording out, where there are several.

    Raises:
        ValueError: a source cannot be read or lacks what is needed; the message names it.
    """
    parts = {r.name: windows_of(r, config) for source in config.sources for r in _recordings(source, config)}
    parts = {name: windows for name, windows in parts.items() if len(windows)}
    if not parts:
        raise ValueError(
            f"no window of {config.seconds} s above {config.min_speed} m/s in {len(config.sources)} sources"
        )

    everything = DriveWindows.concatenate(list(parts.values()))
    before = replace(VehicleModel(), wheelbase=config.wheelbase)
    model, deviations = fit(everything, before, config)
    report = {
        "num_windows": {name: len(windows) for name, windows in parts.items()},
        "spread": {
            "speed_mps": float(np.std(everything.speeds)),
            "yaw_rate_dps": float(np.degrees(np.std(everything.yaw_rates))),
        },
        "before": {"all": everything.errors(before)} | {name: part.errors(before) for name, part in parts.items()},
        "fitted": {"all": everything.errors(model)} | {name: part.errors(model) for name, part in parts.items()},
        "left_out": {name: _left_out(name, parts, before, config) for name in parts} if len(parts) > 1 else {},
        "standard_deviation": deviations,
    }

    config.out.mkdir(parents=True, exist_ok=True)
    layout.write_json(config.out / "vehicle.json", asdict(model))
    layout.write_json(config.out / "report.json", report)
    _plot(config.out / "fit.png", everything, before, model)
    print(_summary(model, before, report))
    return model


def windows_of(recording: Recording, config: IdentifyConfig) -> DriveWindows:
    """All windows of a recording in which everything needed is known. Where reverse is unknown, driving is forward.

    Raises:
        ValueError: the recording lacks a signal that is needed.
    """
    _check_signals(recording)
    resample = ResampleConfig(fps=config.rate, seconds_per_episode=1e9, min_seconds=config.seconds)
    num_steps = round(config.seconds * config.rate)
    stride = max(1, round(config.stride * config.rate))
    controls, speeds, rates, accelerations = [], [], [], []
    for times in episode_times(recording.clock, resample):
        rows = rows_at(recording, times, resample)
        speed = rows.vehicles[:, VehicleColumn.SPEED]
        acceleration = rows.vehicles[:, VehicleColumn.ACCELERATION]

        # The mean yaw rate of a step is that of its middle.
        at_middle = rows_at(recording, times + 0.5 / config.rate, resample).scenes
        yaw_rate = at_middle.ego[:, _YAW_RATE].astype(np.float64)

        usable = np.all([rows.is_valid(name) for name in (*_NEEDED, "acceleration")], axis=0)
        usable &= np.append(at_middle.ego_valid[:-1, _YAW_RATE], True)
        usable &= speed >= config.min_speed
        usable &= np.abs(np.diff(speed, prepend=speed[:1])) * config.rate <= config.max_acceleration
        usable &= np.abs(np.diff(yaw_rate, prepend=yaw_rate[:1])) * config.rate <= config.max_yaw_acceleration

        for k in range(0, len(times) - num_steps, stride):
            if usable[k : k + num_steps + 1].all():
                controls.append(rows.controls[k : k + num_steps])
                speeds.append(speed[k : k + num_steps + 1])
                rates.append(yaw_rate[k : k + num_steps])
                accelerations.append(acceleration[k])
    return DriveWindows(
        controls=np.array(controls, np.float64).reshape(-1, num_steps, 4),
        speeds=np.array(speeds).reshape(-1, num_steps + 1),
        yaw_rates=np.array(rates).reshape(-1, num_steps),
        accelerations=np.array(accelerations),
        dt=1 / config.rate,
    )


def _check_signals(recording: Recording) -> None:
    missing = [name for name in _NEEDED if name not in recording.signals and name != "speed"]
    if "speed" not in recording.signals and not {"x", "y", "yaw"} <= recording.signals.keys():
        missing.append("speed")
    if not {"yaw", "yaw_rate"} & recording.signals.keys():
        missing.append("yaw or yaw_rate")
    if missing:
        raise ValueError(f"{recording.name} lacks {', '.join(missing)}")


def fit(
    windows: DriveWindows, start: VehicleModel, config: IdentifyConfig, names: tuple[str, ...] = FITTED
) -> tuple[VehicleModel, dict[str, float]]:
    """The model that follows the windows best; what they do not determine within MAX_DEVIATION stays as in `start`.

    Args:
        windows: what to follow.
        start: where the search begins.
        config: scales of the errors.
        names: the parameters that are free.

    Returns:
        The model, and the relative standard deviation of each parameter that was fitted, from the curvature at the
        solution; samples of one window count as one.
    """
    initial = np.array([getattr(start, name) for name in names])

    def model_at(logs: np.ndarray) -> VehicleModel:
        return replace(start, **dict(zip(names, (initial * np.exp(logs)).tolist(), strict=True)))

    def residuals(logs: np.ndarray) -> np.ndarray:
        speeds, rates = windows.simulate(model_at(logs))
        speed_error = (speeds - windows.speeds)[:, 1:] / config.speed_scale
        rate_error = (rates - windows.yaw_rates) / config.yaw_rate_scale
        return np.concatenate([speed_error.ravel(), rate_error.ravel()])

    # Steps of 1e-3 look past the kinks where the grip ends; a factor of 8 is as far as a car may differ.
    solution = least_squares(residuals, np.zeros(len(names)), loss="soft_l1", bounds=(-2.1, 2.1), diff_step=1e-3)
    curvature = solution.jac.T @ solution.jac + 1e-12 * np.eye(len(names))
    deviations = np.sqrt(2 * solution.cost / len(windows) * np.diag(np.linalg.inv(curvature)))
    determined = tuple(name for name, deviation in zip(names, deviations, strict=True) if deviation <= MAX_DEVIATION)
    if not determined:
        raise ValueError(f"{len(windows)} windows determine none of {', '.join(names)}")
    if determined != names:
        return fit(windows, start, config, determined)
    return model_at(solution.x), dict(zip(names, deviations.tolist(), strict=True))


def _recordings(source: Path, config: IdentifyConfig) -> list[Recording]:
    return read_recordings(find_importer(source), source, SourceHints(drive=config.drive))


def _left_out(
    name: str, parts: dict[str, DriveWindows], before: VehicleModel, config: IdentifyConfig
) -> dict[str, float]:
    rest = DriveWindows.concatenate([windows for other, windows in parts.items() if other != name])
    return parts[name].errors(fit(rest, before, config)[0])


def _summary(model: VehicleModel, before: VehicleModel, report: dict) -> str:
    lines = [f"{'parameter':<26}{'before':>9}{'fitted':>9}  relative deviation"]
    for name in FITTED:
        deviation = report["standard_deviation"].get(name)
        text = "left as it was: not determined by the data" if deviation is None else f"{deviation:.0%}"
        lines.append(f"{name:<26}{getattr(before, name):>9.4g}{getattr(model, name):>9.4g}  {text}")
    lines.append(f"{'open loop, RMSE':<26}{'before':>20}{'fitted':>20}{'fitted without it':>20}")
    for name in report["before"]:
        cells = [report[kind].get(name) for kind in ("before", "fitted", "left_out")]
        texts = ["" if e is None else f"{e['speed_mps']:.2f} m/s {e['yaw_rate_dps']:.2f} °/s" for e in cells]
        lines.append(f"{name:<26}" + "".join(f"{text:>20}" for text in texts))
    return "\n".join(lines)


def _plot(path: Path, windows: DriveWindows, before: VehicleModel, model: VehicleModel) -> None:
    """Left: error over the time of a window. Right: windows from the median to the worst error, in a row."""
    figure = Figure(figsize=(11, 6), layout="constrained")
    FigureCanvasAgg(figure)
    (speed_error, speed), (rate_error, rate) = figure.subplots(2, 2, width_ratios=[1, 2])
    num_steps = windows.controls.shape[1]
    time = windows.dt * np.arange(num_steps + 1)
    speeds, _ = windows.simulate(model)
    order = np.argsort(np.mean(((speeds - windows.speeds) ** 2), axis=1))
    shown = order[np.linspace(len(order) // 2, len(order) - 1, 8).astype(int)]

    for candidate, label, colour in ((before, "before", "#999999"), (model, "fitted", "#2f6db3")):
        v, r = windows.simulate(candidate)
        speed_error.plot(time, np.sqrt(np.mean((v - windows.speeds) ** 2, axis=0)), color=colour, label=label)
        rms = np.degrees(np.sqrt(np.mean((r - windows.yaw_rates) ** 2, axis=0)))
        rate_error.plot(time[:-1], rms, color=colour, label=label)
        for column, k in enumerate(shown):
            at = column * (time[-1] + 0.3)
            speed.plot(at + time, v[k], color=colour, label=label if not column else None)
            rate.plot(at + time[:-1], np.degrees(r[k]), color=colour)

    for column, k in enumerate(shown):
        at = column * (time[-1] + 0.3)
        speed.plot(at + time, windows.speeds[k], "k--", linewidth=1, label=None if column else "recorded")
        rate.plot(at + time[:-1], np.degrees(windows.yaw_rates[k]), "k--", linewidth=1)

    speed_error.set(ylabel="speed error [m/s]", title="RMSE over the open loop")
    rate_error.set(ylabel="yaw rate error [°/s]", xlabel="time [s]")
    speed.set(ylabel="speed [m/s]", title="windows from the median to the worst speed error")
    rate.set(ylabel="yaw rate [°/s]", xlabel="time [s]")
    speed.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100)
