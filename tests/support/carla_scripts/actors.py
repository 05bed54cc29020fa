"""Spawns a car and a walker besides the ego and moves them by set_transform each tick. Prints one JSON object."""

import json
import math
import queue
import sys

import carla
import numpy as np


def main(port, num_frames):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    library, spawn = world.get_blueprint_library(), world.get_map().get_spawn_points()[0]
    patrol = library.find("vehicle.nissan.patrol")
    patrol.set_attribute("traffic", "false")
    ego = world.spawn_actor(patrol, spawn)
    images, hits = queue.Queue(), []
    camera = world.spawn_actor(
        library.find("sensor.camera.rgb"), carla.Transform(carla.Location(x=1.3, z=1.6)), attach_to=ego
    )
    camera.listen(images.put)
    collision = world.spawn_actor(library.find("sensor.other.collision"), carla.Transform(), attach_to=ego)
    collision.listen(lambda event: hits.append(event.other_actor.id))
    frames = [world.tick()]
    pictures = [images.get(timeout=60.0)]
    found = {"alone": [actor.type_id for actor in world.get_actors().filter("vehicle.*")]}

    forward, right = spawn.get_forward_vector(), spawn.get_right_vector()

    def at(ahead, aside, turn=0.0):
        place = spawn.location + carla.Location(forward * ahead) + carla.Location(right * aside)
        return carla.Transform(place, carla.Rotation(yaw=spawn.rotation.yaw + turn))

    command = carla.command
    spawns = [(library.find("vehicle.tesla.model3"), at(15, 0)), (library.find("walker.pedestrian.0001"), at(12, 4))]
    batch = [
        command.SpawnActor(blueprint, place).then(command.SetSimulatePhysics(command.FutureActor, False))
        for blueprint, place in spawns
    ]
    ids = [response.actor_id for response in client.apply_batch_sync(batch, False)]
    frames.append(world.tick())
    pictures.append(images.get(timeout=60.0))
    car, walker = (world.get_actor(i) for i in ids)
    found["kinds"] = [car.type_id, walker.type_id]
    found["extents"] = [car.bounding_box.extent.x, walker.bounding_box.extent.x]
    found["occupied"] = ""
    try:
        world.spawn_actor(library.find("vehicle.tesla.model3"), at(15, 0))
    except RuntimeError as error:
        found["occupied"] = str(error)
    worst, speeds = 0.0, []
    for k in range(num_frames):
        wanted = [at(15 - 0.5 * k, 0), at(12, 4 - 0.1 * k, -90)]
        client.apply_batch_sync([command.ApplyTransform(i, t) for i, t in zip(ids, wanted, strict=True)], False)
        frames.append(world.tick())
        images.get(timeout=60.0)
        for actor, transform in zip((car, walker), wanted, strict=True):
            there = actor.get_transform()
            worst = max(
                worst, math.dist((there.location.x, there.location.y), (transform.location.x, transform.location.y))
            )
        speeds.append(car.get_velocity().length())
    found["worst"], found["speeds"] = worst, [min(speeds[1:]), max(speeds[1:])]
    found["rises"] = sorted(set(np.diff(frames).tolist()))
    one, other = (np.frombuffer(picture.raw_data, np.uint8).astype(int) for picture in pictures)
    found["seen"] = float(np.abs(one - other).max())
    found["hit_the_car"] = bool(hits) and set(hits) == {car.id}
    car.set_transform(at(30, 0))
    ego.set_target_velocity(carla.Vector3D(forward * 8.0))
    world.tick()
    found["launched"] = ego.get_velocity().length()
    found["destroyed"] = [walker.destroy(), walker.is_alive]
    world.tick()
    found["left"] = sorted(
        actor.type_id for actor in world.get_actors() if not actor.type_id.startswith(("sensor", "traffic"))
    )
    camera.stop()
    collision.stop()
    ego.destroy()
    car.destroy()
    world.tick()
    found["end"] = [actor.type_id for actor in world.get_actors() if not actor.type_id.startswith("traffic")]
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
