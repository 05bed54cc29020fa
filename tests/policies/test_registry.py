"""Policies by name: one entry each, read by the factory and the command line."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from drivedit import main
from policies.policy import ConstantPolicy
from policies.registry import POLICIES, PolicyEntry, files_of_policy, find_entry, make_policy
from policies.rule_based import LaneFollower
from policies.search.sampling_planner import SamplingPlanner, SamplingPlannerConfig
from scenarios.validate import checkpoint_used
from scenarios.validation_config import ValidateConfig
from worldsim.datatypes.scene import SceneState

FRAME = np.zeros((8, 8, 3), np.uint8)
INFO = {"scene": SceneState.empty().to_vector()}


@pytest.mark.parametrize("name", ["lane_follower", "pid_follower", "constant_velocity", "stop", "constant", "random"])
def test_a_policy_that_needs_no_world_model_acts_at_once(name):
    policy = make_policy(name)
    policy.reset(SimpleNamespace(world=SimpleNamespace(dt=0.1)), 0)  # type: ignore[arg-type]
    action = policy.act(FRAME, INFO)
    assert (action.shape, action.dtype) == ((2,), np.float32)
    assert not POLICIES[name].uses_world_model


def test_names_are_kept():
    assert {"lane_follower", "planner", "pixels", "plant", "constant", "random"} <= {*POLICIES}
    assert isinstance(make_policy("lane_follower"), LaneFollower)
    np.testing.assert_array_equal(make_policy("constant").act(FRAME, {}), [0, 0])
    with pytest.raises(
        ValueError, match=r"no policy is named 'nobody'; there are lane_follower, .*planner, .*your own"
    ):
        make_policy("nobody")


def test_the_planner_gets_the_world_model_and_its_settings(tiny_checkpoint):
    settings = SamplingPlannerConfig(num_samples=5, num_elites=2)
    planner = make_policy("planner", checkpoint=tiny_checkpoint, planner=settings)
    assert isinstance(planner, SamplingPlanner)
    assert planner.config is settings
    for policy, used in (("planner", tiny_checkpoint), ("constant", None)):
        assert checkpoint_used(ValidateConfig(policy=policy, world="road", checkpoint=tiny_checkpoint)) == used


def test_one_entry_is_a_policy(monkeypatch):
    entry = PolicyEntry(name="full_brake", title="brakes", factory=lambda settings: ConstantPolicy((0.0, -1.0)))
    monkeypatch.setitem(POLICIES, entry.name, entry)
    np.testing.assert_array_equal(make_policy("full_brake").act(FRAME, {}), [0, -1])


@pytest.mark.parametrize(
    ("name", "searcher", "objective"),
    [("icem", "icem", "plant"), ("mppi_pdms", "mppi", "pdms"), ("exploit:16", "icem", "reward")],
)
def test_planners_that_search_differ_by_searcher_and_objective(tiny_checkpoint, name, searcher, objective):
    planner = make_policy(name, checkpoint=tiny_checkpoint)
    assert isinstance(planner, SamplingPlanner)
    assert (planner.config.searcher, planner.config.objective) == (searcher, objective)
    assert find_entry(name) is POLICIES[name.partition(":")[0]]
    if searcher == "icem" and objective == "reward":
        assert planner.config.num_samples == 16


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("replay", "the policy is given as replay:FILE, got 'replay'"),
        ("stop:now", "the policy is given as stop, got 'stop:now'"),
        ("exploit:few", "exploit takes the sequences of a round, at least 8, as exploit:64; got 'few'"),
        ("human", "a human drives in the window of `drivedit play`"),
    ],
)
def test_what_follows_the_colon_is_checked(name, message, tiny_checkpoint):
    with pytest.raises(ValueError, match=message):
        make_policy(name, checkpoint=tiny_checkpoint)


def test_files_of_a_policy_are_what_results_depend_on():
    assert files_of_policy("replay:drive.npz") == [Path("drive.npz")]
    assert files_of_policy("exploit:16") == files_of_policy("stop") == files_of_policy("mine.py:Mine") == []


@pytest.mark.parametrize("verb", ["validate", "demo"])
def test_the_command_line_lists_every_policy(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    words = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert all(f"{entry.usage}: {entry.title}" in words for entry in POLICIES.values())
    assert "your own as module:Name or file.py:Name" in words
