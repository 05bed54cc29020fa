"""EncodedStore: latents of a store's frames and what the dynamics model is told of each, made once, kept in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from training.data.array_cache import ArrayCache
from training.data.frame_store import FrameStore
from training.data.recorded_scenes import RecordedScenes
from training.data.validity import known_of
from worldsim.checkpoint import weights_checksum
from worldsim.conditioning.latent_conditions import (
    NUM_CONDITION_CHANNELS,
    ConditionMap,
    draw_conditions,
)
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.layout import BOX_NAMES
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import VAE3D, References, Surfaces, frames_to_float, picture_statistics
from worldsim.picture_references import refer_to_previous

CACHE_NAME = "encoded.npy"
HIDDEN_EVERY = 8
"""Every so manieth episode is there once more with its layout hidden; of these every other one shows no road users."""
FULL_SCALE = 127
"""What stands for 1 in maps of whole numbers."""


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
        styles: light and weather as each frame alone tells them, float16 [m, d]; 0 of frames without a picture.
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
            depth=np.where(covered, np.float32(np.nan), depth) if key_frame else np.abs(depth),
            users=np.where(covered & (not key_frame), 0, -1).astype(np.int16),
            mixed=np.zeros(depth.shape, bool),
            user_ids=np.zeros(n, np.int64),
            user_kinds=np.ones(n, np.int64),
            user_boxes=np.zeros((n, len(BOX_NAMES))),
            axes=self.cameras[position, 3:].reshape(3, 3),
            position=self.cameras[position, :3],
            focal=self.focal,
        )


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """An episode as it is encoded: first frame, length, and what is hidden of it."""

    start: int
    length: int
    hide_layout: bool = False
    hide_users: bool = False


def encode_store(
    vae: VAE3D, store: FrameStore, config: WorldModelConfig, folder: Path, chunk: int = 32
) -> EncodedStore:
    """Encode all frames of a store, episode by episode, or read them from `folder` if they are there.

    Args:
        vae: that makes latents and styles.
        store: the frames.
        config: of the world that they are encoded for.
        folder: where the file lies.
        chunk: frames that are encoded at a time.
    """
    pieces = _pieces(store)
    dtype = _row_type(vae, config)
    cache = ArrayCache(
        path=folder / CACHE_NAME,
        dtype=dtype,
        shape=(),
        lengths=[piece.length for piece in pieces],
        made_from={
            "frames": store.content,
            "vae": weights_checksum(vae),
            "camera": asdict(config.camera),
            "columns": [[name, list(dtype[name].shape)] for name in dtype.names or ()],
        },
    )
    rows = cache.load(lambda num_done: _encode_pieces(vae, store, config, pieces[num_done:], dtype, chunk))

    copies, at = np.full(len(store.rows), -1, np.int64), 0
    for piece in pieces:
        if piece.hide_layout:
            copies[piece.start : piece.start + piece.length] = at + np.arange(piece.length)
        at += piece.length
    focal = config.camera.with_frame_size(config.latent_size).focal
    return EncodedStore(copies=copies, focal=focal, **{name: rows[name] for name in dtype.names or ()})


def _pieces(store: FrameStore) -> list[_Piece]:
    """All that is encoded, in order."""
    episodes = [_Piece(start=int(k), length=int(n)) for k, n in zip(store.starts, store.lengths, strict=True)]
    again = [
        _Piece(start=piece.start, length=piece.length, hide_layout=True, hide_users=k % 2 == 1)
        for k, piece in enumerate(episodes[::HIDDEN_EVERY])
    ]
    return episodes + again


def _row_type(vae: VAE3D, config: WorldModelConfig) -> np.dtype:
    h, w = config.latent_size
    return np.dtype(
        [
            ("latents", np.float16, (vae.config.latent_channels, h, w)),
            ("maps", np.int8, (NUM_CONDITION_CHANNELS, h, w)),
            ("grids", np.float16, (h, w, 2)),
            ("depths", np.float16, (h, w)),
            ("cameras", np.float64, (12,)),
            ("styles", np.float16, (vae.config.style_width,)),
        ]
    )


def _encode_pieces(
    vae: VAE3D, store: FrameStore, config: WorldModelConfig, pieces: list[_Piece], dtype: np.dtype, chunk: int
) -> Iterator[np.ndarray]:
    """The rows of each piece."""
    rasterizer = Rasterizer(config.camera.with_frame_size(config.frame_size))
    pictured = known_of(store.rows.valid).picture
    with tqdm(total=sum(piece.length for piece in pieces), desc="encode", unit="frame", mininterval=1.0) as bar:
        for piece in pieces:
            scenes = RecordedScenes(store, rasterizer, 1, hide_layout=piece.hide_layout, hide_users=piece.hide_users)
            rows, drawn, before = np.zeros(piece.length, dtype), _draw(store, scenes, piece), None
            for first in range(0, piece.length, chunk):
                last = min(first + chunk, piece.length)
                surfaces, conditions = zip(*(next(drawn) for _ in range(first, last)), strict=True)
                _put_conditions(rows[first:last], conditions)
                where = np.arange(piece.start + first, piece.start + last)
                geometries = [one.geometry if pictured[k] else None for one, k in zip(surfaces, where, strict=True)]
                pictures = np.array(store.frames[where[0] : where[-1] + 1])
                references = refer_to_previous(
                    [pictures[0] if first == 0 else store.frames[where[0] - 1], *pictures],
                    [before, *geometries],
                    vae.latent_mean.device,
                )
                rows["latents"][first:last], rows["styles"][first:last] = _encode(vae, pictures, surfaces, references)
                before = geometries[-1]
                bar.update(last - first)
            missing = ~pictured[piece.start : piece.start + piece.length]
            rows["latents"][missing], rows["styles"][missing] = 0, 0
            yield rows


def _draw(store: FrameStore, scenes: RecordedScenes, piece: _Piece) -> Iterator[tuple[SurfaceMap, ConditionMap]]:
    """Surfaces and conditions of each frame of an episode."""
    before, told = None, store.rows.scenes
    for position in range(piece.start, piece.start + piece.length):
        surfaces, view = scenes.surfaces(position), scenes.view(position)
        yield surfaces, draw_conditions(surfaces, before, view, told.route[position], told.route_valid[position])
        before = surfaces.geometry


def _put_conditions(rows: np.ndarray, conditions: tuple[ConditionMap, ...]) -> None:
    rows["maps"] = np.rint(FULL_SCALE * np.stack([m.channels for m in conditions]))
    rows["grids"] = np.stack([m.grid for m in conditions])
    depths = np.stack([m.geometry.depth for m in conditions])
    rows["depths"] = np.where(np.stack([m.geometry.users for m in conditions]) >= 0, -depths, depths)
    rows["cameras"] = [np.concatenate([m.geometry.position, m.geometry.axes.ravel()]) for m in conditions]


@torch.no_grad()
def _encode(
    vae: VAE3D, pictures: np.ndarray, maps: tuple[SurfaceMap, ...], references: References
) -> tuple[np.ndarray, np.ndarray]:
    """Latents [k, c, h, w] and styles [k, d] of pictures uint8 [k, H, W, 3]."""
    device = vae.latent_mean.device
    frames = frames_to_float(torch.from_numpy(pictures).to(device))
    surfaces = Surfaces.stack(maps, device)
    latents, styles = (
        vae.encode(frames, surfaces, references),
        vae.read_style(picture_statistics(frames, surfaces)[:, None]),
    )
    return latents.float().cpu().numpy(), styles.float().cpu().numpy()
