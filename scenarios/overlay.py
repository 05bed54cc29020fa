"""Annotated frames for reports: the camera beside a bird's-eye view of the scene and the state of the ego."""

from __future__ import annotations

import cv2
import numpy as np

from policies.drive import Rollout
from policies.search.sampling_planner import Plan
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import LaneColumn, ObjectKind, SceneState

HEIGHT = 384
"""Of the annotated frame [px]; the camera is a square beside a panel of PANEL_WIDTH."""
PANEL_WIDTH = 288
MAP_HEIGHT = 250
METRES_AHEAD, METRES_BEHIND = 40.0, 8.0
SMALLEST_BOX = 1.2
"""Pedestrians are drawn at least this large [m]."""

INK, FAINT, BACKGROUND = (226, 232, 240), (100, 116, 139), (17, 24, 39)
ROAD, ROUTE, PLAN, CANDIDATE = (48, 60, 82), (94, 160, 246), (74, 222, 128), (44, 96, 76)
EGO, DANGER, WARNING = (250, 250, 250), (248, 84, 84), (250, 190, 70)
KIND_COLORS = {
    ObjectKind.CAR: (250, 190, 70),
    ObjectKind.TRUCK: (236, 140, 60),
    ObjectKind.PEDESTRIAN: (244, 114, 182),
    ObjectKind.STATIC: (120, 130, 145),
}


def annotate(
    frame: np.ndarray,
    scene: SceneState,
    *,
    vehicle: np.ndarray,
    action: np.ndarray,
    collision: float,
    off_road: float,
    seconds: float,
    plan: Plan | None = None,
) -> np.ndarray:
    """The camera frame with its panel, uint8 [HEIGHT, HEIGHT * w / h + PANEL_WIDTH, 3].

    Args:
        frame: RGB, uint8 [h, w, 3].
        scene: a single instant.
        vehicle: the ego's state, [6]; the plan is drawn relative to it.
        action: the one that led to this frame, [2].
        collision: probability.
        off_road: probability.
        seconds: since the start [s].
        plan: drawn if the policy has one.
    """
    width = round(HEIGHT * frame.shape[1] / frame.shape[0] / 2) * 2
    camera = cv2.resize(frame, (width, HEIGHT), interpolation=cv2.INTER_CUBIC)
    panel = np.full((HEIGHT, PANEL_WIDTH, 3), BACKGROUND, np.uint8)
    _draw_map(panel[:MAP_HEIGHT], scene, vehicle, plan)
    _draw_state(panel, scene, action, collision, off_road, seconds)
    return np.concatenate([camera, panel], axis=1)


def annotate_rollout(rollout: Rollout) -> np.ndarray:
    """Every instant of a drive annotated, uint8 [T+1, HEIGHT, ..., 3]."""
    actions = np.concatenate([np.zeros((1, 2), np.float32), rollout.actions])
    return np.stack(
        [
            annotate(
                rollout.frames[t],
                rollout.scenes[t],
                vehicle=rollout.vehicles[t],
                action=actions[t],
                collision=float(rollout.collision[t]),
                off_road=float(rollout.off_road[t]),
                seconds=t * rollout.dt,
            )
            for t in range(len(rollout.frames))
        ]
    )


