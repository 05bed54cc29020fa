"""Drives as one .rrd file for the Rerun viewer: road, ego and road users in 3D, signals over time, the film beside."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.case_results import CaseResult
from scenarios.colors import BAD, CAR, EGO, USERS, to_rgb
from scenarios.rollout_files import SavedDrive, load_drive
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import AreaKind, LineKind
from worldsim.datatypes.route import rotate, to_vehicle_frame
from worldsim.datatypes.scene import EgoColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

NUM_RUNS = 10
"""Drives that are written, the worst ones."""
TIMELINE = "time"
"""Seconds since the policy took over."""
HEIGHTS = {ObjectKind.PEDESTRIAN: 1.75, ObjectKind.TRUCK: 3.2}
CAR_HEIGHT = 1.5
"""SceneStates tell no heights [m]."""
ROAD_RGB, LINE_RGB = (150, 156, 165), (235, 235, 235)


@dataclass(frozen=True, kw_only=True)
class Run:
    """A drive to write: its result, where it is saved, and its film, if there is one."""

    result: CaseResult
    drive: Path
    film: Path | None


def check_rerun(path: Path) -> None:
    """Refuse what could not be written in the end.

    Raises:
        ValueError: Rerun is not installed, or the path is no .rrd file.
        OSError: its folder cannot be written to.
    """
    if path.suffix != ".rrd":
        raise ValueError(f"rerun must be a file that ends in .rrd, got {path}")
    if importlib.util.find_spec("rerun") is None:
        raise ValueError(f"rerun {path}: rerun-sdk is not installed; pip install 'drivedit[rerun]' installs it")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(13, "the folder cannot be written to", str(path.parent))


def write_rerun(path: Path, title: str, runs: Sequence[Run]) -> None:
    """Write the first NUM_RUNS drives, each below an entity of its case's name."""
    rr = _rerun()
    with atomic_path(path) as temporary:
        recording = rr.RecordingStream("drivedit validate", recording_id=title)
        try:
            recording.save(temporary)
            for run in runs[:NUM_RUNS]:
                _log_run(recording, run)
        finally:
            recording.disconnect()  # most of it is in memory until then


def _rerun() -> Any:
    """The package, which not everybody has."""
    return importlib.import_module("rerun")


def _log_run(recording: Any, run: Run) -> None:
    rr = _rerun()
    drive, root = load_drive(run.drive), run.result.id
    path = _on_ground(to_vehicle_frame(drive.vehicles[0], drive.vehicles[:, :2]))
    recording.log(f"{root}/case", rr.TextDocument(_describe(run.result), media_type="text/markdown"), static=True)
    _log_road(recording, f"{root}/world/road", drive)
    recording.log(f"{root}/world/path", rr.LineStrips3D([path], colors=[to_rgb(EGO)], radii=[0.05]), static=True)
    if run.film is not None:
        film = rr.AssetVideo(contents=run.film.read_bytes(), media_type="video/mp4")
        recording.log(f"{root}/film", film, static=True)

    acceleration = drive.scenes.ego[:, EgoColumn.ACCELERATION]
    for k in range(len(drive.vehicles)):
        recording.set_time(TIMELINE, duration=k * drive.dt)
        recording.log(f"{root}/world/ego", _ego(drive, k, path[k]))
        recording.log(f"{root}/world/road_users", _road_users(drive, k, path[k]))
        signals = {
            "speed": drive.vehicles[k, VehicleColumn.SPEED],
            "acceleration": acceleration[k],
            "collision": drive.collision[k],
            "off_road": drive.off_road[k],
        }
        for name, value in signals.items():
            recording.log(f"{root}/signals/{name}", rr.Scalars(float(value)))
        if run.film is not None:
            recording.log(f"{root}/film", rr.VideoFrameReference(seconds=k * drive.dt))
    recording.reset_time()


def _ego(drive: SavedDrive, k: int, place: np.ndarray) -> Any:
    model = VehicleModel()
    failed = max(drive.collision[k], drive.off_road[k]) > 0.5
    size = np.array([[model.length, model.width, CAR_HEIGHT]])
    return _boxes(place[None, :2], _turn(drive, k)[None], size, [to_rgb(BAD if failed else EGO)], ["ego"])


def _road_users(drive: SavedDrive, k: int, place: np.ndarray) -> Any:
    scene = drive.scenes[k]
    boxes = scene.object_boxes[scene.object_valid].astype(np.float64)
    kinds = [ObjectKind(kind) for kind in scene.object_kinds[scene.object_valid].tolist()]
    heights = np.array([HEIGHTS.get(kind, CAR_HEIGHT) for kind in kinds]).reshape(-1, 1)
    centres, yaw = place[:2] + rotate(boxes[:, :2], float(_turn(drive, k))), boxes[:, 2] + _turn(drive, k)
    colors = [to_rgb(USERS.get(kind, CAR)) for kind in kinds]
    return _boxes(centres, yaw, np.hstack([boxes[:, 3:], heights]), colors, [kind.name.lower() for kind in kinds])


def _boxes(centres: np.ndarray, yaw: np.ndarray, sizes: np.ndarray, colors: Any, labels: list[str]) -> Any:
    """Boxes [n, 2] that stand on the ground."""
    rr = _rerun()
    half = yaw / 2
    zero = np.zeros_like(half)
    return rr.Boxes3D(
        centers=np.column_stack([centres, sizes[:, 2] / 2]),
        half_sizes=sizes / 2,
        quaternions=np.column_stack([zero, zero, np.sin(half), np.cos(half)]),
        colors=colors,
        labels=labels,
        fill_mode="solid",
        show_labels=False,
    )


def _log_road(recording: Any, entity: str, drive: SavedDrive) -> None:
    """Edges of what may be driven on, and painted lines."""
    rr = _rerun()
    layout = drive.layout
    outlines = [outline for outline, kind in zip(layout.areas(), layout.area_kinds, strict=True) if _is_road(int(kind))]
    painted = [line for line, kind in zip(layout.lines(), layout.line_kinds, strict=True) if kind < LineKind.CURB]
    closed = [np.concatenate([outline, outline[:1]]) for outline in outlines]
    for name, strips, color in (("edges", closed, ROAD_RGB), ("lines", painted, LINE_RGB)):
        placed = [_on_ground(to_vehicle_frame(drive.vehicles[0], strip[:, :2])) for strip in strips]
        recording.log(f"{entity}/{name}", rr.LineStrips3D(placed, colors=[color] * len(placed)), static=True)


def _is_road(kind: int) -> bool:
    return kind in (AreaKind.DRIVABLE, AreaKind.JUNCTION)


def _turn(drive: SavedDrive, k: int) -> np.ndarray:
    """The ego's heading against that at the start [rad]."""
    return wrap_angle(drive.vehicles[k, VehicleColumn.YAW] - drive.vehicles[0, VehicleColumn.YAW])


def _on_ground(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.zeros(len(points))])


def _describe(result: CaseResult) -> str:
    lines = [f"# {result.id}: {result.outcome.replace('_', ' ')}", result.reason]
    lines += [f"- {name}: {value:g}" for name, value in result.parameters.items()]
    lines += [f"- {criterion}" for criterion in result.criteria]
    return "\n".join(line for line in lines if line)
