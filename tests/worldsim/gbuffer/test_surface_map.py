"""Surface maps: what each group of channels says, in scenes that can be worked out by hand."""

import dataclasses

import numpy as np
import pytest
from camera_rays import pixel_rays
from layouts import car, layout_of, users_of, with_road

from worldsim.datatypes.camera import CameraGeometry, PinholeCamera
from worldsim.datatypes.layout import Layout, LayoutKind, LineColor, LineKind
from worldsim.datatypes.signals import SignalKind
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import NO_PART, Part, SemanticClass
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import NUM_SURFACE_CHANNELS, SUN_KNOWN, SurfaceChannel, SurfaceMap, draw_surfaces
from worldsim.gbuffer.view import View

HOUSE = layout_of(LayoutKind.BUILDING, (20.0, 0.0, 0.0, 0.0, 8.0, 10.0, 6.0))


def surfaces(
    layout: Layout, users: RoadUsers | None = None, lights: np.ndarray | None = None,
    camera: PinholeCamera | None = None, view: View | None = None,
) -> SurfaceMap:  # fmt: skip
    users = users or RoadUsers.none()
    scene = CameraScene(
        view=view or View(x=0.0, y=0.0, yaw=0.0), users=users, user_ids=7 + np.arange(len(users.kinds)), lights=lights
    )
    return draw_surfaces(Rasterizer(camera or PinholeCamera()), StaticWorld(layout), scene)


def group(found: SurfaceMap, channel: SurfaceChannel, size: int) -> np.ndarray:
    return found.channels[channel : channel + size]


@pytest.mark.parametrize("size", [(128, 128), (64, 96), (256, 256)])
def test_a_map_has_the_size_of_the_frame_and_shares_that_sum_to_one(size: tuple[int, int]):
    found = surfaces(with_road(HOUSE), users_of(car(9.0, -3.0)), camera=CameraGeometry().with_frame_size(size))
    assert found.channels.shape == (NUM_SURFACE_CHANNELS, *size)
    assert found.channels.dtype == np.float32
    assert found.parts.shape == size
    assert found.geometry.depth.shape == size
    coverage = group(found, SurfaceChannel.COVERAGE, len(SemanticClass))
    assert coverage.sum(axis=0) == pytest.approx(1.0, abs=1e-5)
    for shown in (
        SemanticClass.SKY,
        SemanticClass.ROAD,
        SemanticClass.MARKING,
        SemanticClass.BUILDING,
        SemanticClass.CAR,
    ):
        assert coverage[shown].max() > 0.9
    assert np.abs(found.channels).max() <= 2.0


def test_inverse_depth_facing_and_waves_follow_the_surface():
    found = surfaces(with_road(Layout()))
    depth = found.geometry.depth
    sky = np.isinf(depth)
    inverse = found.channels[SurfaceChannel.INVERSE_DEPTH]
    assert inverse[~sky] == pytest.approx(np.minimum(5.0 / depth[~sky], 2.0), rel=1e-5)
    assert (found.channels[SurfaceChannel.FACING][~sky] > 0).all()
    for channel, size in ((SurfaceChannel.INVERSE_DEPTH, 1), (SurfaceChannel.FACING, 1), (SurfaceChannel.WAVES, 16)):
        assert not group(found, channel, size)[:, sky].any()
    # the ground's coordinates are those of the ground frame
    rays = pixel_rays(PinholeCamera())
    points = PinholeCamera().mount[:2] + rays[~sky][:, :2] * depth[~sky][:, None]
    fade = np.minimum(20.0 / depth[~sky], 1.0)
    waves = group(found, SurfaceChannel.WAVES, 16).reshape(2, 4, 2, *depth.shape)[..., ~sky]
    near = depth[~sky] < 60.0
    for k, period in enumerate((12.0, 6.0, 3.0, 1.5)):
        angles = 2 * np.pi * points.T / period
        assert waves[0, k][:, near] == pytest.approx((fade * np.sin(angles))[:, near], abs=2e-3)
        assert waves[1, k][:, near] == pytest.approx((fade * np.cos(angles))[:, near], abs=2e-3)


def test_waves_and_depth_do_not_depend_on_where_the_map_lies():
    """Waves repeat every 12 m, also a thousand kilometres from the origin."""
    far = 12.0 * 100_000
    here, there = surfaces(Layout()), surfaces(Layout(), view=View(x=far, y=-far, yaw=0.0))
    assert np.abs(there.channels - here.channels).max() < 1e-4


