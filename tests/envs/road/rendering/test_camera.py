"""The camera: things lie where they project, occlusion, determinism."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import environment

from envs.maps.opendrive import LanePolygon, Marking, RoadGeometry
from envs.road.rendering.camera import Actor, Camera, CameraConfig
from envs.road.rendering.scenery import Scenery
from envs.road.rendering.weather import Weather
from worldsim.datatypes.scene import ObjectKind


def straight_road() -> RoadGeometry:
    """Along x, two lanes of 3.5 m; the left edge of the right lane, painted, lies at y = 0."""
    x = np.array([-20.0, 200.0])

    def lane(kind: str, left: float, right: float) -> LanePolygon:
        sides = (np.stack([x, np.full(2, y)], axis=1) for y in (left, right))
        flat = np.zeros(2)
        return LanePolygon(kind=kind, left=next(sides), right=next(sides), left_z=flat, right_z=flat, in_junction=False)

    return RoadGeometry(
        lanes=(lane("driving", 0.0, -3.5), lane("driving", 3.5, 0.0), lane("sidewalk", -3.5, -5.5)),
        markings=(
            Marking(points=np.stack([x, np.zeros(2)], axis=1), z=np.zeros(2), kind="solid", color="white", width=0.3),
        ),
        crosswalks=(),
        stop_lines=(),
        junctions=(),
        bounds=(-20.0, -30.0, 200.0, 30.0),
    )


@pytest.fixture(scope="module")
def scenery() -> Scenery:
    return Scenery.build(straight_road(), 0)


LOOK = Weather.from_seed(0)
POSE = (0.0, -1.75, 0.0)


def car(x: float, y: float = -1.75, color: tuple[int, int, int] = (250, 20, 20)) -> Actor:
    return Actor(kind=ObjectKind.CAR, x=x, y=y, yaw=0.0, length=4.5, width=1.8, height=1.5, color=color)


def frame_hash() -> str:
    scene = Scenery.build(straight_road(), 1)
    frame = Camera(CameraConfig()).render(scene, Weather.from_seed(3), POSE, [car(15.0)])
    return hashlib.sha256(frame.tobytes()).hexdigest()


def test_a_car_paints_where_it_projects_and_nowhere_else(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    empty = camera.render(scenery, LOOK, POSE, []).astype(int)
    painted = np.abs(camera.render(scenery, LOOK, POSE, [car(14.0)]).astype(int) - empty).sum(2) > 30
    rear = np.array([[14 - 2.25, 0.9, 0.2], [14 - 2.25, -0.9, 1.4]])
    (u0, v1), (u1, v0) = camera.config.project(rear)[0]
    rows, columns = np.nonzero(painted)
    assert painted[int(v0) + 2 : int(v1) - 1, int(u0) + 2 : int(u1) - 2].mean() > 0.9
    assert columns.min() > u0 - 5
    assert columns.max() < u1 + 5
    assert rows.min() > v0 - 5


def test_the_nearer_car_hides_the_farther_one(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    near = camera.render(scenery, LOOK, POSE, [car(8.0)])
    both = camera.render(scenery, LOOK, POSE, [car(20.0, color=(20, 20, 250)), car(8.0)])
    (u, v), *_ = camera.config.project(np.array([[8 - 2.25, 0.0, 0.7]]))[0]
    window = np.s_[int(v) - 6 : int(v) + 6, int(u) - 10 : int(u) + 10]
    assert np.array_equal(near[window], both[window])


def test_the_painted_line_lies_where_it_projects(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    frame = camera.render(scenery, LOOK, POSE, []).astype(int).sum(2)
    for distance in (5.0, 8.0):
        (u, v), *_ = camera.config.project(np.array([[distance, 1.75, 0.0]]))[0]
        row = frame[int(v)]
        brightest = int(u) - 6 + int(np.argmax(row[int(u) - 6 : int(u) + 7]))
        assert abs(brightest - u) < 2.5
        assert row[brightest] > row[int(u) + 10] + 60


@pytest.mark.parametrize("size", [(96, 160), (64, 64), (256, 256)])
def test_frame_sizes(scenery: Scenery, size: tuple[int, int]) -> None:
    frame = Camera(CameraConfig(height_px=size[0], width_px=size[1])).render(scenery, LOOK, POSE, [car(15.0)])
    assert frame.shape == (*size, 3)
    assert frame.dtype == np.uint8


def test_the_same_bits_in_another_process() -> None:
    env = environment(Path(__file__).parent)
    code = "import test_camera; print(test_camera.frame_hash())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == frame_hash()


def test_bad_input_is_named(scenery: Scenery) -> None:
    with pytest.raises(ValueError, match="nan"):
        Camera(CameraConfig()).render(scenery, LOOK, (0.0, float("nan"), 0.0), [])
    with pytest.raises(ValueError, match="fov"):
        CameraConfig(fov=7.0)
