"""The catalogue: what one decorated function brings with it, and what the command line makes of the list."""

import pytest

from drivedit import main
from scenarios.catalogue import SCENARIOS, scenario, scenarios_tagged
from scenarios.catalogue.conventions import ego_speed
from scenarios.criteria import PassCriteria
from scenarios.fidelity import FidelityConfig
from scenarios.parameters import Values
from scenarios.scenario import HELD_OUT_TOWNS, RUN_OUT, Situation
from scenarios.validation_config import ValidateConfig


@pytest.fixture
def catalogue():
    """The catalogue, without what a test adds to it."""
    before = dict(SCENARIOS)
    yield SCENARIOS
    SCENARIOS.clear()
    SCENARIOS.update(before)


def empty_road(values: Values) -> Situation:
    criteria = PassCriteria(min_progress=0.0)
    return Situation(ego_speed=values["ego speed"] / 3.6, scripts=(), duration=4.0, criteria=criteria)


def add(factory, **changes):
    return scenario(**({"title": "Empty road", "tags": ("new",), "parameters": (ego_speed(20, 36),)} | changes))(
        factory
    )


def test_one_function_is_a_scenario(catalogue):
    def deserted(values: Values) -> Situation:
        """Nobody is
        there."""
        return empty_road(values)

    entry = add(deserted, towns=(7, 8))
    assert catalogue["deserted"] is entry
    assert (entry.name, entry.title, entry.description) == ("deserted", "Empty road", "Nobody is there.")
    assert scenarios_tagged("new") == ("deserted",)
    assert {entry.draw(seed).town for seed in range(9)} == {7, 8}
    case = entry.draw(2)
    assert case == entry.draw(2) != entry.draw(1)
    assert case.actors.straight == pytest.approx(case.ego_speed * 4.7 + RUN_OUT)
    assert ValidateConfig(scenarios=("deserted",)).scenarios == ("deserted",)


def test_a_scenario_that_contradicts_itself_is_refused(catalogue):
    def cut_in(values):
        return empty_road(values)

    with pytest.raises(ValueError, match="already a scenario named 'cut_in'"):
        add(cut_in)

    def homeless(values):
        return empty_road(values)

    with pytest.raises(ValueError, match="homeless needs at least one town"):
        add(homeless, towns=())

    def twice(values):
        return empty_road(values)

    with pytest.raises(ValueError, match="twice needs parameters of different names, got ego speed, ego speed"):
        add(twice, parameters=(ego_speed(1, 2), ego_speed(2, 3)))


def test_a_value_out_of_range_is_named_with_scenario_and_seed():
    entry = SCENARIOS["lead_braking"]
    values = {"ego speed": 30.0, "headway over that of UN R157": 1.2, "lead braking": 9.0}
    with pytest.raises(ValueError, match=r"lead_braking, seed 5: lead braking must be 3 to 6 m/s², got 9"):
        entry.make(5, values)
    with pytest.raises(ValueError, match="seed 5: give ego speed, headway over that of UN R157, lead braking, got gap"):
        entry.make(5, {"gap": 1.0})
    assert entry.make(5, values | {"lead braking": 4.0}).parameters["lead braking"] == 4.0


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_says_what_it_is(name):
    entry = SCENARIOS[name]
    assert entry.title
    assert entry.description.endswith(".")
    assert entry.tags
    cases = [entry.draw(seed) for seed in range(8)]
    assert all(list(case.parameters) == [parameter.name for parameter in entry.parameters] for case in cases)
    assert all(case.town in HELD_OUT_TOWNS for case in cases)


def test_towns_are_drawn_by_scenario_and_seed_from_so_many_that_they_hardly_ever_meet():
    towns = [entry.draw(seed).town for entry in SCENARIOS.values() for seed in range(10)]
    assert len(set(towns)) >= len(towns) - 2


@pytest.mark.parametrize("verb", ["validate", "fidelity"])
def test_the_command_line_offers_exactly_the_catalogue(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    # lines are broken anywhere, within a long list of names too
    shown = "".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{{{','.join(SCENARIOS)}}}" in shown
    assert all(f"{name}:{entry.title.replace(' ', '')}" in shown for name, entry in SCENARIOS.items())


def test_validation_runs_the_benchmark_and_fidelity_what_ranks_planners():
    assert ValidateConfig().scenarios == ("lead_braking", "cut_in", "pedestrian_crossing")
    assert FidelityConfig().scenarios == ("lead_braking", "cut_in", "pedestrian_crossing", "traffic")
    with pytest.raises(ValueError, match="no scenario is named tornado; there are lead_braking, "):
        ValidateConfig(scenarios=("tornado",))
