"""Layout: sizes are checked, files keep it exactly, a crop keeps what is near."""

import dataclasses

import numpy as np
import pytest

from worldsim.datatypes.layout import (
    AreaKind,
    BoxColumn,
    Layout,
    LayoutKind,
    LineColor,
    LineKind,
    SignFace,
    join_polylines,
)


def small_layout() -> Layout:
    boxes = np.array([[0, 0, 0, 0, 10, 8, 6], [100, 0, 0, 1, 2, 2, 7], [50, 50, 2, 0, 0.3, 0.5, 1.3]], np.float64)
    square = np.array([[-5.0, -5], [5, -5], [5, 5], [-5, 5]])
    area_points, area_starts = join_polylines([square, square + 90])
    line_points, line_starts = join_polylines([np.array([[0.0, 0, 1], [200, 0, 1]]), np.array([[0.0, 50], [0, 80]])])
    return Layout(
        boxes=boxes,
        box_kinds=np.array([LayoutKind.BUILDING, LayoutKind.TREE, LayoutKind.LIGHT]),
        box_colors=np.array([[1, 2, 3]] * 3, np.uint8),
        box_color_valid=np.array([True, True, False]),
        box_seeds=np.array([1, 2, 2**32 - 1], np.uint32),
        box_signals=np.array([-1, -1, 4]),
        box_signs=np.zeros(3, np.int64),
        area_points=area_points,
        area_starts=area_starts,
        area_kinds=np.array([AreaKind.DRIVABLE, AreaKind.SIDEWALK]),
        line_points=line_points,
        line_starts=line_starts,
        line_kinds=np.array([LineKind.SOLID_BROKEN, LineKind.STOP_LINE]),
        line_colors=np.array([LineColor.YELLOW, LineColor.WHITE]),
        line_widths=np.array([0.15, 0.4], np.float32),
    )


def test_a_file_keeps_it_exactly(tmp_path):
    layout = small_layout()
    np.savez(tmp_path / "layout.npz", **layout.arrays())
    with np.load(tmp_path / "layout.npz") as file:
        assert Layout.from_arrays(file) == layout
    unknown = Layout.from_arrays(Layout.unknown().arrays())
    assert not unknown.boxes_known
    assert not unknown.ground_known
    assert unknown != Layout()


def test_a_crop_keeps_what_comes_near_in_order():
    crop = small_layout().crop(np.array([[97.0, 0.0], [60.0, 0.0]]), 5.0)
    assert crop.box_kinds.tolist() == [LayoutKind.TREE]
    assert crop.box_seeds.tolist() == [2]
    assert crop.area_kinds.tolist() == []
    assert crop.line_kinds.tolist() == [LineKind.SOLID_BROKEN]
    assert np.array_equal(crop.lines()[0], [[0, 0, 1], [200, 0, 1]])


def test_a_crop_reaches_a_box_by_its_edge_and_keeps_an_area_around():
    layout = small_layout()
    assert 0 in layout.crop(np.array([[9.0, 0.0]]), 4.5).box_kinds
    inside = layout.crop(np.array([[0.0, 1.0]]), 0.1)
    assert inside.area_kinds.tolist() == [AreaKind.DRIVABLE]
    assert layout.crop(np.zeros((0, 2)), 50.0) == Layout()


def test_lines_keep_their_height_and_flat_ones_lie_at_zero():
    high, flat = small_layout().lines()
    assert high[:, 2].tolist() == [1.0, 1.0]
    assert flat[:, 2].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((3, 6))}, "boxes must be float64"),
        ({"boxes": np.zeros((3, 7), np.float32)}, "boxes must be float64"),
        ({"line_dashes": np.array([[3.0, 4.5], [3.0, 0.0]], np.float32)}, "line_dashes must be positive.*row 1"),
        ({"line_speed_limits": np.array([13.9, -1.0], np.float32)}, "line_speed_limits must be positive.*row 1 is -1"),
        ({"box_seeds": np.zeros(3, np.int64)}, "box_seeds must be uint32"),
        ({"box_kinds": np.array([0, 1, 7])}, "box_kinds must hold LayoutKind"),
        ({"box_signs": np.array([0, 0, len(SignFace)])}, "box_signs must hold SignFace"),
        ({"area_starts": np.array([0, 5, 4])}, "area_starts must rise"),
        ({"line_widths": np.array([0.1, np.nan], np.float32)}, "line_widths must be finite, row 1"),
    ],
)
def test_bad_arrays_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(small_layout(), **change)


def test_negative_sizes_and_missing_arrays_are_named():
    boxes = small_layout().boxes.copy()
    boxes[1, BoxColumn.WIDTH] = -1
    with pytest.raises(ValueError, match="row 1"):
        dataclasses.replace(small_layout(), boxes=boxes)
    arrays = small_layout().arrays()
    del arrays["line_dashes"], arrays["line_speed_limits"]  # of before these were known
    assert not Layout.from_arrays(arrays).line_speed_limits.any()
    arrays.pop("line_kinds")
    with pytest.raises(ValueError, match="line_kinds"):
        Layout.from_arrays(arrays)
