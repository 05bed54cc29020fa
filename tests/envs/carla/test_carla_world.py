"""CarlaWorld over the real client over the bridge over the reference world, beside that world itself."""

import contextlib
import dataclasses

import gymnasium
import numpy as np
import pytest
from answers import shown
from bridge_process import SMALL_ROAD, serving
from carla_worlds import GO, NUM_WARMUP, carla_config
from small_maps import lane, opendrive, road, section

import drivedit  # noqa: F401  registers the ids
from envs.carla.cameras import DEPTH_FAR, semantic_of, semantic_pixels
from envs.carla.carla_world import CarlaWorld
from envs.carla.coordinates import pose_from_carla, pose_to_carla
from envs.carla_bridge.road_simulation import STANDING_START
from envs.maps.opendrive.signals import SignalType
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_town_scene
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.layout import BoxColumn, LayoutKind
from worldsim.datatypes.route_signals import cycles_from
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind, light_states
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import UNKNOWN_COLOR

BRAKE = np.array([0, 0, 1, 0], np.float32)
STOP_TOLERANCE = 0.5
"""CARLA tells where to stop by a waypoint of its own map [m]."""
DIRECT = RoadWorldConfig(frame_size=(48, 48), num_vehicles=3, num_pedestrians=2, num_context=1)


def float32_pose(pose):
    """The pose as it is after its way through CARLA's floats."""
    return pose_from_carla(*np.array(pose_to_carla(*pose), np.float32).tolist())


