"""Which road users the frames of a store show, with how many pixels: drawn again from what was recorded of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from training.data.camera_scenes import speeds_between
from training.data.frame_store import FrameStore
from worldsim.checkpoint import load_tensors, save_tensors
from worldsim.conditioning.object_grid import VisibleObjects
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectColumn
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.ground import GroundRaster
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld


def find_visible_users(store: FrameStore, positions: np.ndarray, camera: CameraGeometry) -> VisibleObjects:
    """The road users in frames of a store, those of which at least a pixel is visible.

    Args:
        positions: of the frames in the store, int64 [n], growing; `pictures` of the result counts them from 0 on.
        camera: that took the frames.
    """
    rasterizer = Rasterizer(camera.with_frame_size(store.frames.shape[1:3]))
    episodes = np.searchsorted(store.starts, positions, side="right") - 1
    found: list[VisibleObjects] = []
    for episode in tqdm(np.unique(episodes), desc="visible road users", unit="episode"):
        scenes, static = store.camera_scenes(episode), StaticWorld(store.layouts[episode].read())
        here = np.flatnonzero(episodes == episode)
        for picture, frame in zip(here.tolist(), (positions[here] - store.starts[episode]).tolist(), strict=True):
            before, after = max(frame - 1, 0), min(frame + 1, len(scenes) - 1)
            speeds = _speeds_by_id(scenes[before], scenes[after], (after - before) * store.dt)
            found.append(_visible_in(scenes[frame], speeds, static, rasterizer, picture))
    return concatenate(found)


def stored_visible_users(
    store: FrameStore, positions: np.ndarray, camera: CameraGeometry, path: Path
) -> VisibleObjects:
    """What `find_visible_users` finds, read from `path` if it is there.

    Raises:
        ValueError: the file at `path` is of other frames.
    """
    if not path.is_file():
        visible = find_visible_users(store, positions, camera)
        tensors = {name: torch.from_numpy(value) for name, value in vars(visible).items()}
        save_tensors(tensors | {"positions": torch.from_numpy(positions)}, path)
    tensors = {name: value.numpy() for name, value in load_tensors(path).items()}
    if not np.array_equal(tensors.pop("positions"), positions):
        raise ValueError(f"{path} holds the road users of other frames; delete it")
    return VisibleObjects(**tensors)


def concatenate(parts: list[VisibleObjects]) -> VisibleObjects:
    """All of them, in that order."""
    if not parts:
        none = np.zeros(0, np.int64)
        boxes, middles = np.zeros((0, 6), np.float32), np.zeros((0, 2), np.float32)
        return VisibleObjects(pictures=none, kinds=none, objects=boxes, pixels=none, middles=middles)
    return VisibleObjects(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in vars(parts[0])})


def _visible_in(
    scene: CameraScene, speeds: dict[int, float], static: StaticWorld, rasterizer: Rasterizer, picture: int
) -> VisibleObjects:
    """The road users that can be seen in one picture; `speeds` [m/s] by their ids."""
    canvas = rasterizer.draw(static, scene.users, scene.view, scene.lights)
    buffer = rasterizer.gbuffer(canvas, GroundRaster.nothing())  # what lies on the ground hides nobody
    rows, columns = np.nonzero(buffer.ids >= buffer.num_boxes)
    owners = buffer.ids[rows, columns] - buffer.num_boxes
    num = len(scene.users.kinds)
    pixels = np.bincount(owners, minlength=num)
    seen = np.flatnonzero(pixels)
    middles = [np.bincount(owners, index + 0.5, minlength=num)[seen] / pixels[seen] for index in (columns, rows)]

    boxes, view = scene.users.boxes[seen], scene.view
    objects = np.empty((len(seen), len(ObjectColumn)), np.float32)
    objects[:, :2] = rotate(boxes[:, :2] - [view.x, view.y], -view.yaw)
    objects[:, ObjectColumn.YAW] = wrap_angle(boxes[:, BoxColumn.YAW] - view.yaw)
    objects[:, ObjectColumn.SPEED] = [speeds.get(k, np.nan) for k in scene.user_ids[seen].tolist()]
    objects[:, ObjectColumn.LENGTH :] = boxes[:, [BoxColumn.LENGTH, BoxColumn.WIDTH]]
    return VisibleObjects(
        pictures=np.full(len(seen), picture),
        kinds=scene.users.kinds[seen],
        objects=objects,
        pixels=pixels[seen],
        middles=np.stack(middles, axis=-1).astype(np.float32),
    )


def _speeds_by_id(before: CameraScene, after: CameraScene, seconds: float) -> dict[int, float]:
    """Speeds [m/s] of who is in `after`, by their ids; none of them of an episode of one frame."""
    if not seconds:
        return {}
    return dict(zip(after.user_ids.tolist(), speeds_between(before, after, seconds).tolist(), strict=True))
