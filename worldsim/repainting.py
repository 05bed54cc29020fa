"""Repainting: pictures of a place in which something stands, or all looks, otherwise than when they were taken."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from worldsim.dynamics.trust import PICTURE_SIGNALS
from worldsim.frame_decoder import RECORDED, DrivePictures, FrameDecoder, PictureState
from worldsim.gbuffer.key_frames import KeyFrames
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import References, Surfaces, frames_to_uint8
from worldsim.picture_references import refer_to_previous

SEAM = 2
"""What borders on something else, up to so many pixels away, is painted anew with it [px]."""


@torch.no_grad()
def repaint(
    decoder: FrameDecoder, frames: np.ndarray, before: Sequence[SurfaceMap], after: Sequence[SurfaceMap], style: Tensor
) -> np.ndarray:
    """Consecutive frames, uint8 [t, h, w, 3], in which other surfaces are seen; elsewhere they are as they were.

    The decoder paints what is new, as in any step: from its surfaces, the drive's style and the rest of the picture.

    Args:
        decoder: of the learned world.
        frames: as they were taken.
        before: the surfaces that they show.
        after: those that they are to show.
        style: of the drive, [1, d].
    """
    differs = [_differs(a, b) for a, b in zip(before, after, strict=True)]
    rows = [k for k, where in enumerate(differs) if where.any()]
    if not rows:
        return frames
    latents, _ = decoder.begin(frames[None], [before])
    window = decoder.vae.config.temporal_kernel
    newest_first = torch.stack([latents[0, [max(k - j, 0) for j in range(window)]] for k in rows])
    state = PictureState(
        tuple(_taken(frames[k], before[k]) for k in rows),
        style.expand(len(rows), -1),
        style.new_zeros(len(rows), len(PICTURE_SIGNALS)),
    )
    shown = [after[k] for k in rows]
    fetched = decoder.fetch(state, shown)
    # what looks otherwise is not fetched, though it may be where it was
    visible = fetched.references.last_visible
    same = torch.from_numpy(np.stack([~differs[k] for k in rows])[:, None]).to(visible)
    fetched = fetched._replace(references=fetched.references._replace(last_visible=visible * same))
    painted = decoder.step(state, newest_first, shown, fetched)

    repainted = frames.copy()
    for k, drive in zip(rows, painted.drives, strict=True):
        repainted[k][differs[k]] = drive.frames[0][differs[k]]
    return repainted


@torch.no_grad()
def paint(decoder: FrameDecoder, surfaces: Sequence[SurfaceMap], style: Tensor) -> np.ndarray:
    """Consecutive frames, uint8 [t, h, w, 3], of what is known alone: no picture of there has been taken.

    The first is painted from nothing, each later one goes on from the one before; latents, which tell what pictures
    showed, there are none.

    Args:
        decoder: of the learned world.
        surfaces: that they are to show.
        style: of the drive, [1, d].
    """
    frames: list[np.ndarray] = []
    for shown in surfaces:
        drawn = Surfaces.stack([shown], decoder.device)
        references = References.none(drawn.channels)
        if frames:
            pair = [frames[-1], frames[-1]]
            geometries = [surfaces[len(frames) - 1].geometry, shown.geometry]
            references = refer_to_previous(pair, geometries, decoder.device)
        picture = decoder.vae.decode(None, drawn, references, style)
        frames.append(frames_to_uint8(picture)[0].cpu().numpy())
    return np.stack(frames)


def _differs(before: SurfaceMap, after: SurfaceMap) -> np.ndarray:
    """Where two pictures of one place show other surfaces, and beside that, bool [h, w]."""
    other = (np.abs(before.channels - after.channels) > 1e-3).any(axis=0) | (before.parts != after.parts)
    return cv2.dilate(other.astype(np.uint8), np.ones((2 * SEAM + 1, 2 * SEAM + 1), np.uint8)) > 0


def _taken(frame: np.ndarray, surfaces: SurfaceMap) -> DrivePictures:
    """A drive that has taken one picture."""
    return DrivePictures(
        frames=(frame,),
        geometry=surfaces.geometry,
        latent_geometry=surfaces.geometry,
        key_frames=KeyFrames(),
        recorded=np.full(frame.shape[:2], RECORDED, np.uint8),
    )
