"""The script of the pictures of the page on editing, with a small world of random weights."""

import sys

import cv2
import pytest
from places import ROOT


@pytest.fixture
def make_editing(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_editing

    return make_editing


@pytest.mark.slow
def test_a_street_is_shown_after_each_edit_in_both_worlds(make_editing, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(make_editing, "LATER", 1)
    make_editing.make_editing(make_editing.EditingConfig(only=("editing",), out=tmp_path, checkpoint=tiny_checkpoint))
    assert [path.name for path in tmp_path.iterdir()] == ["editing.jpg"]
    side = make_editing.SIDE
    assert cv2.imread(str(tmp_path / "editing.jpg")).shape == (2 * side, 5 * side, 3)
