"""EncodedStore: latents of a store's frames and what the dynamics model is told of each, made once, kept in files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training.batches.picture_rollouts import stack_surfaces
from training.data.frame_store import FrameStore
from training.data.recorded_scenes import RecordedScenes
from training.data.validity import known_of
from worldsim.conditioning.latent_conditions import (
    NUM_CONDITION_CHANNELS,
    ConditionChannel,
    ConditionMap,
    draw_conditions,
)
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.layout import BOX_NAMES
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import VAE3D, frames_to_float, picture_statistics

HIDDEN_EVERY = 8
"""Every so manieth episode is there once more with its layout hidden; of these every other one shows no road users."""
FULL_SCALE = 127
"""What stands for 1 in maps of whole numbers."""
MANIFEST_NAME = "encoded.json"
"""Written last: where it is, all the others are whole."""
_PROGRESS_NAME = "progress.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class EncodedStore:
    """`m` encoded frames: the `n` of a store, then those of some of its episodes once more with their layout hidden,
    whose latents and maps are those of a drive without one.

    Args:
        latents: float16 [m, c, h, w]; 0 of frames without a picture.
        maps: by ConditionChannel, in units of 1 / FULL_SCALE, int8 [m, NUM_CONDITION_CHANNELS, h, w].
        grids: of ConditionMap, float16 [m, h, w, 2].
        depths: of its geometry, float16 [m, h, w]; negative where a road user is.
        cameras: position and axes of the camera, float64 [m, 12].
        styles: light and weather as each frame alone tells them, float16 [m, d].
        copies: where each frame of the store is once more, -1 where it is not, int64 [n].
        focal: focal length in cells.
    """

    latents: np.ndarray
    maps: np.ndarray
    grids: np.ndarray
    depths: np.ndarray
    cameras: np.ndarray
    styles: np.ndarray
    copies: np.ndarray
    focal: float

    def geometry(self, position: int, *, key_frame: bool = False) -> PictureGeometry:
        """Where the surfaces of a frame are.

        Args:
            position: of the encoded frame.
            key_frame: of what is remembered of it, where road users are nowhere.
        """
        depth = self.depths[position].astype(np.float32)
        covered = depth < 0
        n = 0 if key_frame else 1  # one road user stands for all: none of them is looked for in another frame
        return PictureGeometry(
            depth=np.where(covered, np.nan, depth) if key_frame else np.abs(depth),
            users=np.where(covered & (not key_frame), 0, -1).astype(np.int16),
            user_ids=np.zeros(n, np.int64),
            user_kinds=np.ones(n, np.int64),
            user_boxes=np.zeros((n, len(BOX_NAMES))),
            axes=self.cameras[position, 3:].reshape(3, 3),
            position=self.cameras[position, :3],
            focal=self.focal,
            known=bool(self.maps[position, ConditionChannel.KNOWN :, 0, 0].all()),
        )


def encode_store(
    vae: VAE3D, store: FrameStore, config: WorldModelConfig, folder: Path, chunk: int = 32
) -> EncodedStore:
    """Encode all frames of a store, episode by episode, or read them from `folder` if they are there. An interrupted
    run goes on with the episode in which it was.

    Raises:
        ValueError: the folder holds the frames of another store or of another tokenizer.
    """
    plan = _plan(store)
    shapes = _array_shapes(sum(length for _, length, _, _ in plan), vae, config)
    content = {"digest": _digest(vae, store, config), "shapes": {name: list(s) for name, (s, _) in shapes.items()}}
    manifest, progress = folder / MANIFEST_NAME, folder / _PROGRESS_NAME
    if not manifest.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        _encode_all(vae, store, config, plan, folder, shapes, content, chunk)
        _write_json(manifest, content)
        progress.unlink()
    elif json.loads(manifest.read_text()) != content:
        raise ValueError(f"{folder} holds latents of another recording or tokenizer; delete it")
    copies = np.full(len(store.rows), -1, np.int64)
    at = 0
    for start, length, hide_layout, _ in plan:
        if hide_layout:
            copies[start : start + length] = at + np.arange(length)
        at += length
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in shapes}
    focal = config.camera.with_frame_size(config.latent_size).focal
    return EncodedStore(copies=copies, focal=focal, **arrays)


def _plan(store: FrameStore) -> list[tuple[int, int, bool, bool]]:
    """First frame, length, and whether layout and road users are hidden of all that is encoded, in order."""
    episodes = [(int(start), int(length)) for start, length in zip(store.starts, store.lengths, strict=True)]
    again = list(enumerate(episodes[::HIDDEN_EVERY]))
    return [(*e, False, False) for e in episodes] + [(*e, True, k % 2 == 1) for k, e in again]


def _array_shapes(num: int, vae: VAE3D, config: WorldModelConfig) -> dict[str, tuple[tuple[int, ...], type]]:
    h, w = config.latent_size
    return {
        "latents": ((num, vae.config.latent_channels, h, w), np.float16),
        "maps": ((num, NUM_CONDITION_CHANNELS, h, w), np.int8),
        "grids": ((num, h, w, 2), np.float16),
        "depths": ((num, h, w), np.float16),
        "cameras": ((num, 12), np.float64),
        "styles": ((num, vae.config.style_width), np.float16),
    }


def _digest(vae: VAE3D, store: FrameStore, config: WorldModelConfig) -> str:
    """Of all that latents, styles and maps depend on."""
    digest = hashlib.sha256(repr((config.camera, config.frame_size, store.lengths.tolist())).encode())
    digest.update(np.ascontiguousarray(store.rows.vehicles).tobytes())
    for name, value in vae.state_dict().items():
        if not name.startswith("decoder"):
            digest.update(name.encode() + value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def _encode_all(
    vae: VAE3D,
    store: FrameStore,
    config: WorldModelConfig,
    plan: list[tuple[int, int, bool, bool]],
    folder: Path,
    shapes: dict[str, tuple[tuple[int, ...], type]],
    content: dict[str, object],
    chunk: int,
) -> None:
    """Fill the arrays' files; what a previous call has finished is kept."""
    progress, num_done = folder / _PROGRESS_NAME, 0
    paths = {name: folder / f"{name}.npy" for name in shapes}
    if progress.is_file() and all(path.is_file() for path in paths.values()):
        done = json.loads(progress.read_text())
        num_done = done["num_done"] if done["content"] == content else 0
    mode = "r+" if num_done else "w+"
    arrays = {name: np.lib.format.open_memmap(paths[name], mode, dtype, s) for name, (s, dtype) in shapes.items()}
    for name, (shape, _) in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{paths[name]} is damaged: {shape} expected, {arrays[name].shape} found; delete {folder}")

    rasterizer = Rasterizer(config.camera.with_frame_size(config.frame_size))
    scenes = {
        hidden: RecordedScenes(store, rasterizer, 1, hide_layout=hidden[0], hide_users=hidden[1])
        for hidden in {(hide_layout, hide_users) for _, _, hide_layout, hide_users in plan}
    }
    at = sum(length for _, length, _, _ in plan[:num_done])
    with tqdm(total=len(arrays["latents"]), initial=at, desc="encode", unit="frame", mininterval=1.0) as bar:
        for k in range(num_done, len(plan)):
            start, length, hide_layout, hide_users = plan[k]
            drawn = _draw_episode(store, scenes[hide_layout, hide_users], start, length)
            for first in range(0, length, chunk):
                part = [next(drawn) for _ in range(min(chunk, length - first))]
                rows = slice(at + first, at + first + len(part))
                surfaces, conditions = zip(*part, strict=True)
                _put_conditions(arrays, rows, conditions)
                pictures = np.stack([store.frames[start + first + i] for i in range(len(part))])
                has_picture = known_of(store.rows.valid[start + first : start + first + len(part)]).picture
                latents, styles = _encode(vae, pictures, list(surfaces))
                arrays["latents"][rows] = np.where(has_picture[:, None, None, None], latents, 0)
                arrays["styles"][rows] = np.where(has_picture[:, None], styles, 0)
                bar.update(len(part))
            at += length
            for array in arrays.values():
                array.flush()
            _write_json(progress, {"content": content, "num_done": k + 1})


