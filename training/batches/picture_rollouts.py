"""Rollouts of pictures that go on from training step to step: self-forcing in pixels.

The decoder meets what has become of pictures that it made hundreds of frames before.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.batches.latent_windows import STYLE_FRAMES
from training.batches.self_rollouts import SelfRolloutClips
from training.data.frame_store import picture_runs
from training.data.recorded_scenes import RecordedScenes
from worldsim.gbuffer.key_frames import STRIDE, WEIGHT_OF_SEEN, without_road_users
from worldsim.gbuffer.reprojection import PictureGeometry, reproject
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import (
    NUM_STATISTICS,
    References,
    Surfaces,
    frames_to_float,
    frames_to_uint8,
    picture_statistics,
)
from worldsim.picture_references import Fetch, fetch_all


@dataclass(frozen=True, kw_only=True)
class PictureRolloutsConfig:
    """How rollouts begin, end, and what is hidden from them.

    Args:
        num: rollouts that are alive at a time.
        batch_size: of them, those that a training step takes on.
        num_frames: frames by which it does, with gradients within each frame alone.
        oldest: frames after which a rollout begins anew, in the beginning and in the end.
        ripening: share of training after which `oldest` has reached its end.
        restart: probability that a rollout begins anew before that, each frame.
        same_episode: share of the rollouts that begin in an episode in which another one is, so that it is at hand.
        num_keys: key frames that a rollout keeps.
        key_distance: between them [m].
        true_recall: share of the frames that recall a true frame of the drive, as if from a lap before.
        last_dropout: share of the frames without the last picture.
        recall_dropout: share without a key frame.
        layout_dropout: share of the rollouts without a layout and without a sun.
        sun_dropout: share of the others that do not know where the sun stands.
    """

    num: int = 48
    batch_size: int = 8
    num_frames: int = 2
    oldest: tuple[int, int] = (4, 300)
    ripening: float = 0.4
    restart: float = 0.01
    same_episode: float = 0.5
    num_keys: int = 6
    key_distance: float = 5.0
    true_recall: float = 0.25
    last_dropout: float = 0.08
    recall_dropout: float = 0.2
    layout_dropout: float = 0.08
    sun_dropout: float = 0.08


class PictureBatch(NamedTuple):
    """What the next frames of `b` rollouts are made from, and what they truly look like.

    rows: of the rollouts. frames: true, [b, 3, H, W] in [-1, 1]. surfaces, references: of the frames. statistics: of
    the drives' first frames, [b, k, s]. past: raw latents of the frames before, [b, kernel - 1, c, h, w]. generated:
    latents of these frames as the dynamics model made them, [b, c, h, w]; None where rollouts follow no clips.
    """

    rows: np.ndarray
    frames: Tensor
    surfaces: Surfaces
    references: References
    statistics: Tensor
    past: Tensor
    generated: Tensor | None


class PictureRollouts:
    """Rollouts along recorded drives: motion, road users and lights are the recorded ones, pictures the model's own.

    Args:
        scenes: of the recording.
        blind: the same with the layout hidden.
        latent_shape: of the latents before a frame, (kernel - 1, c, h, w).
        config: how they begin and end.
        device: of the batches.
        clips: of the dynamics model, along which rollouts go; None: along the recorded drives, wherever.

    Attributes:
        carried: all that a resumed training needs; written in place.
    """

    def __init__(
        self,
        scenes: RecordedScenes,
        blind: RecordedScenes,
        latent_shape: tuple[int, ...],
        config: PictureRolloutsConfig,
        device: torch.device,
        clips: SelfRolloutClips | None = None,
    ) -> None:
        self.scenes, self.blind, self.config, self.device, self.clips = scenes, blind, config, device, clips
        store, n, k = scenes.store, config.num, config.num_keys
        self.store = store
        size = store.frames.shape[1:]
        # each frame's piece of its episode without a missing picture, -1 where its own is missing
        self.firsts, self.lengths = picture_runs(store)
        self.run_of = np.full(len(store.rows), -1, np.int64)
        for run, (first, length) in enumerate(zip(self.firsts, self.lengths, strict=True)):
            self.run_of[first : first + length] = run
        if clips is None and not self._long_enough().size:
            longest = self.lengths.max(initial=0)
            raise ValueError(f"rollouts need more than {self._least()} pictures in a row, the recording has {longest}")
        self.carried = {
            "at": torch.full((n,), -1, dtype=torch.int64),
            "end": torch.full((n,), -1, dtype=torch.int64),
            "clip": torch.full((n,), -1, dtype=torch.int64),
            "age": torch.zeros(n, dtype=torch.int64),
            "hidden": torch.zeros(n, dtype=torch.bool),
            "sunless": torch.zeros(n, dtype=torch.bool),
            "pictures": torch.zeros(n, *size, dtype=torch.uint8),
            "latents": torch.zeros(n, *latent_shape),
            "statistics": torch.zeros(n, len(STYLE_FRAMES), NUM_STATISTICS),
            "key_at": torch.full((n, k), -1, dtype=torch.int64),
            "key_pictures": torch.zeros(n, k, *size, dtype=torch.uint8),
        }
        self._geometries: OrderedDict[tuple[int, bool], PictureGeometry] = OrderedDict()

    def choose(self, progress: float, rng: np.random.Generator) -> np.ndarray:
        """Rows [b] of the rollouts that go on now; those that are too old begin anew.

        Args:
            progress: share of training that is done.
            rng: draws.
        """
        c = self.config
        rows = rng.choice(c.num, c.batch_size, replace=False)
        young, old = c.oldest
        oldest = young + (old - young) * min(1.0, progress / c.ripening)
        at, end, age = (self.carried[name].numpy() for name in ("at", "end", "age"))
        for row in rows:
            if at[row] + c.num_frames > end[row] or age[row] >= oldest or rng.random() < c.restart:
                self._begin(int(row), rng)
        return rows

    def batch(self, rows: np.ndarray, rng: np.random.Generator) -> PictureBatch:
        """What the next frames of these rollouts are made from."""
        c, at = self.config, self.carried["at"].numpy()
        maps, last, recalled = [], [], []
        for row in rows:
            position, blind = int(at[row]) + 1, bool(self.carried["hidden"][row])
            surfaces = self._surfaces(position, blind)
            picture = self.carried["pictures"][row].numpy()
            found = Fetch.between(surfaces.geometry, self._geometry(position - 1, blind), picture)
            kept = np.float32(rng.random() >= c.last_dropout)
            last.append(found._replace(visible=kept * found.visible))
            maps.append(surfaces.without_sun() if self.carried["sunless"][row] else surfaces)
            recalled.append(self._recall(int(row), surfaces, found.visible, blind, rng))
        surfaces = Surfaces.stack(maps, self.device)
        return PictureBatch(
            rows=rows,
            frames=self._true(at[rows] + 1),
            surfaces=surfaces,
            references=References(*fetch_all(last, self.device), *fetch_all(recalled, self.device)),
            statistics=self.carried["statistics"][rows].to(self.device),
            past=self.carried["latents"][rows].to(self.device),
            generated=self._generated(rows),
        )

    def advance(self, batch: PictureBatch, pictures: Tensor, latents: Tensor) -> None:
        """Go on with the pictures [b, 3, H, W] that were made, and the latents [b, c, h, w] that they were made of."""
        rows, carried = torch.from_numpy(batch.rows), self.carried
        carried["pictures"][rows] = frames_to_uint8(pictures.detach()).cpu()
        past = torch.cat([carried["latents"][rows], latents.detach().float().cpu()[:, None]], dim=1)
        carried["latents"][rows] = past[:, 1:]
        carried["at"][rows] += 1
        carried["age"][rows] += 1
        for row in batch.rows:
            self._keep(int(row))

    def _generated(self, rows: np.ndarray) -> Tensor | None:
        if self.clips is None:
            return None
        clip = self.carried["clip"].numpy()[rows]
        frame = self.carried["at"].numpy()[rows] + 1 - self.clips.firsts[clip]
        return torch.from_numpy(self.clips.latents[clip, frame].astype(np.float32)).to(self.device)

    def _begin(self, row: int, rng: np.random.Generator) -> None:
        """Begin a rollout with a true frame."""
        carried = self.carried
        if self.clips is not None:
            clip = int(rng.integers(len(self.clips.firsts)))
            first = int(self.clips.firsts[clip])
            at, end = first + self.clips.num_context - 1, first + self.clips.latents.shape[1] - 1
            carried["clip"][row] = clip
            blind = bool(self.clips.hidden[clip])  # its latents are those of a model that knew as much
        else:
            at, end = self._draw_start(rng)
            blind = bool(rng.random() < self.config.layout_dropout)
        sunless = bool(rng.random() < self.config.sun_dropout)
        carried["at"][row], carried["end"][row] = at, end
        carried["age"][row], carried["hidden"][row], carried["sunless"][row] = 0, blind, sunless
        carried["pictures"][row] = torch.from_numpy(np.array(self.store.frames[at]))
        carried["latents"][row] = 0
        carried["key_at"][row] = -1
        positions = np.maximum(at - np.array(STYLE_FRAMES), self.firsts[self.run_of[at]])
        maps = [self._surfaces(int(k), blind) for k in positions]
        surfaces = Surfaces.stack([one.without_sun() if sunless else one for one in maps], self.device)
        carried["statistics"][row] = picture_statistics(self._true(positions), surfaces).cpu()
        self._keep(row)

    def _draw_start(self, rng: np.random.Generator) -> tuple[int, int]:
        """A frame to begin with, and the last one that a rollout can reach from it."""
        runs, at = self._long_enough(), self.carried["at"].numpy()
        at_hand = np.intersect1d(self.run_of[at[at >= 0]], runs)
        near = len(at_hand) and rng.random() < self.config.same_episode
        run = int(rng.choice(at_hand if near else runs))
        start, length = int(self.firsts[run]), int(self.lengths[run])
        # early in the episode, where there is time to grow old
        first = start + int(rng.random() ** 1.5 * (length - 1 - self.config.num_frames))
        return first, start + length - 1

    def _least(self) -> int:
        return 2 * STYLE_FRAMES[-1] + self.config.num_frames

    def _long_enough(self) -> np.ndarray:
        """Runs of pictures that rollouts can begin in."""
        return np.flatnonzero(self.lengths > self._least())

    def _keep(self, row: int) -> None:
        """Make the newest picture a key frame if it is far from the newest key frame."""
        at, keys = int(self.carried["at"][row]), self.carried["key_at"][row]
        newest = int(keys[0])
        vehicles = self.store.rows.vehicles
        if newest >= 0 and np.hypot(*(vehicles[at, :2] - vehicles[newest, :2])) < self.config.key_distance:
            return
        keys[1:] = keys[:-1].clone()
        self.carried["key_pictures"][row, 1:] = self.carried["key_pictures"][row, :-1].clone()
        keys[0] = at
        self.carried["key_pictures"][row, 0] = self.carried["pictures"][row]

    def _recall(
        self, row: int, surfaces: SurfaceMap, visible: np.ndarray, blind: bool, rng: np.random.Generator
    ) -> Fetch:
        """A key frame's picture, where its pixels are now, and which of them are visible."""
        c, at, keys = self.config, int(self.carried["at"][row]), self.carried["key_at"][row].numpy()
        nothing = Fetch.nothing(self.carried["pictures"][row].numpy())
        if rng.random() < c.recall_dropout:
            return nothing
        if rng.random() < c.true_recall:
            offset = int(rng.integers(4, 50)) * int(rng.choice([-1, 1]))
            run = self.run_of[at]
            position = int(np.clip(at + offset, self.firsts[run], self.firsts[run] + self.lengths[run] - 1))
            old = without_road_users(self._geometry(position, blind))
            return Fetch.between(surfaces.geometry, old, np.array(self.store.frames[position]))

        # the one that shows most of what the last picture does not, as in a drive
        height, width = visible.shape
        missing = 1 - visible.reshape(height // STRIDE, STRIDE, width // STRIDE, STRIDE).mean((1, 3))
        weight, best, most = missing + WEIGHT_OF_SEEN * (1 - missing), -1, 0.0
        for k in np.flatnonzero(keys >= 0):
            old = without_road_users(self._geometry(int(keys[k]), blind))
            gain = float((reproject(surfaces.geometry, old, STRIDE)[1] * weight).sum())
            if gain > most:
                best, most = int(k), gain
        if best < 0:
            return nothing
        old = without_road_users(self._geometry(int(keys[best]), blind))
        return Fetch.between(surfaces.geometry, old, self.carried["key_pictures"][row, best].numpy())

    def _surfaces(self, position: int, blind: bool) -> SurfaceMap:
        surfaces = (self.blind if blind else self.scenes).surfaces(position)
        self._geometries[position, blind] = surfaces.geometry
        while len(self._geometries) > self.config.num * (self.config.num_keys + 4):
            self._geometries.popitem(last=False)
        return surfaces

    def _geometry(self, position: int, blind: bool) -> PictureGeometry:
        if (position, blind) not in self._geometries:
            return self._surfaces(position, blind).geometry
        self._geometries.move_to_end((position, blind))
        return self._geometries[position, blind]

    def _true(self, positions: np.ndarray) -> Tensor:
        frames = np.stack([self.store.frames[int(k)] for k in positions])
        return frames_to_float(torch.from_numpy(frames).to(self.device))
