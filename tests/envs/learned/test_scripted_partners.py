"""Scripted road users from another road, in the learned world: where they are in the reference world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.maps.junction_search import JunctionAhead
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ScriptedActors
from scenarios.actors import PassingCar
from worldsim.datatypes.scene import ObjectColumn

ACTORS = ScriptedActors(
    scripts=(),
    partners=(PassingCar(before=22.0, speed=6.0),),
    ego_speed=6.0,
    junction=JunctionAhead(distance=30.0, partner="left", partner_distance=25.0, green_ends=9.0),
)


def test_a_partner_is_where_it_is_in_the_reference_world(tiny_checkpoint: Path) -> None:
    road, learned = RoadWorld(), LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=False))
    road.reset(1, {"town": 3, "scripted_actors": ACTORS})
    clip = road.start_clip(pictures=False)
    learned.reset(1, {"start_clip": clip, "scripted_actors": ACTORS})
    assert learned.start_clip().partner_path is not None

    control = np.array([0.0, 0.2, 0.0, 0.0], np.float32)
    for _ in range(20):
        scenes = [world.step(control).scene for world in (road, learned)]
        ours, theirs = (scene.objects[0, [ObjectColumn.X, ObjectColumn.Y, ObjectColumn.SPEED]] for scene in scenes)
        assert ours == pytest.approx(theirs, abs=0.25)
        assert scenes[0].signal == scenes[1].signal

    with pytest.raises(ValueError, match="must tell their path"):
        learned.reset(1, {"start_clip": replace(clip, partner_path=None), "scripted_actors": ACTORS})
