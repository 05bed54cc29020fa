"""Sim2Val's estimate by hand, and its coverage."""

import math

import numpy as np
import pytest

from scenarios.control_variates import control_variate_mean


def test_by_hand() -> None:
    """Three pairs and three further runs: var F = 1, var G = 4, cov = 1, so ρ = 1/2 and β = 1/4 · 1/2."""
    found = control_variate_mean(reference=[1, 2, 3], simulator=[2, 6, 4], more=[8, 8, 8])
    assert found.correlation == pytest.approx(0.5)
    assert found.coefficient == pytest.approx(1 / 8)
    assert found.estimate.estimate == pytest.approx(2 - (4 - 8) / 8)
    variance = (3 / 4) / 3 * 2 + (1 / 4) / 6
    assert found.effective_runs == pytest.approx(1 / variance)
    half = 12.7062 * math.sqrt(variance)  # Student's t with one degree of freedom
    assert found.estimate.high - found.estimate.estimate == pytest.approx(half, rel=1e-4)
    assert found.alone.estimate == 2
    assert found.alone.high == pytest.approx(2 + 4.30265 * math.sqrt(1 / 3), rel=1e-4)


def test_a_perfect_simulator_counts_as_many_runs_as_it_drove() -> None:
    found = control_variate_mean(reference=[1, 2, 3, 4], simulator=[3, 5, 7, 9], more=[5, 7, 9, 11])
    assert found.estimate.estimate == pytest.approx(3.0)  # of all eight: 1, 2, 3, 4 and 2, 3, 4, 5
    assert found.effective_runs == pytest.approx(8)


def test_a_useless_simulator_does_no_harm_but_for_the_coefficient_that_is_estimated() -> None:
    found = control_variate_mean(reference=[0, 1, 0, 1], simulator=[0, 0, 0, 0], more=[5.0])
    assert found.estimate.estimate == found.alone.estimate == 0.5
    assert found.effective_runs == pytest.approx(4 * 2 / 3)
    constant = control_variate_mean(reference=[1, 1, 1], simulator=[0, 1, 0], more=[1.0])
    assert constant.estimate.low == constant.estimate.high == 1
    assert math.isnan(constant.effective_runs)


def test_the_interval_covers_the_mean_of_a_biased_simulators_reference() -> None:
    rng = np.random.default_rng(0)
    covered, errors = [], []
    for _ in range(600):
        f = rng.normal(size=60)
        g = 0.5 + 0.9 * f + 0.4 * rng.normal(size=60)
        found = control_variate_mean(reference=f[:12], simulator=g[:12], more=g[12:])
        covered.append(found.estimate.low <= 0 <= found.estimate.high)
        errors.append((found.estimate.estimate, found.alone.estimate))
    assert 0.92 < np.mean(covered) < 0.98
    with_it, alone = np.square(errors).mean(axis=0)
    assert alone / with_it > 2


def test_too_few_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 pairs and a further run"):
        control_variate_mean(reference=[1, 2], simulator=[1, 2], more=[1])
    with pytest.raises(ValueError, match="at least 3 pairs and a further run"):
        control_variate_mean(reference=[1, 2, 3], simulator=[1, 2, 3], more=[])
    with pytest.raises(ValueError, match="finite"):
        control_variate_mean(reference=[1, 2, np.nan], simulator=[1, 2, 3], more=[1])
