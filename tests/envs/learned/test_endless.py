"""Endless drives in the learned world: the road goes on when the ego comes to it, and a restored state finds it."""

from dataclasses import replace

import numpy as np
import pytest

from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from envs.learned.snapshot import LearnedSnapshot
from envs.serialization import read_snapshot, write_snapshot
from worldsim.datatypes.layout import BoxColumn, Layout, LayoutKind
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import ROUTE_DISTANCES, RouteCommand
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing import edits as edit
from worldsim.layouts.drive import EndlessPlace

OPTIONS = {"endless": True, "start_index": 0}
COAST = np.zeros(4, np.float32)


@pytest.fixture(scope="module")
def fresh() -> tuple[LearnedWorld, LearnedSnapshot]:
    world = LearnedWorld(LearnedWorldConfig(pictures=False))
    world.reset(1, OPTIONS)
    return world, world.snapshot()


@pytest.fixture
def world(fresh: tuple[LearnedWorld, LearnedSnapshot]) -> LearnedWorld:
    """At the beginning of an endless drive."""
    world, begun = fresh
    world.restore(begun)
    return world


def place_of(world: LearnedWorld) -> EndlessPlace:
    place = world.snapshot().state.tracked.surroundings[0].endless
    assert place is not None
    return place


def put_on_route(world: LearnedWorld, arc: float) -> None:
    """The ego on its route at an arc length, at 8 m/s."""
    snapshot = world.snapshot()
    tracked = snapshot.state.tracked
    routes = tracked.routes
    k = int(np.searchsorted(routes.arcs[0], arc))
    ahead = routes.points[0, k + 1] - routes.points[0, k]
    vehicles = tracked.vehicles.copy()
    vehicles[0] = [*routes.points[0, k], np.arctan2(ahead[1], ahead[0]), 8.0, 0.0, 0.0]
    preview = tracked.preview._replace(places=np.array([k]))
    state = replace(snapshot.state, tracked=replace(tracked, vehicles=vehicles, preview=preview))
    world.restore(replace(snapshot, state=state))


def drive_over_the_end_of_a_stretch(world: LearnedWorld) -> None:
    put_on_route(world, place_of(world).next_at - 3.0)
    for _ in range(12):
        world.step(COAST)


def test_the_route_never_ends(world: LearnedWorld):
    for index in (1, 2):
        drive_over_the_end_of_a_stretch(world)
        assert place_of(world).index == index
        answer = world.step(COAST)
        assert answer.scene.route_valid.all()
        assert not answer.route_done
        assert abs(float(answer.scene.lateral_offset)) < 1.0
        assert answer.off_road == 0.0


def test_where_a_stretch_begins_nothing_jumps(world: LearnedWorld):
    put_on_route(world, place_of(world).next_at - 3.0)
    before = world.step(COAST)
    while place_of(world).index == 0:
        after = world.step(COAST)
        moved = np.hypot(*(after.vehicle[:2] - before.vehicle[:2]))
        assert moved < 1.5
        np.testing.assert_allclose(after.scene.lane[:1], before.scene.lane[:1], atol=0.2)
        assert after.scene.route_valid.all()
        before = after


def test_nobody_is_parked_on_a_made_road(world: LearnedWorld):
    parked = world.starts[0].road_users
    assert parked is not None
    left = world.snapshot().state.tracked.surroundings[0]
    assert len(left.in_the_way) == 0
    assert 0 < len(left.parked_ids) < parked.parked.sum()


def test_a_return_finds_the_same_road(world: LearnedWorld):
    begun = world.snapshot()
    drive_over_the_end_of_a_stretch(world)
    first = world.layout()
    world.restore(begun)
    drive_over_the_end_of_a_stretch(world)
    assert world.layout() == first


