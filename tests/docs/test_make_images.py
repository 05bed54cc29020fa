"""The script of the README's pictures, with a small world of random weights."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from places import ROOT

FOLDER = ROOT / "docs"


@pytest.fixture
def make_images(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    import make_images

    return make_images


def test_every_picture_is_in_the_tree_and_made_by_a_script(make_images):
    import make_maps

    found = [*make_images.IMAGES.glob("*.jpg"), *make_images.IMAGES.glob("*.webp")]
    assert sorted(path.stem for path in found) == sorted([*make_images.PICTURES, Path(make_maps.PICTURE_NAME).stem])


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
