"""Road users that somebody outside the learned world moves are tracked actors of it."""

import numpy as np
import pytest
from known_clips import clip_with, ground, users
from tiny_model import random_model

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from worldsim.actors.actors import NUM_ACTORS
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.scene import ObjectKind

ROAD = ground(np.array([[-20.0, 0.0, 0.0], [300.0, 0.0, 0.0]]))
COAST = np.zeros(4, np.float32)


def world_with(*rows: tuple[float, float, float, float, bool]) -> LearnedWorld:
    clip = clip_with(4, 0.0, layout=ROAD, road_users=users(*rows) if rows else KnownRoadUsers.none())
    world = LearnedWorld(LearnedWorldConfig(pictures=False), model=random_model(), starts=[clip])
    world.reset(0, {"start_index": 0})
    return world


def external(*places: tuple[int, float, float], speed: float = 0.0) -> ExternalActors:
    """Cars by id, x and y, along the route."""
    n = len(places)
    boxes = np.array([(x, y, 0.0, 4.0, 1.8) for _, x, y in places]).reshape(-1, 5)
    kinds = np.full(n, int(ObjectKind.CAR))
    return ExternalActors(
        ids=np.array([one for one, *_ in places], np.int64),
        objects=Objects(boxes=boxes, speeds=np.full(n, speed), kinds=kinds),
        heights=np.full(n, 1.5),
        colors=np.full((n, 3), 90, np.uint8),
        braking=np.zeros(n, bool),
    )


def seen(world: LearnedWorld, step) -> np.ndarray:
    """x, y of the road users in the ground frame, nearest first."""
    return step.scene.objects[step.scene.object_valid][:, :2] + step.vehicle[:2]


def test_they_are_where_they_are_placed_and_nowhere_else():
    world = world_with()
    for k in range(5):
        world.place(external((-7, 20.0 + k, 0.0), (-9, 40.0, 3.0), speed=10.0))
        step = world.step(COAST)
        np.testing.assert_allclose(seen(world, step), [[20.0 + k, 0.0], [40.0, 3.0]], atol=1e-4)
    assert step.scene.lead_valid
    world.place(external((-9, 40.0, 3.0)))
    np.testing.assert_allclose(seen(world, world.step(COAST)), [[40.0, 3.0]], atol=1e-4)
    world.place(ExternalActors.none())
    assert not world.step(COAST).scene.object_valid.any()


def test_a_snapshot_keeps_them():
    world = world_with()
    world.place(external((-7, 20.0, 0.0)))
    world.step(COAST)
    state = world.codec.unpack(world.codec.pack(world.snapshot()))
    world.place(ExternalActors.none())
    world.step(COAST)
    world.restore(state)
    np.testing.assert_allclose(seen(world, world.step(COAST)), [[20.0, 0.0]], atol=1e-4)


def test_who_is_far_makes_room_and_who_is_near_does_not():
    far = world_with(*((70.0 + 5 * k, 3.0, 0.0, 0.0, False) for k in range(NUM_ACTORS)))
    far.place(external((-7, 20.0, 0.0)))
    np.testing.assert_allclose(seen(far, far.step(COAST))[0], [20.0, 0.0], atol=1e-4)

    near = world_with(*((10.0 + 3 * (k // 2), 3.0 * (-1) ** k, 0.0, 0.0, False) for k in range(NUM_ACTORS)))
    with pytest.raises(ValueError, match=r"no room for 1 more: .* tracks 16 .* 16 of its own within 60 m"):
        near.place(external((-7, 50.0, 0.0)))


def everyone(world: LearnedWorld) -> list[float]:
    """x of all road users, wherever they are."""
    return sorted(world.start_clip(pictures=False).road_users.boxes[:, 0].round(3).tolist())


def test_who_made_room_comes_back_when_that_is_free_again():
    world = world_with(*((70.0 + 5 * k, 3.0, 0.0, 0.0, False) for k in range(NUM_ACTORS)))
    before = everyone(world)
    world.place(external((-7, 20.0, 0.0)))
    assert everyone(world) == [20.0, *before[:-1]]
    world.place(ExternalActors.none())
    assert everyone(world) == before


def test_one_takes_the_place_that_another_leaves_at_once():
    world = world_with(
        (70.0, 3.0, 0.0, 0.0, False), *((10.0 + 3 * k, 3.0, 0.0, 0.0, False) for k in range(NUM_ACTORS - 1))
    )
    before = everyone(world)
    world.place(external((-7, -20.0, 0.0)))
    world.place(external((-9, -25.0, 0.0)))
    assert everyone(world) == [-25.0, *before[:-1]]
    world.place(ExternalActors.none())
    assert everyone(world) == before


def test_who_made_room_does_not_come_back_in_sight():
    world = world_with(*((70.0 + k, 3.0, 0.0, 0.0, False) for k in range(NUM_ACTORS)))
    world.place(external((-7, 20.0, 0.0)))
    world.set_speed(40.0)
    for _ in range(12):
        world.step(COAST)
    before = everyone(world)
    world.place(ExternalActors.none())
    assert everyone(world) == [x for x in before if x != 20.0]


def test_who_made_room_does_not_come_back_where_another_one_is():
    world = world_with(*((70.0 + 5 * k, 3.0, 0.0, 0.0, False) for k in range(NUM_ACTORS)))
    before = everyone(world)
    world.place(external((-7, 20.0, 0.0)))
    world.place(external((-7, 20.0, 0.0), (-8, before[-1] + 1.0, 3.0)))
    world.place(external((-8, before[-1] + 1.0, 3.0)))
    assert everyone(world) == [*before[:-2], before[-1] + 1.0]


def test_the_ego_is_given_a_speed():
    world = world_with()
    step = world.set_speed(8.0)
    assert step.vehicle[3] == step.scene.speed == pytest.approx(8.0)
    before = step.vehicle[0]
    assert world.step(COAST).vehicle[0] - before == pytest.approx(0.8, abs=0.05)
