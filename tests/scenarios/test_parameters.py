"""Parameters: drawn within their range by their distribution, counted in bins, refused out of range."""

import numpy as np
import pytest

from scenarios.parameters import Parameter, draw_values, flag

GAP = Parameter(name="gap", unit="m", low=10.0, high=50.0)
TIME = Parameter(name="time", unit="s", low=1.0, high=16.0, distribution="log-uniform")


def test_draws_follow_the_distribution():
    rng = np.random.default_rng(0)
    uniform, logarithmic = ([p.draw(rng) for _ in range(2000)] for p in (GAP, TIME))
    assert 10 <= min(uniform) < max(uniform) <= 50
    assert np.mean(uniform) == pytest.approx(30, abs=1)
    assert np.median(logarithmic) == pytest.approx(4, abs=0.4)
    assert {flag("left").draw(rng) for _ in range(20)} == {0.0, 1.0}


def test_bins_cover_the_range():
    assert GAP.bins().edges == (10, 20, 30, 40, 50)
    assert GAP.bins().labels[0] == "10 to 20 m"
    assert [GAP.bins().find(value) for value in (10, 19.9, 20, 50, 51)] == [0, 0, 1, 3, 3]
    np.testing.assert_allclose(TIME.bins().edges, (1, 2, 4, 8, 16))
    yes_no = flag("left").bins()
    assert yes_no.labels == ("no", "yes")
    assert [yes_no.find(value) for value in (0.0, 1.0)] == [0, 1]


def test_conditions_are_met_or_given_up():
    rng = np.random.default_rng(0)
    assert draw_values([GAP], lambda values: values["gap"] > 45, rng)["gap"] > 45
    with pytest.raises(ValueError, match="none of 10000 draws meets the condition"):
        draw_values([GAP], lambda values: False, rng)


def test_what_cannot_be_is_refused():
    GAP.check(50.0)
    for value in (9.9, 50.1, np.nan):
        with pytest.raises(ValueError, match=r"gap must be 10 to 50 m, got "):
            GAP.check(value)
    with pytest.raises(ValueError, match=r"left must be no or yes, got 0\.5"):
        flag("left").check(0.5)
    with pytest.raises(ValueError, match="needs low < high, got 2 and 1"):
        Parameter(name="a", low=2, high=1)
    with pytest.raises(ValueError, match="is log-uniform and must be above 0, got low = 0"):
        Parameter(name="a", low=0, high=1, distribution="log-uniform")
    with pytest.raises(ValueError, match="ascending choices, got"):
        Parameter(name="a", low=0, high=1, distribution="choice", choices=(1, 0))
