"""The others: who is who from frame to frame, from objects of a scene and back."""

import math
from dataclasses import replace

import numpy as np
import pytest
from placed_actors import EGO, actor, actors
from tiny_model import random_clip

from worldsim.actors.actors import Actors, match_objects, object_states
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.actors.nearby import nearby_objects
from worldsim.datatypes.scene import SceneState


def test_who_is_who_is_told_by_kind_size_and_motion() -> None:
    before = np.stack([actor(10, 0), actor(20, 0), actor(30, 0, speed=0.0)])
    after = np.stack([actor(20.5, 0), actor(10.5, 0), actor(30, 0, speed=0.0), actor(40, 0)])
    after[2, 4] = 4.0  # another car now stands there
    match = match_objects(before, np.ones(3, int), after, np.ones(4, int), 0.1, 1.0)
    assert match.tolist() == [1, 0, -1, -1]


def test_the_actors_of_a_clip_are_its_objects_with_their_turning() -> None:
    clip = random_clip(6)
    objects = clip.scenes.objects.copy()
    objects[-2, 0, 2], objects[-1, 0, 2] = 0.0, 0.02
    objects[-2, 0, 3] = 4.9
    clip = replace(clip, scenes=replace(clip.scenes, objects=objects))
    found = actors_of_clips([clip])
    assert found.kinds[0, :3].tolist() == [1, 3, 0]
    assert found.states[0, 0, :2] == pytest.approx([14.0 + clip.vehicles[-1, 0], -0.3], abs=1e-5)
    assert found.states[0, 0, 6] == pytest.approx(0.2, abs=1e-4)
    assert found.states[0, 0, 9] == pytest.approx(1.0, abs=1e-4)
    assert found.states[0, :2, 7].tolist() == [1, 1]
    objects, kinds = scene_objects(found, clip.vehicles[-1:])
    np.testing.assert_allclose(objects[0], clip.scenes.objects[-1] * (kinds[0] > 0)[:, None], atol=1e-5)


def test_states_of_objects_and_back() -> None:
    scene = SceneState.empty()
    scene.object_kinds[0] = 1
    scene.objects[0] = 10.0, 2.0, 0.5, 3.0, 4.0, 1.8
    vehicle = np.array([100.0, 50.0, 1.0, 5.0, 0.0, 0.0])
    state = object_states(scene, vehicle)[0]
    assert state[2] == pytest.approx(1.5)
    assert np.hypot(*(state[:2] - vehicle[:2])) == pytest.approx(math.hypot(10, 2), abs=1e-5)


def scene_objects(who: Actors, vehicles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return nearby_objects(who, vehicles, [np.zeros((0, 7))] * len(vehicles), np.zeros(len(vehicles)))


def test_far_actors_are_tracked_but_not_listed() -> None:
    objects, kinds = scene_objects(actors(actor(64, 0), actor(50, 0), actor(5, 5)), EGO)
    assert kinds[0, :3].tolist() == [1, 1, 0]
    assert objects[0, :2, 0] == pytest.approx([5, 50])
