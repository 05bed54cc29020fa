"""FrameDecoder: pictures from surfaces, latents and earlier pictures, and latents from pictures.

Surfaces are drawn of what is tracked, earlier pictures are fetched to where their surfaces are now, and the decoder
paints from both. `PictureState` is what pictures hand on from step to step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from worldsim.conditioning.fetch import fetch
from worldsim.datatypes.camera import PinholeCamera
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import SENSOR_NAMES
from worldsim.gbuffer.key_frames import KeyFrames
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.gbuffer.surface_map import SurfaceMap, draw_surfaces
from worldsim.networks.vae3d import (
    VAE3D,
    References,
    Surfaces,
    frames_to_float,
    frames_to_uint8,
    picture_statistics,
)

NUM_FRAMES = 3
"""Frames that a drive keeps: whoever reads the scene off pictures needs as many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivePictures:
    """The pictures of one drive; nothing here is ever written to, so that states share it.

    Args:
        frames: the newest, newest first, RGB, at most NUM_FRAMES, uint8 [h, w, 3] each.
        geometry: where what the newest of them shows is.
        latent_geometry: the same of the newest latents, which are a step or more ahead where frames were not decoded.
        key_frames: earlier pictures of places that the drive may come by again.
    """

    frames: tuple[np.ndarray, ...]
    geometry: PictureGeometry
    latent_geometry: PictureGeometry
    key_frames: KeyFrames

    @staticmethod
    def begin(frames: np.ndarray, geometries: Sequence[PictureGeometry]) -> DrivePictures:
        """Of the context's frames [t, h, w, 3]."""
        key_frames = KeyFrames.empty()
        for frame, geometry in zip(frames, geometries, strict=True):
            key_frames = key_frames.insert(frame, geometry)
        newest = tuple(frame.copy() for frame in frames[: -NUM_FRAMES - 1 : -1])
        return DrivePictures(
            frames=newest, geometry=geometries[-1], latent_geometry=geometries[-1], key_frames=key_frames
        )

    def append(self, frame: np.ndarray, geometry: PictureGeometry) -> DrivePictures:
        """With a new picture uint8 [h, w, 3]."""
        return DrivePictures(
            frames=(frame, *self.frames)[:NUM_FRAMES],
            geometry=geometry,
            latent_geometry=geometry,
            key_frames=self.key_frames.insert(frame, geometry),
        )


class PictureState(NamedTuple):
    """What pictures hand on, for `b` drives.

    drives: of each. style: its light and weather, [b, d]. uncovered: share of the newest picture that no earlier one
    shows, which had to be painted, [b]. round_trip: how far the newest latents are from what the encoder makes of their
    picture, RMS [b]; NaN where nobody asked.
    """

    drives: tuple[DrivePictures, ...]
    style: Tensor
    uncovered: Tensor
    round_trip: Tensor

    def take(self, slots: Sequence[int]) -> PictureState:
        """The given slots, in that order; a slot may be taken many times."""
        rows = list(slots)
        drives = tuple(self.drives[k] for k in rows)
        return PictureState(drives, self.style[rows], self.uncovered[rows], self.round_trip[rows])

    @staticmethod
    def concat(states: Sequence[PictureState]) -> PictureState:
        """The slots of all the states, in that order."""
        return PictureState(
            tuple(drive for state in states for drive in state.drives),
            torch.cat([state.style for state in states]),
            torch.cat([state.uncovered for state in states]),
            torch.cat([state.round_trip for state in states]),
        )

    @property
    def frames(self) -> np.ndarray:
        """The newest frames, oldest first, uint8 [b, NUM_FRAMES, h, w, 3]; the first of a drive stands in for older."""
        padded = [(*drive.frames, *(drive.frames[-1:] * NUM_FRAMES))[:NUM_FRAMES] for drive in self.drives]
        return np.stack([np.stack(frames[::-1]) for frames in padded])


