"""Roads above each other: each level shows its own surface, paint and classes, from below and from above."""

from pathlib import Path

import numpy as np
import pytest
from small_maps import lane, opendrive, road, section

from envs.road.rendering.camera import Camera, CameraConfig
from envs.road.rendering.scenery import Scenery
from envs.road.rendering.weather import WEATHERS
from envs.road.static_scene import load_map_scene
from worldsim.datatypes.layout import AreaKind
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

OVERPASS = Path(__file__).parents[3] / "data/maps/overpass.xodr"
ANGLE = 1.1
CAMERA = Camera(CameraConfig(height_px=256, width_px=256))
NOBODY = RoadUsers.none()


def hilly_overpass() -> str:
    """A road that climbs at 2 % along x, and at an angle one that rises to 8 m and falls again over it."""
    edge = '<roadMark sOffset="0" type="solid" color="white" width="0.15"/>'
    lanes = [lane(k, inside=f'<width sOffset="0" a="3.5" b="0" c="0" d="0"/>{edge}') for k in (1, -1)]
    walks = [lane(k, "sidewalk", inside='<width sOffset="0" a="2" b="0" c="0" d="0"/>') for k in (2, -2)]
    lines = section(0, *lanes, *walks, centre='<roadMark sOffset="0" type="solid" color="yellow" width="0.15"/>')
    c, s = np.cos(ANGLE), np.sin(ANGLE)
    return opendrive(
        road("1", 300, [lines], start=(-150, 0, 0), elevation='<elevation s="0" a="-3" b="0.02" c="0" d="0"/>'),
        road(
            "2",
            300,
            [lines],
            start=(-150 * c, -150 * s, ANGLE),
            elevation='<elevation s="0" a="0" b="0.1066667" c="-0.000355556" d="0"/>',
        ),
    )


@pytest.fixture(scope="module")
def flat() -> Scenery:
    return load_map_scene(str(OVERPASS)).scenery


@pytest.fixture(scope="module")
def hilly() -> Scenery:
    return load_map_scene(hilly_overpass()).scenery


