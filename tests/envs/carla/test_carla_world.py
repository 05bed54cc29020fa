"""CarlaWorld over the real client over the bridge over the reference world, beside that world itself; faults."""

import contextlib
import dataclasses
import re
import signal
import socket
import threading

import gymnasium
import msgpack
import numpy as np
import pytest
from answers import shown
from bridge_process import SMALL_ROAD, serving
from gymnasium.utils.env_checker import check_env
from leaderboard_files import write_route
from small_maps import lane, opendrive, road, section

import drivedit  # noqa: F401  registers the ids
from envs.carla.cameras import DEPTH_FAR, semantic_of, semantic_pixels
from envs.carla.carla_world import CarlaWorld, CarlaWorldConfig
from envs.carla.coordinates import pose_from_carla, pose_to_carla
from envs.carla.leaderboard_routes import RouteError, read_routes
from envs.carla_bridge.road_simulation import STANDING_START
from envs.carla_bridge.serve import ServeConfig
from envs.maps.opendrive.signals import SignalType
from envs.maps.towns.procedural_towns import town_xodr
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_town_scene
from envs.scripted_actors import ScriptedActors, ego_on_route, scripted_box
from envs.world import Restorable, WorldLostError
from scenarios.actors import BrakingLead, CrossingPedestrian
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
GO = np.array([0.02, 0.6, 0, 0], np.float32)
NUM_WARMUP = 2
STOP_TOLERANCE = 0.5
"""CARLA tells where to stop by a waypoint of its own map [m]."""
DIRECT = RoadWorldConfig(frame_size=(48, 48), num_vehicles=3, num_pedestrians=2, num_context=1)


def carla_config(port: int, **changes) -> CarlaWorldConfig:
    settings = {
        "port": port,
        "frame_size": (48, 48),
        "num_context": 1,
        "num_warmup": NUM_WARMUP,
        "num_vehicles": 0,
        "connect_seconds": 30.0,
        "tick_seconds": 30.0,
        "image_seconds": 20.0,
    }
    return CarlaWorldConfig(**(settings | changes))


@pytest.fixture(scope="module")
def bridge():
    with serving(*SMALL_ROAD) as running:
        yield running


@pytest.fixture(scope="module")
def carla_world(bridge):
    world = CarlaWorld(carla_config(bridge.port))
    yield world
    world.close()


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


LEAD = BrakingLead(gap=12.0, speed=8.0, brake_at=0.5, deceleration=6.0)
WALKER = CrossingPedestrian(distance=30.0, offset=4.0, start_at=0.0, speed=1.4)
STRAIGHT = ScriptedActors(scripts=(LEAD, WALKER), ego_speed=8.0, straight=60.0)


def nearest(scene, kind):
    """x, y, yaw, speed of the nearest object of a kind in the vehicle frame, None without one."""
    rows = np.flatnonzero(scene.object_valid & (scene.object_kinds == kind))
    return scene.objects[rows[0]] if len(rows) else None


def test_scripted_actors_play_as_in_the_embedded_world(carla_world):
    """The lead's way through CARLA is the script's, replayed here; hitting it is told; nobody else is there."""
    step = carla_world.reset(5, {"map": "Town_000", "scripted_actors": STRAIGHT})
    route, s = carla_world._episode.route, float(carla_world._episode.s)
    assert step.scene.speed == pytest.approx(8.0, abs=0.3)
    assert step.scene.lead[0] == pytest.approx(12.0, abs=0.1)
    model, dt = VehicleModel(), carla_world.dt
    lead, walker = LEAD.initial(route, s), WALKER.initial(route, s)
    assert step.scene.object_valid.sum() == 2
    hold = np.array([0.0, model.acceleration_command(0.0, 8.0), 0.0, 0.0], np.float32)
    for k in range(60):
        ego = ego_on_route(step.vehicle, route, s, model.length, model.width)
        lead, walker = (script.step(k * dt, ego, own, dt) for script, own in ((LEAD, lead), (WALKER, walker)))
        step = carla_world.step(hold)
        assert step.scene.object_valid.sum() == 2
        for actor, kind in ((lead, ObjectKind.CAR), (walker, ObjectKind.PEDESTRIAN)):
            x, y = scripted_box(actor, route)[:2]
            c, sn = np.cos(step.vehicle[2]), np.sin(step.vehicle[2])
            dx, dy = x - step.vehicle[0], y - step.vehicle[1]
            found = nearest(step.scene, kind)
            np.testing.assert_allclose(found[:2], [c * dx + sn * dy, c * dy - sn * dx], atol=0.1)
            assert found[3] == pytest.approx(actor.speed, abs=1e-4)
        if step.collision > 0.5:
            break
    assert step.info["collided_with"] == ObjectKind.CAR
    assert step.scene.speed == 0.0


