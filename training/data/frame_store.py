"""Every frame of a dataset decoded once into a memory-mapped cache, and random windows of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from training.data import lerobot_layout as layout
from training.data.camera_scenes import CameraScenes
from training.data.layout_store import EpisodeLayout
from training.data.rollouts import RecordedEpisode, RolloutDataset, Rows
from training.data.validity import known_of
from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.appearance import tracked_colours
from worldsim.configs import CameraGeometry
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import motion_between


class FrameStore:
    """All frames and rows of a dataset, one episode after the other.

    The frames are decoded once into `cache/frames.npy` beside the dataset and mapped into memory afterwards; an
    interrupted decoding goes on where it stopped, and a dataset that has changed is decoded anew.

    Args:
        dataset: what to hold.
        num_threads: decoders at work while the cache is built.
        batch_size: episodes decoded at a time; an interruption loses at most these.

    Attributes:
        frames: uint8 [n, h, w, 3], read-only.
        rows: Rows [n].
        starts: first frame of each episode, int64 [e].
        lengths: frames of each episode, int64 [e].
        towns: town of each episode, int64 [e].
        layouts: what does not move around each episode, read when it is asked for.

    Raises:
        ValueError: the dataset is empty, or one of its files is damaged; the message names it.
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
        self.frames = _cached_frames(dataset, episodes, self.starts, num_threads, batch_size)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.rows)

    def camera_scenes(self, episode: int) -> CameraScenes:
        """What each frame of an episode shows beside its layout.

        Raises:
            ValueError: the recording does not tell, or the file is damaged; the message names it.
        """
        return self.episodes[episode].camera_scenes().since(int(self._cuts[episode]), self.dt)

    def has_camera_scenes(self, episode: int) -> bool:
        """Whether it is known what each frame of an episode shows beside its layout."""
        return self.episodes[episode].has_camera_scenes

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
        return part

    def split(self, tail: float) -> tuple[FrameStore, FrameStore]:
        """What comes before the last share `tail` of the frames, and those.

        Raises:
            ValueError: one of the two would be empty.
        """
        first = len(self) - round(tail * len(self))
        return self.part(0, first), self.part(first, len(self))


def store_colours(store: FrameStore, camera: CameraGeometry, path: Path) -> np.ndarray:
    """RGB in [0, 1], float32 [n, s, 3], of all objects of a store as its frames show them, one per object and episode;
    NaN for those never seen. Read from `path` if it is there.

    Raises:
        ValueError: the file at `path` belongs to another store.
    """
    shape = (*store.rows.scenes.object_kinds.shape, 3)
    if not path.is_file():
        actor_map = ActorMap(camera, store.frames.shape[1:3], store.dt)
        colours = np.empty(shape, np.float32)
        shown = known_of(store.rows.valid).picture
        episodes = zip(store.starts, store.lengths, strict=True)
        for start, length in tqdm(episodes, total=len(store.starts), desc="colours", unit="episode"):
            rows = slice(int(start), int(start + length))
            scenes = store.rows.scenes[rows]
            kinds = np.where(shown[rows, None], scenes.object_kinds, 0)
            colours[rows] = tracked_colours(store.frames[rows], scenes.objects, kinds, actor_map)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(path.stem + ".tmp.npy")
        np.save(temporary, colours)
        temporary.replace(path)
    colours = np.load(path)
    if colours.shape != shape:
        raise ValueError(f"{path} holds colours {colours.shape}, the dataset needs {shape}; delete it")
    return colours


def _cached_frames(
    dataset: RolloutDataset, episodes: Sequence[RecordedEpisode], starts: np.ndarray, num_threads: int, batch_size: int
) -> np.ndarray:
    cache = dataset.root / "cache"
    final, partial, manifest = cache / "frames.npy", cache / "frames.npy.tmp", cache / "frames.json"
    content = {"episodes": dataset.indices, "lengths": dataset.lengths.tolist(), "checksums": dataset.checksums}
    shape = (int(dataset.lengths.sum()), *dataset.frame_size, 3)
    if not manifest.exists() or layout.read_json(manifest) != content:
        final.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
        layout.write_json(manifest, content)
    if not final.exists():
        _decode_all(episodes, starts, partial, shape, num_threads, batch_size)
        partial.replace(final)
    frames = np.load(final, mmap_mode="r")
    if frames.shape != shape:
        raise ValueError(f"{final} is damaged: frames {shape} expected, {frames.shape} found; delete it")
    return frames


def _decode_all(
    episodes: Sequence[RecordedEpisode],
    starts: np.ndarray,
    path: Path,
    shape: tuple[int, ...],
    num_threads: int,
    batch_size: int,
) -> None:
    """Decode every episode into the array file at `path`; episodes that a previous call has finished are kept."""
    progress_path = path.with_suffix(".progress")
    num_done = len(progress_path.read_bytes()) if path.exists() and progress_path.exists() else 0
    if not num_done:
        progress_path.write_bytes(b"")
    frames = np.lib.format.open_memmap(path, "r+" if num_done else "w+", np.uint8, shape)
    done = int(starts[num_done]) if num_done < len(episodes) else shape[0]
    with (
        ThreadPoolExecutor(num_threads) as pool,
        progress_path.open("ab") as progress,
        tqdm(total=shape[0], initial=done, desc="decode", unit="frame") as bar,
    ):
        for first in range(num_done, len(episodes), batch_size):
            batch = range(first, min(first + batch_size, len(episodes)))
            for k, decoded in zip(batch, pool.map(lambda k: episodes[k].decode(), batch), strict=True):
                frames[starts[k] : starts[k] + len(decoded)] = decoded
                bar.update(len(decoded))
            frames.flush()
            progress.write(b"." * len(batch))
            progress.flush()
    progress_path.unlink()


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
