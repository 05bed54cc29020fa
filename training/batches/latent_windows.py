"""Windows of latents with their conditions: what the dynamics model learns from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from training.batches.encoded_store import FULL_SCALE, EncodedStore
from training.batches.memory_sampler import MemorySampler
from training.data.frame_store import FrameStore, FrameWindows
from training.data.validity import known_of
from worldsim.conditioning.latent_conditions import (
    NEARNESS_CHANNELS,
    ROUTE_CHANNELS,
    ROUTE_RANGE,
    SUN_KNOWN,
    ConditionChannel,
    still_grid,
)
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, UNKNOWN_COMMAND
from worldsim.datatypes.vehicle import motion_between
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.networks.dit import Conditions


class Draw(IntEnum):
    """Random numbers of a window; of the first six small ones hide something.

    COMMAND: the route's command. ROUTE: the route, or all but its beginning. LAYOUT: the layout, with it every other
    time the road users. MOTION: controls and motion. STYLE: light and weather. SUN: where it stands. STYLE_FRAME: from
    which frame of the episode light and weather are read. MEMORY, PLACES: what is retrieved.
    """

    COMMAND = 0
    ROUTE = 1
    LAYOUT = 2
    MOTION = 3
    STYLE = 4
    SUN = 5
    STYLE_FRAME = 6
    MEMORY = 7
    PLACES = 8


NUM_DRAWS = len(Draw)
NOTHING_HIDDEN = 0.999
"""A number that hides nothing."""
STYLE_FRAMES = (0, 2, 4, 6)
"""How many frames before a frame those are, itself one of them, whose light and weather stand for its drive's."""


