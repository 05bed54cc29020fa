"""Held-out drives: pieces of a recording that the learned world drives again, and what was true in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.data.frame_store import FrameStore
from training.data.rollouts import Rows
from training.data.starts import clip_at, episode_at, known_starts
from training.data.validity import known_of
from worldsim.datatypes.start_clip import StartClip
from worldsim.gbuffer.camera_scene import CameraScene


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOutDrive:
    """`t` steps of a recording from a start on. What lies past the episode's end repeats its last row.

    Args:
        town: procedural town, -1 where there is none.
        clip: what the world goes on from, of `c` frames.
        positions: of its rows in the store, int64 [t].
        controls: CONTROL_NAMES, float32 [t, 4]; controls[k] leads to row k.
        rows: what is true after each step, [t].
        frames: what the camera then showed, uint8 [t, h, w, 3].
        valid: which rows have a true picture and were led to by known controls alone, bool [t].
        camera_scenes: what the frames of clip and drive show beside the layout, [c + t]; None where the recording does
            not tell.
    """

    town: int
    clip: StartClip
    positions: np.ndarray
    controls: np.ndarray
    rows: Rows
    frames: np.ndarray
    valid: np.ndarray
    camera_scenes: tuple[CameraScene, ...] | None

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.controls)

    @property
    def num_context(self) -> int:
        """Frames of the clip."""
        return len(self.clip.frames)

    @property
    def num_valid(self) -> int:
        """Steps before the first one that cannot be compared."""
        return int(np.logical_and.accumulate(self.valid).sum())


def choose_long_starts(
    store: FrameStore, num: int, num_context: int, horizon: int, rng: np.random.Generator
) -> np.ndarray:
    """Store positions [num] of last context frames after which the episode goes on for `horizon` steps; spread over the
    towns first, then over the episodes.

    Where no episode is that long, they are those at the beginnings of episodes; where fewer episodes are long enough
    than starts are asked for, some serve more than once.

    Raises:
        ValueError: in no episode are picture, control and motion of a whole context known.
    """
    last = store.starts + store.lengths - 1
    possible = dict(enumerate(known_starts(store, num_context)))
    fitting = {k: positions[positions + horizon <= last[k]] for k, positions in possible.items()}
    if not any(len(positions) for positions in fitting.values()):
        fitting = {k: positions[:1] for k, positions in possible.items()}
    usable = [k for k, positions in fitting.items() if len(positions)]
    if not usable:
        raise ValueError(f"in no episode are picture, control and motion of {num_context} frames in a row known")

    # the first visit of every town comes before any second one
    visits: dict[int, int] = {}
    order: list[tuple[int, int]] = []
    for episode in rng.permutation(usable).tolist():
        town = int(store.towns[episode])
        order.append((visits.get(town, 0), episode))
        visits[town] = visits.get(town, 0) + 1
    episodes = [episode for _, episode in sorted(order, key=lambda entry: entry[0])]
    return np.array([int(rng.choice(fitting[episodes[k % len(episodes)]])) for k in range(num)])


def steps_ahead(store: FrameStore, positions: np.ndarray) -> np.ndarray:
    """How many steps their episodes go on for after positions [n] in the store, [n]."""
    episodes = np.array([episode_at(store, position) for position in positions.tolist()])
    return (store.starts + store.lengths - 1)[episodes] - positions


def held_out_drive(store: FrameStore, position: int, num_context: int, horizon: int) -> HeldOutDrive:
    """The drive of `horizon` steps whose last context frame is at a position in the store."""
    episode = episode_at(store, position)
    first, length = int(store.starts[episode]), int(store.lengths[episode])
    ahead = position + 1 + np.arange(horizon)
    index = np.minimum(ahead, first + length - 1)
    rows = store.rows
    led = np.logical_and.accumulate(known_of(rows.valid[index - 1]).motion)
    return HeldOutDrive(
        town=int(store.towns[episode]),
        clip=clip_at(store, position, num_context),
        positions=index,
        controls=rows.controls[index - 1],
        rows=rows[index],
        frames=np.asarray(store.frames[index]),
        valid=(ahead < first + length) & known_of(rows.valid[index]).picture & led,
        camera_scenes=_camera_scenes(store, episode, np.append(position + np.arange(1 - num_context, 1), index)),
    )


def _camera_scenes(store: FrameStore, episode: int, index: np.ndarray) -> tuple[CameraScene, ...] | None:
    """What the frames at these positions of an episode show; None where it is not known."""
    if not store.has_camera_scenes(episode):
        return None
    scenes, first = store.camera_scenes(episode), int(store.starts[episode])
    return tuple(scenes[int(position) - first] for position in index)
