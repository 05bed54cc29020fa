"""The compiled distance to solid things is that of `separation`."""

import numpy as np
import pytest

from worldsim.actors.solids import SOLID_RANGE, gap_to_solids
from worldsim.datatypes.boxes import separation


def test_the_gap_is_the_least_separation_within_range():
    rng = np.random.default_rng(0)
    box = np.array([3.0, -2.0, 0.4, 4.6, 1.9])
    for _ in range(50):
        low, high = (-20.0, -20.0, -3.0, 0.2, 0.2), (20.0, 20.0, 3.0, 12.0, 8.0)
        solids = rng.uniform(low, high, (12, 5))
        least = float(separation(box, solids).min())
        expected = least if least <= SOLID_RANGE else np.inf
        assert gap_to_solids(box, solids) == pytest.approx(expected)


def test_an_empty_roadside_is_infinitely_far():
    assert gap_to_solids(np.array([0.0, 0, 0, 4.6, 1.9]), np.zeros((0, 5))) == np.inf