def test_a_scripted_actor_is_seen_and_leaves_with_the_episode(carla_world):
    lead = ScriptedActors(scripts=(BrakingLead(gap=6.0, speed=0.0, brake_at=0.0, deceleration=5.0),), ego_speed=0.0)
    alone = ScriptedActors(scripts=(), ego_speed=0.0)
    with_lead = shown(carla_world, carla_world.reset(1, {"scripted_actors": lead}))
    without = shown(carla_world, carla_world.reset(1, {"scripted_actors": alone}))
    np.testing.assert_allclose(with_lead.vehicle, without.vehicle, atol=1e-4)
    difference = np.abs(with_lead.frame.astype(int) - without.frame).max(axis=2)
    assert (difference > 10).mean() > 0.02
    assert with_lead.scene.lead_valid
    assert not without.scene.object_valid.any()


def test_a_scenario_without_room_is_refused(carla_world):
    inside = ScriptedActors(scripts=(BrakingLead(gap=-3.0, speed=0.0, brake_at=0.0, deceleration=5.0),))
    with pytest.raises(ValueError, match=r"no room for scripted actor 0, a CAR, at .*collision at spawn position"):
        carla_world.reset(0, {"scripted_actors": inside})
    with pytest.raises(ValueError, match=r"no spawn point with 5000\.0 m without a junction"):
        carla_world.reset(0, {"scripted_actors": ScriptedActors(scripts=(), straight=5000.0)})


def test_a_leaderboard_route_is_driven_from_its_beginning(carla_world, tmp_path):
    drawn = load_town_scene(1).road_map
    rng = np.random.default_rng(4)
    route = drawn.route_from(drawn.random_lane_point(rng), 150.0, rng)
    path = write_route(tmp_path / "routes.xml", "Town_001", route.points[::50])
    read = read_routes(path)[0]
    step = carla_world.reset(0, {"route": read})
    assert carla_world.map_name == "Town_001"
    np.testing.assert_allclose(step.vehicle[:2], route.points[0], atol=1.0)
    followed = carla_world._episode.route
    assert followed.length == pytest.approx(150.0, abs=3.0)
    offsets = [abs(followed.project(point)[1]) for point in route.points]
    assert max(offsets) < 0.3  # sparse waypoints, the same lanes between them
    carla_world.step(GO)
    assert carla_world._episode.route is followed  # not prolonged
    elsewhere = write_route(tmp_path / "elsewhere.xml", "Town99", route.points[::50])
    with pytest.raises(RouteError, match=r"elsewhere\.xml, route 7: the server has no map 'Town99'"):
        carla_world.reset(0, {"route": read_routes(elsewhere)[0]})
    carla_world.reset(0, {"map": "Town_000"})


def drive(world, num_steps):
    """Instants of an episode, and what ended it, "" when nothing did."""
    instants = [shown(world, world.reset(0, {}))]
    try:
        for _ in range(num_steps):
            instants.append(shown(world, world.step(GO)))
    except WorldLostError as error:
        return instants, str(error)
    return instants, ""


def assert_unbroken(instants):
    """Frame numbers rise by one and, in a moving car, no image comes twice."""
    numbers = [instant.info["frame_number"] for instant in instants]
    assert np.diff(numbers).tolist() == [1] * (len(instants) - 1)
    moving = [instant.frame.tobytes() for instant in instants if instant.vehicle[3] > 0.5]
    assert len(set(moving)) == len(moving)


@pytest.mark.timeout(900)
def test_each_fault_has_its_outcome_and_a_reset_goes_on():
    """One bridge with many faults; an ego's first NUM_WARMUP frames are over when reset returns."""
    harmless = ("late_image@8:0.3", "duplicated_image@10", "late_frame@12:0.3")
    harmful = ("dropped_image@20", "late_image@30:4", "rpc_error@40", "kill@50")
    with serving(*SMALL_ROAD, "--faults", *harmless, *harmful) as bridge:
        world = CarlaWorld(carla_config(bridge.port, image_seconds=2.0))
        instants, error = drive(world, 30)
        assert_unbroken(instants)
        assert len(instants) == 20 - NUM_WARMUP  # through the harmless ones, up to the first harmful one
        assert re.search(r"the image of frame \d+ did not come within 2 s", error)
        with pytest.raises(ValueError, match="reset first"):
            world.step(GO)
        for num_frames, message in (
            (10, r"the image of frame \d+ did not come within 2 s"),
            (11, r"CARLA gave no frame after \d+: injected error in tick_cue"),  # after frame 40, not in it
            (10, r"CARLA gave no frame after \d+: time-out"),
        ):
            instants, error = drive(world, 30)
            assert_unbroken(instants)
            assert re.search(message, error)
            assert len(instants) == num_frames - NUM_WARMUP
        assert bridge.process.wait(10) == -signal.SIGKILL
        assert [line.split()[1] for line in bridge.lines if line.startswith("fault: ")] == [
            fault.partition("@")[0] for fault in (*harmless, *harmful)
        ]
        world.close()


def test_a_frame_that_never_comes_is_an_error():
    with serving(*SMALL_ROAD, "--faults", "late_frame@8:1000") as bridge:
        world = CarlaWorld(carla_config(bridge.port, tick_seconds=3.0, connect_seconds=10.0))
        instants, error = drive(world, 12)
        assert len(instants) == 8 - NUM_WARMUP
        assert "CARLA gave no frame after" in error
        assert "time-out" in error
        with pytest.raises(ConnectionError, match="no CARLA server answers"):
            world.reset(0, {})
        world.close()


