"""Estimators on limit states whose probability of failure is known in closed form."""

import numpy as np
import pytest
from scipy.special import ndtr

from scenarios.falsification.probability import importance_sampling, monte_carlo
from scenarios.falsification.subset_simulation import subset_simulation

ESTIMATORS = [monte_carlo, importance_sampling, subset_simulation]


class Plane:
    """Fails beyond a plane at a distance of beta: P = Φ(-beta). Where `invalid`, a drive says nothing if the last axis
    is beyond 1, and there is none if the first is below -1: the plane runs along both, so that its rate stays."""

    num_axes = 5

    def __init__(self, beta, invalid=False):
        self.beta, self.invalid, self.num = beta, invalid, 0
        self.normal = np.array([0.0, 1.0, 1.0, 0.5, 0.0]) / 1.5

    @property
    def probability(self):
        return ndtr(-self.beta)

    def admits(self, points):
        return points[:, 0] > -1 if self.invalid else np.ones(len(points), bool)

    def evaluate(self, points):
        self.num += len(points)
        assert self.admits(points).all()
        values = self.beta - points @ self.normal
        return np.where(points[:, -1] > 1, np.nan, values) if self.invalid else values


@pytest.mark.parametrize("invalid", [False, True])
@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("beta", [1.0, 2.5])
def test_the_interval_covers_the_probability(estimator, beta, invalid):
    covered, means = 0, []
    for seed in range(40):
        problem = Plane(beta, invalid)
        found = estimator(problem, 600, np.random.default_rng(seed))
        assert problem.num == found.num_draws <= 600
        covered += found.probability.low <= problem.probability <= found.probability.high
        means.append(found.probability.estimate / problem.probability)
    assert covered >= 33  # of 40 at 95 %, fewer than 34 come about once in a hundred; the rest is by approximation
    assert np.mean(means) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize(("estimator", "narrower"), [(importance_sampling, 3.0), (subset_simulation, 1.3)])
def test_rare_failures_are_told_better_than_by_counting(estimator, narrower):
    """At 1 in 740, with 1,000 draws."""
    spread = {}
    for one in (monte_carlo, estimator):
        found = [one(Plane(3.0), 1000, np.random.default_rng(seed)).probability.estimate for seed in range(40)]
        spread[one] = np.std(found)
    assert spread[monte_carlo] > narrower * spread[estimator]


def test_weights_are_told_by_their_effective_sizes():
    found = importance_sampling(Plane(3.0), 1000, np.random.default_rng(0))
    assert 10 < found.effective_failures < found.num_failed
    assert found.effective_size < found.num_valid
    assert found.num_failed > 100  # the proposal is where the failures are
    assert monte_carlo(Plane(3.0), 100, np.random.default_rng(0)).effective_size is None


def test_levels_lead_to_failure():
    found = subset_simulation(Plane(3.0), 1000, np.random.default_rng(0))
    thresholds = [level.threshold for level in found.levels]
    assert thresholds == sorted(thresholds, reverse=True)
    assert thresholds[-1] == 0.0
    assert np.prod([level.share for level in found.levels]) == pytest.approx(found.probability.estimate)
    assert all(0.1 < level.acceptance < 0.9 for level in found.levels[1:])


def test_what_cannot_be_told_is_said():
    class Flat(Plane):
        def evaluate(self, points):
            super().evaluate(points)
            return np.ones(len(points))

    class Unrealised(Plane):
        def evaluate(self, points):
            return np.full(len(points), np.nan)

    rng = np.random.default_rng(0)
    assert "there is no slope" in subset_simulation(Flat(1.0), 200, rng).note
    never = importance_sampling(Flat(1.0), 200, rng)
    assert (never.probability.estimate, never.probability.low) == (0.0, 0.0)
    assert 0.05 < never.probability.high < 0.5
    assert monte_carlo(Flat(1.0), 100, rng).probability.high == pytest.approx(0.0362, abs=1e-3)
    for estimator in ESTIMATORS:
        assert estimator(Unrealised(1.0), 200, rng).probability is None
    assert "runs were spent" in subset_simulation(Plane(5.0), 200, rng).note
