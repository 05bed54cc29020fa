"""Reset options: old names work and say what they are called now, and bad ones are refused by name and value."""

import warnings

import numpy as np
import pytest
from small_envs import make
from small_worlds import SMALL
from tiny_model import random_clip

from envs.reset_options import read_reset_options
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ScriptedActors
from scenarios.actors import CrossingPedestrian

WALKER = ScriptedActors(scripts=(CrossingPedestrian(distance=20.0, offset=-4.0, start_at=-0.3, speed=1.4),))


def read(**options):
    known = ("start_pose", "start_clip", "scripted_actors")
    return read_reset_options(options, known=known, world="the moon", renamed={"start": "start_pose"})


@pytest.mark.parametrize(
    ("env_id", "old", "new", "value"),
    [
        ("DriveDiT-v0", "start", "start_clip", random_clip(8)),
        ("DriveDiT-v0", "scenario", "scripted_actors", WALKER),
        ("DriveDiT-Road-v0", "scenario", "scripted_actors", WALKER),
    ],
)
def test_old_names_do_the_same_and_warn_at_the_users_line(env_id, old, new, value, tiny_checkpoint):
    env = make(env_id, "state", tiny_checkpoint)
    with pytest.warns(DeprecationWarning, match=f"reset option '{old}' is called '{new}' now") as caught:
        observation, _ = env.reset(seed=0, options={old: value})
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(env.reset(seed=0, options={new: value})[0], observation)


def test_the_reference_worlds_old_start_is_a_pose():
    world = RoadWorld(SMALL)
    pose = world.reset(0, {"town": 0}).vehicle[:3]
    with pytest.warns(DeprecationWarning, match="'start' is called 'start_pose' now"):
        old = world.reset(1, {"town": 0, "start": tuple(pose)})
    assert np.array_equal(world.reset(1, {"town": 0, "start_pose": pose}).vehicle, old.vehicle)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wether": 1}, r"unknown reset options \['wether'\]; the moon knows start_pose, start_clip, scripted_actors"),
        ({"start": (0, 0, 0), "start_pose": (0, 0, 0)}, "'start' is the old name of the reset option 'start_pose'"),
        ({"start_pose": (1, 2)}, r"three finite numbers, got \(1, 2\)"),
        ({"start_pose": (1, 2, float("nan"))}, "three finite numbers"),
        ({"start_pose": "here"}, "three finite numbers, got 'here'"),
        ({"start_clip": 3}, "must be a StartClip, .* got 3"),
        ({"scripted_actors": [WALKER.scripts[0]]}, "must be ScriptedActors"),
    ],
)
def test_bad_options_are_refused_by_name_and_value(options, message):
    with pytest.raises(ValueError, match=message):
        read(**options)


def test_none_is_as_good_as_nothing():
    assert read(start_pose=None, start_clip=None) == {}
