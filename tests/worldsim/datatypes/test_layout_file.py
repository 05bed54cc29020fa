"""Many layouts as a few arrays, and back."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from worldsim.datatypes.layout import AreaKind, Layout, LineKind
from worldsim.datatypes.layout_file import layout_digest, pack_layouts, unpack_layouts


def make_layout(num_boxes: int, num_lines: int, seed: int) -> Layout:
    """Random boxes, two areas and some lines within a kilometre."""
    rng = np.random.default_rng(seed)
    boxes = rng.uniform([-900, -900, -5, -3, 0, 0, 0], [900, 900, 5, 3, 20, 20, 20], (num_boxes, 7))
    sizes = rng.integers(2, 30, num_lines)
    return Layout(
        boxes=boxes,
        box_kinds=rng.integers(0, 7, num_boxes),
        box_colors=rng.integers(0, 256, (num_boxes, 3)).astype(np.uint8),
        box_color_valid=rng.random(num_boxes) < 0.5,
        box_seeds=rng.integers(0, 2**32, num_boxes).astype(np.uint32),
        box_signals=rng.integers(-1, 9, num_boxes),
        box_signs=rng.integers(0, 5, num_boxes),
        area_points=rng.uniform(-900, 900, (9, 3)),
        area_starts=np.array([0, 4, 9]),
        area_kinds=np.array([AreaKind.DRIVABLE, AreaKind.JUNCTION]).astype(np.int64),
        line_points=rng.uniform(-900, 900, (int(sizes.sum()), 3)),
        line_starts=np.concatenate([[0], np.cumsum(sizes)]),
        line_kinds=np.full(num_lines, int(LineKind.BROKEN)),
        line_colors=rng.integers(0, 3, num_lines),
        line_widths=rng.uniform(0.1, 0.3, num_lines).astype(np.float32),
        line_dashes=rng.uniform(1.0, 9.0, (num_lines, 2)).astype(np.float32),
        line_speed_limits=rng.uniform(5.0, 30.0, num_lines).astype(np.float32),
    )


LAYOUTS = [make_layout(5, 3, 0), Layout.unknown(), make_layout(0, 0, 1), Layout(), make_layout(40, 7, 2)]


def test_layouts_come_back_to_the_millimetre_and_all_else_exactly() -> None:
    found = unpack_layouts(pack_layouts(LAYOUTS))

    assert len(found) == len(LAYOUTS)
    for layout, again in zip(LAYOUTS, found, strict=True):
        for name, values in layout.arrays().items():
            other = again.arrays()[name]
            assert other.dtype == values.dtype, name
            if name in ("boxes", "area_points", "line_points"):
                np.testing.assert_allclose(other, values, atol=6e-4)
            else:
                np.testing.assert_array_equal(other, values, err_msg=name)


def test_what_was_read_is_written_alike() -> None:
    packed = pack_layouts(LAYOUTS)
    again = pack_layouts(unpack_layouts(packed))

    assert packed.keys() == again.keys()
    for name, values in packed.items():
        np.testing.assert_array_equal(values, again[name], err_msg=name)
    assert layout_digest(LAYOUTS[0]) == layout_digest(unpack_layouts(packed)[0])


def test_places_far_from_the_origin_come_back_to_the_millimetre() -> None:
    """UTM coordinates, and those of a neighbour at the origin in the same file."""
    near = make_layout(5, 3, 0)
    offset = np.array([691_850.0, 5_334_686.0])
    moved = {name: getattr(near, name).copy() for name in ("boxes", "area_points", "line_points")}
    for values in moved.values():
        values[:, :2] += offset
    far = replace(near, **moved)

    packed = pack_layouts([near, far])
    found = unpack_layouts(packed)[1]
    for name, values in moved.items():
        np.testing.assert_allclose(getattr(found, name), values, atol=6e-4, rtol=0)
    assert layout_digest(found) == layout_digest(far)
    assert "origins" not in pack_layouts([near])


def test_a_layout_wider_than_a_file_can_hold_is_refused() -> None:
    wide = replace(Layout(), area_points=np.array([[0, 0, 0], [2e6, 0, 0], [0, 5, 0]], float),
                   area_starts=np.array([0, 3]), area_kinds=np.zeros(1, np.int64))  # fmt: skip
    with pytest.raises(ValueError, match=r"at most 1074 km, got .*2000000"):
        pack_layouts([wide])


def test_files_from_before_dashes_and_limits_were_known_keep_their_digests() -> None:
    unknown = {"line_dashes": np.zeros((3, 2), np.float32), "line_speed_limits": np.zeros(3, np.float32)}
    plain = replace(make_layout(5, 3, 0), **unknown)
    packed = pack_layouts([plain])
    assert not set(unknown) & set(packed)
    assert layout_digest(unpack_layouts(packed)[0]) == layout_digest(plain)


def test_digests_tell_layouts_apart() -> None:
    assert len({layout_digest(layout) for layout in LAYOUTS}) == len(LAYOUTS)


def test_no_layouts_are_no_layouts() -> None:
    assert unpack_layouts(pack_layouts([])) == []


@pytest.mark.parametrize("name", ["counts", "boxes", "line_sizes", "box_seeds"])
def test_a_missing_array_is_named(name: str) -> None:
    packed = pack_layouts(LAYOUTS)
    del packed[name]
    with pytest.raises(ValueError, match=name):
        unpack_layouts(packed)


@pytest.mark.parametrize("name", ["counts", "boxes", "area_points", "line_sizes", "line_widths", "known"])
def test_arrays_cut_short_are_refused(name: str) -> None:
    packed = pack_layouts(LAYOUTS)
    packed[name] = packed[name][..., :-1] if packed[name].ndim == 3 else packed[name][:-1]
    with pytest.raises(ValueError, match=r"rows|layouts"):
        unpack_layouts(packed)


def test_a_line_of_a_thousand_points_takes_little_room() -> None:
    x = np.linspace(0.0, 800.0, 1000)
    points = np.stack([x, 50 * np.sin(x / 90), np.zeros_like(x)], axis=1)
    line = Layout(
        line_points=points,
        line_starts=np.array([0, 1000]),
        line_kinds=np.array([int(LineKind.SOLID)]),
        line_colors=np.zeros(1, np.int64),
        line_widths=np.ones(1, np.float32),
    )
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **pack_layouts([line]))  # type: ignore[arg-type]
    plain = io.BytesIO()
    np.savez_compressed(plain, **line.arrays())  # type: ignore[arg-type]
    assert len(pack_layouts([line])["line_points"].tobytes()) == points.size * 4
    assert len(buffer.getvalue()) < 0.7 * len(plain.getvalue())
