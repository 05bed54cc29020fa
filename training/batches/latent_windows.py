"""Latents of a store, every frame encoded once, and windows of latents with their conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from training.batches.memory_sampler import MemorySampler
from training.data.array_cache import ArrayCache
from training.data.frame_store import FrameStore, FrameWindows
from training.data.validity import known_of
from worldsim.checkpoint import weights_checksum
from worldsim.conditioning.style import style_statistics
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import UNKNOWN_COMMAND, ObjectColumn, SceneState
from worldsim.datatypes.vehicle import VehicleColumn, motion_between
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.networks.dit import Conditions
from worldsim.networks.vae3d import VAE3D, frames_to_float


@torch.no_grad()
def encode_store(vae: VAE3D, store: FrameStore, path: Path, chunk: int = 64) -> np.ndarray:
    """Latents float16 [n, c, h, w] of all frames, streamed episode by episode; kept at `path`.

    A frame without a picture has zeros, and the stream begins anew after it.
    """
    height, width = store.frames.shape[1:3]
    cache = ArrayCache(
        path=path,
        dtype=np.dtype(np.float16),
        shape=(vae.config.latent_channels, height // 8, width // 8),
        lengths=store.lengths.tolist(),
        made_from={"frames": store.content, "vae": weights_checksum(vae)},
    )
    runs = _picture_runs(store)

    def episodes(first_episode: int) -> Iterator[np.ndarray]:
        done = int(store.starts[first_episode])
        with tqdm(total=len(store.rows), initial=done, desc="encode", unit="frame") as bar:
            for begin, num in zip(store.starts[first_episode:], store.lengths[first_episode:], strict=True):
                latents = np.zeros((num, *cache.shape), np.float16)
                for start, length in (run for run in runs if begin <= run[0] < begin + num):
                    latents[start - begin : start - begin + length] = _encode_run(vae, store, start, length, chunk)
                yield latents
                bar.update(int(num))

    return cache.load(episodes)


def _encode_run(vae: VAE3D, store: FrameStore, start: int, length: int, chunk: int) -> np.ndarray:
    """Latents of consecutive frames, streamed by so many at a time."""
    device, state, parts = vae.latent_mean.device, None, []
    for first in range(start, start + length, chunk):
        frames = torch.from_numpy(np.array(store.frames[first : min(first + chunk, start + length)])).to(device)
        encoded, state = vae.encode(frames_to_float(frames)[None], state)
        parts.append(encoded[0].half().cpu().numpy())
    return np.concatenate(parts)


NUM_DRAWS = 6
"""Random numbers that say what is hidden of a window."""


def longest_run(store: FrameStore) -> int:
    """Frames of the longest piece of an episode in which no picture is missing."""
    return max(length for _, length in _picture_runs(store))


def _picture_runs(store: FrameStore) -> list[tuple[int, int]]:
    """First frame and length of each piece of an episode in which no picture is missing."""
    episode = np.repeat(np.arange(len(store.starts)), store.lengths)
    piece = np.where(known_of(store.rows.valid).picture, episode, -1)
    firsts = np.flatnonzero(np.diff(piece, prepend=-2))
    lengths = np.diff(firsts, append=len(piece))
    return [(int(k), int(n)) for k, n in zip(firsts, lengths, strict=True) if piece[k] >= 0]


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """`b` windows of `t` latents with all that is known of them.

    Args:
        latents: [b, t, c, h, w].
        conditions: of each frame; the first one's control and motion are not known, nor what the recording does not
            know.
        first: store positions of the first frames [b].
        retrieved: of each frame, with its sinks; None for a model without memory.
    """

    latents: Tensor
    conditions: Conditions
    first: np.ndarray
    retrieved: RetrievedFrames | None = None

    def on(self, device: torch.device) -> LatentBatch:
        """The same with its tensors on `device`."""
        retrieved = None if self.retrieved is None else RetrievedFrames(*(value.to(device) for value in self.retrieved))
        return LatentBatch(
            latents=self.latents.to(device),
            conditions=Conditions(*(value.to(device) for value in self.conditions)),
            first=self.first,
            retrieved=retrieved,
        )


class LatentWindows:
    """Random windows of latents that never cross from one episode into the next.

    Args:
        store: where the rows are.
        latents: of its frames, float16 [n, c, h, w].
        config: of the model that is trained.
        num_frames: length of a window.
        episodes: positions of the episodes to draw from.
        event_fraction: share of the windows that are drawn from those with a collision or off the road.
        command_dropout: share of the windows whose route command is hidden.
        route_dropout: share of the windows without a route; as many know only the beginning of it.
        actor_dropout: share of the windows without actors.
    """

    def __init__(
        self,
        store: FrameStore,
        latents: np.ndarray,
        config: WorldModelConfig,
        num_frames: int,
        episodes: np.ndarray,
        event_fraction: float = 0.15,
        command_dropout: float = 0.3,
        route_dropout: float = 0.1,
        actor_dropout: float = 0.05,
    ) -> None:
        self.rows, self.latents, self.config, self.num_frames = store.rows, latents, config, num_frames
        self.firsts = FrameWindows(store, num_frames, episodes.tolist()).firsts
        rows = self.rows
        event = np.concatenate([[0], np.cumsum((rows.collision > 0.5) | (rows.off_road > 0.5))])
        self.event_firsts = self.firsts[event[self.firsts + num_frames] > event[self.firsts]]
        self.event_fraction = event_fraction if len(self.event_firsts) else 0.0
        self.command_dropout, self.route_dropout = command_dropout, route_dropout
        self.actor_dropout = actor_dropout
        self.starts, self.lengths = store.starts, store.lengths
        self.known = known_of(rows.valid)
        num_retrieved, num_sinks = config.dit.num_retrieved, config.dit.num_sinks
        has_memory = num_retrieved or num_sinks
        self.memory_sampler = MemorySampler(store, latents, num_retrieved, num_sinks) if has_memory else None
        self.commanded = config.vehicle.step(rows.vehicles, rows.controls, config.dt)
        self.motions = motion_between(rows.vehicles, self.commanded).astype(np.float32)

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """First frames int64 [b] of `batch_size` windows, drawn with replacement, and the numbers [b, NUM_DRAWS] in
        [0, 1) that `at` turns into what is hidden of each."""
        firsts = rng.choice(self.firsts, batch_size)
        if self.event_fraction:
            events = rng.choice(self.event_firsts, batch_size)
            firsts = np.where(rng.random(batch_size) < self.event_fraction, events, firsts)
        return firsts, rng.random((batch_size, NUM_DRAWS))

    def sample(self, batch_size: int, rng: np.random.Generator) -> LatentBatch:
        """`batch_size` windows, drawn with replacement."""
        return self.at(*self.draw(batch_size, rng))

    def begun(self, firsts: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """The numbers for windows that rollouts go on from: with sinks, their drive has begun before `firsts` for good.

        Else a rollout that passes the frame drawn as its drive's beginning would suddenly be shown true latents there.
        """
        if not self.config.dit.num_sinks:
            return hidden
        episode = np.searchsorted(self.starts, firsts, side="right") - 1
        hidden = hidden.copy()
        hidden[:, 3] *= (firsts - self.starts[episode]) / self.lengths[episode]
        return hidden

    def at(self, firsts: np.ndarray, hidden: np.ndarray) -> LatentBatch:
        """The windows that begin at these frames, int64 [b].

        Args:
            hidden: in [0, 1), [b, NUM_DRAWS]; small numbers hide a window's command, all or a part of its route, its
                actors; the fourth chooses the frame of the same episode that the style is taken from and the drive
                began with, the others what is retrieved.
        """
        index = firsts[:, None] + np.arange(self.num_frames)
        recorded = self.known[index]
        scenes = SceneState(**{name: value[index] for name, value in self.rows.scenes.arrays().items()})
        placed = recorded.pose.copy()  # where the control meant to bring the ego is known
        placed[:, 1:] = self.known.motion[index[:, 1:] - 1] & recorded.pose[:, :-1]

        retrieved = None
        if self.memory_sampler is not None:
            poses = np.where(placed[..., None], self._meant(index)[..., : VehicleColumn.SPEED], np.nan)
            retrieved = self.memory_sampler.at(firsts, self.num_frames, poses, hidden[:, 3:])
        latents = np.stack([self.latents[k : k + self.num_frames] for k in firsts]).astype(np.float32)
        return LatentBatch(
            latents=torch.from_numpy(latents),
            conditions=self._conditions(firsts, scenes, placed, hidden),
            first=firsts,
            retrieved=retrieved,
        )

    def _conditions(self, firsts: np.ndarray, scenes: SceneState, placed: np.ndarray, hidden: np.ndarray) -> Conditions:
        """The conditions of windows, of which `hidden` [b, NUM_DRAWS] hides a part.

        Args:
            placed: frames to whose ego actors can be related, [b, t].
        """
        index = firsts[:, None] + np.arange(self.num_frames)
        before = np.maximum(index - 1, 0)
        recorded = self.known[index]
        known = self.known.motion[before]
        known[:, 0] = False

        commanded = recorded.route & (hidden[:, :1] >= self.command_dropout)
        commands = np.where(commanded, scenes.command, UNKNOWN_COMMAND)
        motions = np.where(known[..., None], self.motions[before], 0).astype(np.float32)
        routes, routes_valid = self._routes(scenes, motions, known, hidden[:, 1])
        shown = recorded.objects & placed & (hidden[:, 2:3] >= self.actor_dropout)
        return Conditions(
            controls=torch.from_numpy(np.where(known[..., None], self.rows.controls[before], 0).astype(np.float32)),
            motions=torch.from_numpy(motions),
            commands=torch.from_numpy(commands.astype(np.int64)),
            known=torch.from_numpy(known),
            routes=torch.from_numpy(routes),
            routes_valid=torch.from_numpy(routes_valid),
            actors=torch.from_numpy(self._actors(scenes, index)),
            actor_kinds=torch.from_numpy(np.where(shown[..., None], scenes.object_kinds, 0)),
            style=style_statistics(self._another_frame(firsts, hidden[:, 3]))[:, None].expand(-1, self.num_frames, -1),
        )

    def _routes(
        self, scenes: SceneState, motions: np.ndarray, known: np.ndarray, draw: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The route's preview [b, t, 10, 2] at each frame and its validity, float32 [b, t, 10].

        It is the frame before's, moved by the commanded motion where that is known: a recorded pose would give away a
        collision that the control does not imply.
        """
        routes, valid = scenes.route.copy(), scenes.route_valid.astype(np.float32)
        d = scenes.route[:, :-1] - motions[:, 1:, None, :2]
        routes[:, 1:] = rotate(d, -motions[:, 1:, None, 2])
        valid[:, 1:] = scenes.route_valid[:, :-1] & known[:, 1:, None]
        share = np.clip((draw - self.route_dropout) / max(self.route_dropout, 1e-9), 0, 1)
        kept = np.where(draw < 2 * self.route_dropout, share * valid.shape[-1], valid.shape[-1])
        valid *= np.arange(valid.shape[-1]) < kept[:, None, None]
        return routes.astype(np.float32), valid.astype(np.float32)

    def _actors(self, scenes: SceneState, index: np.ndarray) -> np.ndarray:
        """The objects [b, t, s, 6] around at each frame `index` [b, t], relative to where the control meant to bring
        the ego from the frame before; float32. A recorded pose would give a collision away."""
        yaw = VehicleColumn.YAW
        here, meant = self.rows.vehicles[index], self._meant(index)
        ground = here[..., None, :2] + rotate(scenes.objects[..., :2], here[..., None, yaw])
        actors = scenes.objects.copy()
        actors[..., :2] = rotate(ground - meant[..., None, :2], -meant[..., None, yaw])
        actors[..., ObjectColumn.YAW] += (here[..., yaw] - meant[..., yaw])[..., None]
        return actors

    def _meant(self, index: np.ndarray) -> np.ndarray:
        """VEHICLE_NAMES [b, t, 6] that the control meant at each frame `index` [b, t]; as recorded at the first."""
        return np.concatenate([self.rows.vehicles[index[:, :1]], self.commanded[index[:, 1:] - 1]], axis=1)

    def _another_frame(self, firsts: np.ndarray, draw: np.ndarray) -> Tensor:
        """Latents [b, c, h, w] of frames of the same episodes; the first itself where a drawn one has no picture."""
        episode = np.searchsorted(self.starts, firsts, side="right") - 1
        chosen = self.starts[episode] + (draw * self.lengths[episode]).astype(np.int64)
        chosen = np.where(self.known.picture[chosen], chosen, firsts)
        return torch.from_numpy(np.stack([self.latents[k] for k in chosen]).astype(np.float32))
