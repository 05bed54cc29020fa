"""The camera: things lie where they project, lights can be read, depth and classes agree with colours."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from layouts import car, layout_of, users_of
from places import environment

from envs.maps.geometry import LanePolygon, Marking, RoadGeometry
from envs.road.rendering.camera import Camera, CameraConfig
from envs.road.rendering.ground_texture import GroundColors
from envs.road.rendering.scenery import Scenery
from envs.road.rendering.weather import WEATHERS, Weather
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.signals import SignalKind
from worldsim.gbuffer.classes import GROUND_ID, SemanticClass
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View


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
        aprons=(),
        junctions=(),
        bounds=(-20.0, -30.0, 200.0, 30.0),
    )


@pytest.fixture(scope="module")
def scenery() -> Scenery:
    return Scenery.build(straight_road(), 0)


LOOK = Weather.from_seed(0)
POSE = View(x=0.0, y=-1.75, yaw=0.0)
NOBODY = RoadUsers.none()


def frame_hash() -> str:
    scene = Scenery.build(straight_road(), 1)
    frame = Camera(CameraConfig()).render(scene, Weather.from_seed(3), POSE, users_of(car(15.0, -1.75)))
    return hashlib.sha256(frame.tobytes()).hexdigest()


def bare(*parts) -> Scenery:
    """Nothing but these boxes."""
    return Scenery(layout=layout_of(*parts), colors=GroundColors(), tracks=(), seed=0)


def test_a_car_paints_where_it_projects_and_nowhere_else(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    empty = camera.render(scenery, LOOK, POSE, NOBODY).astype(int)
    picture = camera.render(scenery, LOOK, POSE, users_of(car(14.0, -1.75))).astype(int)
    painted = np.abs(picture - empty).sum(2) > 30
    rear = np.array([[14 - 2.25, 0.9, 0.2], [14 - 2.25, -0.9, 1.4]])
    (u0, v1), (u1, v0) = camera.config.project(rear)[0]
    rows = np.nonzero(painted)[0]
    # the cabin is narrower than the body
    assert painted[int(v0) + 6 : int(v1) - 1, int(u0) + 2 : int(u1) - 2].mean() > 0.9
    assert rows.min() > v0 - 5  # its shadow lies beside it, below
    assert not painted[: int(v1) - 4, : int(u0) - 4].any()
    assert not painted[: int(v1) - 4, int(u1) + 4 :].any()


def test_the_nearer_car_hides_the_farther_one(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    near = camera.render(scenery, LOOK, POSE, users_of(car(8.0, -1.75)))
    both = camera.render(
        scenery, LOOK, POSE, RoadUsers.concatenate([users_of(car(20.0, -1.75)), users_of(car(8.0, -1.75))])
    )
    (u, v), *_ = camera.config.project(np.array([[8 - 2.25, 0.0, 0.7]]))[0]
    window = np.s_[int(v) - 6 : int(v) + 6, int(u) - 10 : int(u) + 10]
    assert np.array_equal(near[window], both[window])


def test_the_painted_line_lies_where_it_projects(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    frame = camera.render(scenery, LOOK, POSE, NOBODY).astype(int).sum(2)
    for distance in (5.0, 8.0):
        (u, v), *_ = camera.config.project(np.array([[distance, 1.75, 0.0]]))[0]
        row = frame[int(v)]
        window = row[int(u) - 6 : int(u) + 7]
        brightest = int(u) - 6 + round(float(np.flatnonzero(window > window.max() - 30).mean()))
        assert abs(brightest - u) < 2.5
        assert row[brightest] > row[int(u) + 10] + 60


def test_edges_of_near_paint_are_as_sharp_as_pixels(scenery: Scenery) -> None:
    """At 256 x 256 a pixel is far smaller than what the ground is painted with."""
    camera = Camera(CameraConfig(height_px=256, width_px=256))
    frame = camera.render(scenery, LOOK, POSE, NOBODY).astype(float).sum(2)
    for distance in (4.0, 5.0):
        (u, v), *_ = camera.config.project(np.array([[distance, 1.75, 0.0]]))[0]
        row = frame[int(v), int(u) - 14 : int(u) + 15]
        dark, bright = np.percentile(row, 20), row.max()
        between = (row > dark + 0.25 * (bright - dark)) & (row < dark + 0.75 * (bright - dark))
        assert between.sum() <= 3  # two edges


@pytest.mark.parametrize("size", [(96, 160), (64, 64), (256, 256)])
def test_frame_sizes(scenery: Scenery, size: tuple[int, int]) -> None:
    camera = Camera(CameraConfig(height_px=size[0], width_px=size[1]))
    frame = camera.render(scenery, LOOK, POSE, users_of(car(15.0, -1.75)))
    assert frame.shape == (*size, 3)
    assert frame.dtype == np.uint8
    sensed = camera.sense(("depth", "semantic"), scenery, POSE, NOBODY)
    assert (sensed["depth"].shape, sensed["depth"].dtype) == (size, np.float16)
    assert (sensed["semantic"].shape, sensed["semantic"].dtype) == (size, np.uint8)


def test_a_large_frame_scaled_down_is_the_small_one(scenery: Scenery) -> None:
    users = users_of(car(15.0, -1.75))
    small = Camera(CameraConfig()).render(scenery, LOOK, POSE, users).astype(float)
    large = Camera(CameraConfig(height_px=256, width_px=256)).render(scenery, LOOK, POSE, users)
    mean = large.astype(float).reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(mean - small).mean() < 3.0


def test_depth_classes_and_colours_agree_away_from_edges(scenery: Scenery) -> None:
    """Where the classes of a pixel's neighbours are its own, a red car is red, and nothing else is."""
    camera = Camera(CameraConfig())
    users = users_of(car(10.0, -1.75))
    frame = camera.render(scenery, WEATHERS[2], POSE, users).astype(int)
    sensed = camera.sense(("depth", "semantic"), scenery, POSE, users)
    is_car = sensed["semantic"] == SemanticClass.CAR
    inner = is_car.copy()
    outer = is_car.copy()
    for shift in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        inner &= np.roll(is_car, shift, (0, 1))
        outer |= np.roll(is_car, shift, (0, 1))
    empty = camera.render(scenery, WEATHERS[2], POSE, NOBODY).astype(int)
    changed = np.abs(frame - empty).sum(2) > 24
    assert changed[inner].mean() > 0.97
    above = np.arange(128)[:, None] < np.flatnonzero(is_car.any(1))[0] - 1
    assert not (changed & above & ~outer).any()
    depth = sensed["depth"].astype(float)
    assert (depth[inner] > 10 - 2.25 - CAMERA_X - 0.1).all()
    assert (depth[inner] < 10 + 2.25).all()


