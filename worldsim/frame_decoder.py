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

from worldsim.datatypes.camera import PinholeCamera
from worldsim.dynamics.trust import PICTURE_SIGNALS
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.key_frames import KeyFrames
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.gbuffer.surface_map import SurfaceMap, draw_surfaces
from worldsim.networks.scene_reader import NUM_READ
from worldsim.networks.vae3d import (
    VAE3D,
    References,
    Surfaces,
    frames_to_float,
    frames_to_uint8,
    picture_statistics,
)
from worldsim.picture_references import Fetch, fetch_all, refer_to_previous
from worldsim.picture_signals import measure_pictures

RECORDED = 255
"""A pixel that is but recorded ones, as `DrivePictures.recorded` counts."""
NUM_FRAMES = NUM_READ
"""Frames that a drive keeps: from so many the scene is read."""
CPU_BATCH = 8
"""Pictures made at once on a CPU. The memory for 32 at once, 130 MB for their surfaces alone, fits no cache, and the
system hands it out anew at each step."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DrivePictures:
    """The pictures of one drive; nothing here is ever written to, so that states share it.

    Args:
        frames: the newest, newest first, RGB, at most NUM_FRAMES, uint8 [h, w, 3] each.
        geometry: where what the newest of them shows is.
        latent_geometry: the same of the newest latents, which are a step or more ahead where frames were not decoded.
        key_frames: earlier pictures of places that the drive may come by again.
        recorded: how far each pixel of the newest frame goes back to recorded frames, through the pictures between,
            uint8 [h, w]; 0 is painted, RECORDED is not.
    """

    frames: tuple[np.ndarray, ...]
    geometry: PictureGeometry
    latent_geometry: PictureGeometry
    key_frames: KeyFrames
    recorded: np.ndarray

    @staticmethod
    def begin(frames: np.ndarray, geometries: Sequence[PictureGeometry], latents: np.ndarray | None) -> DrivePictures:
        """Of the context's frames [t, h, w, 3], and their latents [t, c, h, w] if key frames are to keep them."""
        kept, key_frames = [frame.copy() for frame in frames], KeyFrames()
        for k, geometry in enumerate(geometries):
            key_frames = key_frames.insert(kept[k], geometry, None if latents is None else latents[k].copy())
        return DrivePictures(
            frames=tuple(kept[: -NUM_FRAMES - 1 : -1]),
            geometry=geometries[-1],
            latent_geometry=geometries[-1],
            key_frames=key_frames,
            recorded=np.full(frames.shape[1:3], RECORDED, np.uint8),
        )

    def append(
        self, frame: np.ndarray, geometry: PictureGeometry, latent: np.ndarray | None, recorded: np.ndarray
    ) -> DrivePictures:
        """With a new picture uint8 [h, w, 3], of which so much goes back to recorded frames, and its latent [c, h, w]
        if key frames are to keep it."""
        return DrivePictures(
            frames=(frame, *self.frames)[:NUM_FRAMES],
            geometry=geometry,
            latent_geometry=geometry,
            key_frames=self.key_frames.insert(frame, geometry, latent, float(recorded.mean()) / RECORDED),
            recorded=recorded,
        )


class PictureState(NamedTuple):
    """What pictures hand on, for `b` drives.

    drives: of each. style: its light and weather, [b, d]. signals: PICTURE_SIGNALS of trust, [b, k], NaN where nobody
    asked.
    """

    drives: tuple[DrivePictures, ...]
    style: Tensor
    signals: Tensor

    def take(self, slots: Sequence[int]) -> PictureState:
        """The given slots, in that order; a slot may be taken many times."""
        rows = list(slots)
        return PictureState(tuple(self.drives[k] for k in rows), *(values[rows] for values in self[1:]))

    @staticmethod
    def concat(states: Sequence[PictureState]) -> PictureState:
        """The slots of all the states, in that order."""
        drives = tuple(drive for state in states for drive in state.drives)
        return PictureState(drives, *(torch.cat(values) for values in zip(*(s[1:] for s in states), strict=True)))

    @property
    def newest(self) -> np.ndarray | None:
        """The frames of the instant that the latents have come to, uint8 [b, h, w, 3]; None where they were not
        decoded."""
        if any(drive.latent_geometry is not drive.geometry for drive in self.drives):
            return None
        return np.stack([drive.frames[0] for drive in self.drives])

    def clip(self) -> np.ndarray:
        """The frames kept, oldest first, uint8 [b, NUM_FRAMES, h, w, 3]; the first of a drive stands in for older."""
        padded = [(*drive.frames, *(drive.frames[-1:] * NUM_FRAMES))[:NUM_FRAMES] for drive in self.drives]
        return np.stack([np.stack(frames[::-1]) for frames in padded])

    def skip(self, surfaces: Sequence[SurfaceMap]) -> PictureState:
        """The state when the latents have gone on to these surfaces and no picture was made."""
        return self._replace(
            drives=tuple(
                replace(drive, latent_geometry=one.geometry) for drive, one in zip(self.drives, surfaces, strict=True)
            )
        )


