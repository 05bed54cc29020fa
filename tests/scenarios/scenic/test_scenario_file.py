"""What is said of a Scenic program before Scenic is asked."""

import importlib.util
from pathlib import Path

import pytest

from scenarios.scenario_choice import check_scenarios, load_scenarios, scenario_files
from scenarios.scenic.maps import check_map

PROGRAM = str(Path(__file__).parents[2] / "data" / "scenic" / "lead.scenic")


def test_without_scenic_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'Make an environment of its own .*pip install "scenic==3\.1'):
        load_scenarios([PROGRAM], (), ("road",))


def test_a_program_is_a_scenario_file():
    check_scenarios([PROGRAM])
    (file,) = scenario_files([PROGRAM]) or ()
    assert file.startswith("lead.scenic (SHA-256 ")


def test_the_left_hand_rule_is_refused():
    with pytest.raises(ValueError, match="keeps to the left on road"):
        check_map(Path(__file__).parents[2] / "data" / "maps" / "left-hand.xodr")