class FrameDecoder:
    """VAE3D at work, and what it is given: surfaces, and earlier pictures.

    Args:
        vae: the video autoencoder.
        camera: whose pictures these are.
    """

    def __init__(self, vae: VAE3D, camera: PinholeCamera) -> None:
        self.vae, self.rasterizer = vae, Rasterizer(camera)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.vae.latent_mean.device

    def draw(self, static_worlds: Sequence[StaticWorld], scenes: Sequence[CameraScene]) -> list[SurfaceMap]:
        """The surfaces that cameras see."""
        return [
            draw_surfaces(self.rasterizer, world, scene) for world, scene in zip(static_worlds, scenes, strict=True)
        ]

    def sense(self, names: Sequence[str], static_world: StaticWorld, scene: CameraScene) -> dict[str, np.ndarray]:
        """What a camera tells beside colours, by name of SENSOR_NAMES, as `envs.world.SensorWorld` has it.

        Raises:
            ValueError: an unknown name.
        """
        return self.rasterizer.sense(names, static_world, scene.users, scene.view, scene.lights)

    def encode(self, frames: np.ndarray, surfaces: Sequence[SurfaceMap]) -> Tensor:
        """Latents [n, c, h, w] of frames uint8 [n, h, w, 3] that show these surfaces."""
        return self.vae.encode(self._pictures(frames), self.stack(surfaces))

    def begin(self, frames: np.ndarray, surfaces: Sequence[Sequence[SurfaceMap]]) -> tuple[Tensor, PictureState]:
        """Latents [b, t, c, h, w] of the context's frames uint8 [b, t, h, w, 3], and the state after them.

        Args:
            frames: equally many of each drive.
            surfaces: that they show, `t` of each of `b` drives.
        """
        b, t = frames.shape[:2]
        pictures = self._pictures(frames.reshape(b * t, *frames.shape[2:]))
        drawn = self.stack([one for drive in surfaces for one in drive])
        latents = self.vae.encode(pictures, drawn).unflatten(0, (b, t))
        style = self.vae.read_style(picture_statistics(pictures, drawn).unflatten(0, (b, t)))
        drives = tuple(
            DrivePictures.begin(own, [one.geometry for one in drive])
            for own, drive in zip(frames, surfaces, strict=True)
        )
        return latents, PictureState(drives, style, style.new_zeros(b), style.new_full((b,), torch.nan))

    def fetch(self, state: PictureState, surfaces: Sequence[SurfaceMap]) -> References:
        """Of each drive the last picture and the most useful key frame, where the surfaces are now."""
        device = self.device
        geometries = [one.geometry for one in surfaces]
        last = [reproject(new, drive.geometry) for new, drive in zip(geometries, state.drives, strict=True)]
        pictures = self._pictures(np.stack([drive.frames[0] for drive in state.drives]))
        fetched, visible = fetch(pictures, _stack([grid for grid, _ in last], device)), [seen for _, seen in last]

        # most drives find no key frame that shows more: only of those that do one is fetched
        recalled, recalled_visible = torch.zeros_like(fetched), torch.zeros_like(fetched[:, :1])
        for k, (new, drive) in enumerate(zip(geometries, state.drives, strict=True)):
            index = drive.key_frames.retrieve(new, visible[k])
            if index is not None:
                picture, geometry = drive.key_frames[index]
                grid, seen = reproject(new, geometry)
                recalled[k] = fetch(self._pictures(picture[None]), _stack([grid], device))[0]
                recalled_visible[k] = torch.from_numpy(seen).to(device)
        return References(fetched, _stack(visible, device)[:, None], recalled, recalled_visible)

    def decode(
        self, latents: Tensor, surfaces: Sequence[SurfaceMap], references: References, style: Tensor
    ) -> np.ndarray:
        """Frames, RGB uint8 [b, h, w, 3].

        Args:
            latents: newest first, [b, k, c, h, w].
            surfaces: in the pictures.
            references: earlier pictures.
            style: [b, d].
        """
        newest = latents[:, : self.vae.config.temporal_kernel].flip(1)
        pictures = self.vae.decode(newest, self.stack(surfaces), references, style)
        return frames_to_uint8(pictures).cpu().numpy()

    def stack(self, surfaces: Sequence[SurfaceMap]) -> Surfaces:
        """Surfaces as the networks take them."""
        device = self.device
        return Surfaces(_stack([one.channels for one in surfaces], device), _stack([s.parts for s in surfaces], device))

    def _pictures(self, frames: np.ndarray) -> Tensor:
        return frames_to_float(torch.from_numpy(frames).to(self.device))


def _stack(arrays: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(arrays)).to(device)
