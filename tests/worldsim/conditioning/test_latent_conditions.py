"""Conditions at latent resolution: what is pooled, who moves, where the route lies, where things were a step ago."""

import dataclasses

import numpy as np
import pytest
from layouts import layout_of, users_of, with_road

from worldsim.conditioning.latent_conditions import (
    FLOW_SCALE,
    NUM_CONDITION_CHANNELS,
    ROUTE_RANGE,
    SUN_KNOWN,
    ConditionChannel,
    ConditionMap,
    draw_conditions,
    still_grid,
)
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.layout import Layout, LayoutKind
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import SurfaceChannel, SurfaceMap, draw_surfaces
from worldsim.gbuffer.view import View

RASTERIZER = Rasterizer(CameraGeometry().with_frame_size((128, 128)))
STRAIGHT = np.stack([np.array(ROUTE_DISTANCES), np.zeros(10)], axis=-1)
SUN = np.array([0.0, 0.6, 0.8])
NOBODY = RoadUsers.none()
HOUSE = (30.0, 12.0, 0.0, 0.0, 20.0, 10.0, 8.0)
C = ConditionChannel


def street() -> Layout:
    return dataclasses.replace(with_road(layout_of(LayoutKind.BUILDING, HOUSE)), boxes_known=True, ground_known=True)


def seen(view: View, users: RoadUsers = NOBODY, layout: Layout | None = None) -> SurfaceMap:
    ids = np.arange(len(users.kinds)) + 7
    scene = CameraScene(view=view, users=users, user_ids=ids, sun=SUN)
    return draw_surfaces(RASTERIZER, StaticWorld(street() if layout is None else layout), scene)


def told(view: View, before: SurfaceMap | None = None, users: RoadUsers = NOBODY, **kwargs) -> ConditionMap:
    surfaces = seen(view, users, kwargs.pop("layout", None))
    route, valid = kwargs.get("route", STRAIGHT), kwargs.get("valid", np.ones(10, bool))
    return draw_conditions(surfaces, None if before is None else before.geometry, view, route, valid)


def quarters(channels: np.ndarray, first: int) -> np.ndarray:
    """Four channels as a map of twice the size."""
    return channels[first : first + 4].reshape(2, 2, 16, 16).transpose(2, 0, 3, 1).reshape(32, 32)


def test_surfaces_are_pooled_over_cells_and_their_quarters() -> None:
    car = users_of((ObjectKind.CAR, (12.0, -1.0, 0.0, 0.3, 4.4, 1.8, 1.5)), braking=True)
    surfaces, conditions = seen(View(x=0, y=0, yaw=0), car), told(View(x=0, y=0, yaw=0), users=car).channels
    assert conditions.shape == (NUM_CONDITION_CHANNELS, 16, 16)
    assert np.abs(conditions).max() <= 1.0
    whole = surfaces.channels.reshape(-1, 16, 8, 16, 8)
    color = whole[SurfaceChannel.COLOR : SurfaceChannel.COLOR + 3]
    np.testing.assert_allclose(conditions[C.COVERAGE : C.USERS], whole[:20].mean((2, 4)), atol=1e-5)
    np.testing.assert_allclose(conditions[C.COLOR : C.PLACE], color.mean((2, 4)), atol=1e-5)
    np.testing.assert_allclose(conditions[C.SUNLIGHT], whole[SurfaceChannel.SUNLIGHT].mean((1, 3)), atol=1e-5)
    assert conditions[C.SUNLIGHT].min() < 0.1 < 0.5 < conditions[C.SUNLIGHT].max()
    np.testing.assert_allclose(conditions[C.BRAKING], whole[SurfaceChannel.BRAKING].max((1, 3)), atol=1e-6)
    assert (conditions[C.KNOWN :] == 1).all()

    fine = surfaces.channels.reshape(-1, 32, 4, 32, 4).mean((2, 4))
    np.testing.assert_allclose(quarters(conditions, C.USERS), fine[SemanticClass.CAR], atol=1e-5)
    np.testing.assert_allclose(
        quarters(conditions, C.INVERSE_DEPTH), 0.5 * fine[SurfaceChannel.INVERSE_DEPTH], atol=1e-5
    )
    share = (surfaces.geometry.users >= 0).reshape(16, 8, 16, 8).mean((1, 3))
    angle = 0.3 - np.arctan2(-1.0, 12.0 - 1.2)
    np.testing.assert_allclose(conditions[C.HEADING], share * np.cos(angle), atol=1e-5)
    np.testing.assert_allclose(conditions[C.HEADING + 1], share * np.sin(angle), atol=1e-5)


def test_a_still_camera_finds_everything_where_it_was() -> None:
    view = View(x=3, y=0.5, yaw=0.1)
    conditions = told(view, before=seen(view))
    np.testing.assert_allclose(conditions.grid, still_grid(16, 16), atol=1e-5)
    assert (conditions.visible == 1).all()
    assert np.abs(conditions.channels[C.FLOW : C.VISIBLE]).max() < 1e-4


