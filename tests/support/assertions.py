"""What tests compare in the same way."""

import numpy as np


def assert_equal(ours, theirs, tolerance: float) -> None:
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs)
        for key in theirs:
            assert_equal(ours[key], theirs[key], tolerance)
    elif isinstance(theirs, tuple) or (isinstance(theirs, np.ndarray) and theirs.dtype.kind == "O"):
        for a, b in zip(ours, theirs, strict=True):
            assert_equal(a, b, tolerance)
    elif theirs is None:
        assert ours is None
    elif np.asarray(theirs).dtype == np.uint8:
        assert np.abs(np.asarray(ours, int) - theirs).max() <= (1 if tolerance else 0)
    else:
        assert np.asarray(ours).dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=tolerance)