def test_what_was_taken_away_and_repainted_stays_so_where_a_stretch_begins(world: LearnedWorld):
    layout, place = world.layout(), place_of(world)
    put_on_route(world, place.next_at - 3.0)
    ego = world.snapshot().state.tracked.vehicles[0, :2]
    trees = layout.boxes[layout.box_kinds == LayoutKind.TREE, : BoxColumn.Z]
    first, second = trees[np.argsort(np.hypot(*(trees - ego).T))[:2]].tolist()
    gone, red = edit.OnMap(x=first[0], y=first[1]), edit.OnMap(x=second[0], y=second[1])
    world.edit([edit.Remove(place=gone), edit.Repaint(place=red, color=(200, 10, 10))])
    drive_over_the_end_of_a_stretch(world)
    after = world.layout()
    assert place_of(world).index == 1
    assert np.hypot(*(after.boxes[:, : BoxColumn.Z] - first).T).min() > 0.1
    here = np.hypot(*(after.boxes[:, : BoxColumn.Z] - second).T) < 0.1
    assert after.box_colors[here].tolist() == [[200, 10, 10]]


def test_a_state_from_bytes_goes_on_alike_in_another_world(world: LearnedWorld):
    data = write_snapshot(world)
    drive_over_the_end_of_a_stretch(world)
    other = LearnedWorld(LearnedWorldConfig(pictures=False))
    other.restore(read_snapshot(other, data))
    drive_over_the_end_of_a_stretch(other)
    assert other.layout() == world.layout()
    np.testing.assert_array_equal(
        other.snapshot().state.tracked.vehicles[0, : VehicleColumn.SPEED],
        world.snapshot().state.tracked.vehicles[0, : VehicleColumn.SPEED],
    )


def test_the_command_tells_of_the_junction_ahead(world: LearnedWorld):
    begin, end, command = place_of(world).turns[0]
    put_on_route(world, begin - ROUTE_DISTANCES[-1])
    assert world.step(COAST).scene.command == RouteCommand.FOLLOW
    put_on_route(world, begin - 10.0)
    assert world.step(COAST).scene.command == command
    put_on_route(world, end + 2.0)
    assert world.step(COAST).scene.command == RouteCommand.FOLLOW


def test_a_start_without_a_route_is_endless_by_itself(world: LearnedWorld):
    clip = world.starts[0]
    no_route = replace(clip, route=clip.route[:0], lanes=clip.lanes[:0], signals=None)
    world.reset(0, {"start_clip": no_route})
    along = place_of(world).drive.route.points
    assert np.hypot(*(along[1:] - along[:-1]).T).sum() > 100.0  # by the lanes of the start's own layout
    recorded = to_ground_frame(clip.vehicles[-1], clip.route[:40])
    gaps = np.hypot(*(along[:, None] - recorded[None]).transpose(2, 0, 1)).min(axis=0)
    assert gaps.max() < 1.5
    drive_over_the_end_of_a_stretch(world)
    world.reset(0, {"start_clip": no_route, "endless": False})
    assert world.snapshot().state.tracked.surroundings[0].endless is None


def test_a_start_that_tells_pictures_alone_begins_on_a_made_road_only_when_asked(world: LearnedWorld):
    clip = world.starts[0]
    pictures = replace(
        clip, route=clip.route[:0], lanes=clip.lanes[:0], signals=None, layout=Layout.unknown(), light_cycles=None
    )
    world.reset(0, {"start_clip": pictures})
    assert world.snapshot().state.tracked.surroundings[0].endless is None
    step = world.reset(0, {"start_clip": pictures, "endless": True})
    assert step.scene.route_valid.all()
    assert abs(float(step.scene.lateral_offset)) < 0.1
    drive_over_the_end_of_a_stretch(world)


def test_what_cannot_be_is_said(world: LearnedWorld):
    with pytest.raises(ValueError, match="commands are of an endless drive"):
        world.reset(0, {"commands": (RouteCommand.LEFT,)})
    with pytest.raises(ValueError, match="commands must be a sequence of RouteCommand, got 'left'"):
        world.reset(0, {"endless": True, "commands": "left"})
    with pytest.raises(ValueError, match="endless must be True or False, got 'yes'"):
        world.reset(0, {"endless": "yes"})
    clip = world.starts[0]
    raised = replace(clip.layout, area_points=np.add(clip.layout.area_points, [0.0, 0.0, 5.0]))
    with pytest.raises(ValueError, match="flat ground"):
        world.reset(0, {"endless": True, "start_clip": replace(clip, layout=raised)})
