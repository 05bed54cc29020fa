"""Scripted actors and leaderboard routes in CarlaWorld, over the real client and the bridge."""

import numpy as np
import pytest
from answers import shown
from carla_worlds import GO
from leaderboard_files import write_route

import drivedit  # noqa: F401  registers the ids
from envs.carla.leaderboard_routes import RouteError, read_routes
from envs.road.static_scene import load_town_scene
from envs.scripted_actors import ScriptedActors, ego_on_route, scripted_box
from scenarios.actors import BrakingLead, CrossingPedestrian
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleModel

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