def seen(scenery: Scenery, view: View, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SemanticClass [n] and colours [n, 3] where points [n, 3] of the ground frame lie, all of which are seen."""
    offset = np.asarray(points, float) - (view.x, view.y, view.z)
    c, s = np.cos(view.yaw), np.sin(view.yaw)
    ahead, left = c * offset[:, 0] + s * offset[:, 1], c * offset[:, 1] - s * offset[:, 0]
    cg, sg = np.cos(view.grade), np.sin(view.grade)
    local = np.stack([cg * ahead + sg * offset[:, 2], left, cg * offset[:, 2] - sg * ahead], axis=1)
    columns, rows = CAMERA.config.project(local)[0].T.astype(int)
    assert min(columns.min(), rows.min()) >= 0
    assert max(columns.max(), rows.max()) < 256
    found = CAMERA.gbuffer(scenery, view, NOBODY)
    depth = local[:, 0] - CAMERA.config.mount_x
    assert found.depth[rows, columns] == pytest.approx(depth, rel=0.15), "something else is seen there"
    frame = CAMERA.render(scenery, WEATHERS[0], view, NOBODY)
    sensed = CAMERA.sense(("semantic",), scenery, view, NOBODY)["semantic"]
    assert np.array_equal(found.kinds, sensed)
    return found.kinds[rows, columns], frame[rows, columns].astype(int)


def along_x(xs: np.ndarray, y: float, slope: float = 0.0) -> np.ndarray:
    return np.stack([xs, np.full(len(xs), y), slope * xs], axis=1)


def is_grey(colors: np.ndarray) -> np.ndarray:
    return (np.ptp(colors, axis=1) < 30) & (colors.sum(axis=1) < 420)


def is_green(colors: np.ndarray) -> np.ndarray:
    return (colors[:, 1] > colors[:, 2] + 15) & (colors[:, 1] > colors[:, 0])


@pytest.mark.parametrize(("name", "slope"), [("flat", 0.0), ("hilly", 0.02)])
def test_below_a_bridge_there_is_no_paint_of_the_road_above(request, name: str, slope: float) -> None:
    """The upper road's edges and middle cross the lower road's lane, along whose middle nothing is painted."""
    scenery = request.getfixturevalue(name)
    view = View(x=-14.0, y=-1.75, yaw=0.0, z=-14.0 * slope, grade=float(np.arctan(slope)))
    kinds, colors = seen(scenery, view, along_x(np.arange(-7.0, 10.0, 0.05), -1.75, slope))
    assert (kinds == SemanticClass.ROAD).all()
    assert is_grey(colors).all()
    # nor is its asphalt on the slope beside the lower road, right of its edge or sidewalk
    found = CAMERA.gbuffer(scenery, view, NOBODY)
    x, y = found.coordinates[..., 0], found.coordinates[..., 1]
    beside = (found.ids == -1) & (np.abs(x) < 3.0) & (y < -6.2) & (y > -9.0)
    assert beside.sum() > 30
    assert (found.kinds[beside] == SemanticClass.GROUND).all()
    assert is_green(CAMERA.render(scenery, WEATHERS[0], view, NOBODY)[beside].astype(int)).mean() > 0.95


@pytest.mark.parametrize(("start", "height"), [(-16.0, 8.0), (-40.0, 8.0)])
def test_on_a_bridge_there_is_no_paint_of_the_road_below(flat: Scenery, start: float, height: float) -> None:
    view = View(x=1.75, y=start, yaw=np.pi / 2, z=height)
    ys = np.arange(max(start + 6.0, -9.0), 9.0, 0.05)
    middle = np.stack([np.full(len(ys), 1.75), ys, np.full(len(ys), height)], axis=1)
    kinds, colors = seen(flat, view, middle)
    assert (kinds == SemanticClass.ROAD).all()
    assert is_grey(colors).all()
    ys = np.arange(start + 6.0, start + 14.0, 0.25)
    edge = np.stack([np.full(len(ys), 3.5), ys, np.full(len(ys), height)], axis=1)
    kinds, colors = seen(flat, view, edge)
    assert (kinds == SemanticClass.MARKING).all()


def test_a_hilly_bridge_carries_its_own_paint(hilly: Scenery) -> None:
    c, s = np.cos(ANGLE), np.sin(ANGLE)
    along, across = np.array([c, s]), np.array([s, -c])
    start = -20.0
    view = View(
        x=float(start * c + 1.75 * s), y=float(start * s - 1.75 * c), yaw=ANGLE, z=8.0 - 0.000355556 * start**2,
        grade=float(np.arctan(-0.000711111 * start)),
    )  # fmt: skip
    at = np.arange(start + 7.0, 8.0, 0.1)

    def line(offset: float) -> np.ndarray:
        return np.column_stack([at[:, None] * along + offset * across, 8.0 - 0.000355556 * at**2])

    kinds, colors = seen(hilly, view, line(1.75))
    assert (kinds == SemanticClass.ROAD).all()
    assert is_grey(colors).all()
    kinds, colors = seen(hilly, view, line(0.0)[:60])
    assert (kinds == SemanticClass.MARKING).mean() > 0.95
    assert (colors[:, 0] > colors[:, 2] + 60).mean() > 0.95  # yellow
    kinds, _ = seen(hilly, view, line(4.7)[20:])
    assert (kinds == SemanticClass.SIDEWALK).mean() > 0.95


def test_the_ground_of_a_bridge_is_covered_by_its_classes(flat: Scenery) -> None:
    found = CAMERA.gbuffer(flat, View(x=1.75, y=-16.0, yaw=np.pi / 2, z=8.0), NOBODY)
    assert (found.coverage.astype(int).sum(-1) == 255).all()
    whole = found.coverage.max(-1) == 255
    assert (found.coverage.argmax(-1)[whole] == found.kinds[whole]).mean() > 0.999


def test_pads_around_houses_lie_on_the_hills() -> None:
    """One that stayed at z = 0 would tear a hole into the ground."""
    lanes = section(0, *(lane(k, inside='<width sOffset="0" a="3.5" b="0" c="0" d="0"/>') for k in (1, -1)))
    hill = '<elevation s="0" a="20" b="0.05" c="0" d="0"/>'
    layout = load_map_scene(opendrive(road("1", 300, [lanes], elevation=hill))).scenery.layout
    pads = np.concatenate([a for a, k in zip(layout.areas(), layout.area_kinds, strict=True) if k == AreaKind.OTHER])
    roads = np.concatenate([a for a, k in zip(layout.areas(), layout.area_kinds, strict=True) if k != AreaKind.OTHER])
    assert len(pads) > 40
    expected = 20 + 0.05 * pads[:, 0].clip(roads[:, 0].min(), roads[:, 0].max())
    assert np.abs(pads[:, 2] - expected).max() < 1.0