def _draw_episode(
    store: FrameStore, scenes: RecordedScenes, start: int, length: int
) -> Iterator[tuple[SurfaceMap, ConditionMap]]:
    """Surfaces and conditions of each frame of an episode."""
    before, rows = None, store.rows.scenes
    for position in range(start, start + length):
        surfaces = scenes.surfaces(position)
        route, valid = rows.route[position], rows.route_valid[position]
        yield surfaces, draw_conditions(surfaces, before, scenes.view(position), route, valid)
        before = surfaces.geometry


def _put_conditions(arrays: dict[str, np.ndarray], rows: slice, conditions: tuple[ConditionMap, ...]) -> None:
    arrays["maps"][rows] = np.rint(FULL_SCALE * np.stack([m.channels for m in conditions]))
    arrays["grids"][rows] = np.stack([m.grid for m in conditions])
    depths = np.stack([m.geometry.depth for m in conditions])
    arrays["depths"][rows] = np.where(np.stack([m.geometry.users for m in conditions]) >= 0, -depths, depths)
    cameras = [np.concatenate([m.geometry.position, m.geometry.axes.ravel()]) for m in conditions]
    arrays["cameras"][rows] = np.stack(cameras)


def _encode(vae: VAE3D, pictures: np.ndarray, maps: list[SurfaceMap]) -> tuple[np.ndarray, np.ndarray]:
    """Latents [k, c, h, w] and styles [k, d] of pictures uint8 [k, H, W, 3]."""
    device = vae.latent_mean.device
    frames = frames_to_float(torch.from_numpy(pictures).to(device))
    surfaces = stack_surfaces(maps, device)

    def array(x: Tensor) -> np.ndarray:
        return x.float().cpu().numpy()

    return array(vae.encode(frames, surfaces)), array(vae.read_style(picture_statistics(frames, surfaces)[:, None]))


def _write_json(path: Path, value: object) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)
