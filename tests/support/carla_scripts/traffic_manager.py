"""The client's Traffic Manager drives an ego and a car before it, begun and ended in the order that is safe in 0.9.16.

python traffic_manager.py PORT TM_PORT NUM_FRAMES SPAWN: the ego begins at SPAWN, the car 25 m ahead. Prints JSON.
"""

import json
import sys

import carla


def main(port, manager_port, num_frames, spawn):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    manager = client.get_trafficmanager(manager_port)
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(0)
    library, start = world.get_blueprint_library(), world.get_map().get_spawn_points()[spawn]
    blueprint = library.find("vehicle.tesla.model3")
    ahead = world.get_map().get_waypoint(start.location).next(25.0)[0].transform
    ahead.location.z = start.location.z
    vehicles = [world.spawn_actor(blueprint, place) for place in (start, ahead)]
    world.tick()
    for vehicle in vehicles:
        vehicle.set_autopilot(True, manager_port)
    far, driven, before = 0.0, [0.0, 0.0], [vehicle.get_location() for vehicle in vehicles]
    for _ in range(num_frames):
        world.tick()
        for number, vehicle in enumerate(vehicles):
            place = vehicle.get_location()
            driven[number] += place.distance(before[number])
            before[number] = place
            waypoint = world.get_map().get_waypoint(place)
            far = max(far, waypoint.transform.location.distance_2d(place))
    limits = [vehicle.get_speed_limit() for vehicle in vehicles]
    for vehicle in vehicles:
        vehicle.set_autopilot(False, manager_port)
        vehicle.destroy()
    world.tick()
    manager.shut_down()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps({"driven": driven, "farthest_from_lane": far, "limits": limits}))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
