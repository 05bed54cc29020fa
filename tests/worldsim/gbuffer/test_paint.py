"""Paint of a layout: stripes and dashes as polygons."""

from itertools import pairwise

import numpy as np
import pytest

from worldsim.datatypes.layout import Layout, LineKind
from worldsim.gbuffer.paint import DASH_GAP, DASH_LENGTH, paint_patches


def line_of(kind: LineKind, dashes: tuple[float, float]) -> Layout:
    """120 m along x."""
    return Layout(
        line_points=np.array([[0.0, 0.0, 0.0], [120.0, 0.0, 0.0]]),
        line_starts=np.array([0, 2]),
        line_kinds=np.array([int(kind)]),
        line_colors=np.zeros(1, np.int64),
        line_widths=np.full(1, 0.15, np.float32),
        line_dashes=np.array([dashes], np.float32),
    )


@pytest.mark.parametrize(
    ("dashes", "length", "gap"), [((0.0, 0.0), DASH_LENGTH, DASH_GAP), ((6.0, 12.0), 6.0, 12.0), ((1.0, 1.5), 1.0, 1.5)]
)
@pytest.mark.parametrize("kind", [LineKind.BROKEN, LineKind.SOLID_BROKEN])
def test_dashes_are_as_long_as_the_line_says(kind: LineKind, dashes, length: float, gap: float) -> None:
    patches = [patch.outline[:, 0] for patch in paint_patches(line_of(kind, dashes))]
    pieces = [(x.min(), x.max()) for x in patches if np.ptp(x) < 100.0]
    assert len(pieces) == pytest.approx(120.0 / (length + gap), abs=1)
    for (start, end), (following, _) in pairwise(pieces):
        assert end - start == pytest.approx(length)
        assert following - end == pytest.approx(gap)


def test_solid_lines_have_no_gaps() -> None:
    (patch,) = paint_patches(line_of(LineKind.SOLID, (6.0, 12.0)))
    assert np.ptp(patch.outline[:, 0]) == pytest.approx(120.0)
