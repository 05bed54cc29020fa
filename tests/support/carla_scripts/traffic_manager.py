"""The client's Traffic Manager drives the ego, begun and ended in the order that is safe in 0.9.16. Prints JSON.

python traffic_manager.py PORT TM_PORT NUM_FRAMES
"""

import json
import sys

import carla


def main(port, manager_port, num_frames):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    manager = client.get_trafficmanager(manager_port)
    manager.set_synchronous_mode(True)
    manager.set_random_device_seed(0)
    car = world.get_blueprint_library().find("vehicle.tesla.model3")
    ego = world.spawn_actor(car, world.get_map().get_spawn_points()[0])
    world.tick()
    ego.set_autopilot(True, manager_port)
    far, driven, before = 0.0, 0.0, ego.get_location()
    for _ in range(num_frames):
        world.tick()
        place = ego.get_location()
        driven += place.distance(before)
        before = place
        waypoint = world.get_map().get_waypoint(place)
        far = max(far, waypoint.transform.location.distance_2d(place))
    ego.set_autopilot(False, manager_port)
    ego.destroy()
    world.tick()
    manager.shut_down()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps({"driven": driven, "farthest_from_lane": far}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
