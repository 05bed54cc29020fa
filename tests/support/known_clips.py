"""Start clips whose road users, lights and ground are known, and a tracker to drive on from them."""

from typing import Any

import numpy as np
import torch

from worldsim.actors.actor_model import ActorModel
from worldsim.configs import ActorConfig, WorldModelConfig
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import AreaKind, Layout, LayoutKind, LineKind, join_polylines
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.scene_tracker import SceneTracker

STILL = np.array([[0.0, 0.0, 0.0, 0.0]], np.float32)
CAR = (4.4, 1.8, 1.5)


def users(*rows: tuple[float, float, float, float, bool], kind: ObjectKind = ObjectKind.CAR) -> KnownRoadUsers:
    """Red road users of x, y, yaw, speed, and whether they are parked."""
    n = len(rows)
    x, y, yaw, speed, parked = (np.array(column) for column in zip(*rows, strict=True))
    return KnownRoadUsers(
        kinds=np.full(n, int(kind)),
        boxes=np.stack([x, y, np.zeros(n), yaw, *(np.full(n, size) for size in CAR)], axis=-1),
        speeds=speed.astype(np.float64),
        colors=np.tile([200.0, 20.0, 30.0], (n, 1)),
        braking=np.zeros(n, bool),
        phases=np.zeros(n),
        parked=parked.astype(bool),
    )


def clip_with(num_frames: int = 3, speed: float = 0.0, **parts: Any) -> StartClip:
    """A state-only clip of an ego that has come straight along the x axis to the origin."""
    vehicles = np.zeros((num_frames, 6))
    vehicles[:, 0], vehicles[:, 3] = 0.1 * speed * np.arange(1 - num_frames, 1), speed
    return StartClip(
        frames=np.zeros((num_frames, 0, 0, 3), np.uint8),
        controls=np.zeros((num_frames - 1, 4), np.float32),
        vehicles=vehicles,
        scenes=parts.pop("scenes", SceneState.empty((num_frames,))),
        route=np.stack([np.arange(300.0), np.zeros(300)], axis=-1).astype(np.float32),
        dt=0.1,
        **parts,
    )


def tracker() -> SceneTracker:
    """One whose road users keep their speed, and where nobody arrives."""
    model = ActorModel(ActorConfig(width=8, num_arrivals=2)).requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.zeros_like(parameter))
    return SceneTracker(WorldModelConfig(), model)


def ground(*roads: np.ndarray) -> Layout:
    """Roads 8 m wide along centre lines [n, 3]."""
    areas, lines = [], []
    for road in roads:
        aside = np.array([0.0, 4.0, 0.0])
        left, right = road + aside, road - aside
        areas.append(np.concatenate([left, right[::-1]]))
        lines += [left, right]
    area_points, area_starts = join_polylines(areas)
    line_points, line_starts = join_polylines(lines)
    return Layout(
        area_points=area_points,
        area_starts=area_starts,
        area_kinds=np.full(len(areas), int(AreaKind.DRIVABLE)),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.full(len(lines), int(LineKind.EDGE)),
        line_colors=np.full(len(lines), 2),
        line_widths=np.zeros(len(lines), np.float32),
    )


def heads(*rows: tuple[float, float, float, int]) -> Layout:
    """Heads of traffic lights of x, y, yaw and light group."""
    n = len(rows)
    boxes = np.array([(x, y, 4.0, yaw, 0.3, 0.3, 0.9) for x, y, yaw, _ in rows])
    return Layout(
        boxes=boxes,
        box_kinds=np.full(n, int(LayoutKind.LIGHT)),
        box_colors=np.zeros((n, 3), np.uint8),
        box_color_valid=np.ones(n, bool),
        box_seeds=np.zeros(n, np.uint32),
        box_signals=np.array([group for *_, group in rows]),
        box_signs=np.zeros(n, np.int64),
    )
