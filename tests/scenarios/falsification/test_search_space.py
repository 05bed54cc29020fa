"""Points of the unit cube, and the cases they stand for."""

import numpy as np
import pytest

from scenarios.catalogue import SCENARIOS
from scenarios.falsification.actor_controls import ActorControls
from scenarios.falsification.search_space import SearchSpace
from scenarios.parameters import Parameter, flag


def test_quantiles_are_those_of_the_declared_distribution():
    speed = Parameter(name="speed", unit="m/s", low=4.0, high=8.0)
    assert [speed.quantile(u) for u in (0.0, 0.25, 1.0)] == [4.0, 5.0, 8.0]
    period = Parameter(name="period", low=1.0, high=100.0, distribution="log-uniform")
    assert period.quantile(0.5) == pytest.approx(10.0)
    assert [flag("side").quantile(u) for u in (0.0, 0.49, 0.51, 1.0)] == [0.0, 0.0, 1.0, 1.0]
    for parameter in (speed, period, flag("side")):
        for u in np.linspace(0, 1, 21):
            parameter.check(parameter.quantile(u))


def test_a_point_is_a_case_at_one_of_the_places():
    space = SearchSpace(scenario=SCENARIOS["lead_braking"], seeds=(4, 9))
    *scenario, place = space.parameters
    assert [p.name for p in scenario] == [p.name for p in SCENARIOS["lead_braking"].parameters]
    assert place.name == "place"
    for u, seed in ((0.2, 4), (0.8, 9)):
        point = np.full(space.num_axes, u)
        case = space.case(point)
        assert case.seed == seed
        assert case == SCENARIOS["lead_braking"].make(seed, {p.name: p.quantile(u) for p in scenario})
    assert SearchSpace(scenario=SCENARIOS["lead_braking"], seeds=(4,)).num_axes == len(scenario)
    with pytest.raises(ValueError, match="at least one place, got none"):
        SearchSpace(scenario=SCENARIOS["lead_braking"], seeds=())


def test_draws_meet_the_condition_and_what_does_not_is_no_case():
    space, rng = SearchSpace(scenario=SCENARIOS["cut_in"], seeds=(0,)), np.random.default_rng(0)
    drawn = rng.random((50, space.num_axes))
    admitted = [space.admits(point) for point in drawn]
    assert 0 < sum(admitted) < 50
    for _ in range(20):
        assert space.admits(space.draw(rng))
    with pytest.raises(ValueError, match="does not meet the condition of scenario cut_in"):
        space.case(drawn[admitted.index(False)])


def test_distance_counts_choices_as_alike_or_not():
    space = SearchSpace(scenario=SCENARIOS["pedestrian_crossing"], seeds=(0,))  # speed, time to arrival, side
    points = np.array([[0.1, 0.5, 0.4], [0.5, 0.5, 0.1], [0.1, 0.5, 0.9]])
    assert space.distances(points, np.array([0.1, 0.5, 0.1])) == pytest.approx([0.0, np.sqrt(0.16 / 3), np.sqrt(1 / 3)])
    assert points[0, 2] == 0.4


def test_who_is_not_there_cannot_be_controlled():
    with pytest.raises(ValueError, match="scenario traffic scripts no road user"):
        SearchSpace(scenario=SCENARIOS["traffic"], seeds=(0,), controls=ActorControls(num_pieces=2))
