"""Points in outlines of any shape."""

import numpy as np

from worldsim.datatypes.outlines import is_inside

NOTCHED = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [2.0, 1.0], [0.0, 4.0]])


def test_a_notch_is_outside_whichever_way_the_outline_goes() -> None:
    points = np.array([[1.0, 1.0], [2.0, 2.0], [3.5, 3.0], [5.0, 1.0], [-1.0, 0.0], [2.0, 0.5]])
    for outline in (NOTCHED, NOTCHED[::-1], np.roll(NOTCHED, 2, axis=0)):
        assert is_inside(points, outline).tolist() == [True, False, True, False, False, True]
    assert is_inside(points[:0], NOTCHED).shape == (0,)