def _draw_map(image: np.ndarray, scene: SceneState, vehicle: np.ndarray, plan: Plan | None) -> None:
    """Bird's-eye view, ego heading up."""
    scale = MAP_HEIGHT / (METRES_AHEAD + METRES_BEHIND)

    # The lane starts beside the ego, on the lane's centre, where no route point is given.
    route = np.concatenate([np.zeros((1, 2)), scene.route[scene.route_valid]]).astype(np.float64)
    if scene.lane_valid[LaneColumn.LATERAL_OFFSET]:
        route[0, 1] = -float(scene.lateral_offset)
    half_width = float(scene.half_width) if scene.lane_valid[LaneColumn.HALF_WIDTH] else 1.75
    if len(route) > 1:
        _polyline(image, route, ROAD, thickness=max(round(2 * half_width * scale), 1))
        _polyline(image, route, ROUTE, thickness=1)

    if plan is not None:
        for candidate in plan.candidates:
            _polyline(image, to_vehicle_frame(vehicle, candidate[:, :2]), CANDIDATE, thickness=1)
        _polyline(image, to_vehicle_frame(vehicle, plan.vehicles[:, :2]), PLAN, thickness=2)

    for object_box, kind in zip(scene.object_boxes, scene.object_kinds, strict=True):
        if kind != ObjectKind.EMPTY:
            box = object_box.astype(np.float64)
            box[3:] = np.maximum(box[3:], SMALLEST_BOX)
            _box(image, box, KIND_COLORS[ObjectKind(int(kind))])
    _box(image, np.array([0.0, 0.0, 0.0, 4.6, 1.9]), EGO)


def _draw_state(
    panel: np.ndarray, scene: SceneState, action: np.ndarray, collision: float, off_road: float, seconds: float
) -> None:
    """Speed, pedals and probabilities under the map."""
    y = MAP_HEIGHT + 34
    _text(panel, f"{3.6 * float(scene.speed):.0f}", (12, y), INK, 1.1, 2)
    _text(panel, "km/h", (70, y), FAINT, 0.45)
    if scene.lane_valid[LaneColumn.SPEED_LIMIT]:
        _text(panel, f"limit {3.6 * float(scene.speed_limit):.0f}", (112, y), FAINT, 0.45)
    _text(panel, f"{seconds:5.1f} s", (PANEL_WIDTH - 72, y), FAINT, 0.5)

    # The bar grows to the left for a positive steer, which is a turn to the left.
    _bar(panel, "steer", MAP_HEIGHT + 54, -float(action[0]), signed=True, color=ROUTE)
    pedal = float(action[1])
    label, color = ("throttle", PLAN) if pedal >= 0 else ("brake", WARNING)
    _bar(panel, label, MAP_HEIGHT + 74, abs(pedal), color=color)
    _bar(panel, "collision", MAP_HEIGHT + 94, collision, color=DANGER)
    _bar(panel, "off road", MAP_HEIGHT + 114, off_road, color=WARNING)


def _bar(
    panel: np.ndarray, label: str, y: int, value: float, *, color: tuple[int, int, int], signed: bool = False
) -> None:
    left, right = 92, PANEL_WIDTH - 14
    _text(panel, label, (12, y + 9), FAINT, 0.42)
    cv2.rectangle(panel, (left, y), (right, y + 9), ROAD, -1)
    zero = (left + right) // 2 if signed else left
    reach = (right - zero) * float(np.clip(value, -1.0, 1.0))
    a, b = sorted((zero, round(zero + reach)))
    if b > a:
        cv2.rectangle(panel, (a, y), (b, y + 9), color, -1)


def _to_pixels(points: np.ndarray) -> np.ndarray:
    """Vehicle frame [n, 2] to map pixels, with 4 fractional bits for OpenCV."""
    scale = MAP_HEIGHT / (METRES_AHEAD + METRES_BEHIND)
    x = PANEL_WIDTH / 2 - points[:, 1] * scale
    y = (METRES_AHEAD - points[:, 0]) * scale
    return np.round(np.stack([x, y], axis=-1).clip(-2000, 2000) * 16).astype(np.int32)


def _polyline(image: np.ndarray, points: np.ndarray, color: tuple[int, int, int], *, thickness: int) -> None:
    cv2.polylines(image, [_to_pixels(points)], False, color, thickness, cv2.LINE_AA, 4)


def _box(image: np.ndarray, box: np.ndarray, color: tuple[int, int, int]) -> None:
    cv2.fillPoly(image, [_to_pixels(corners(box))], color, cv2.LINE_AA, 4)


def _text(
    image: np.ndarray, text: str, at: tuple[int, int], color: tuple[int, int, int], size: float, thickness: int = 1
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, thickness, cv2.LINE_AA)
