"""Numbers as classes and back."""

import numpy as np
import pytest

from worldsim.layouts.bins import bin_of, fit_bins, value_in


def test_a_value_lies_in_its_bin():
    values = np.random.default_rng(0).normal(size=3000)
    edges = fit_bins(values, 32)
    index = bin_of(values, edges)
    assert (edges[index] <= values).all()
    assert (values <= edges[index + 1]).all()


def test_a_value_that_many_share_comes_back_as_it_is():
    values = np.concatenate([np.full(500, 0.7), np.random.default_rng(0).uniform(1.0, 9.0, 500)])
    edges = fit_bins(values, 32)
    (index,) = bin_of(np.array([0.7]), edges).tolist()
    assert value_in(edges, index, 0.0) == value_in(edges, index, 0.99) == 0.7


def test_bins_are_drawn_in_the_shares_in_which_values_came():
    rng = np.random.default_rng(1)
    values = rng.exponential(size=20_000)
    edges = fit_bins(values, 32)
    drawn = [value_in(edges, int(k), float(rng.random())) for k in bin_of(values, edges)]
    shares = np.linspace(0.05, 0.9, 18)
    np.testing.assert_allclose(np.quantile(drawn, shares), np.quantile(values, shares), atol=0.03)


def test_too_few_bins_are_refused():
    with pytest.raises(ValueError, match="at least 12, got 4"):
        fit_bins(np.arange(5.0), 4)
