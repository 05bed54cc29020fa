"""The reference world tells its layout, and start clips carry what lies around their route."""

import numpy as np
import pytest
from small_worlds import SMALL

from envs.road.road_world import RoadWorld
from worldsim.datatypes.layout import AreaKind, LineKind
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import control_from_action
from worldsim.datatypes.start_clip import LAYOUT_RADIUS


@pytest.fixture
def world():
    world = RoadWorld(SMALL)
    world.reset(3, {"town": 2})
    yield world
    world.close()


def test_the_world_tells_the_whole_map(world):
    layout = world.layout()

    assert layout.ground_known
    road_map = world.snapshot().stage.road_map
    assert (layout.area_kinds == AreaKind.DRIVABLE).sum() == sum(
        lane.kind == "driving" for lane in road_map.geometry.lanes
    )
    assert (layout.line_kinds == LineKind.LANE_CENTRE).sum() == len(road_map.lanes)
    assert world.layout() is layout


def test_the_layout_outlasts_the_episode(world):
    layout = world.layout()
    world.reset(4, {"town": 2})
    assert world.layout() is layout


def test_a_clip_carries_what_lies_around_its_route(world):
    clip = world.start_clip(pictures=False)
    whole = world.layout()

    route = to_ground_frame(clip.vehicles[-1], clip.route)
    assert 0 < len(clip.layout.line_kinds) <= len(whole.line_kinds)
    centres = [p for p, kind in zip(clip.layout.lines(), clip.layout.line_kinds, strict=True) if kind == 9]
    nearest = np.linalg.norm(route[:, None] - np.concatenate(centres)[None, :, :2], axis=2).min(1)
    assert np.median(nearest) < 3.0  # the route runs along lanes of the layout: one ground frame

    kept = {tuple(p[0]) for p in clip.layout.lines()}
    for piece in whole.lines():
        near = np.linalg.norm(piece[:, None, :2] - route[None], axis=2).min()
        assert near > LAYOUT_RADIUS or tuple(piece[0]) in kept


def test_a_clips_layout_is_cut_once_a_route(world):
    first = world.start_clip(pictures=False).layout
    world.step(control_from_action(np.zeros(2)))
    assert world.start_clip(pictures=False).layout is first
