"""Boxes are made faces of when a camera sees them, and stay who they are."""

import numpy as np

from tests.support.layouts import layout_of
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import LayoutKind
from worldsim.gbuffer.primitives import Instances
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

BEHIND, AHEAD, FAR = ((x, 0.0, 0.0, 0.0, 4.0, 4.0, 5.0) for x in (-20.0, 20.0, 200.0))
LAYOUT = layout_of(LayoutKind.OTHER, BEHIND, AHEAD, FAR)


def test_only_what_is_in_view_has_faces_and_keeps_its_number() -> None:
    rasterizer, world = Rasterizer(PinholeCamera()), StaticWorld(LAYOUT)
    canvas = rasterizer.draw(world, RoadUsers.none(), View(x=0.0, y=0.0, yaw=0.0))
    found = Instances.of_layout(LAYOUT).in_view(canvas.camera)
    assert (np.diff(found.face_starts) > 0).tolist() == [False, True, False]
    assert found.corners[..., 0].min() == 18.0
    shown = rasterizer.gbuffer(canvas, world.ground(canvas.camera)).ids
    assert set(shown[shown >= 0].tolist()) == {1}


def test_whoever_turns_round_sees_the_other() -> None:
    rasterizer, world = Rasterizer(PinholeCamera()), StaticWorld(LAYOUT)
    canvas = rasterizer.draw(world, RoadUsers.none(), View(x=0.0, y=0.0, yaw=np.pi))
    shown = rasterizer.gbuffer(canvas, world.ground(canvas.camera)).ids
    assert set(shown[shown >= 0].tolist()) == {0}
