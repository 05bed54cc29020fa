"""How far boxes are apart."""

import numpy as np
import pytest

from worldsim.datatypes.boxes import corners, separation


def test_separation_is_the_distance_of_parallel_boxes_and_negative_inside() -> None:
    a = np.array([0.0, 0.0, 0.0, 4.0, 2.0])
    b = np.array([[7.0, 0.0, 0.0, 4.0, 2.0], [0.0, -3.5, 0.0, 4.0, 2.0], [3.0, 0.5, 0.0, 4.0, 2.0]])
    assert separation(a, b) == pytest.approx([3.0, 1.5, -1.0])
    rng = np.random.default_rng(0)
    for _ in range(100):
        c = np.array([*rng.uniform(-8, 8, 2), rng.uniform(-3, 3), 4.0, 2.0])
        distance = np.hypot(*(corners(a)[:, None] - corners(c)[None]).transpose(2, 0, 1)).min()
        assert separation(a, c) <= distance + 1e-9
        assert separation(a, c) == pytest.approx(separation(c, a))
