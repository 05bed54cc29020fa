"""Layouts in files: many as a few arrays for one .npz, lengths to the millimetre. numpy only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from worldsim.datatypes.layout import BoxColumn, Layout

LENGTH_UNIT, ANGLE_UNIT = 1e-3, 1e-4
"""Lengths are written as whole numbers of these [m], angles likewise [rad]."""

ORIGIN_STEP = 1_000_000
"""Places are written relative to the multiple of this that is nearest to the layout's first point [m]."""
MOST_UNITS = 2**30
"""Of a whole number in a file, so that differences of two fit 32 bits; with LENGTH_UNIT a thousand kilometres."""

_BOX_UNITS = np.array([ANGLE_UNIT if column == BoxColumn.YAW else LENGTH_UNIT for column in BoxColumn])
_POINT_UNITS = np.full(3, LENGTH_UNIT)
_SMALL = {
    "box_kinds": np.uint8,
    "box_colors": np.uint8,
    "box_color_valid": np.bool_,
    "box_seeds": np.uint32,
    "box_signals": np.int32,
    "box_signs": np.uint8,
    "area_kinds": np.uint8,
    "line_kinds": np.uint8,
    "line_colors": np.uint8,
    "line_widths": np.float32,
    "line_dashes": np.float32,
    "line_speed_limits": np.float32,
}
"""Fields of Layout written as they are, row after row, in a type just large enough."""
_OPTIONAL = ("origins", "line_dashes", "line_speed_limits")
"""Arrays that are left out where they hold nothing but 0, as in files from before they were known."""


def pack_layouts(layouts: Sequence[Layout]) -> dict[str, np.ndarray]:
    """Arrays that `unpack_layouts` reads: the rows of all layouts one after the other, and how many each has.

    Lengths are rounded to LENGTH_UNIT and angles to ANGLE_UNIT; all else is exact.

    Raises:
        ValueError: a layout reaches farther than MOST_UNITS.
    """
    origins = np.array([_origin_of(layout) for layout in layouts], np.int32).reshape(-1, 2)
    arrays = {
        "origins": origins,
        "known": np.array([(layout.boxes_known, layout.ground_known) for layout in layouts], bool).reshape(-1, 2),
        "counts": np.array(
            [(len(layout.boxes), len(layout.area_kinds), len(layout.line_kinds)) for layout in layouts], np.int32
        ).reshape(-1, 3),
        "boxes": _write_rows(_joined(layouts, "boxes", origins), _BOX_UNITS),
    }
    for name in ("area", "line"):
        arrays[f"{name}_points"] = _write_rows(_joined(layouts, f"{name}_points", origins), _POINT_UNITS)
        sizes = [np.diff(getattr(layout, f"{name}_starts")) for layout in layouts]
        arrays[f"{name}_sizes"] = np.concatenate([np.zeros(0, np.int64), *sizes]).astype(np.int32)
    arrays |= {name: _joined(layouts, name).astype(dtype) for name, dtype in _SMALL.items()}
    return {name: values for name, values in arrays.items() if name not in _OPTIONAL or values.any()}


def unpack_layouts(arrays: Mapping[str, np.ndarray]) -> list[Layout]:
    """The layouts of `pack_layouts`.

    Raises:
        ValueError: an array is missing, or the arrays do not fit each other.
    """
    try:
        counts = np.asarray(arrays["counts"], np.int64).reshape(-1, 3)
        known = np.asarray(arrays["known"], bool)
        nothing = {
            "origins": np.zeros((len(known), 2), np.int32),
            "line_dashes": np.zeros((int(counts[:, 2].sum()), 2), np.float32),
            "line_speed_limits": np.zeros(int(counts[:, 2].sum()), np.float32),
        }
        arrays = nothing | dict(arrays)
        origins = np.asarray(arrays["origins"], np.float64)
        rows = {name: np.asarray(arrays[name]) for name in _SMALL}
        rows["boxes"] = _read_rows(arrays["boxes"], _BOX_UNITS)
        for name in ("area", "line"):
            rows[f"{name}_sizes"] = np.asarray(arrays[f"{name}_sizes"], np.int64)
            rows[f"{name}_points"] = _read_rows(arrays[f"{name}_points"], _POINT_UNITS)
    except KeyError as error:
        raise ValueError(f"a file of layouts has an array {error}, this one does not") from error

    owners = {name: counts[:, column] for column, name in enumerate(("box", "area", "line"))}
    _check_lengths(rows, owners, origins, len(known))
    columns = {name: _split(values, owners[_group(name)]) for name, values in rows.items() if not _holds_points(name)}
    for name in ("area", "line"):
        num_points = [int(sizes.sum()) for sizes in columns[f"{name}_sizes"]]
        columns[f"{name}_points"] = _split(rows[f"{name}_points"], np.array(num_points, np.int64))
        columns[f"{name}_starts"] = [np.concatenate([[0], np.cumsum(each)]) for each in columns.pop(f"{name}_sizes")]
    for name in ("boxes", "area_points", "line_points"):
        columns[name] = [_moved(values, origin) for values, origin in zip(columns[name], origins, strict=True)]
    columns |= {"boxes_known": list(known[:, 0]), "ground_known": list(known[:, 1])}
    types = {name: array.dtype for name, array in Layout().arrays().items()}
    return [
        Layout.from_arrays({name: np.asarray(values[k]).astype(types[name]) for name, values in columns.items()})
        for k in range(len(known))
    ]