CAMERA_X = CameraConfig().mount_x


def test_sky_is_infinitely_far_and_ground_ends_at_the_horizon(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    sensed = camera.sense(("depth",), scenery, POSE, NOBODY)
    assert set(sensed) == {"depth"}
    assert np.isinf(sensed["depth"][0]).any()
    assert np.isfinite(sensed["depth"][70:]).all()
    found = camera.gbuffer(scenery, POSE, NOBODY)
    assert (found.ids[100:] == GROUND_ID).all()


@pytest.mark.parametrize(
    ("state", "channel"), [(SignalKind.RED, 0), (SignalKind.YELLOW, 0), (SignalKind.GREEN, 1), (SignalKind.NONE, None)]
)
@pytest.mark.parametrize("weather", [WEATHERS[0], WEATHERS[5]])
def test_a_traffic_light_can_be_read_from_25_metres(state: SignalKind, channel: int | None, weather: Weather) -> None:
    light = bare(LayoutKind.LIGHT, (25.0 + CAMERA_X, -3.0, 2.6, np.pi, 0.3, 0.45, 1.3))
    light = Scenery(layout=layout_of(LayoutKind.LIGHT, tuple(light.layout.boxes[0]), signal=1), colors=GroundColors(),
                    tracks=(), seed=0)  # fmt: skip
    view = View(x=0.0, y=0.0, yaw=0.0)
    frame = Camera(CameraConfig()).render(light, weather, view, NOBODY, np.array([0, state])).astype(int)
    red, green, blue = frame[:64, 60:].reshape(-1, 3).T
    bright = {
        SignalKind.RED: (red > 150) & (green < 0.6 * red) & (blue < 0.6 * red),
        SignalKind.YELLOW: (red > 150) & (green > 0.6 * red) & (blue < 0.6 * red),
        SignalKind.GREEN: (green > 130) & (red < 0.75 * green) & (blue < 0.9 * green),
    }
    for kind, pixels in bright.items():
        if kind == state:
            assert pixels.sum() >= 3, kind
        elif weather is WEATHERS[0]:  # at dusk the sky is red itself
            assert pixels.sum() == 0, kind


def test_shadows_darken_the_ground_away_from_the_sun() -> None:
    house = bare(LayoutKind.BUILDING, (30.0, 14.0, 0.0, -1.57, 9.0, 12.0, 9.0))
    from dataclasses import replace

    frames = [
        Camera(CameraConfig()).render(
            house, replace(WEATHERS[0], sun_azimuth=azimuth, sun_elevation=0.7), View(x=0.0, y=0.0, yaw=0.0), NOBODY
        )
        for azimuth in (np.pi / 2, -np.pi / 2)
    ]
    (u, v), *_ = CameraConfig().project(np.array([[26.0, 4.0, 0.0]]))[0]
    lit, dark = frames[1][int(v), int(u)].astype(int).sum(), frames[0][int(v), int(u)].astype(int).sum()
    assert dark < 0.8 * lit


def test_wet_ground_mirrors_what_stands_on_it() -> None:
    """Under a dark sky the ground before a bright wall is brighter than elsewhere."""
    from dataclasses import replace

    wall = bare(LayoutKind.WALL, (15.0, -4.0, 0.0, np.pi, 0.5, 6.0, 5.0))
    wet, dry = (replace(WEATHERS[4], wetness=w, horizon=(60, 62, 66), zenith=(60, 62, 66)) for w in (1.0, 0.0))
    view = View(x=0.0, y=0.0, yaw=0.0)
    (before, v), (beside, _) = CameraConfig().project(np.array([[12.0, -4.0, 0.0], [12.0, 4.0, 0.0]]))[0]
    gains = []
    for weather in (wet, dry):
        frame = Camera(CameraConfig()).render(wall, weather, view, NOBODY).astype(float)
        gains.append(frame[int(v), int(before)].sum() - frame[int(v), int(beside)].sum())
    assert gains[0] > gains[1] + 15


def test_brake_lights_are_bright(scenery: Scenery) -> None:
    camera = Camera(CameraConfig())
    frames = [
        camera.render(scenery, LOOK, POSE, users_of(car(9.0, -1.75), color=(40, 60, 120), braking=on)).astype(int)
        for on in (True, False)
    ]
    red = [((f[..., 0] > 200) & (f[..., 1] < 110)).sum() for f in frames]
    assert red[0] >= red[1] + 6


def test_the_same_bits_in_another_process() -> None:
    env = environment(Path(__file__).parent)
    code = "import test_camera; print(test_camera.frame_hash())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert out.stdout.strip() == frame_hash()


def test_bad_input_is_named(scenery: Scenery) -> None:
    with pytest.raises(ValueError, match="normals"):
        Camera(CameraConfig()).sense(("normals",), scenery, POSE, NOBODY)
    with pytest.raises(ValueError, match="fov"):
        CameraConfig(fov=7.0)
