"""The occlusion scenario: its truck hides the pedestrian, its pair has none, and where it has no room it is invalid."""

from dataclasses import replace

import numpy as np
import pytest

from drivedit import edit
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from policies.policy import ConstantPolicy
from scenarios.case_results import run_cases
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.start_clips import InvalidStartError, reference_start
from worldsim.datatypes.scene import ObjectKind
from worldsim.gbuffer.classes import SemanticClass

WORLD = RoadWorldConfig(frame_size=(96, 96))


@pytest.fixture(scope="module")
def env():
    from envs.registration import make_road_env

    env = make_road_env(obs="state", world_config=WORLD, frame_size=WORLD.frame_size)
    yield env
    env.close()


def valid_case(env, seeds=range(8)):
    for seed in seeds:
        case = SCENARIOS["occluded_crossing"].draw(seed)
        try:
            reference_start(env, case, case.reference_options(), pictures=False)
        except InvalidStartError:
            continue
        return case
    raise AssertionError("none of the cases is valid")


def test_the_truck_hides_the_pedestrian_until_he_steps_out(env):
    case = valid_case(env)
    first_seen = []
    for one in (case.without_edits(), case):
        world = RoadWorld(WORLD)
        world.reset(one.seed, one.reference_options())
        num_pixels = []
        for _ in range(20):
            shown = world.sensor_frames(["semantic"])["semantic"] == SemanticClass.PEDESTRIAN
            num_pixels.append(int(shown.sum()))
            world.step(np.zeros(4, np.float32))
        first_seen.append(int(np.argmax(np.array(num_pixels) >= 3)))
    assert first_seen[0] == 0
    assert first_seen[1] >= 4


def test_the_pair_differs_in_the_truck_alone(env):
    case = valid_case(env)
    with_truck = reference_start(env, case, case.reference_options(), pictures=False)
    without = reference_start(env, case.without_edits(), case.without_edits().reference_options(), pictures=False)
    assert "layout" not in case.without_edits().reference_options()
    assert np.array_equal(with_truck.vehicles, without.vehicles)
    kinds = [clip.road_users.kinds.tolist() for clip in (without, with_truck)]
    assert [*kinds[0], ObjectKind.TRUCK] == kinds[1]


def test_an_edit_without_room_makes_the_case_invalid(env, capsys):
    tree = edit.Put(thing="tree", place=edit.AlongRoute(ahead=20.0))
    case = replace(SCENARIOS["occluded_crossing"].draw(0), edits=(tree,))
    [result] = run_cases(ReferenceCaseRunner(env), ConstantPolicy(), [case])
    assert result.outcome == "invalid"
    assert "tree at 20 m ahead" in capsys.readouterr().err


def test_a_world_that_cannot_be_edited_has_no_such_case():
    class Unable:
        unwrapped = None

        def reset(self, *, seed, options):
            assert options["route"] == 1
            raise ValueError(f"unknown reset options {sorted(set(options) - {'route', 'scripted_actors'})}")

    case = SCENARIOS["occluded_crossing"].draw(0)
    with pytest.raises(InvalidStartError, match=r"unknown reset options \['layout'\]"):
        ReferenceCaseRunner(Unable(), [{"route": 1}]).run(case, ConstantPolicy())