@dataclass(frozen=True, kw_only=True)
class LatentBatch:
    """`b` windows of `t` latents with all that is known of them.

    Args:
        latents: [b, t, c, h, w].
        conditions: of each frame; the first one's control and motion are not known, nor what the recording does not
            know.
        first: store positions of the first frames [b].
        retrieved: of each frame; None for a model without memory.
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

    A frame is seen from where the recorded ego was, after a collision too: whether the ego touches something is
    tracked, so that no latent need tell it, and none may be learned beside surfaces that are not its picture's.

    Args:
        store: where the rows are.
        encoded: its frames.
        config: of the model that is trained.
        num_frames: length of a window.
        episodes: positions of the episodes to draw from.
        event_fraction: share of the windows that are drawn from those with a collision or off the road.
        command_dropout: share of the windows whose route command is hidden.
        route_dropout: share of the windows without a route; as many know only the beginning of it.
        layout_dropout: share of the windows without a layout.
        motion_dropout: share of the windows without controls and motion.
        style_dropout: share of the windows without light and weather.
        sun_dropout: share of the windows that do not know where the sun stands.
    """

    def __init__(
        self,
        store: FrameStore,
        encoded: EncodedStore,
        config: WorldModelConfig,
        num_frames: int,
        episodes: np.ndarray,
        event_fraction: float = 0.15,
        command_dropout: float = 0.3,
        route_dropout: float = 0.1,
        layout_dropout: float = 0.1,
        motion_dropout: float = 0.05,
        style_dropout: float = 0.05,
        sun_dropout: float = 0.1,
    ) -> None:
        self.rows, self.encoded, self.num_frames = store.rows, encoded, num_frames
        self.latents = encoded.latents
        self.firsts = FrameWindows(store, num_frames, episodes.tolist()).firsts
        self.hidden_firsts = self.firsts[encoded.copies[self.firsts] >= 0]
        rows = self.rows
        event = np.concatenate([[0], np.cumsum((rows.collision > 0.5) | (rows.off_road > 0.5))])
        self.event_firsts = self.firsts[event[self.firsts + num_frames] > event[self.firsts]]
        self.event_fraction = event_fraction if len(self.event_firsts) else 0.0
        self.command_dropout, self.route_dropout = command_dropout, route_dropout
        self.layout_dropout = layout_dropout if len(self.hidden_firsts) else 0.0
        self.motion_dropout, self.style_dropout, self.sun_dropout = motion_dropout, style_dropout, sun_dropout
        self.starts, self.lengths = store.starts, store.lengths
        self.known = known_of(rows.valid)
        self.still = still_grid(*config.latent_size)
        self.memory_sampler = MemorySampler(store, encoded) if config.dit.use_memory else None

        # as recorded, or where poses are not known as the vehicle model has it
        meant = motion_between(rows.vehicles, config.vehicle.step(rows.vehicles, rows.controls, config.dt))
        made = motion_between(rows.vehicles[:-1], rows.vehicles[1:])
        followed = self.known.pose[:-1] & self.known.pose[1:]
        self.motions = meant.astype(np.float32)
        self.motions[:-1][followed] = made[followed]

    def draw(self, batch_size: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """First frames int64 [b] of `batch_size` windows, drawn with replacement, and the numbers [b, NUM_DRAWS] in
        [0, 1) that `at` turns into what is hidden of each."""
        firsts = rng.choice(self.firsts, batch_size)
        if self.event_fraction:
            events = rng.choice(self.event_firsts, batch_size)
            firsts = np.where(rng.random(batch_size) < self.event_fraction, events, firsts)
        hidden = rng.random((batch_size, NUM_DRAWS))
        if self.layout_dropout:
            without = rng.choice(self.hidden_firsts, batch_size)
            firsts = np.where(hidden[:, Draw.LAYOUT] < self.layout_dropout, without, firsts)
        return firsts, hidden

    def sample(self, batch_size: int, rng: np.random.Generator) -> LatentBatch:
        """`batch_size` windows, drawn with replacement."""
        return self.at(*self.draw(batch_size, rng))

    def begin_early(self, firsts: np.ndarray, shares: np.ndarray) -> np.ndarray:
        """First frames [b] of windows that begin in the same episodes, at these shares [b] of what lies before."""
        start = self.starts[np.searchsorted(self.starts, firsts, side="right") - 1]
        wanted = start + ((firsts - start) * shares).astype(np.int64)
        return self.firsts[np.searchsorted(self.firsts, wanted)]

    def at(self, firsts: np.ndarray, hidden: np.ndarray) -> LatentBatch:
        """The windows that begin at these frames, int64 [b].

        Args:
            hidden: by Draw, in [0, 1), [b, NUM_DRAWS]. A layout is hidden only of episodes that were encoded so.
        """
        copies = self.encoded.copies[firsts]
        encoded_firsts = np.where((hidden[:, Draw.LAYOUT] < self.layout_dropout) & (copies >= 0), copies, firsts)
        retrieved = None
        if self.memory_sampler is not None:
            draws = hidden[:, [Draw.MEMORY, Draw.PLACES]]
            retrieved = self.memory_sampler.at(firsts, encoded_firsts, self.num_frames, draws)
        return LatentBatch(
            latents=torch.from_numpy(self._windows(self.encoded.latents, encoded_firsts)),
            conditions=self._conditions(firsts, encoded_firsts, hidden),
            first=firsts,
            retrieved=retrieved,
        )

    def _windows(self, values: np.ndarray, firsts: np.ndarray) -> np.ndarray:
        """Float32 [b, t, ...] of the encoded frames from these on."""
        return np.stack([values[k : k + self.num_frames] for k in firsts]).astype(np.float32)

    def _conditions(self, firsts: np.ndarray, encoded_firsts: np.ndarray, hidden: np.ndarray) -> Conditions:
        index = firsts[:, None] + np.arange(self.num_frames)
        before = np.maximum(index - 1, 0)
        known = self.known.motion[before] & (hidden[:, Draw.MOTION, None] >= self.motion_dropout)
        known[:, 0] = False

        commanded = self.known.route[index] & (hidden[:, Draw.COMMAND, None] >= self.command_dropout)
        commands = np.where(commanded, self.rows.scenes.command[index], UNKNOWN_COMMAND)
        surfaces = self._windows(self.encoded.maps, encoded_firsts) / FULL_SCALE
        self._hide_route(surfaces, hidden[:, Draw.ROUTE])
        sunless = hidden[:, Draw.SUN] < self.sun_dropout
        surfaces[sunless, :, ConditionChannel.SUNLIGHT] = surfaces[sunless, :, SUN_KNOWN] = 0.0

        # nothing is known of what comes before a window
        grid = self._windows(self.encoded.grids, encoded_firsts)
        grid[:, 0] = self.still
        surfaces[:, 0, ConditionChannel.MOVING : ConditionChannel.ROUTE] = 0.0
        style = np.where(
            hidden[:, Draw.STYLE, None] < self.style_dropout,
            0.0,
            self._styles(firsts, encoded_firsts, hidden[:, Draw.STYLE_FRAME]),
        )
        return Conditions(
            controls=torch.from_numpy(np.where(known[..., None], self.rows.controls[before], 0).astype(np.float32)),
            motions=torch.from_numpy(np.where(known[..., None], self.motions[before], 0).astype(np.float32)),
            commands=torch.from_numpy(commands.astype(np.int64)),
            known=torch.from_numpy(known),
            surfaces=torch.from_numpy(surfaces),
            grid=torch.from_numpy(grid),
            visible=torch.from_numpy(surfaces[:, :, ConditionChannel.VISIBLE].copy()),
            style=torch.from_numpy(style.astype(np.float32))[:, None].expand(-1, self.num_frames, -1),
        )

    def _hide_route(self, surfaces: np.ndarray, draw: np.ndarray) -> None:
        """Erase the route of some windows, and of as many all but its beginning, in place."""
        for row in np.flatnonzero(draw < 2 * self.route_dropout):
            share = np.clip((draw[row] - self.route_dropout) / self.route_dropout, 0, 1)
            num_kept = int(share * len(ROUTE_DISTANCES))
            reach = ROUTE_DISTANCES[num_kept - 1] if num_kept > 1 else -np.inf
            hidden = surfaces[row, :, NEARNESS_CHANNELS] < 1.0 - reach / ROUTE_RANGE
            for group in range(ROUTE_CHANNELS.start, ROUTE_CHANNELS.stop, 4):
                surfaces[row, :, group : group + 4][hidden] = 0.0

    def _styles(self, firsts: np.ndarray, encoded_firsts: np.ndarray, draw: np.ndarray) -> np.ndarray:
        """Light and weather [b, d] as frames of the same episodes tell them, as many as a drive begins with; the first
        itself where a drawn one has no picture."""
        episode = np.searchsorted(self.starts, firsts, side="right") - 1
        chosen = self.starts[episode] + (draw * self.lengths[episode]).astype(np.int64)
        index = np.maximum(chosen[:, None] - np.array(STYLE_FRAMES), self.starts[episode][:, None])
        index = np.where(self.known.picture[index], index, firsts[:, None]) + (encoded_firsts - firsts)[:, None]
        return np.stack([self.encoded.styles[rows].astype(np.float32).mean(0) for rows in index])