def _check_lengths(
    rows: Mapping[str, np.ndarray], owners: Mapping[str, np.ndarray], origins: np.ndarray, num_layouts: int
) -> None:
    """Refuse rows that are not as many as the counts of all layouts say."""
    if len(owners["box"]) != num_layouts or len(origins) != num_layouts:
        raise ValueError(f"counts of {len(owners['box'])} layouts, origins of {len(origins)}, {num_layouts} are there")
    for name, values in rows.items():
        group = _group(name)
        expected = int(rows[f"{group}_sizes"].sum()) if _holds_points(name) else int(owners[group].sum())
        if len(values) != expected:
            raise ValueError(f"{name} must have {expected} rows, got {len(values)}")


def _split(rows: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """As many rows as each count says, one after the other."""
    ends = np.cumsum(counts)
    return [rows[end - count : end] for end, count in zip(ends.tolist(), counts.tolist(), strict=True)]


def _holds_points(name: str) -> bool:
    return name.endswith("_points")


def layout_digest(layout: Layout) -> str:
    """16 hexadecimal digits that tell layouts apart whose files differ."""
    digest = hashlib.sha256()
    for name, array in pack_layouts([layout]).items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def _group(name: str) -> str:
    return "box" if name == "boxes" else name.partition("_")[0]


def _origin_of(layout: Layout) -> np.ndarray:
    """The multiples of ORIGIN_STEP, x and y, that are nearest to a layout's first point [m]."""
    for points in (layout.line_points, layout.area_points, layout.boxes):
        if len(points):
            first = np.rint(points[0, :2] / LENGTH_UNIT) * LENGTH_UNIT  # as it will be read
            return ORIGIN_STEP * np.rint(first / ORIGIN_STEP)
    return np.zeros(2)


def _moved(rows: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rows [n, k] with `by` [2] added to x and y, which come first."""
    moved = rows.copy()
    moved[:, :2] += by
    return moved


def _joined(layouts: Sequence[Layout], name: str, origins: np.ndarray | None = None) -> np.ndarray:
    """A field of all layouts, one after the other; with `origins` [n, 2] of what x and y are relative to."""
    each = [getattr(layout, name) for layout in layouts]
    if origins is not None:
        each = [_moved(values, -origin.astype(np.float64)) for values, origin in zip(each, origins, strict=True)]
    return np.concatenate([getattr(Layout(), name), *each])


def _write_rows(rows: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Rows [n, k] as differences of whole numbers, byte by byte, uint8 [4, k, n], which compresses well: neighbours
    are alike, and so are their high bytes.

    Raises:
        ValueError: a number is too large.
    """
    whole = np.rint(rows / units)
    if len(whole) and np.abs(whole).max() >= MOST_UNITS:
        row = int(np.argmax(np.abs(whole).max(1)))
        raise ValueError(f"layouts in files reach at most {MOST_UNITS * LENGTH_UNIT / 1e3:.0f} km, got {rows[row]}")
    whole = whole.astype("<i4")
    steps = np.diff(whole, axis=0, prepend=np.zeros((1, len(units)), whole.dtype))
    planes = np.ascontiguousarray(steps.T)[..., None].view(np.uint8)
    return np.ascontiguousarray(planes.transpose(2, 0, 1))


def _read_rows(planes: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The inverse of `_write_rows`, float64 [n, k].

    Raises:
        ValueError: not such an array.
    """
    if planes.dtype != np.uint8 or planes.shape[:2] != (4, len(units)):
        raise ValueError(f"packed rows are uint8 [4, {len(units)}, n], got {planes.dtype} {planes.shape}")
    steps = np.ascontiguousarray(planes.transpose(1, 2, 0)).view("<i4")[..., 0].T
    return np.cumsum(steps, axis=0, dtype=np.int64) * units
