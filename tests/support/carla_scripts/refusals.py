"""Asks a bridge for what it cannot do, and for batches; prints what the client raised, one JSON object."""

import json
import sys

import carla


def message(call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except (RuntimeError, IndexError) as error:
        return str(error)
    return ""


def main(port):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, float(sys.argv[2])
    found = {"step": message(world.apply_settings, settings)}
    settings.fixed_delta_seconds = 0.1
    world.apply_settings(settings)
    car, other = library.find("vehicle.nissan.patrol"), library.find("vehicle.audi.tt")
    car.set_attribute("role_name", "hero")
    found["off_lane"] = message(world.spawn_actor, car, carla.Transform(carla.Location(x=9e3)))
    found["no_blueprint"] = message(library.find, "vehicle.tesla.roadster")
    command = carla.command
    then = command.SetVehicleLightState(command.FutureActor, carla.VehicleLightState(carla.VehicleLightState.Brake))
    spawned = client.apply_batch_sync([command.SpawnActor(car, spawns[0]).then(then)], False)
    ego_id = spawned[0].actor_id
    world.tick()
    ego = world.get_actor(ego_id)
    found["light"] = int(ego.get_light_state())
    found["second_ego"] = message(world.spawn_actor, car, spawns[-1])
    found["occupied"] = message(world.spawn_actor, other, spawns[0])
    batch = [command.SpawnActor(other, spawns[0]), command.DestroyActor(999_999)]
    batch.append(command.ApplyVehicleControl(ego_id, carla.VehicleControl(throttle=0.5)))
    found["batch"] = [response.error for response in client.apply_batch_sync(batch, True)]
    found["throttle"] = ego.get_control().throttle
    found["walker"] = message(world.spawn_actor, library.filter("walker.*")[0], spawns[0])
    camera = library.find("sensor.camera.rgb")
    found["free_camera"] = message(world.spawn_actor, camera, spawns[0])
    rear = carla.Transform(carla.Location(x=-6.0, z=3.0), carla.Rotation(yaw=180, roll=20))
    found["camera"] = message(world.spawn_actor, camera, rear, attach_to=ego)
    then = command.ApplyTorque(command.FutureActor, carla.Vector3D(z=1.0))
    imu = command.SpawnActor(library.find("sensor.other.imu"), carla.Transform(), ego_id).then(then)
    found["then"] = [(response.has_error(), response.error) for response in client.apply_batch_sync([imu], False)]
    found["no_physics"] = message(ego.set_simulate_physics, False)
    found["map"] = message(client.load_world, "Town99")
    before = ego.get_location()
    ego.set_location(carla.Location(x=before.x + 50.0, y=before.y))  # not waited for by the client
    world.tick()
    found["teleported"] = ego.get_location().distance(before) > 20.0
    spectator = world.get_spectator()
    spectator.set_transform(carla.Transform(carla.Location(z=40.0), carla.Rotation(pitch=-90)))
    world.tick()
    found["spectator"] = spectator.get_transform().location.z
    found["destroyed"] = client.apply_batch_sync([command.DestroyActor(ego_id)], False)[0].error
    world.tick()
    found["left"] = [actor.type_id for actor in world.get_actors() if not actor.type_id.startswith("traffic")]
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