def assert_same(through_carla, direct):
    np.testing.assert_array_equal(through_carla.frame, direct.frame)
    np.testing.assert_allclose(through_carla.vehicle, direct.vehicle, atol=2e-4)
    for name, value in direct.scene.arrays().items():
        found = through_carla.scene.arrays()[name]
        if value.dtype.kind == "f":
            atol = STOP_TOLERANCE if name == "signal_distance" else 2e-3
            np.testing.assert_allclose(found, value, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(found, value, err_msg=name)
    assert through_carla.progress == pytest.approx(direct.progress, abs=2e-3)
    events = ("collision", "off_road", "wrong_way", "red_light", "stop_sign_missed")
    assert [getattr(through_carla, name) for name in events] == [getattr(direct, name) for name in events]


def assert_same_scene(carla_world, direct):
    """What pictures show, but for the clothes of pedestrians and how far they are in their stride."""
    ours, theirs = carla_world.camera_scene(), direct.camera_scene()
    np.testing.assert_allclose(dataclasses.astuple(ours.view), dataclasses.astuple(theirs.view), atol=2e-4)
    assert len(set(ours.user_ids.tolist())) == len(ours.user_ids)
    rows, expected = (np.lexsort(scene.users.boxes[:, :2].T.round(1)) for scene in (ours, theirs))
    ours, theirs = ours.users, theirs.users
    np.testing.assert_array_equal(ours.kinds[rows], theirs.kinds[expected])
    gap = ours.boxes[rows] - theirs.boxes[expected]
    gap[:, BoxColumn.YAW] = wrap_angle(gap[:, BoxColumn.YAW])
    np.testing.assert_allclose(gap, 0.0, atol=2e-3)
    np.testing.assert_array_equal(ours.braking[rows], theirs.braking[expected])
    painted = (theirs.kinds[expected] == ObjectKind.CAR) | (theirs.kinds[expected] == ObjectKind.TRUCK)
    np.testing.assert_allclose(ours.colors[rows][painted], theirs.colors[expected][painted], atol=0.51)
    assert (ours.colors[rows][~painted] == UNKNOWN_COLOR).all()


def compare_episode(carla_world, seed, controls, place=None, pose=None):
    """Drive both worlds by the same controls in town 0, or a place of the reference world's options, where the seed
    draws or at a pose; returns the number of frames found equal."""
    direct, place = RoadWorld(DIRECT), {"town": 0} if place is None else place
    pose = float32_pose(direct.reset(seed, place).vehicle[:3] if pose is None else pose)
    expected = direct.reset(seed, {**place, "start_pose": pose, "scripted_actors": STANDING_START})
    for _ in range(NUM_WARMUP):
        expected = direct.step(BRAKE)
    step = carla_world.reset(seed, {"start_pose": pose, "route": direct.snapshot().route})
    assert_same(shown(carla_world, step), shown(direct, expected))
    sun = carla_world.camera_scene().sun
    np.testing.assert_allclose(sun, direct.snapshot().look.sun_direction, atol=1e-5)
    number = step.info["frame_number"]
    for k, control in enumerate(controls, start=1):
        step, expected = carla_world.step(control), direct.step(control)
        assert_same(shown(carla_world, step), shown(direct, expected))
        assert_same_scene(carla_world, direct)
        assert step.info["frame_number"] == number + k
    clip, expected_clip = carla_world.start_clip(), direct.start_clip()
    np.testing.assert_array_equal(clip.frames, expected_clip.frames)
    np.testing.assert_allclose(clip.route, expected_clip.route, atol=2e-3)
    return len(controls) + 1


def wandering_controls(num, seed):
    """Smooth at first, then off the road and into things."""
    rng = np.random.default_rng(seed)
    steer = np.cumsum(rng.normal(0, 0.004, num))
    return np.stack([steer, rng.uniform(0.5, 1.0, num), np.zeros(num), np.zeros(num)], -1).astype(np.float32)


def test_recording_through_carla_equals_the_direct_one(carla_world):
    assert compare_episode(carla_world, 3, wandering_controls(50, 0)) == 51


def test_heights_and_grades_through_carla_are_the_direct_ones(tmp_path):
    """Over a hump, with another road below it."""
    hump = '<elevation s="0" a="0" b="0.1066667" c="-0.000355556" d="0"/>'
    lanes = section(0, lane(1), lane(-1))
    path = tmp_path / "hump.xodr"
    path.write_text(
        opendrive(
            road("1", 300, [lanes], start=(-150, 0, 0)),
            road("2", 300, [lanes], start=(0, -150, np.pi / 2), elevation=hump),
        )
    )
    with serving(*SMALL_ROAD, "--maps", str(path)) as own, contextlib.ExitStack() as stack:
        world = CarlaWorld(carla_config(own.port))
        stack.callback(world.close)
        drive = np.tile(GO * [0.0, 1.0, 1.0, 1.0], (40, 1)).astype(np.float32)
        assert compare_episode(world, 1, drive, {"map": str(path)}, (1.75, -60.0, np.pi / 2)) == 41
        view = world.camera_scene().view
        assert view.z > 6.0
        assert view.grade > 0.01


def test_lights_and_signs_through_carla_are_the_direct_ones(carla_world):
    """Straight at a light, on red or not, over its line and on."""
    direct = RoadWorld(DIRECT)
    lane, line = _lane_with_a_light(load_town_scene(0).road_map)
    at = lane.length - 30.0
    pose = float32_pose(tuple(float(np.interp(at, lane.s, v)) for v in (*lane.points.T, lane.yaw)))
    seen = set()
    for seed in range(3):
        expected = direct.reset(seed, {"town": 0, "start_pose": pose, "scripted_actors": STANDING_START})
        for _ in range(NUM_WARMUP):
            expected = direct.step(BRAKE)
        step = carla_world.reset(seed, {"start_pose": pose, "route": direct.snapshot().route})
        for _ in range(90):
            assert step.scene.signal_valid
            assert step.scene.signal == expected.scene.signal
            assert step.scene.signal_distance == pytest.approx(float(expected.scene.signal_distance), abs=0.1)
            assert_same_lights(carla_world, direct)
            assert (step.red_light, step.stop_sign_missed) == (expected.red_light, expected.stop_sign_missed)
            seen.add((int(expected.scene.signal), expected.red_light))
            control = np.array([*_steer(expected), 0.7, 0, 0], np.float32)
            step, expected = carla_world.step(control), direct.step(control)
    assert {signal for signal, _ in seen} & {SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN}
    assert line <= lane.length


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_cycles_of_lights_are_learned_by_watching(carla_world):
    direct, place = RoadWorld(DIRECT), {"town": 0}
    pose = float32_pose(direct.reset(1, place).vehicle[:3])
    direct.reset(1, {**place, "start_pose": pose, "scripted_actors": STANDING_START})
    for _ in range(NUM_WARMUP):
        direct.step(BRAKE)
    carla_world.reset(1, {"start_pose": pose, "route": direct.snapshot().route})
    assert carla_world.light_cycles() is None
    steps = 0
    while carla_world.light_cycles() is None and steps < 1000:
        carla_world.step(BRAKE)
        steps += 1
    found, truth = carla_world.light_cycles(), cycles_from(direct.light_cycles(), steps * direct.dt)
    assert found is not None
    ahead = np.arange(0.0, 60.0, 0.5)[:, None]
    shown = [
        light_states(cycles, ahead)[:, heads_of(world)] for world, cycles in ((carla_world, found), (direct, truth))
    ]
    assert (shown[0] == shown[1]).mean() > 0.97  # but for a step around each change
    clip = carla_world.start_clip(pictures=False)
    assert clip.light_cycles is not None
    assert clip.signals is not None


def heads_of(world):
    """The group of each head of a light in the layout, in the order of their places."""
    layout = world.layout()
    heads = layout.box_kinds == LayoutKind.LIGHT
    return layout.box_signals[heads][np.lexsort(layout.boxes[heads, :2].T.round(2))]


def assert_same_lights(carla_world, direct):
    """Every head of the layout shows the same, though the groups are counted otherwise."""
    shown = [world.camera_scene().lights[heads_of(world)] for world in (carla_world, direct)]
    np.testing.assert_array_equal(*shown)


def _lane_with_a_light(road_map):
    """A lane of more than 40 m with a light at its end, and the arc length of the stop line."""
    for light in road_map.signals:
        if light.kind == SignalType.TRAFFIC_LIGHT:
            for key, s in light.stops:
                if road_map.lanes[key].length > 40:
                    return road_map.lanes[key], s
    raise AssertionError("town 0 has no light")


def _steer(step):
    x, y = step.scene.route[2].tolist()
    return (float(VehicleModel().steer_command(2 * y / (x * x + y * y))),)


def test_the_layout_through_carla_is_the_direct_one(carla_world):
    carla_world.reset(0, {})
    layout, direct = carla_world.layout(), load_town_scene(0).layout

    for name in ("area_points", "area_kinds", "line_points", "line_kinds", "line_colors"):
        if name.startswith("line") or not len(direct.boxes):
            np.testing.assert_array_equal(getattr(layout, name), getattr(direct, name), err_msg=name)
    for kind in (LayoutKind.BUILDING, LayoutKind.TREE, LayoutKind.POLE, LayoutKind.SIGN, LayoutKind.LIGHT):
        ours, theirs = (one.boxes[one.box_kinds == kind] for one in (layout, direct))
        assert len(ours) == len(theirs), kind
        ours, theirs = (boxes[np.lexsort(boxes[:, :2].T.round(2))] for boxes in (ours, theirs))
        np.testing.assert_allclose(np.delete(ours, BoxColumn.YAW, 1), np.delete(theirs, BoxColumn.YAW, 1), atol=2e-3)
        turned = wrap_angle(ours[:, BoxColumn.YAW] - theirs[:, BoxColumn.YAW])
        np.testing.assert_allclose(turned, 0.0, atol=1e-4)
        if kind != LayoutKind.LIGHT:
            seeds = (np.sort(one.box_seeds[one.box_kinds == kind]) for one in (layout, direct))
            np.testing.assert_array_equal(*seeds)
        if kind == LayoutKind.SIGN:
            signs = (np.sort(one.box_signs[one.box_kinds == kind]) for one in (layout, direct))
            np.testing.assert_array_equal(*signs)
    assert not layout.box_color_valid.any()
    assert set(layout.box_signals[layout.box_kinds == LayoutKind.LIGHT]) == set(range(4))
    assert carla_world.layout() is layout
    clip = carla_world.start_clip(pictures=False)
    assert 0 < len(clip.layout.boxes) <= len(layout.boxes)


def test_depth_and_classes_through_carla_are_the_direct_ones():
    with serving(*SMALL_ROAD) as own, contextlib.ExitStack() as stack:
        config = carla_config(own.port)
        env = gymnasium.make("DriveDiT-Carla-v0", extra_obs=("depth", "semantic"), world_config=config).unwrapped
        stack.callback(env.close)
        direct = RoadWorld(DIRECT)
        pose = float32_pose(direct.reset(5, {"town": 0}).vehicle[:3])
        direct.reset(5, {"town": 0, "start_pose": pose, "scripted_actors": STANDING_START})
        for _ in range(NUM_WARMUP):
            direct.step(BRAKE)
        seen, _ = env.reset(seed=5, options={"start_pose": pose, "route": direct.snapshot().route})
        expected = direct.sensor_frames(("depth", "semantic"))
        assert seen in env.observation_space
        known = np.isfinite(expected["depth"]) & (expected["depth"] < DEPTH_FAR)
        np.testing.assert_array_equal(np.isfinite(seen["depth"]), known)
        np.testing.assert_allclose(seen["depth"][known], expected["depth"][known], rtol=2e-3)
        np.testing.assert_array_equal(seen["semantic"], semantic_of(semantic_pixels(expected["semantic"])))

        # what is told of the scene, drawn again, is what the server's cameras see
        world = env.world
        scene, rasterizer = world.camera_scene(), Rasterizer(CameraGeometry().with_frame_size((48, 48)))
        drawn = rasterizer.sense(
            ("depth", "semantic"), StaticWorld(world.layout()), scene.users, scene.view, scene.lights
        )
        assert (semantic_of(semantic_pixels(drawn["semantic"])) == seen["semantic"]).mean() > 0.98
        near = known & np.isfinite(drawn["depth"])
        assert near.sum() > 0.98 * known.sum()
        assert np.median(np.abs(drawn["depth"][near] / expected["depth"][near] - 1.0)) < 2e-3


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_thousand_frames_through_carla_equal_the_direct_ones(carla_world):
    frames = sum(compare_episode(carla_world, seed, wandering_controls(200, seed)) for seed in range(5))
    assert frames == 1005