class Fetched(NamedTuple):
    """What is there of new pictures before they are made.

    references: earlier pictures, where the surfaces are now. key_frames: which of its key frames each drive recalls,
    None for none, [b]. recorded: how far what is fetched goes back to recorded frames, as of DrivePictures, uint8
    [b, h, w]; 0 where nothing is.
    """

    references: References
    key_frames: tuple[int | None, ...]
    recorded: np.ndarray

    def of(self, part: slice) -> Fetched:
        """The same of some drives."""
        return Fetched(self.references.of(part), self.key_frames[part], self.recorded[part])


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """What pictures are made from beside surfaces; what is left out shows what it is worth.

    Args:
        latents: whether they are decoded from latents.
        last_picture: whether the last picture is fetched.
        key_frames: whether earlier ones are.
    """

    latents: bool = True
    last_picture: bool = True
    key_frames: bool = True


class FrameDecoder:
    """VAE3D at work, and what it is given: surfaces, and earlier pictures.

    Args:
        vae: the video autoencoder.
        camera: whose pictures these are.
        keep_latents: key frames keep their latents too, for a dynamics model that is shown them.

    Attributes:
        ablation: what pictures are made from.
    """

    def __init__(self, vae: VAE3D, camera: PinholeCamera, *, keep_latents: bool = False) -> None:
        self.vae, self.rasterizer, self.keep_latents = vae, Rasterizer(camera), keep_latents
        self.ablation = Ablation()

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

    def begin(self, frames: np.ndarray, surfaces: Sequence[Sequence[SurfaceMap]]) -> tuple[Tensor, PictureState]:
        """Latents [b, t, c, h, w] of the context's frames uint8 [b, t, h, w, 3], and the state after them.

        Args:
            frames: equally many of each drive.
            surfaces: that they show, `t` of each of `b` drives.
        """
        b, t = frames.shape[:2]
        pictures = frames_to_float(torch.from_numpy(frames).to(self.device)).flatten(0, 1)
        drawn = Surfaces.stack([one for drive in surfaces for one in drive], self.device)
        references = References.join(
            [
                refer_to_previous([own[0], *own], [None, *(one.geometry for one in drive)], self.device)
                for own, drive in zip(frames, surfaces, strict=True)
            ]
        )
        latents = self.vae.encode(pictures, drawn, references).unflatten(0, (b, t))
        style = self.vae.read_style(picture_statistics(pictures, drawn).unflatten(0, (b, t)))
        kept = latents.cpu().numpy() if self.keep_latents else [None] * b
        drives = tuple(
            DrivePictures.begin(own, [one.geometry for one in drive], of_frames)
            for own, drive, of_frames in zip(frames, surfaces, kept, strict=True)
        )
        last = slice(t - 1, None, t)
        again = self._decode(latents, drawn.of(last), references.of(last), style)
        signals = style.new_zeros(b, len(PICTURE_SIGNALS))
        signals[:, PICTURE_SIGNALS.index("start_error")] = (again - pictures[last]).square().mean((1, 2, 3)).sqrt()
        signals[:, -2:] = torch.nan
        return latents, PictureState(drives, style, signals)

    def step(
        self,
        state: PictureState,
        latents: Tensor,
        surfaces: Sequence[SurfaceMap],
        fetched: Fetched,
        *,
        full_signals: bool = False,
    ) -> PictureState:
        """The state one picture later.

        Args:
            state: as it was.
            latents: newest first, [b, k, c, h, w].
            surfaces: in the new pictures.
            fetched: what `fetch` found for them.
            full_signals: also encode them, and read their style.
        """
        size = CPU_BATCH if self.device.type == "cpu" else len(surfaces)
        done = []
        for first in range(0, len(surfaces), size):
            part = slice(first, first + size)
            some = state.take(range(len(surfaces))[part])
            done.append(self._step(some, latents[part], surfaces[part], fetched.of(part), full_signals))
        return PictureState.concat(done)

    def _step(
        self,
        state: PictureState,
        latents: Tensor,
        surfaces: Sequence[SurfaceMap],
        fetched: Fetched,
        full_signals: bool,
    ) -> PictureState:
        """`step` of so many pictures as are made at once."""
        drawn, references = Surfaces.stack(surfaces, self.device), fetched.references
        pictures = self._decode(latents[:, : self.vae.config.temporal_kernel].flip(1), drawn, references, state.style)
        frames = frames_to_uint8(pictures)
        frames_made = frames.cpu().numpy()
        measures = measure_pictures(
            frames_made,
            references.last.cpu().numpy(),
            references.last_visible[:, 0].cpu().numpy(),
            references.recalled_visible[:, 0].cpu().numpy(),
            fetched.recorded,
        )
        covered, recorded, changed, detail = (torch.from_numpy(values).to(pictures) for values in measures)
        told = drawn.told()  # what is fetched by guessed depths may be anything
        covered, recorded = covered * told, recorded * told
        round_trip = style_drift = torch.full_like(covered, torch.nan)
        if full_signals:
            shown = frames_to_float(frames)
            round_trip = (self.vae.encode(shown, drawn, references) - latents[:, 0]).square().mean((1, 2, 3)).sqrt()
            style = self.vae.read_style(picture_statistics(shown, drawn)[:, None])
            style_drift = (style - state.style).square().mean(1).sqrt()
        measured = {
            "uncovered": 1 - covered,
            "painted": 1 - recorded,
            "changed": changed,
            "detail": detail,
            "start_error": state.signals[:, PICTURE_SIGNALS.index("start_error")],
            "round_trip": round_trip,
            "style_drift": style_drift,
        }

        kept = latents[:, 0].cpu().numpy() if self.keep_latents else [None] * len(frames)
        drives = tuple(
            # copies outlive what was made beside them
            drive.append(frame.copy(), one.geometry, None if latent is None else latent.copy(), share.copy())
            for drive, frame, one, latent, share in zip(
                state.drives, frames_made, surfaces, kept, fetched.recorded, strict=True
            )
        )
        signals = torch.stack([measured[name] for name in PICTURE_SIGNALS], dim=-1)
        return PictureState(drives, state.style, signals)

    def _decode(self, latents: Tensor, drawn: Surfaces, references: References, style: Tensor) -> Tensor:
        """Pictures [b, 3, h, w] from the last of latents, oldest first, [b, k, c, h, w]."""
        newest = latents[:, -self.vae.config.temporal_kernel :] if self.ablation.latents else None
        return self.vae.decode(newest, drawn, references, style)

    def fetch(self, state: PictureState, surfaces: Sequence[SurfaceMap]) -> Fetched:
        """Of each drive the last picture and the most useful key frame, where the surfaces are now."""
        last: list[Fetch] = []
        recalled: dict[int, tuple[int, Fetch]] = {}
        recorded: list[np.ndarray] = []
        for slot, (drive, one) in enumerate(zip(state.drives, surfaces, strict=True)):
            last.append(Fetch.between(one.geometry, drive.geometry, drive.frames[0]))
            if not self.ablation.last_picture:
                last[-1] = last[-1]._replace(visible=np.zeros_like(last[-1].visible))
            index = drive.key_frames.retrieve(one.geometry, last[-1].visible) if self.ablation.key_frames else None
            recorded.append(last[-1].share(drive.recorded))
            if index is not None:
                old = drive.key_frames.geometry(index)
                found = Fetch.between(one.geometry, old, drive.key_frames.picture(index))
                recalled[slot] = index, found
                of_old = RECORDED * drive.key_frames.recorded(index) * found.visible
                recorded[-1] = np.where(last[-1].visible > 0, recorded[-1], of_old)

        pictures, visible = fetch_all(last, self.device)
        old_pictures, old_visible = torch.zeros_like(pictures), torch.zeros_like(visible)
        if recalled:
            slots = list(recalled)
            old_pictures[slots], old_visible[slots] = fetch_all([what for _, what in recalled.values()], self.device)
        chosen = tuple(recalled[slot][0] if slot in recalled else None for slot in range(len(surfaces)))
        references = References(pictures, visible, old_pictures, old_visible)
        return Fetched(references, chosen, np.rint(np.stack(recorded)).astype(np.uint8))
