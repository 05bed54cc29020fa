"""The calls of CARLA's own example scripts, in their order: tutorial, traffic, a gym wrapper, an agent. Prints JSON.

python example_calls.py PORT TM_PORT
"""

import json
import math
import random
import sys

import carla


def coloured(library, pattern):
    blueprint = random.choice(library.filter(pattern))
    if blueprint.has_attribute("color"):
        blueprint.set_attribute("color", random.choice(blueprint.get_attribute("color").recommended_values))
    return blueprint


def tutorial(client, world):
    """Asynchronous, any vehicle without a role, its camera, a teleport that is not waited for, other vehicles."""
    library, place = world.get_blueprint_library(), random.choice(world.get_map().get_spawn_points())
    actors = [world.spawn_actor(coloured(library, "vehicle"), place)]
    images = []
    mount = carla.Transform(carla.Location(x=1.5, z=2.4))
    camera = world.spawn_actor(library.find("sensor.camera.depth"), mount, attach_to=actors[0])
    camera.listen(lambda image: images.append(image.frame))
    location = actors[0].get_location()
    location.x += 40
    actors[0].set_location(location)
    for _ in range(5):
        place.location.x += 8.0
        other = world.try_spawn_actor(coloured(library, "vehicle"), place)
        actors += [] if other is None else [other]
    while len(images) < 3:
        world.wait_for_tick(60.0)
    camera.stop()
    camera.destroy()
    client.apply_batch([carla.command.DestroyActor(actor) for actor in actors])
    return len(images)


def traffic(client, world, manager_port):
    """How far cars come that one batch has spawned and handed to the Traffic Manager, none of them a hero."""
    manager = client.get_trafficmanager(manager_port)
    manager.set_global_distance_to_leading_vehicle(2.5)
    manager.set_synchronous_mode(True)
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    command, library = carla.command, world.get_blueprint_library()
    cars = sorted((b for b in library.filter("vehicle.*") if b.get_attribute("base_type") == "car"), key=lambda b: b.id)
    batch = []
    for place in world.get_map().get_spawn_points()[::9][:6]:
        blueprint = random.choice(cars)
        blueprint.set_attribute("role_name", "autopilot")
        then = command.SetAutopilot(command.FutureActor, True, manager.get_port())
        batch.append(command.SpawnActor(blueprint, place).then(then))
    ids = [response.actor_id for response in client.apply_batch_sync(batch, True) if not response.error]
    world.set_pedestrians_seed(1)
    assert world.get_random_location_from_navigation() is None  # so that no walkers are spawned
    before = {actor.id: actor.get_location() for actor in world.get_actors(ids)}
    manager.global_percentage_speed_difference(30.0)
    for _ in range(60):
        world.tick()
    moved = [actor.get_location().distance(before[actor.id]) for actor in world.get_actors(ids)]
    for actor in world.get_actors(ids):
        actor.set_autopilot(False, manager_port)
        actor.destroy()
    world.tick()
    manager.shut_down()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    return sorted(moved)


def gym_wrapper(client, town):
    """A world that is loaded, others first, then the ego with its sensors, then synchronous steps, and all again."""
    world = client.load_world(town)
    world.set_weather(carla.WeatherParameters.ClearNoon)
    library, places = world.get_blueprint_library(), world.get_map().get_spawn_points()
    settings = world.get_settings()
    settings.fixed_delta_seconds = 0.1
    driven, pictures = [], []
    for episode in range(2):
        for pattern in ("sensor.*", "vehicle.*", "walker.*"):
            for actor in world.get_actors().filter(pattern):
                actor.destroy()
        settings.synchronous_mode = False
        world.apply_settings(settings)
        others = [world.try_spawn_actor(coloured(library, "vehicle.*"), place) for place in places[10:50:10]]
        boxes = [(actor.get_transform(), actor.bounding_box) for actor in world.get_actors().filter("vehicle.*")]
        ego = world.spawn_actor(coloured(library, "vehicle.lincoln*"), places[episode])
        collision = world.spawn_actor(library.find("sensor.other.collision"), carla.Transform(), attach_to=ego)
        collision.listen(lambda event: None)
        blueprint = library.find("sensor.camera.rgb")
        for name, value in {"image_size_x": "64", "image_size_y": "64", "fov": "110", "sensor_tick": "0.02"}.items():
            blueprint.set_attribute(name, value)
        mount = carla.Transform(carla.Location(x=0.8, z=1.7))
        camera = world.spawn_actor(blueprint, mount, attach_to=ego)
        camera.listen(lambda image: pictures.append(image.frame))
        settings.synchronous_mode = True
        world.apply_settings(settings)
        before = ego.get_location()
        for _ in range(20):
            ego.apply_control(carla.VehicleControl(throttle=0.7))
            world.tick()
        driven.append(ego.get_location().distance(before))
        assert len(boxes) <= len(others)
        for sensor in (collision, camera):
            sensor.stop()
    for actor in [*world.get_actors().filter("sensor.*"), *world.get_actors().filter("vehicle.*")]:
        actor.destroy()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    return {"driven": driven, "pictures": len(pictures)}


def agent(world):
    """How far a car comes that is steered along waypoints, minding lights and vehicles; most that it is off them."""
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    library, road = world.get_blueprint_library(), world.get_map()
    blueprint = library.filter("vehicle.*model3*")[0]
    blueprint.set_attribute("role_name", "hero")
    blueprint.set_attribute("traffic", "false")
    car = world.spawn_actor(blueprint, road.get_spawn_points()[0])
    world.tick()
    assert road.get_topology()
    lights = world.get_actors().filter("*traffic_light*")
    stops = [road.get_waypoint(light.get_transform().transform(light.trigger_volume.location)) for light in lights]
    driven, far = 0.0, 0.0
    for _ in range(60):
        place = car.get_transform()
        waypoint = road.get_waypoint(place.location)
        red = any(
            light.state == carla.TrafficLightState.Red and stop.transform.location.distance(place.location) < 12
            for light, stop in zip(lights, stops, strict=True)
        )
        goal = waypoint.next(5.0)[0].transform.location
        turn = math.degrees(math.atan2(goal.y - place.location.y, goal.x - place.location.x)) - place.rotation.yaw
        steer = ((turn + 180) % 360 - 180) / 60
        fast = red or car.get_velocity().length() > min(6.0, car.get_speed_limit() / 3.6)
        car.apply_control(carla.VehicleControl(throttle=0.0 if fast else 0.7, brake=0.5 * red, steer=steer))
        world.tick()
        driven += car.get_location().distance(place.location)
        far = max(far, road.get_waypoint(car.get_location()).transform.location.distance_2d(car.get_location()))
    car.destroy()
    world.tick()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    return {"driven": driven, "farthest_from_lane": far}


def main(port, manager_port):
    random.seed(0)
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    found = {"images": tutorial(client, world), "agent": agent(world), "traffic": traffic(client, world, manager_port)}
    print(json.dumps(found | {"gym": gym_wrapper(client, "Town_001")}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
