"""Camera scenes in a file: the sun of an episode comes back, files from before it know none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts import car, users_of

from training.data.camera_scenes import CameraScenes, speeds_between, write_camera_scenes
from worldsim.datatypes.layout import BoxColumn
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

SUN = np.array([0.48, -0.64, 0.6])
HERE = View(x=0.0, y=0.0, yaw=0.0)


def scenes(sun: np.ndarray | None, num: int = 3) -> list[CameraScene]:
    """Of an ego that comes nearer to a car."""
    return [
        CameraScene(
            view=View(x=1.0 * k, y=0.0, yaw=0.0), users=users_of(car(20.0)), user_ids=np.array([4]), sun=sun
        )
        for k in range(num)
    ]  # fmt: skip


def test_the_sun_comes_back_exactly_in_every_frame_and_in_part_of_an_episode(tmp_path: Path) -> None:
    write_camera_scenes(tmp_path / "scenes.npz", scenes(SUN), None)
    read = CameraScenes(tmp_path / "scenes.npz")
    assert np.array_equal(read.sun, SUN)  # type: ignore[arg-type]
    for one in (*(read[k] for k in range(len(read))), read.since(1, 0.1)[0]):
        assert np.array_equal(one.sun, SUN)  # type: ignore[arg-type]
    assert [read[k].view.x for k in range(3)] == [0.0, 1.0, 2.0]


def test_an_unknown_sun_stays_unknown_as_in_older_files(tmp_path: Path) -> None:
    write_camera_scenes(tmp_path / "unknown.npz", scenes(None), None)
    write_camera_scenes(tmp_path / "older.npz", scenes(SUN), None)
    with np.load(tmp_path / "older.npz") as file:
        older = {name: file[name] for name in file.files if name != "sun"}
    np.savez_compressed(tmp_path / "older.npz", allow_pickle=False, **older)
    for name in ("unknown", "older"):
        read = CameraScenes(tmp_path / f"{name}.npz")
        assert read.sun is None
        assert read[2].sun is None
        assert read[2].user_ids.tolist() == [4]


def test_an_episode_has_one_sun(tmp_path: Path) -> None:
    later = [*scenes(SUN), *scenes(None, 1)]
    with pytest.raises(ValueError, match=r"all frames of an episode must have one sun, got 2: .*0\.48.*None"):
        write_camera_scenes(tmp_path / "scenes.npz", later, None)
    later[-1] = replace(later[0], sun=SUN[[1, 0, 2]], users=RoadUsers.none(), user_ids=np.zeros(0, np.int64))
    with pytest.raises(ValueError, match="all frames of an episode must have one sun, got 2"):
        write_camera_scenes(tmp_path / "scenes.npz", later, None)
    assert not (tmp_path / "scenes.npz").exists()


def test_speeds_are_along_the_heading_and_unknown_of_who_has_just_come_or_is_someone_else() -> None:
    before = CameraScene(view=HERE, users=users_of(car(20.0), car(30.0), car(40.0)), user_ids=np.array([7, 4, 9]))
    moved = RoadUsers.concatenate([users_of(car(29.0)), users_of(car(21.5)), users_of(car(5.0)), users_of(car(90.0))])
    after = CameraScene(view=HERE, users=moved, user_ids=np.array([4, 7, 5, 9]))
    yaw = float(moved.boxes[0, BoxColumn.YAW])
    expected = np.array([-1.0, 1.5, np.nan, np.nan]) * np.cos(yaw) / 0.5
    np.testing.assert_allclose(speeds_between(before, after, 0.5), expected, atol=1e-9)
