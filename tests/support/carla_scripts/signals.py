"""Looks at the lights, signs and static objects of a served map by the API; prints one JSON object."""

import json
import sys

import carla
import numpy as np


def main(port):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(120.0)
    world = client.load_world(sys.argv[2])
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    world.tick()
    world_map = world.get_map()
    lights = sorted(world.get_actors().filter("traffic.traffic_light*"), key=lambda light: light.id)

    # the API's two ways from the map to the actor
    landmarks = {mark.id: mark for mark in world_map.get_all_landmarks_of_type("1000001")}
    by_landmark = [world.get_traffic_light(landmarks[light.get_opendrive_id()]).id == light.id for light in lights]
    stops = [light.get_stop_waypoints() for light in lights]
    first = stops[0][0]
    before = first.previous(20.0)[0]
    ahead = [light.id for light in world.get_traffic_lights_from_waypoint(before, 60.0)]

    car = world.get_blueprint_library().find("vehicle.nissan.patrol")
    car.set_attribute("role_name", "hero")  # lights go on as long as there is an ego
    ego = world.spawn_actor(car, world_map.get_spawn_points()[0])
    states, elapsed = [], []
    for _ in range(400):
        world.tick()
        states.append([int(light.get_state()) for light in lights])
        elapsed.append([light.get_elapsed_time() for light in lights])

    refused = ""
    try:
        world.freeze_all_traffic_lights(True)
    except RuntimeError as error:
        refused = str(error)
    objects = world.get_environment_objects(carla.CityObjectLabel.Any)
    houses = world.get_environment_objects(carla.CityObjectLabel.Buildings)
    print(
        json.dumps(
            {
                "lights": len(lights),
                "ids": [light.get_opendrive_id() for light in lights],
                "by_landmark": by_landmark,
                "stops": [
                    [(w.transform.location.x, -w.transform.location.y, w.road_id, w.lane_id) for w in each]
                    for each in stops
                ],
                "first_ahead": stops and lights[0].id in ahead,
                "groups": [sorted(other.id for other in light.get_group_traffic_lights()) for light in lights],
                "own_ids": [light.id for light in lights],
                "times": [(light.get_green_time(), light.get_yellow_time(), light.get_red_time()) for light in lights],
                "states": states,
                "elapsed_falls": int((np.diff(np.array(elapsed), axis=0) < 0).sum()),
                "heads": [len(light.get_light_boxes()) for light in lights],
                "signs": sorted(sign.type_id for sign in world.get_actors().filter("traffic.*"))[:40],
                "stop_signs": len(world.get_actors().filter("traffic.stop")),
                "objects": len(objects),
                "types": sorted({str(item.type) for item in objects}),
                "houses": [[*_xyz(h.bounding_box.location), *_xyz(h.bounding_box.extent)] for h in houses],
                "boxes": len(world.get_level_bbs(carla.CityObjectLabel.Buildings)),
                "all_boxes": len(world.get_level_bbs(carla.CityObjectLabel.Any)),
                "refused": refused,
            }
        )
    )
    ego.destroy()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)


def _xyz(vector):
    return [vector.x, vector.y, vector.z]


main(int(sys.argv[1]))
