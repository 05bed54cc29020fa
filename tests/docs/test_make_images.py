"""The script of the README's pictures, with a small world of random weights."""

import sys

import cv2
from places import ROOT

FOLDER = ROOT / "docs"


def test_a_picture_is_written_whole_where_the_readme_looks_for_it(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    import make_images

    assert {path.stem for path in make_images.IMAGES.glob("*.jpg")} == set(make_images.PICTURES)
    monkeypatch.setattr(make_images, "APPROACH_START", 0)
    make_images.make_images(make_images.ImagesConfig(only=("approach",), out=tmp_path, checkpoint=tiny_checkpoint))
    assert [path.name for path in tmp_path.iterdir()] == ["approach.jpg"]
    assert cv2.imread(str(tmp_path / "approach.jpg")).shape == (224, 7 * 224, 3)
