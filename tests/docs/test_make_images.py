"""The script of the README's pictures, with a small world of random weights."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from known_drives import car_in_a_street
from PIL import Image
from places import ROOT
from tiny_model import random_model

from training.recording.record import RecordConfig
from worldsim.datatypes.starts import load_starts

FOLDER = ROOT / "docs"


@pytest.fixture
def make_images(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    import make_images

    return make_images


def test_every_picture_is_in_the_tree_and_made_by_a_script(make_images):
    import make_browser
    import make_drivers
    import make_editing
    import make_endless
    import make_generators
    import make_maps
    import picture_files

    found = [*picture_files.IMAGES.glob("*.jpg"), *picture_files.IMAGES.glob("*.webp")]
    scripts = (make_images, make_browser, make_drivers, make_editing, make_endless, make_generators)
    made = [*(name for script in scripts for name in script.PICTURES), Path(make_maps.PICTURE_NAME).stem]
    assert sorted(path.stem for path in found) == sorted(made)


def test_a_picture_is_written_whole_where_the_readme_looks_for_it(make_images, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(make_images, "APPROACH_START", 0)
    make_images.make_images(make_images.ImagesConfig(only=("approach",), out=tmp_path, checkpoint=tiny_checkpoint))
    assert [path.name for path in tmp_path.iterdir()] == ["approach.jpg"]
    assert cv2.imread(str(tmp_path / "approach.jpg")).shape == (224, 7 * 224, 3)


def test_the_drive_moves(make_images, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(make_images, "DRIVE_START", 0)
    monkeypatch.setattr(make_images, "DRIVE_SECONDS", 0.5)
    make_images.make_images(make_images.ImagesConfig(only=("drive",), out=tmp_path, checkpoint=tiny_checkpoint))
    with Image.open(tmp_path / "drive.webp") as film:
        assert film.n_frames == 6
        assert film.info["loop"] == 0
        first = np.asarray(film.convert("RGB"), float)
        film.seek(5)
        assert np.abs(np.asarray(film.convert("RGB"), float) - first).max() > 20


def frames_of(sheet: np.ndarray, size: int = 128) -> np.ndarray:
    """The frames of a sheet, [rows, columns, size, size, 3]."""
    rows, columns = sheet.shape[0] // size, sheet.shape[1] // size
    return sheet.reshape(rows, size, columns, size, 3).swapaxes(1, 2)


def test_recorded_drives_lie_above_what_the_world_makes_of_them(make_images, tiny_checkpoint, monkeypatch):
    store = car_in_a_street(40)
    monkeypatch.setattr(make_images, "open_recording", lambda model, data: store)
    monkeypatch.setattr(make_images, "NUM_RECORDED", 2)
    monkeypatch.setattr(make_images, "RECORDED_SECONDS", 1.0)
    config = make_images.ImagesConfig(checkpoint=tiny_checkpoint, data=Path("recording"))
    frames = frames_of(make_images.side_by_side(config))
    assert frames.shape[:2] == (4, 2)  # 0.1 and 1 s
    is_true = [[(store.frames == frame).all((1, 2, 3)).any() for frame in row] for row in frames]
    assert is_true == [[True, True], [False, False]] * 2

    store.has_camera_scenes = lambda episode: False
    with pytest.raises(ValueError, match="recording has no camera scenes"):
        make_images.side_by_side(config)


def test_without_a_recording_held_out_towns_are_recorded_in_the_models_frames(make_images, monkeypatch):
    model, recorded = random_model(), []
    monkeypatch.setattr(make_images, "record", recorded.append)
    monkeypatch.setattr(make_images, "open_recording", lambda model, data: data)
    with make_images._recording(model, None, 3, 60.0) as folder:
        (config,) = recorded
    assert isinstance(config, RecordConfig)
    assert (config.out, config.frame_size) == (folder, model.config.frame_size)
    assert [config.town(k) for k in range(config.num_episodes)] == [100_000, 100_001, 100_002]
    assert config.min_seconds > 60.0 + model.config.num_context * model.config.dt


def test_larger_frames_come_from_the_same_weights(make_images, tiny_checkpoint, monkeypatch):
    models = []
    monkeypatch.setattr(make_images, "_beside_truth", lambda model, *others: models.append(model))
    make_images.side_by_side_256(make_images.ImagesConfig(checkpoint=tiny_checkpoint))
    assert models[0].config.frame_size == (256, 256)
    weights = random_model().state_dict()
    assert all((own == weights[name]).all() for name, own in models[0].state_dict().items())


def test_long_drives_begin_with_the_frame_of_their_start(make_images, tiny_checkpoint, monkeypatch):
    for name, value in (("NUM_LONG", 2), ("LONG_STEPS", 4), ("LONG_INTERVAL", 2)):
        monkeypatch.setattr(make_images, name, value)
    frames = frames_of(make_images.long(make_images.ImagesConfig(checkpoint=tiny_checkpoint)))
    assert frames.shape[:2] == (2, 3)
    for row, start in zip(frames, load_starts(tiny_checkpoint / "starts.npz"), strict=False):
        assert [(frame == start.frames[-1]).all() for frame in row] == [True, False, False]


def test_a_picture_is_as_good_as_its_size_allows(make_images):
    import picture_files

    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    best, worst = (len(picture_files._still(noise, quality)) for quality in (88, 40))
    assert len(picture_files.compress(noise, ".jpg", best)) == best
    assert worst <= len(picture_files.compress(noise, ".jpg", best - 1)) < best
    with pytest.raises(ValueError, match=f"at most {worst - 1} are wanted"):
        picture_files.compress(noise, ".jpg", worst - 1)
