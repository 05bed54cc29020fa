"""What is decoded from pictures alone, true or made, against what was there: road users, lane, speed, yaw rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from training.evaluation.held_out import HeldOutDrive
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route import to_vehicle_frame
from worldsim.datatypes.scene import EgoColumn, LaneColumn, ObjectColumn, SceneState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.scene_decoder import DecodedScene

READ_FROM, READ_EVERY = 1.0, 0.5
"""Pictures are read from this time after the start on, and so often [s]."""
OBJECT_NEAR = 30.0
"""Road users up to this far away are looked for [m]."""
OBJECT_PIXELS = 30
"""Those are looked for that cover as many pixels of the true frame."""
FOUND_WITHIN, FOUND_SHARE = 2.0, 0.1
"""A road user is found by one decoded within the larger of these: a distance [m], and a share of how far away it is."""
BATCH_SIZE = 16
"""Windows of frames that are read at a time."""

Reader = Callable[[np.ndarray], DecodedScene]
"""What uint8 windows of frames [n, k, h, w, 3] show at their last frames."""


class ReadingColumn(IntEnum):
    """Columns of what a picture was found to show, float32; NaN where it is not known what is true.

    Counts: road users to be found and found, those decoded within OBJECT_NEAR and those of them that are there.
    LANE_ERROR: of the lateral offset [m]. Speeds [m/s] and yaw rates [rad/s], decoded and true.
    """

    WANTED = 0
    FOUND = 1
    DECODED = 2
    RIGHT = 3
    LANE_ERROR = 4
    SPEED = 5
    TRUE_SPEED = 6
    YAW_RATE = 7
    TRUE_YAW_RATE = 8


def reading_steps(num_steps: int, num_frames: int, dt: float) -> np.ndarray:
    """Steps [r] of a drive of so many after which pictures are read, each with the `num_frames` - 1 before it."""
    first = max(round(READ_FROM / dt), num_frames) - 1
    return np.arange(first, num_steps, max(1, round(READ_EVERY / dt)))


class UsersInSight(NamedTuple):
    """Road users: places [n, 2] in the vehicle frame [m], and the pixels [n] that each covers."""

    places: np.ndarray
    pixels: np.ndarray


def users_in_sight(rasterizer: Rasterizer, world: StaticWorld, scene: CameraScene) -> UsersInSight:
    """Those road users of a scene of which a frame shows something."""
    canvas = rasterizer.draw(world, scene.users, scene.view, scene.lights)
    buffer = rasterizer.gbuffer(canvas, world.ground)
    rows = buffer.ids[buffer.ids >= buffer.num_boxes] - buffer.num_boxes
    pixels = np.bincount(rows, minlength=len(scene.users.kinds))
    vehicle = np.array([scene.view.x, scene.view.y, scene.view.yaw])
    places = to_vehicle_frame(vehicle, scene.users.boxes[:, [BoxColumn.X, BoxColumn.Y]])
    return UsersInSight(places[pixels > 0], pixels[pixels > 0])


def num_matched(decoded: np.ndarray, true: np.ndarray) -> int:
    """How many of the true places [m, 2] are each found by another of the decoded ones [n, 2]."""
    if not len(decoded) or not len(true):
        return 0
    apart = np.linalg.norm(decoded[:, None] - true[None], axis=-1)
    close = apart <= np.maximum(FOUND_WITHIN, FOUND_SHARE * np.linalg.norm(true, axis=-1))
    rows, columns = linear_sum_assignment(~close)
    return int(close[rows, columns].sum())


def compare(decoded: DecodedScene, truth: SceneState, users: Sequence[UsersInSight | None]) -> np.ndarray:
    """Readings [r, len(ReadingColumn)] of pictures.

    Args:
        decoded: what they show, [r].
        truth: what was there, [r].
        users: the road users in sight, [r]; None where they are not known.
    """
    out = np.full((len(users), len(ReadingColumn)), np.nan, np.float32)
    for row, known in enumerate(users):
        if known is None:
            continue
        wanted = known.places[_is_near(known.places) & (known.pixels >= OBJECT_PIXELS)]
        seen = decoded.scene.objects[row][decoded.scene.object_valid[row]]
        seen = seen[:, [ObjectColumn.X, ObjectColumn.Y]]
        near = seen[_is_near(seen)]
        out[row, ReadingColumn.WANTED] = len(wanted)
        out[row, ReadingColumn.FOUND] = num_matched(seen, wanted)
        out[row, ReadingColumn.DECODED] = len(near)
        out[row, ReadingColumn.RIGHT] = num_matched(near, known.places)

    offset = LaneColumn.LATERAL_OFFSET
    error = np.abs(decoded.scene.lane[:, offset] - truth.lane[:, offset])
    out[:, ReadingColumn.LANE_ERROR] = np.where(truth.lane_valid[:, offset], error, np.nan)

    true_ego = np.where(truth.ego_valid, truth.ego, np.nan)
    out[:, ReadingColumn.SPEED], out[:, ReadingColumn.YAW_RATE] = decoded.ego.T
    out[:, ReadingColumn.TRUE_SPEED] = true_ego[:, EgoColumn.SPEED]
    out[:, ReadingColumn.TRUE_YAW_RATE] = true_ego[:, EgoColumn.YAW_RATE]
    return out


def read_drive(
    reader: Reader,
    frames: np.ndarray,
    steps: np.ndarray,
    num_frames: int,
    truth: SceneState,
    users: Sequence[UsersInSight | None],
) -> np.ndarray:
    """Readings [r, len(ReadingColumn)] of the frames uint8 [t, h, w, 3] of a drive after `steps` [r].

    Args:
        num_frames: that the reader looks at, [n, num_frames, h, w, 3].
        truth: what was there after each step, [t].
        users: the road users in sight after each of `steps`, [r].
    """
    index = steps[:, None] + np.arange(1 - num_frames, 1)
    parts = []
    for k in range(0, len(steps), BATCH_SIZE):
        batch = slice(k, k + BATCH_SIZE)
        parts.append(compare(reader(frames[index[batch]]), truth[steps[batch]], users[batch]))
    return np.concatenate(parts) if parts else np.zeros((0, len(ReadingColumn)), np.float32)


def drive_users(rasterizer: Rasterizer, drive: HeldOutDrive, steps: np.ndarray) -> list[UsersInSight | None]:
    """The road users in sight after each of `steps` of a drive; None where the recording does not tell."""
    scenes = drive.camera_scenes
    if scenes is None:
        return [None] * len(steps)
    world = StaticWorld(drive.clip.layout)
    return [users_in_sight(rasterizer, world, scenes[int(t)]) for t in steps]


def _is_near(places: np.ndarray) -> np.ndarray:
    return np.linalg.norm(places, axis=-1) <= OBJECT_NEAR


def reading_scores(readings: np.ndarray) -> dict[str, float]:
    """Of readings [r, len(ReadingColumn)]: shares of road users found and of those decoded that are right, the median
    lane error, correlations of speed and yaw rate; nan where nothing is known."""

    def ratio(part: ReadingColumn, of: ReadingColumn) -> float:
        whole = np.nansum(readings[:, of])
        return float(np.nansum(readings[:, part]) / whole) if whole else float("nan")

    def correlation(ours: ReadingColumn, truth: ReadingColumn) -> float:
        pairs = readings[:, [ours, truth]]
        pairs = pairs[np.isfinite(pairs).all(1)]
        if len(pairs) < 2 or (np.ptp(pairs, axis=0) == 0).any():
            return float("nan")
        return float(np.corrcoef(pairs.T)[0, 1])

    errors = readings[:, ReadingColumn.LANE_ERROR]
    errors = errors[np.isfinite(errors)]
    return {
        "pictures": len(readings),
        "road_users": float(np.nansum(readings[:, ReadingColumn.WANTED])),
        "found": ratio(ReadingColumn.FOUND, ReadingColumn.WANTED),
        "right": ratio(ReadingColumn.RIGHT, ReadingColumn.DECODED),
        "lane_error_m": float(np.median(errors)) if len(errors) else float("nan"),
        "speed_r": correlation(ReadingColumn.SPEED, ReadingColumn.TRUE_SPEED),
        "yaw_rate_r": correlation(ReadingColumn.YAW_RATE, ReadingColumn.TRUE_YAW_RATE),
    }
