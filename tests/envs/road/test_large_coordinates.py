"""A map in UTM coordinates is the same, to the centimetre and in the picture, as its copy at the origin."""

from pathlib import Path

import numpy as np
import pytest

from envs.road.rendering.camera import Camera, CameraConfig
from envs.road.rendering.weather import WEATHERS
from envs.road.static_scene import StaticScene, load_map_scene
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.layout_file import pack_layouts, unpack_layouts
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

UTM = Path(__file__).parents[2] / "data/maps/utm.xodr"
OFFSET = np.array([361850.0, 5296686.0])
PLACES = ("boxes", "area_points", "line_points")


@pytest.fixture(scope="module")
def scenes() -> tuple[StaticScene, StaticScene]:
    """The map as it is, and with its first road starting at the origin."""
    text = UTM.read_text()
    for far, near in (("361850.0", "0.0"), ("362150.0", "300.0"), ("5296686.0", "0.0")):
        assert far in text
        text = text.replace(f'"{far}"', f'"{near}"')
    return load_map_scene(str(UTM)), load_map_scene(text)


def test_layouts_are_equal_up_to_the_offset(scenes) -> None:
    far, near = (scene.layout.arrays() for scene in scenes)
    assert (far["box_kinds"] == LayoutKind.TREE).any()
    for name, values in far.items():
        moved = values.copy()
        if name in PLACES:
            moved[:, :2] -= OFFSET
        np.testing.assert_allclose(moved, near[name], atol=1e-3, rtol=0, err_msg=name)


def test_a_file_keeps_the_millimetre(scenes) -> None:
    layout = scenes[0].layout
    (found,) = unpack_layouts(pack_layouts([layout]))
    for name in PLACES:
        np.testing.assert_allclose(getattr(found, name), getattr(layout, name), atol=6e-4, rtol=0)


@pytest.mark.parametrize(("x", "y", "yaw"), [(20.0, -1.75, 0.0), (211.3, 1.75, np.pi), (300.0, 0.0, 1.0)])
def test_the_gbuffer_is_the_same(scenes, x: float, y: float, yaw: float) -> None:
    camera, nobody = Camera(CameraConfig()), RoadUsers.none()
    views = [View(x=x + dx, y=y + dy, yaw=yaw) for dx, dy in (OFFSET, np.zeros(2))]
    far, near = (camera.gbuffer(s.scenery, v, nobody) for s, v in zip(scenes, views, strict=True))
    seen = np.isfinite(near.depth)
    assert np.array_equal(seen, np.isfinite(far.depth))
    assert np.abs(far.depth[seen] - near.depth[seen]).max() < 0.01
    assert (far.ids == near.ids).all()
    assert (far.kinds != near.kinds).mean() < 1e-3
    ground = near.ids == -1
    assert np.abs(far.coordinates[ground] - OFFSET - near.coordinates[ground]).max() < 0.01
    frames = [camera.render(s.scenery, WEATHERS[0], v, nobody) for s, v in zip(scenes, views, strict=True)]
    assert (np.abs(frames[0].astype(int) - frames[1]).max(axis=2) > 3).mean() < 1e-3
