"""Pictures of endless drives."""

from pathlib import Path

import numpy as np
import pytest

from worldsim.datatypes.layout import AreaKind, Layout, LayoutKind, LineColor, LineKind


@pytest.fixture
def make_endless(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs"))
    import make_endless

    return make_endless


def square(centre, half):
    return np.array(
        [[x * half + centre[0], y * half + centre[1], 0.0] for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    )


def test_a_layout_is_drawn_from_above_north_up(make_endless):
    layout = Layout(
        boxes=np.array([[60.0, 60.0, 0.0, 0.0, 20.0, 20.0, 5.0], [-60.0, -60.0, 0.0, 0.0, 20.0, 20.0, 5.0]]),
        box_kinds=np.array([LayoutKind.BUILDING, LayoutKind.TREE], np.int64),
        box_colors=np.array([[200, 10, 10], [10, 200, 10]], np.uint8),
        box_color_valid=np.array([True, True]),
        box_seeds=np.zeros(2, np.uint32),
        box_signals=np.full(2, -1, np.int64),
        box_signs=np.zeros(2, np.int64),
        area_points=square((0.0, 0.0), 30.0),
        area_starts=np.array([0, 4], np.int64),
        area_kinds=np.array([AreaKind.DRIVABLE], np.int64),
        line_points=np.array([[0.0, -30.0, 0.0], [0.0, 30.0, 0.0]]),
        line_starts=np.array([0, 2], np.int64),
        line_kinds=np.array([LineKind.SOLID], np.int64),
        line_colors=np.array([LineColor.YELLOW], np.int64),
        line_widths=np.full(1, 0.15, np.float32),
    )
    image = make_endless.draw_layout(layout, np.zeros(2))

    def at(x, y):
        scale, half = make_endless.SIDE / make_endless.SPAN, make_endless.SIDE / 2
        return tuple(image[round(half - y * scale), round(half + x * scale)].tolist())

    assert at(60, 60) == (200, 10, 10)
    assert at(-60, -60) == (10, 200, 10)
    assert at(15, 15) == make_endless.AREAS[AreaKind.DRIVABLE]
    red, green, blue = at(0, 10)
    assert red > blue + 50
    assert green > blue + 50  # yellow, smoothed
    assert at(100, -100) == make_endless.BACKGROUND
    assert at(-68, -68) == make_endless.BACKGROUND  # a crown is round


@pytest.mark.slow
def test_recorded_towns_stand_above_made_ones(make_endless, tmp_path, monkeypatch):
    monkeypatch.setattr(make_endless, "FOUND_STEPS", 2)
    monkeypatch.setattr(make_endless, "NUM_TOWNS", 2)
    make_endless.make_endless(make_endless.EndlessConfig(only=("towns",), out=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["towns.jpg"]


@pytest.mark.slow
def test_the_film_shows_every_interval(make_endless, monkeypatch):
    monkeypatch.setattr(make_endless, "DRIVE_STEPS", 4)
    monkeypatch.setattr(make_endless, "INTERVAL", 2)
    film = make_endless.endless(make_endless.EndlessConfig(only=("endless",)))
    assert film.shape == (2, make_endless.SIDE, 2 * make_endless.SIDE, 3)
