"""The film of a foreign driver."""

from pathlib import Path

import numpy as np
import pytest
from shipped_world import shipped


@pytest.fixture
def make_drivers(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    import make_drivers

    return make_drivers


def test_two_frames_stand_beside_each_other(make_drivers):
    picture = make_drivers.beside(np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 9, np.uint8))
    side = make_drivers.SIDE
    assert picture.shape == (side, 2 * side + make_drivers.GAP, 3)
    assert (picture[:, :side] == 0).all()
    assert (picture[:, -side:] == 9).all()


@shipped
@pytest.mark.slow
def test_the_film_is_of_both_worlds(make_drivers, monkeypatch, tmp_path):
    pytest.importorskip("carla_driver_interface")
    monkeypatch.setattr(make_drivers, "STEPS", 3)
    make_drivers.make_drivers(make_drivers.DriversConfig(out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["drivers.webp"]