@pytest.mark.parametrize("text", ["late_image", "frogs@3", "late_image@0", "late_frame@3:-1", "late_frame@x"])
def test_a_fault_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"fault|at must|seconds"):
        ServeConfig(faults=(text,))


def test_a_client_that_hangs_is_ended(carla_world):
    carla_world.reset(0, {})
    child = carla_world._process._child
    child.send_signal(signal.SIGSTOP)  # what a dead-lock in C++ looks like from outside
    with pytest.raises(WorldLostError, match=r"hung in step for 0\.5 s and was ended"):
        carla_world._process.call("step", GO, seconds=0.5)
    assert child.poll() == -signal.SIGKILL
    assert carla_world.reset(0, {}).vehicle[3] == 0.0  # what the dead one had left in the server was cleared away


def test_a_client_that_crashes_is_reported(carla_world):
    carla_world.reset(0, {})
    carla_world._process._child.send_signal(signal.SIGSEGV)
    with pytest.raises(WorldLostError, match="ended in step with exit code -11"):
        carla_world.step(GO)


def test_no_server_is_a_clear_error():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionError, match=f"no CARLA server answers at 127.0.0.1:{port}"):
        CarlaWorld(carla_config(port, connect_seconds=1.0)).reset(0, {})


def test_a_server_of_another_version_is_refused():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer():
            connection, _ = listener.accept()
            unpacker = msgpack.Unpacker()
            while data := connection.recv(4096):
                unpacker.feed(data)
                for _, number, _, _ in unpacker:
                    connection.sendall(msgpack.packb([1, number, None, [[1, "0.9.15"]]]))

        threading.Thread(target=answer, daemon=True).start()
        world = CarlaWorld(carla_config(listener.getsockname()[1]))
        with pytest.raises(ConnectionError, match=r"is CARLA 0\.9\.15, the installed client is 0\.9\.16"):
            world.reset(0, {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"map": "Town99"}, "the server has no map 'Town99'"),
        ({"start_pose": (5000.0, 0.0, 0.0)}, "not within 30 m of a driving lane"),
        ({"wether": 1}, "wether"),
    ],
)
def test_bad_options_are_refused(carla_world, options, message):
    with pytest.raises(ValueError, match=message):
        carla_world.reset(0, options)


def test_bad_settings_and_orders_are_refused():
    for changes in ({"dt": 0.0}, {"weather": "Frogs"}, {"num_warmup": 0}, {"port": 0}, {"frame_size": (8, 8)}):
        with pytest.raises(ValueError, match=str(next(iter(changes)))):
            CarlaWorldConfig(**changes)
    world = CarlaWorld()
    with pytest.raises(ValueError, match="reset first"):
        world.step(GO)
    assert not isinstance(world, Restorable)
    world.close()


def test_the_env_is_registered_and_drives_from_a_full_context(bridge):
    config = CarlaWorldConfig(num_vehicles=0, num_warmup=2, num_context=4, tick_seconds=30.0, connect_seconds=30.0)
    env = gymnasium.make("DriveDiT-Carla-v0", port=bridge.port, frame_size=(32, 48), world_config=config)
    frame, info = env.reset(seed=2)
    assert env.observation_space.contains(frame)
    assert {"scene", "weather", "frame_number", "collided_with", "lane_invasions"} <= set(info)
    clip = env.unwrapped.start_clip()
    assert clip.frames.shape == (4, 32, 48, 3)
    _, again = env.reset(seed=2)
    assert again["weather"] == info["weather"]
    np.testing.assert_array_equal(again["scene"], info["scene"])
    env.close()


@pytest.fixture
def carla_env(bridge):
    env = gymnasium.make("DriveDiT-Carla-v0", world_config=carla_config(bridge.port, num_context=2), obs="both")
    yield env
    env.close()


@pytest.mark.filterwarnings("error")
def test_gymnasiums_checker_has_no_complaint(carla_env):
    check_env(carla_env.unwrapped)


@pytest.mark.filterwarnings("error")
def test_stable_baselines3s_checker_has_no_complaint(carla_env):
    pytest.importorskip("stable_baselines3.common.env_checker").check_env(carla_env.unwrapped)


def test_torchrls_checker_has_no_complaint(carla_env):
    pytest.importorskip("torchrl")
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

    check_env_specs(GymWrapper(carla_env))


def test_maps_are_changed_by_name_and_by_text(carla_world):
    carla_world.reset(0, {"map": "Town_001"})
    assert carla_world.map_name == "Town_001"
    named = carla_world.start_clip().route
    carla_world.reset(0, {"map": town_xodr(1)})
    assert carla_world.map_name == "OpenDriveMap"
    np.testing.assert_allclose(carla_world.start_clip().route, named, atol=1e-3)  # the same town, the same start
    carla_world.reset(0, {"map": "Town_000"})
    assert carla_world.map_name == "Town_000"
    carla_world.reset(1, {})
    assert carla_world.map_name == "Town_000"
