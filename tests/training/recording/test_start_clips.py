"""Start clips: made in the reference world, cut from a recording, and left alone where they exist."""

from pathlib import Path

import pytest
from known_drives import turning_car

from training.recording.start_clips import cut_starts, make_starts
from worldsim.datatypes.starts import load_starts


def test_two_clips_share_a_town_and_no_file_is_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "starts.npz"
    numbers = {"first_town": 3, "num_towns": 2, "frame_size": (32, 64), "num_context": 4}
    make_starts(path, num_starts=4, **numbers)
    clips = load_starts(path)
    assert [clip.frames.shape for clip in clips] == [(4, 32, 64, 3)] * 4
    assert len({clip.frames.tobytes() for clip in clips}) == 4
    content = path.read_bytes()
    make_starts(path, num_starts=1, **numbers)
    assert path.read_bytes() == content


def test_clips_are_spread_evenly_over_a_recording(tmp_path: Path) -> None:
    store = turning_car(40)
    cut_starts(store, tmp_path / "starts.npz", num_starts=3, num_context=8)  # type: ignore[arg-type]
    clips = load_starts(tmp_path / "starts.npz")
    for clip, end in zip(clips, (7, 23, 38), strict=True):
        assert (clip.frames[-1] == store.frames[end]).all()
    with pytest.raises(ValueError, match="nowhere are picture, control and motion of 40 frames in a row known"):
        cut_starts(store, tmp_path / "none.npz", num_starts=3, num_context=40)  # type: ignore[arg-type]