def test_colours_parts_and_places_are_those_of_boxes_and_road_users():
    found = surfaces(with_road(HOUSE), users_of(car(9.0, -3.0), car(9.0, 3.0), color=(255, 0, 0)))
    nothing = found.parts == NO_PART
    color, place = group(found, SurfaceChannel.COLOR, 3), group(found, SurfaceChannel.PLACE, 3)
    paint = found.channels[[SemanticClass.MARKING, SemanticClass.CROSSWALK, SemanticClass.STOP_LINE]].sum(0)
    assert not color[:, nothing & (paint == 0)].any()
    assert not place[:, nothing].any()
    red = color[:, found.parts == Part.CAR_REAR]
    assert red.size > 0
    assert red == pytest.approx(np.broadcast_to([[1.0], [-1.0], [-1.0]], red.shape))
    users = found.geometry.users
    places = [np.unique(place[:, users == k], axis=1) for k in range(2)]
    house = np.unique(place[:, (users < 0) & ~nothing], axis=1)
    assert [p.shape[1] for p in (*places, house)] == [1, 1, 1]
    assert np.abs(places[0] - places[1]).max() > 0.05
    assert np.abs(places[0] - house).max() > 0.05


@pytest.mark.parametrize(("color", "rgb"), [(LineColor.WHITE, (1.0, 1.0, 1.0)), (LineColor.YELLOW, (1.0, 0.57, -1.0))])
def test_paint_tells_its_colour_by_its_share(color: LineColor, rgb: tuple[float, float, float]):
    line = np.array([[-5.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
    layout = Layout(
        line_points=line,
        line_starts=np.array([0, 2]),
        line_kinds=np.array([int(LineKind.SOLID)]),
        line_colors=np.array([int(color)]),
        line_widths=np.array([0.3], np.float32),
    )
    found = surfaces(layout)
    share, shown = found.channels[SemanticClass.MARKING], group(found, SurfaceChannel.COLOR, 3)
    assert share.max() > 0.9
    assert np.abs(shown - share * np.array(rgb)[:, None, None]).max() < 0.02


def test_places_are_spread_evenly():
    """Over many seeds each of the numbers has the mean and spread of an even one, and they are not alike."""
    boxes = [(10.0 + 4.0 * (k // 20), 2.0 * (k % 20) - 19.0, 0.0, 0.0, 1.0, 1.0, 1.0) for k in range(400)]
    layout = dataclasses.replace(
        layout_of(LayoutKind.OTHER, *boxes), box_seeds=np.arange(400, dtype=np.uint32) + np.uint32(2**32 - 200)
    )
    found = surfaces(layout, view=View(x=0.0, y=0.0, yaw=0.0, z=6.0))
    place = np.unique(group(found, SurfaceChannel.PLACE, 3)[:, found.parts != NO_PART], axis=1)
    assert place.shape[1] > 200
    assert np.abs(place).max() <= 1.0
    assert place.mean(axis=1) == pytest.approx(0.0, abs=0.12)
    assert place.std(axis=1) == pytest.approx(1 / np.sqrt(3), abs=0.08)
    assert np.abs(np.corrcoef(place) - np.eye(3)).max() < 0.2


def points_of(found: SurfaceMap, camera: PinholeCamera) -> np.ndarray:
    """Points of the vehicle frame at the pixels; those of the sky a metre away, [h, w, 3]."""
    depth = found.geometry.depth
    return camera.mount + pixel_rays(camera) * np.where(np.isinf(depth), 1.0, depth)[..., None]


def test_normals_are_unit_vectors_of_the_ground_frame():
    layout = layout_of(LayoutKind.WALL, (20.0, 2.0, 0.0, 0.25, 2.0, 12.0, 3.0))
    tree = layout_of(LayoutKind.TREE, (15.0, -5.0, 0.0, 0.0, 4.0, 4.0, 6.0))
    found = surfaces(layout, users_of(car(9.0, -2.0)), view=View(x=0.0, y=0.0, yaw=0.1))
    normals, sky = group(found, SurfaceChannel.NORMAL, 3), np.isinf(found.geometry.depth)
    assert np.linalg.norm(normals, axis=0) == pytest.approx(1.0, abs=1e-5)
    ground = (found.parts == NO_PART) & ~sky
    assert (normals[:, ground] == np.array([[0.0], [0.0], [1.0]])).all()
    wall = found.parts == Part.WALL
    assert wall.sum() > 100
    assert pytest.approx(np.tile([-np.cos(0.25), -np.sin(0.25), 0.0], (wall.sum(), 1)), abs=1e-5) == normals[:, wall].T
    rear = found.parts == Part.CAR_REAR
    assert pytest.approx(np.tile([-1.0, 0.0, 0.0], (rear.sum(), 1)), abs=1e-5) == normals[:, rear].T

    # round things turn their sides away, and the sky's is the ray
    found = surfaces(tree)
    normals, sky = group(found, SurfaceChannel.NORMAL, 3), np.isinf(found.geometry.depth)
    rays = np.moveaxis(pixel_rays(PinholeCamera()), -1, 0)
    rays = rays / np.linalg.norm(rays, axis=0)
    assert np.abs(normals - rays)[:, sky].max() < 1e-5
    assert np.linalg.norm(normals, axis=0) == pytest.approx(1.0, abs=1e-5)
    crown = found.parts == Part.CROWN
    left = np.isin(np.arange(128), np.flatnonzero(crown.any(0))[:3])
    assert normals[1][crown & left].min() > 0.5
    facing = found.channels[SurfaceChannel.FACING]
    assert facing[crown] == pytest.approx(np.abs((normals * rays).sum(0))[crown], abs=1e-4)


def test_a_point_on_a_face_lies_so_far_across_and_up():
    """The wall's face is 10 m wide and 3 m high."""
    found = surfaces(layout_of(LayoutKind.WALL, (20.0, 0.0, 0.0, 0.0, 2.0, 10.0, 3.0)), users_of(car(9.0, -3.0)))
    face, wall = group(found, SurfaceChannel.FACE, 2), found.parts == Part.WALL
    assert wall.sum() > 300
    points = points_of(found, PinholeCamera())[wall]
    assert face[0][wall] == pytest.approx((-points[:, 1] / 5.0).clip(-1, 1), abs=2e-3)
    assert face[1][wall] == pytest.approx((points[:, 2] / 1.5 - 1.0).clip(-1, 1), abs=2e-3)
    assert not face[:, found.parts == NO_PART].any()
    rear = found.parts == Part.CAR_REAR
    columns = np.broadcast_to(np.arange(128), rear.shape)[rear]
    assert np.corrcoef(face[0][rear], columns)[0, 1] > 0.99
    assert np.abs(face).max() <= 1.0


def test_round_things_have_no_face():
    found = surfaces(layout_of(LayoutKind.TREE, (15.0, -3.0, 0.0, 0.0, 4.0, 4.0, 6.0)))
    assert (found.parts == Part.CROWN).sum() > 100
    assert not group(found, SurfaceChannel.FACE, 2)[:, found.parts == Part.CROWN].any()


@pytest.mark.parametrize(("state", "third", "color"), [
    (SignalKind.RED, 2, (1.0, -0.65, -0.75)), (SignalKind.YELLOW, 1, (1.0, 0.45, -0.7)),
    (SignalKind.GREEN, 0, (-0.65, 0.9, 0.0)),
])  # fmt: skip
def test_only_the_lit_third_of_a_lights_face_shines_and_in_its_colour(
    state: SignalKind, third: int, color: tuple[float, float, float]
):
    """Heads are drawn 1.35 times as large as they are, around their middle."""
    layout = layout_of(LayoutKind.LIGHT, (6.0, 0.0, 1.2, np.pi, 0.3, 0.4, 0.8), signal=0)
    camera = CameraGeometry().with_frame_size((256, 256))
    found, dark = (surfaces(layout, lights=np.array([s]), camera=camera) for s in (state, SignalKind.NONE))
    face = (found.parts == Part.SIGNAL_FACE) & ~found.geometry.mixed
    up = (points_of(found, camera)[..., 2] - (1.6 - 0.54)) / 0.36
    shown = found.channels[SurfaceChannel.SIGNAL + state - SignalKind.RED]
    inside = face & (up > third + 0.15) & (up < third + 0.85)
    outside = face & ((up < third - 0.15) | (up > third + 1.15))
    assert inside.sum() > 20
    assert (shown[inside] == 1.0).all()
    assert outside.sum() > 40
    assert not shown[outside].any()
    told = group(found, SurfaceChannel.COLOR, 3)
    assert pytest.approx(np.tile(color, (inside.sum(), 1)), abs=1e-6) == told[:, inside].T
    assert np.array_equal(told[:, outside], group(dark, SurfaceChannel.COLOR, 3)[:, outside])


def test_a_light_shows_its_state_and_only_to_the_front():
    layout = layout_of(LayoutKind.LIGHT, (8.0, 0.0, 2.0, np.pi, 0.3, 0.4, 1.0), signal=1)
    for state in (SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN):
        found = group(surfaces(layout, lights=np.array([SignalKind.NONE, state])), SurfaceChannel.SIGNAL, 3)
        shown = state - SignalKind.RED
        assert found[shown].max() == 1.0
        assert not np.delete(found, shown, axis=0).any()
    turned = dataclasses.replace(layout, boxes=layout.boxes * (1, 1, 1, 0, 1, 1, 1))
    for dark in (surfaces(layout), surfaces(turned, lights=np.array([SignalKind.NONE, SignalKind.RED]))):
        assert not group(dark, SurfaceChannel.SIGNAL, 3).any()


def test_a_light_smaller_than_a_pixel_shows_its_share():
    layout = layout_of(LayoutKind.LIGHT, (75.0, 0.0, 4.0, np.pi, 0.3, 0.4, 1.0), signal=0)
    found = surfaces(layout, lights=np.array([SignalKind.GREEN]))
    green = found.channels[SurfaceChannel.SIGNAL + 2]
    assert 0.0 < green.sum() < 3.0
    assert (green <= found.channels[SurfaceChannel.COVERAGE + SemanticClass.LIGHT] + 1e-2).all()
    # its colour is blended into what else the pixel shows
    dark = group(surfaces(layout, lights=np.array([SignalKind.NONE])), SurfaceChannel.COLOR, 3)
    lamp = np.array([-0.65, 0.9, 0.0])[:, None, None]
    assert group(found, SurfaceChannel.COLOR, 3) == pytest.approx(dark * (1 - green) + lamp * green, abs=1e-6)
    assert (green > 0).sum() <= 2
    assert green.max() < 1


def test_braking_is_told_of_those_who_brake():
    users = RoadUsers.concatenate([users_of(car(9.0, -3.0), braking=True), users_of(car(9.0, 3.0))])
    found = surfaces(Layout(), users)
    braking, shown = found.channels[SurfaceChannel.BRAKING], found.geometry.users
    assert (braking[shown == 0] == 1.0).all()
    assert (shown == 0).sum() > 50
    assert not braking[shown != 0].any()
    assert (shown == 1).sum() > 50


def test_a_road_user_behind_a_house_is_hidden():
    hidden = surfaces(HOUSE, users_of(car(40.0)))
    alone = surfaces(HOUSE)
    assert (hidden.geometry.users == -1).all()
    assert np.array_equal(hidden.channels, alone.channels)


def test_what_the_layout_knows_is_told():
    for ground, boxes in ((True, True), (True, False), (False, False)):
        found = surfaces(dataclasses.replace(Layout(), ground_known=ground, boxes_known=boxes))
        assert not found.channels[SUN_KNOWN].any()
        assert (found.channels[SurfaceChannel.KNOWN] == ground).all()
        assert (found.channels[SurfaceChannel.KNOWN + 1] == boxes).all()


def test_pixels_that_show_things_one_before_the_other_are_mixed():
    house = layout_of(LayoutKind.WALL, (20.0, 0.0, 0.0, 0.0, 2.0, 10.0, 6.0))
    found = surfaces(house, users_of(car(9.0, -2.0)))
    mixed, users = found.geometry.mixed, found.geometry.users
    shares = group(found, SurfaceChannel.COVERAGE, len(SemanticClass))
    wall, sky, car_share = (shares[k] for k in (SemanticClass.WALL, SemanticClass.SKY, SemanticClass.CAR))
    # part wall and part sky, part car and part anything
    assert mixed[(wall > 0) & (sky > 0)].all()
    assert ((wall > 0) & (sky > 0)).sum() > 20
    assert mixed[(car_share > 0) & (car_share < 1)].all()
    # what is shown alone is not, nor is a wall where it stands on the ground
    alone = (shares.max(0) == 1.0) & (users < 0)
    assert not mixed[alone].any()
    aslant = surfaces(layout_of(LayoutKind.WALL, (20.0, 0.0, 0.0, 0.4, 2.0, 10.0, 6.0)))
    wall = aslant.channels[SemanticClass.WALL]
    columns = np.flatnonzero((wall == 1.0).any(0))[2:-2]
    foot = (wall > 0) & (wall < 1) & (aslant.channels[SemanticClass.GROUND] > 0)
    assert foot[:, columns].sum() > 10
    assert not aslant.geometry.mixed[:, columns][foot[:, columns]].any()


def test_without_a_layout_there_is_a_far_wall_and_still_road_users():
    found = surfaces(Layout.unknown(), users_of(car(9.0)))
    depth, users = found.geometry.depth, found.geometry.users
    assert depth.max() == 50.0
    assert (depth[:50][users[:50] < 0] == 50.0).all()
    assert (users == 0).sum() > 50
    assert depth[users == 0].max() < 10.0
    assert depth[-1] == pytest.approx(surfaces(Layout()).geometry.depth[-1])
    assert found.channels[SurfaceChannel.COVERAGE + SemanticClass.CAR].sum() > 50
