"""The catalogue: what one decorated function brings with it, and what the command line makes of the list."""

import numpy as np
import pytest

from drivedit import main
from scenarios.catalogue import HELD_OUT_TOWNS, SCENARIOS, scenario, scenarios_tagged
from scenarios.fidelity import FidelityConfig
from scenarios.scenario import RUN_OUT, Situation
from scenarios.validate import ValidateConfig


@pytest.fixture
def catalogue():
    """The catalogue, without what a test adds to it."""
    before = dict(SCENARIOS)
    yield SCENARIOS
    SCENARIOS.clear()
    SCENARIOS.update(before)


def empty_road(**changes) -> Situation:
    situation = {"ego_speed": 10.0, "scripts": (), "duration": 4.0, "min_progress": 0.0}
    return Situation(**(situation | {"parameters": {"ego speed [km/h]": 36.0}} | changes))


def add(factory, **changes):
    options = {"title": "Empty road", "tags": ("new",), "samples": {"ego speed [km/h]": "36"}}
    return scenario(**(options | changes))(factory)


def test_one_function_is_a_scenario(catalogue):
    def deserted(rng: np.random.Generator, town: int) -> Situation:
        """Nobody is
        there."""
        return empty_road(ego_speed=rng.uniform(5, 10))

    entry = add(deserted, towns=(7, 8))
    assert catalogue["deserted"] is entry
    assert (entry.name, entry.title, entry.description) == ("deserted", "Empty road", "Nobody is there.")
    assert scenarios_tagged("new") == ("deserted",)
    assert [entry.draw(seed).town for seed in range(3)] == [7, 8, 7]
    case = entry.draw(2)
    assert case == entry.draw(2) != entry.draw(1)
    assert case.actors.straight == pytest.approx(case.ego_speed * 4.7 + RUN_OUT)
    assert ValidateConfig(scenarios=("deserted",)).scenarios == ("deserted",)


def test_a_scenario_that_contradicts_itself_is_refused(catalogue):
    def cut_in(rng, town):
        return empty_road()

    with pytest.raises(ValueError, match="already a scenario named 'cut_in'"):
        add(cut_in)

    def wordless(rng, town):
        return empty_road(parameters={"gap [m]": 3.0})

    with pytest.raises(ValueError, match=r"wordless draws gap \[m\], but declares samples of ego speed \[km/h\]"):
        add(wordless).draw(0)

    def homeless(rng, town):
        return empty_road()

    with pytest.raises(ValueError, match="homeless needs at least one town"):
        add(homeless, towns=())


@pytest.mark.parametrize("name", list(SCENARIOS))
def test_every_scenario_says_what_it_is(name):
    entry = SCENARIOS[name]
    assert entry.title
    assert entry.description.endswith(".")
    assert entry.tags
    assert list(entry.draw(0).parameters) == list(entry.samples)
    assert {entry.draw(seed).town for seed in range(8)} == set(HELD_OUT_TOWNS)


@pytest.mark.parametrize("verb", ["validate", "fidelity"])
def test_the_command_line_offers_exactly_the_catalogue(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    # lines are broken anywhere, within a long list of names too
    shown = "".join(capsys.readouterr().out.replace("│", " ").split())
    assert f"{{{','.join(SCENARIOS)}}}" in shown
    assert all(f"{name}:{entry.title.replace(' ', '')}" in shown for name, entry in SCENARIOS.items())


def test_validation_runs_the_benchmark_and_fidelity_what_ranks_planners():
    assert ValidateConfig().scenarios == scenarios_tagged("benchmark")
    left_out = ("occluded_crossing", "lane_recovery")
    assert FidelityConfig().scenarios == tuple(name for name in SCENARIOS if name not in left_out)
    with pytest.raises(ValueError, match="no scenario is named tornado; there are lead_braking, cut_in"):
        ValidateConfig(scenarios=("tornado",))
