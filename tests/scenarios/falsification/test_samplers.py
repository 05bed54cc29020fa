"""Samplers on functions whose failures are known."""

import numpy as np
import pytest

from scenarios.catalogue import SCENARIOS
from scenarios.falsification.samplers import SAMPLERS
from scenarios.falsification.search_space import SearchSpace

SPACE = SearchSpace(scenario=SCENARIOS["cut_in"], seeds=(0, 1))


def rare(points):
    """Fails in a ball of a fiftieth of the cube or so."""
    return np.linalg.norm(points[:, :3] - 0.85, axis=1) - 0.3


def search(name, num=15, size=20, seed=0, function=rare, space=SPACE):
    if name == "cma":
        pytest.importorskip("cma")
    sampler, points, values = SAMPLERS[name](space, np.random.default_rng(seed), size), [], []
    for _ in range(num):
        points.append(sampler.ask())
        values.append(function(points[-1]))
        sampler.tell(points[-1], values[-1])
    return np.concatenate(points), np.concatenate(values)


@pytest.mark.parametrize("name", SAMPLERS)
def test_all_that_is_proposed_is_in_the_cube_and_meets_the_condition(name):
    points, _ = search(name, num=5)
    assert points.shape == (100, SPACE.num_axes)
    assert ((points >= 0) & (points <= 1)).all()
    assert all(map(SPACE.admits, points))


@pytest.mark.parametrize("name", SAMPLERS)
def test_it_is_repeatable_and_leaves_the_global_generator_alone(name):
    before = np.random.get_state()[1].copy()
    first, second, other = search(name, num=4), search(name, num=4), search(name, num=4, seed=1)
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0], other[0])
    assert np.array_equal(before, np.random.get_state()[1])


@pytest.mark.parametrize("name", ["cross-entropy", "cma"])
def test_those_that_learn_find_more_than_draws_do(name):
    space = SearchSpace(scenario=SCENARIOS["lead_braking"], seeds=(0,))

    def count(sampler):
        return np.mean([(search(sampler, seed=seed, space=space)[1] < 0).sum() for seed in range(3)])

    assert count(name) > 3 * count("random")


@pytest.mark.parametrize("name", ["cross-entropy", "cma"])
def test_it_begins_anew_where_all_fail(name):
    points, _ = search(name, num=12, function=lambda points: np.full(len(points), -1.0))
    assert np.ptp(points[-100:, 0]) > 0.4  # else it would have narrowed down
