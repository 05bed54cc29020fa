"""FrameStore and FrameWindows: right frames beside right controls, no window across episodes, a cache that resumes."""

import numpy as np
import pytest

from training.data.frame_store import FrameStore, FrameWindows
from training.data.rollout_writer import RolloutWriter
from training.data.rollouts import EpisodeSource, RolloutDataset, Rows, all_valid
from worldsim.datatypes.scene import SceneState

LENGTHS = (12, 5, 20)


def write(root, index: int, length: int) -> None:
    """An episode whose every value tells its number `100 * index + t`."""
    numbers = 100.0 * index + np.arange(length)
    grey = (10 + 60 * index + 2 * np.arange(length)).astype(np.uint8)
    zeros = np.zeros(length, np.float32)
    scenes = SceneState.empty((length,))
    scenes.ego[:, 0] = numbers
    rows = Rows(
        controls=np.repeat(numbers[:, None], 4, 1).astype(np.float32),
        vehicles=np.stack([numbers, *[np.zeros(length)] * 5], -1),
        scenes=scenes,
        collision=numbers.astype(np.float32),
        off_road=zeros,
        wrong_way=zeros > 0,
        red_light=zeros > 0,
        stop_sign_missed=zeros > 0,
        progress=zeros,
        tasks=np.full(length, 0),
        valid=all_valid(length),
    )
    frames = np.broadcast_to(grey[:, None, None, None], (length, 16, 16, 3))
    RolloutWriter(root, (16, 16), 10, ["any"]).write(index, frames, rows, EpisodeSource(seed=0, town=index))


@pytest.fixture
def root(tmp_path):
    for index, length in enumerate(LENGTHS):
        write(tmp_path, index, length)
    return tmp_path


def test_windows_hold_consecutive_rows_of_one_episode(root):
    store = FrameStore(RolloutDataset(root))
    windows = FrameWindows(store, 6)
    assert len(windows) == 7 + 0 + 15
    batch = windows.sample(200, np.random.default_rng(0))
    number = batch.scenes.ego[..., 0]
    assert (np.diff(number, axis=1) == 1).all()
    np.testing.assert_array_equal(batch.controls[..., 0], number[:, :-1])
    np.testing.assert_array_equal(batch.collision, number)
    np.testing.assert_allclose(batch.motions[..., 0], 1.0)
    index, t = number // 100, number % 100
    assert np.abs(batch.frames[..., 0, 0, 0] - (10 + 60 * index + 2 * t)).max() <= 2
    assert {int(n) for n in number[:, 0]} == {*range(7), *range(200, 215)}


def test_a_part_of_a_store_cuts_episodes_and_keeps_rows_beside_frames(root):
    store = FrameStore(RolloutDataset(root))
    first, tail = store.split(24 / 37)
    assert (first.lengths.tolist(), first.starts.tolist()) == ([12, 1], [0, 12])
    assert (tail.lengths.tolist(), tail.starts.tolist(), tail.towns.tolist()) == ([4, 20], [0, 4], [1, 2])
    assert len(first) + len(tail) == len(store)
    batch = FrameWindows(tail, 4).sample(100, np.random.default_rng(0))
    index, t = batch.scenes.ego[..., 0] // 100, batch.scenes.ego[..., 0] % 100
    assert np.abs(batch.frames[..., 0, 0, 0] - (10 + 60 * index + 2 * t)).max() <= 2
    assert {int(n) for n in batch.scenes.ego[:, 0, 0]} == {101, *range(200, 217)}
    for first, last in ((0, 38), (5, 5), (-1, 3)):
        with pytest.raises(ValueError, match=f"37 frames has no part from {first} to {last}"):
            store.part(first, last)


def test_sampling_follows_the_generator_alone(root):
    windows = FrameWindows(FrameStore(RolloutDataset(root)), 4, episodes=[0, 2])
    first, again, other = (windows.sample(16, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert (first.first != other.first).any()
    assert set(first.scenes.ego[:, 0, 0] // 100) == {0, 2}


def test_the_cache_is_reused_resumed_and_renewed(root, monkeypatch):
    from training.data import rollouts

    decoded = []
    decode = rollouts.RecordedEpisode.decode

    def counting(episode):
        decoded.append(episode.index)
        if fail_at == episode.index:
            raise KeyboardInterrupt
        return decode(episode)

    monkeypatch.setattr(rollouts.RecordedEpisode, "decode", counting)
    fail_at = 2
    with pytest.raises(KeyboardInterrupt):
        FrameStore(RolloutDataset(root), num_threads=1, batch_size=2)
    fail_at, decoded = -1, []
    frames = FrameStore(RolloutDataset(root), num_threads=1, batch_size=2).frames
    assert decoded == [2]
    np.testing.assert_array_equal(frames[-LENGTHS[2] :], decode(RolloutDataset(root)[2]))
    np.testing.assert_array_equal(frames[: LENGTHS[0]], decode(RolloutDataset(root)[0]))
    decoded = []
    FrameStore(RolloutDataset(root))
    assert decoded == []
    write(root, 3, 4)
    assert len(FrameStore(RolloutDataset(root)).frames) == sum(LENGTHS) + 4


def test_too_long_a_window_is_refused(root):
    with pytest.raises(ValueError, match="no episode has 21 frames; the longest has 20"):
        FrameWindows(FrameStore(RolloutDataset(root)), 21)
