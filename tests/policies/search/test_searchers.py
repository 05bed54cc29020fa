"""CEM, iCEM and MPPI on a toy whose optimum is known in closed form."""

import numpy as np
import pytest

from policies.search.searchers import CEM, ICEM, MPPI, ICEMConfig, MPPIConfig, cheapest, colored_noise

HORIZON, DT = 20, 0.1
STD = np.array([0.3, 0.3])


def quadratic():
    """A point mass in each of two dimensions, x' = x + dt·v, v' = v + dt·4·a, from rest at 0 to rest at `goal`; J is
    quadratic in the actions, so that its minimum is the solution of linear equations."""
    position = np.tril(np.ones((HORIZON, HORIZON)), -1) * 4 * DT
    position = np.cumsum(position, axis=0) * DT
    goal, weight = np.array([0.6, -0.4]), 1.0

    def costs(actions: np.ndarray) -> np.ndarray:
        miss = np.einsum("ts,nsa->nta", position, actions) - goal
        return (miss**2).sum(axis=(1, 2)) + weight * (actions**2).sum(axis=(1, 2))

    best = np.linalg.solve(position.T @ position + weight * np.eye(HORIZON), position.T @ np.ones((HORIZON, 1)) * goal)
    return costs, best


def search(searcher, costs, *, num=64, num_rounds=12, seed=0):
    """As SamplingPlanner does it, from zero actions; the cost of the answer, and of all that was asked for."""
    rng = np.random.default_rng(seed)
    searcher.begin(HORIZON, STD, rng)
    actions = np.clip(searcher.noise(num), -1, 1)
    known = costs(actions)
    searcher.tell(actions, known)
    sizes = []
    for _ in range(num_rounds):
        drawn = np.clip(searcher.ask(num), -1, 1)
        sizes.append(len(drawn))
        kept = cheapest(known, searcher.num_kept)
        actions = np.concatenate([actions[kept], drawn])
        known = np.concatenate([known[kept], costs(drawn)])
        searcher.tell(actions, known)
    answer = searcher.answer()
    best = actions[cheapest(known, 1)[0]] if answer is None else answer
    return best, sizes


SEARCHERS = {
    "cem": lambda: CEM(8, 6, 0.02),
    "icem": lambda: ICEM(8, 0.02),
    "mppi": lambda: MPPI(6, MPPIConfig(temperature=0.05)),
}


@pytest.mark.parametrize("name", SEARCHERS)
def test_the_optimum_of_a_quadratic_is_found(name):
    costs, best = quadratic()
    assert np.abs(best).max() < 1  # within what is searched
    least, idle = costs(best[None])[0], costs(np.zeros((1, HORIZON, 2)))[0]
    found = costs(search(SEARCHERS[name](), costs)[0][None])[0]
    assert found - least < 0.1 * (idle - least)
    assert found >= least - 1e-9


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_search_is_a_function_of_the_generator(name):
    costs, _ = quadratic()
    one, again, other = (search(SEARCHERS[name](), costs, num_rounds=2, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_icem_draws_fewer_from_round_to_round_and_keeps_elites():
    costs, _ = quadratic()
    searcher = ICEM(8, 0.02, ICEMConfig(decay=1.5, kept_elites=0.5))
    assert searcher.num_kept == searcher.num_carried == 4
    assert search(searcher, costs, num_rounds=5)[1] == [42, 28, 18, 16, 16]  # 64 / 1.5^k, at least two times the elites


def test_mppi_weighs_by_the_exponential_of_the_cost():
    searcher = MPPI(2, MPPIConfig(temperature=0.5))
    searcher.begin(HORIZON, STD, np.random.default_rng(0))
    actions = np.stack([np.full((HORIZON, 2), value) for value in (0.0, 0.1, 1.0)])
    searcher.tell(actions, np.array([1.0, 3.0, 5.0]))  # the median is 2 above the least: λ = 1
    weights = np.exp([0.0, -2.0, -4.0])
    answer = searcher.answer()
    assert answer is not None
    np.testing.assert_allclose(answer, (weights @ [0.0, 0.1, 1.0]) / weights.sum())


def test_colored_noise_has_unit_variance_and_the_colour_asked_for():
    rng = np.random.default_rng(0)
    for exponent in (0.0, 2.0):
        noise = colored_noise((4000, 64), exponent, rng)
        assert noise.var() == pytest.approx(1.0, rel=0.05)
        power = (np.abs(np.fft.rfft(noise, axis=-1)) ** 2).mean(axis=0)
        slope = np.polyfit(np.log(np.arange(2, 30)), np.log(power[2:30]), 1)[0]
        assert slope == pytest.approx(-exponent, abs=0.1)


def test_configs_name_the_bad_value():
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1.0"):
        ICEMConfig(momentum=1.0)
    with pytest.raises(ValueError, match=r"decay must be at least 1, got 0\.5"):
        ICEMConfig(decay=0.5)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        MPPIConfig(temperature=0)