def test_nothing_is_told_of_motion_without_a_frame_before() -> None:
    conditions = told(View(x=3, y=0.5, yaw=0.1))
    assert not conditions.channels[C.MOVING : C.ROUTE].any()
    assert np.array_equal(conditions.grid, still_grid(16, 16))


def test_what_comes_into_view_at_the_edge_was_not_seen() -> None:
    """After a turn to the left the picture has moved to the right."""
    turned = told(View(x=0, y=0, yaw=0.2), before=seen(View(x=0, y=0, yaw=0)))
    assert (turned.visible[:, 0] == 0).all()
    assert turned.visible[:, 8:].mean() > 0.95
    cells = 0.2 * RASTERIZER.camera.focal / 8
    assert turned.channels[C.FLOW, 8, 8] * FLOW_SCALE == pytest.approx(cells, rel=0.1)


def test_road_users_that_have_moved_are_told_from_those_that_stand() -> None:
    view = View(x=0, y=0, yaw=0)
    boxes = [(12.0, -3.0, 0.0, 0.0, 4.4, 1.8, 1.5), (12.0, 3.0, 0.0, 0.0, 4.4, 1.8, 1.5)]
    before = users_of(*((ObjectKind.CAR, box) for box in boxes))
    after = dataclasses.replace(before, boxes=before.boxes + np.array([[0.5, 0, 0, 0, 0, 0, 0], [0.0] * 7]))
    moving = told(view, before=seen(view, before), users=after).channels[C.MOVING]
    users = (seen(view, after).geometry.users == 0).reshape(16, 8, 16, 8).mean((1, 3))
    np.testing.assert_allclose(moving, users, atol=1e-6)
    assert moving.max() > 0.3
    arrived = told(view, before=seen(view), users=before).channels[C.MOVING]
    assert arrived.max() > 0.3  # who was not there came from somewhere
    assert arrived[:, :8].max() > 0.3
    assert arrived[:, 8:].max() > 0.3


def test_the_route_lies_on_the_ground_that_the_depth_shows() -> None:
    """Where the ego stands 2 m to the left of its route and looks along it."""
    view = View(x=0, y=0, yaw=0)
    channels = told(view, route=STRAIGHT - [0, 2.0]).channels
    near, nearness = quarters(channels, C.ROUTE), quarters(channels, C.ROUTE + 8)
    depth = seen(view).geometry.depth[2::4, 2::4]
    rows, columns = np.nonzero(nearness > 0)
    assert len(rows) > 100
    assert (rows > 14).all()  # nothing above the horizon
    left = (64 - (4 * columns + 2.5)) / RASTERIZER.camera.focal * depth[rows, columns]
    np.testing.assert_allclose(near[rows, columns], np.clip((left + 2.0) / 2.0, -1, 1), atol=0.05)
    ahead = depth[rows, columns] + 1.2
    np.testing.assert_allclose(nearness[rows, columns], 1 - ahead / ROUTE_RANGE, atol=0.03)
    assert not told(view, valid=np.zeros(10, bool)).channels[C.ROUTE : C.KNOWN].any()


def test_without_a_layout_depths_are_guessed_but_for_the_road_users_that_are_known() -> None:
    car = users_of((ObjectKind.CAR, (12.0, -1.0, 0.0, 0.0, 4.4, 1.8, 1.5)))
    views = View(x=0, y=0, yaw=0), View(x=1, y=0, yaw=0)
    conditions = told(views[1], seen(views[0], car, Layout.unknown()), car, layout=Layout.unknown())
    channels = conditions.channels
    assert not channels[C.KNOWN : SUN_KNOWN].any()
    assert channels[SUN_KNOWN].all()
    assert (conditions.visible[:9] == 1).all()  # ground and a far wall, both seen before
    assert conditions.visible[9:10].min() < 0.9  # around the car more comes into view
    assert channels[C.USERS : C.PAINT].max() == 1
    assert (channels[C.ROUTE + 8 : C.KNOWN] > 0).any()
    assert np.abs(conditions.grid - still_grid(16, 16)).max() > 0.05  # the ground moves as a flat one


def test_pictures_of_other_sizes_are_refused() -> None:
    surfaces = seen(View(x=0, y=0, yaw=0))
    geometry = dataclasses.replace(
        surfaces.geometry, **{name: getattr(surfaces.geometry, name)[:100] for name in ("depth", "users", "mixed")}
    )
    with pytest.raises(ValueError, match="multiples of 8 px, got 100 x 128"):
        draw_conditions(
            dataclasses.replace(surfaces, geometry=geometry), None, View(x=0, y=0, yaw=0), STRAIGHT, np.ones(10, bool)
        )
