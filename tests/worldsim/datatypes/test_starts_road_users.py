"""Start clips keep in a file what pictures are drawn from: road users, light cycles, the ego's height, the sun, their
frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_clips import clip_with, heads, users

from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BoxColumn
from worldsim.datatypes.start_clip import cycles_of_layout, users_along
from worldsim.datatypes.starts import load_starts, save_starts

CYCLES = np.array([[20.0, 1.0, 8.0, 3.0], [20.0, 11.0, 5.0, 3.0]])


def test_road_users_cycles_and_height_come_back(tmp_path: Path) -> None:
    known = users((20.1234, -4, 0, 0, True), (30, 0, 3.0, 5.5, False))
    unknown = replace(known, colors=known.colors * np.nan)
    unknown.boxes[:, BoxColumn.HEIGHT] = np.nan
    far = np.array([4.5e5, 5.4e6, 0, 0, 0, 0])
    clips = [
        clip_with(road_users=known, layout=heads((9, 0, 0, 1)), light_cycles=CYCLES, ego_z=2.5),
        clip_with(),
        replace(clip_with(road_users=KnownRoadUsers.none()), vehicles=clip_with().vehicles + far),
        clip_with(road_users=unknown),
    ]
    save_starts(clips, tmp_path / "starts.npz")
    again = load_starts(tmp_path / "starts.npz")

    assert [clip.road_users is None for clip in again] == [False, True, False, False]
    assert [len(clip.road_users or ()) for clip in again] == [2, 0, 0, 2]
    read = again[0].road_users
    np.testing.assert_allclose(read.boxes, known.boxes, atol=6e-4)
    for name in ("kinds", "speeds", "colors", "braking", "phases", "parked"):
        assert np.array_equal(getattr(read, name), getattr(known, name))
    assert np.isnan(again[3].road_users.colors).all()
    assert np.isfinite(again[3].road_users.heights).all()
    assert np.array_equal(again[0].light_cycles, CYCLES)
    assert [clip.light_cycles is None for clip in again] == [False, True, True, True]
    assert (again[0].ego_z, np.isnan(again[1].ego_z)) == (2.5, True)
    assert again[0] is again[0]


def test_the_sun_comes_back(tmp_path: Path) -> None:
    suns = [np.array([0.48, -0.64, 0.6]), None, np.array([0.0, 0.6, -0.8])]
    save_starts([clip_with(sun=sun) for sun in suns], tmp_path / "starts.npz")
    again = load_starts(tmp_path / "starts.npz")
    assert again[1].sun is None
    for k in (0, 2):
        assert np.array_equal(again[k].sun, suns[k])


def test_frames_come_back_the_last_exactly_and_the_others_as_they_look(tmp_path: Path) -> None:
    y, x = np.mgrid[:64, :96]
    wave = [127 + 60 * np.sin((x + 4 * k) / 9) * np.cos(y / 7) for k in range(4)]
    frames = np.stack([np.stack([one, 255 - one, 0.5 * one], axis=-1) for one in wave]).astype(np.uint8)
    save_starts([replace(clip_with(4), frames=frames)], tmp_path / "starts.npz")
    read = load_starts(tmp_path / "starts.npz")[0].frames

    assert np.array_equal(read[-1], frames[-1])
    error = np.square(read.astype(float) - frames).mean(axis=(1, 2, 3))
    assert error.max() < 6.5  # 40 dB


@pytest.mark.parametrize("left_out", ["lanes", "signals", "users_known", "cycle_counts", "ego_z", "suns"])
def test_files_of_older_versions_are_refused(tmp_path: Path, left_out: str) -> None:
    path = tmp_path / "starts.npz"
    save_starts([clip_with()], path)
    with np.load(path) as file:
        older = {name: file[name] for name in file.files if name != left_out}
    np.savez_compressed(path, **older)

    message = rf"starts\.npz: no file of start clips of this version, it lacks '{left_out}': cut the starts anew"
    with pytest.raises(ValueError, match=message):
        load_starts(path)


def test_damaged_frames_are_named(tmp_path: Path) -> None:
    path = tmp_path / "starts.npz"
    save_starts([replace(clip_with(), frames=np.zeros((3, 32, 32, 3), np.uint8))], path)
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez_compressed(path, **(arrays | {"frame_data": np.zeros_like(arrays["frame_data"])}))

    with pytest.raises(ValueError, match=r"starts\.npz: damaged.* clip 0: the last frame"):
        load_starts(path)[0]


def test_cycles_are_kept_of_those_lights_that_a_layout_shows() -> None:
    kept = cycles_of_layout(heads((0, 0, 0, 2), (5, 0, 0, -1)), np.arange(16.0).reshape(4, 4))
    assert kept.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [8, 9, 10, 11]]
    with pytest.raises(ValueError, match=r"at least the layout's 3 light groups, got \(2, 4\)"):
        clip_with(layout=heads((0, 0, 0, 2)), light_cycles=CYCLES)


def test_light_cycles_that_do_not_fit_the_layout_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[g, 4\] = .* of at least the 3 light groups that .* shows, got \(2, 4\)"):
        cycles_of_layout(heads((0, 0, 0, 2)), CYCLES)
    with pytest.raises(ValueError, match=r"\[g, 4\] = .* got \(2, 3\)"):
        cycles_of_layout(heads((0, 0, 0, 0)), CYCLES[:, :3])


def test_of_a_maps_road_users_those_are_taken_that_a_drive_may_show() -> None:
    everyone = users((149, 0, 0, 5, False), (151, 0, 0, 5, False), (400, 79, 0, 0, True), (400, 81, 0, 0, True))
    route = np.stack([np.arange(0.0, 500.0, 8.0), np.zeros(63)], axis=-1)
    taken = users_along(everyone, np.zeros(6), route)
    assert taken.boxes[:, :2].tolist() == [[149, 0], [400, 79]]


def test_a_sun_that_is_no_direction_is_refused() -> None:
    for sun in (np.array([0.0, 3.0, 4.0]), np.full(3, np.nan), np.zeros((1, 3)), np.zeros(2)):
        with pytest.raises(ValueError, match=r"sun must be a unit vector \[3\] towards the sun, got "):
            clip_with(sun=sun)


def test_road_users_are_checked() -> None:
    known = users((20, -4, 0, 0, True))
    with pytest.raises(ValueError, match=r"colors of 1 road users must be \[1, 3\], got \[2, 3\]"):
        replace(known, colors=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="road user 0 is of kind EMPTY"):
        replace(known, kinds=np.zeros(1, np.int64))
    with pytest.raises(ValueError, match="road user 0 must have a finite place"):
        replace(known, boxes=known.boxes * np.nan)
