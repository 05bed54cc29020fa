"""Manual control without its window: asynchronous, HUD figures, one change of map. Prints one JSON object."""

import json
import sys

import carla


def main(port, next_map):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    ticks = []
    callback = world.on_tick(lambda snapshot: ticks.append(snapshot.frame))
    library = world.get_blueprint_library()
    car = library.filter("vehicle.*")[0]
    car.set_attribute("role_name", "hero")
    ego = world.spawn_actor(car, world.get_map().get_spawn_points()[0])
    images = []
    camera = world.spawn_actor(
        library.find("sensor.camera.rgb"), carla.Transform(carla.Location(x=1.3, z=1.6)), attach_to=ego
    )
    camera.listen(lambda image: images.append((image.frame, image.width, image.height)))
    for _ in range(12):
        world.wait_for_tick(60.0)
        ego.apply_control(carla.VehicleControl(throttle=1.0))
    world.remove_on_tick(callback)
    heard = [frame for frame, _, _ in images]
    found = {
        "speed": ego.get_velocity().length(),
        "box": [ego.bounding_box.extent.x, ego.bounding_box.extent.y],
        "wheels": len(ego.get_physics_control().wheels),
        "images": len(images),
        "size": images[-1][1:],
        "rising": heard == sorted(set(heard)),
        "ticks": len(ticks),
        "maps": len(client.get_available_maps()),
        "map": world.get_map().name,
    }
    camera.stop()
    camera.destroy()
    ego.destroy()
    world = client.load_world(next_map)
    found["next_map"] = world.get_map().name
    found["next_actors"] = [actor.type_id for actor in world.get_actors() if not actor.type_id.startswith("traffic")]
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
