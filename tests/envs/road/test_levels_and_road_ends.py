"""Roads above each other do not meet, and the end of a road is the end of the route."""

import numpy as np
import pytest
from places import SHARED_DATA

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from worldsim.datatypes.route import RouteLaneColumn
from worldsim.datatypes.scene import ObjectKind

OVERPASS, SINGLE_ROAD = (SHARED_DATA.parent / f"cases/maps/xodr-{name}.xodr" for name in ("overpass", "single-road"))
pytestmark = pytest.mark.skipif(not OVERPASS.is_file(), reason=f"no maps at {OVERPASS.parent}")
COAST, HALF_THROTTLE = np.zeros(4, np.float32), np.array([0.0, 0.5, 0.0, 0.0], np.float32)
EMPTY = RoadWorldConfig(num_vehicles=0, num_pedestrians=0, parked_share=0.0)


def place(world: RoadWorld, *rows: tuple[float, float, float, float]) -> None:
    """Cars at x, y, yaw and height z."""
    table = np.array(rows)
    episode, n = world.snapshot(), len(table)
    boxes = np.column_stack([table[:, :3], np.full(n, 4.5), np.full(n, 1.9)])
    objects = Objects(boxes=boxes, speeds=np.zeros(n), kinds=np.full(n, int(ObjectKind.CAR)), z=table[:, 3])
    episode.traffic.place(
        ExternalActors(
            ids=np.arange(n),
            objects=objects,
            heights=np.full(n, 1.5),
            colors=np.zeros((n, 3), np.uint8),
            braking=np.zeros(n, bool),
        )
    )
    world.restore(episode)


@pytest.mark.parametrize(
    ("start", "above", "below"),
    [
        pytest.param((-30.0, -1.75, 0.0), 8.0, 0.0, id="under the bridge"),
        pytest.param((1.75, -30.0, np.pi / 2), 0.0, 8.0, id="on the bridge"),
    ],
)
def test_nobody_meets_what_is_on_another_level(start, above: float, below: float) -> None:
    world = RoadWorld(EMPTY)
    world.reset(0, {"map": str(OVERPASS), "start_pose": start})
    assert world.snapshot().z == pytest.approx(below)
    blocked = [(0.0, 0.0, 0.0, above), (1.75, -1.75, np.pi / 2, above)]  # where the roads cross
    place(world, *blocked)
    passed = False
    for _ in range(150):
        step = world.step(HALF_THROTTLE)
        assert step.collision == step.off_road == 0.0
        assert not step.wrong_way
        assert not step.scene.lead_valid
        assert not step.scene.object_valid.any()
        passed |= float(np.hypot(*(step.vehicle[:2] - (1.75, -1.75)))) < 1.0
        if np.hypot(*step.vehicle[:2]) > 40 and passed:
            break
    assert passed
    assert world.snapshot().z == pytest.approx(below)


def test_what_is_on_the_own_level_is_met() -> None:
    world = RoadWorld(EMPTY)
    world.reset(0, {"map": str(OVERPASS), "start_pose": (-30.0, -1.75, 0.0)})
    place(world, (1.75, -1.75, np.pi / 2, 0.0))
    step = world.step(HALF_THROTTLE)
    assert step.scene.lead_valid
    assert step.scene.object_valid.sum() == 1
    collided = [world.step(HALF_THROTTLE).collision for _ in range(150)]
    assert max(collided) == 1.0


def test_the_end_of_a_road_is_the_end_of_the_route() -> None:
    world = RoadWorld(EMPTY)
    world.reset(0, {"map": str(SINGLE_ROAD), "start_pose": (940.0, -1.75, 0.0)})
    done = []
    for _ in range(200):
        step = world.step(HALF_THROTTLE)
        assert step.off_road == 0.0
        done.append(step.route_done)
        if step.vehicle[0] > 1001.0:
            break
    assert done[-1]
    assert done.index(True) >= 1
    assert all(done[done.index(True) :])


def test_the_route_of_a_road_that_ends_is_kept() -> None:
    """No new one is drawn, step by step, along the last part of the road."""
    world = RoadWorld(EMPTY)
    world.reset(0, {"map": str(SINGLE_ROAD), "start_pose": (930.0, -1.75, 0.0)})
    route = world.snapshot().route
    for _ in range(10):
        world.step(COAST)
    assert world.snapshot().route is route


@pytest.mark.parametrize("start", [(-30.0, -1.75, 0.0), (1.75, -30.0, np.pi / 2)])
def test_the_edges_of_a_road_are_those_of_its_own_level(start) -> None:
    """Where the other road passes over it or under it they stay where they are."""
    world = RoadWorld(EMPTY)
    world.reset(0, {"map": str(OVERPASS), "start_pose": start})
    lanes = world.start_clip(pictures=False).lanes[:60]
    np.testing.assert_allclose(lanes[:, RouteLaneColumn.LEFT_EDGE], 5.25, atol=0.15)
    np.testing.assert_allclose(lanes[:, RouteLaneColumn.RIGHT_EDGE], 1.75, atol=0.15)
