"""The filter is scipy's."""

import numpy as np
import pytest
from scipy.signal import savgol_filter

from policies.savitzky_golay import savitzky_golay


@pytest.mark.parametrize("derivative", [0, 1])
@pytest.mark.parametrize(("count", "window"), [(3, 8), (7, 8), (8, 8), (30, 8), (30, 15), (14, 15), (40, 7)])
def test_it_is_scipys_filter(count: int, window: int, derivative: int) -> None:
    values = np.random.default_rng(0).normal(size=(2, count))
    expected = savgol_filter(values, min(window, count), 2, deriv=derivative, delta=0.1)
    np.testing.assert_allclose(savitzky_golay(values, window, derivative=derivative, dt=0.1), expected, atol=1e-9)
