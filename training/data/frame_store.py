"""Every frame of a dataset decoded once into a memory-mapped cache, and random windows of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from training.data.array_cache import ArrayCache
from training.data.camera_scenes import CameraScenes
from training.data.layout_store import EpisodeLayout
from training.data.reconstructed_scenes import reconstruct_scenes
from training.data.rollouts import RecordedEpisode, RolloutDataset, Rows
from training.data.validity import known_of
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import motion_between
from worldsim.gbuffer.camera_scene import CameraScene


class FrameStore:
    """All frames and rows of a dataset, one episode after the other.

    The frames are decoded once into `cache/frames.npy` beside the dataset and mapped into memory afterwards (see
    ArrayCache); an interrupted decoding goes on where it stopped, and a dataset that has changed is decoded anew.

    Args:
        dataset: what to hold.
        num_threads: decoders at work while the cache is built.
        batch_size: episodes decoded ahead.

    Attributes:
        frames: uint8 [n, h, w, 3], read-only.
        rows: Rows [n].
        starts: first frame of each episode, int64 [e].
        lengths: frames of each episode, int64 [e].
        content: JSON that tells what the frames are, for caches of what is made from them.
        towns: town of each episode, int64 [e].
        layouts: what does not move around each episode, read when it is asked for.

    Raises:
        ValueError: the dataset is empty, or one of its files is damaged; the message names it.
        OSError: the frames cannot be written, on a full disk for example; names their file.
    """

    def __init__(self, dataset: RolloutDataset, num_threads: int = 2, batch_size: int = 8) -> None:
        if len(dataset) == 0:
            raise ValueError(f"{dataset.root} has no complete episodes")
        self.lengths = dataset.lengths
        self.starts = np.cumsum(self.lengths) - self.lengths
        self.towns = dataset.towns
        self.dt = 1.0 / dataset.fps
        self.tasks = dataset.tasks
        episodes = [dataset[k] for k in range(len(dataset))]
        self.rows = Rows.concatenate([episode.rows for episode in episodes])
        self.layouts: tuple[EpisodeLayout, ...] = tuple(episode.static for episode in episodes)
        self.episodes = episodes
        self._cuts = np.zeros(len(episodes), np.int64)  # frames left out where an episode begins
        self.frames = _cached_frames(dataset, episodes, num_threads, batch_size)
        self.content = {"checksums": dataset.checksums, "first": 0, "last": len(self)}

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rows)

    def has_camera_scenes(self, episode: int) -> bool:
        """Whether it is known what each frame of an episode shows beside its layout."""
        return self.episodes[episode].has_camera_scenes

    def camera_scenes(self, episode: int) -> CameraScenes | list[CameraScene]:
        """What each frame of an episode shows beside its layout; made of the rows where it is not recorded.

        Raises:
            ValueError: the recording's file is damaged; the message names it.
        """
        if not self.has_camera_scenes(episode):
            start, length = int(self.starts[episode]), int(self.lengths[episode])
            return reconstruct_scenes(self.rows[start : start + length], self.dt)
        return self.episodes[episode].camera_scenes().since(int(self._cuts[episode]), self.dt)

    def part(self, first: int, last: int) -> FrameStore:
        """The frames from `first` to before `last` as a store of their own; an episode that reaches beyond is cut.

        Raises:
            ValueError: there are no such frames.
        """
        if not 0 <= first < last <= len(self):
            raise ValueError(f"a store of {len(self)} frames has no part from {first} to {last}")
        part = copy.copy(self)
        begins = np.maximum(self.starts, first)
        ends = np.minimum(self.starts + self.lengths, last)
        kept = ends > begins
        part.starts = begins[kept] - first
        part.lengths = (ends - begins)[kept]
        part.towns = self.towns[kept]
        part.episodes = [self.episodes[k] for k in np.flatnonzero(kept)]
        part._cuts = (self._cuts + begins - self.starts)[kept]
        part.layouts = tuple(self.layouts[k] for k in np.flatnonzero(kept))
        part.rows = self.rows[first:last]
        part.frames = self.frames[first:last]
        part.content = self.content | {"first": self.content["first"] + first, "last": self.content["first"] + last}
        return part

    def split(self, tail: float) -> tuple[FrameStore, FrameStore]:
        """What comes before the last share `tail` of the frames, and those.

        Raises:
            ValueError: one of the two would be empty.
        """
        first = len(self) - round(tail * len(self))
        return self.part(0, first), self.part(first, len(self))


def picture_runs(store: FrameStore) -> tuple[np.ndarray, np.ndarray]:
    """First frame and length, int64 [r] each, of the pieces of episodes in which no picture is missing."""
    episode = np.repeat(np.arange(len(store.starts)), store.lengths)
    piece = np.where(known_of(store.rows.valid).picture, episode, -1)
    firsts = np.flatnonzero(np.diff(piece, prepend=-2))
    lengths = np.diff(firsts, append=len(piece))
    shown = piece[firsts] >= 0
    return firsts[shown], lengths[shown]


def _cached_frames(
    dataset: RolloutDataset, episodes: Sequence[RecordedEpisode], num_threads: int, batch_size: int
) -> np.ndarray:
    cache = ArrayCache(
        path=dataset.root / "cache" / "frames.npy",
        dtype=np.dtype(np.uint8),
        shape=(*dataset.frame_size, 3),
        lengths=dataset.lengths.tolist(),
        made_from={"episodes": dataset.indices, "checksums": dataset.checksums},
    )

    def decoded(first: int) -> Iterator[np.ndarray]:
        done = int(dataset.lengths[:first].sum())
        total = int(dataset.lengths.sum())
        with (
            ThreadPoolExecutor(num_threads) as pool,
            tqdm(total=total, initial=done, desc="decode", unit="frame") as bar,
        ):
            for start in range(first, len(episodes), batch_size):
                for frames in pool.map(RecordedEpisode.decode, episodes[start : start + batch_size]):
                    yield frames
                    bar.update(len(frames))

    return cache.load(decoded)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowBatch:
    """`b` windows of `t` consecutive frames.

    Args:
        frames: uint8 [b, t, h, w, 3].
        controls: float32 [b, t-1, 4]; controls[:, k] leads from frame k to frame k+1.
        motions: MOTION_NAMES, float32 [b, t-1, 6]; motions[:, k] is what controls[:, k] made of the ego.
        scenes: SceneState [b, t].
        collision: float32 [b, t].
        off_road: float32 [b, t].
        wrong_way: bool [b, t].
        tasks: index of the behaviour, int64 [b, t].
        valid: VALID_NAMES, bool [b, t, 16].
        first: position of the first frame of each window in the store, int64 [b].
    """

    frames: np.ndarray
    controls: np.ndarray
    motions: np.ndarray
    scenes: SceneState
    collision: np.ndarray
    off_road: np.ndarray
    wrong_way: np.ndarray
    tasks: np.ndarray
    valid: np.ndarray
    first: np.ndarray


class FrameWindows:
    """Random windows of known frames, each within one episode.

    Args:
        store: where the frames are.
        num_frames: length of a window.
        episodes: positions of the episodes to draw from; None for all.

    Raises:
        ValueError: no episode is long enough, or has as many pictures in a row.
    """

    def __init__(self, store: FrameStore, num_frames: int, episodes: Sequence[int] | None = None) -> None:
        if num_frames < 1:
            raise ValueError(f"num_frames must be at least 1, got {num_frames}")
        chosen = np.arange(len(store.lengths)) if episodes is None else np.asarray(episodes, np.int64)
        counts = np.maximum(store.lengths[chosen] - num_frames + 1, 0)
        if not counts.sum():
            raise ValueError(
                f"no episode has {num_frames} frames; the longest has {store.lengths[chosen].max(initial=0)}"
            )
        self.store = store
        self.num_frames = num_frames

        firsts = np.concatenate([start + np.arange(n) for start, n in zip(store.starts[chosen], counts, strict=True)])
        missing = np.concatenate([[0], np.cumsum(~known_of(store.rows.valid).picture)])
        self.firsts = firsts[missing[firsts + num_frames] == missing[firsts]]
        if not len(self.firsts):
            raise ValueError(
                f"no episode shows {num_frames} pictures in a row: the recording has none, or gaps in them"
            )

    def __len__(self) -> int:
        """Number of different windows."""
        return len(self.firsts)

    def sample(self, batch_size: int, rng: np.random.Generator) -> WindowBatch:
        """`batch_size` windows, each equally likely, drawn with replacement."""
        return self.at(rng.choice(self.firsts, batch_size))

    def at(self, firsts: np.ndarray) -> WindowBatch:
        """The windows that begin at these frames of the store, int64 [b]."""
        index = firsts[:, None] + np.arange(self.num_frames)
        rows = self.store.rows
        vehicles = rows.vehicles[index]
        return WindowBatch(
            frames=self._frames(firsts),
            controls=rows.controls[index[:, :-1]],
            motions=motion_between(vehicles[:, :-1], vehicles[:, 1:]).astype(np.float32),
            scenes=rows.scenes[index],
            collision=rows.collision[index],
            off_road=rows.off_road[index],
            wrong_way=rows.wrong_way[index],
            tasks=rows.tasks[index],
            valid=rows.valid[index],
            first=firsts,
        )

    def _frames(self, firsts: np.ndarray) -> np.ndarray:
        return np.stack([self.store.frames[k : k + self.num_frames] for k in firsts])
