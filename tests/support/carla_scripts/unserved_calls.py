"""Calls that CARLA carries out and no served world does: what the client raises where it waits. Prints JSON."""

import json
import sys

import carla


def message(call):
    try:
        call()
    except RuntimeError as error:
        return str(error)
    return ""


def main(port):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    car = library.find("vehicle.tesla.model3")
    car.set_attribute("role_name", "hero")
    ego = world.spawn_actor(car, spawns[0])
    world.tick()
    up, point, control = carla.Vector3D(z=1.0), carla.Location(z=5.0), ego.get_physics_control()
    waited_for = {
        "recorder": lambda: client.start_recorder("a.log"),
        "recorded": lambda: client.show_recorder_file_info("a.log", True),
        "replay": lambda: client.replay_file("a.log", 0.0, 0.0, 0),
        "telemetry": ego.get_telemetry_data,
        "bones": ego.get_bone_names,
        "ray": lambda: world.cast_ray(point, carla.Location()),
        "objects": world.get_names_of_all_objects,
        "layer": lambda: world.load_map_layer(carla.MapLayer.All),
        "ghost": lambda: ego.set_collisions(False),
        "physics": lambda: ego.set_simulate_physics(False),
        "lidar": lambda: world.spawn_actor(
            library.find("sensor.lidar.ray_cast"), carla.Transform(point), attach_to=ego
        ),
        "normals": lambda: world.spawn_actor(
            library.find("sensor.camera.normals"), carla.Transform(point), attach_to=ego
        ),
    }
    found = {name: message(call) for name, call in waited_for.items()}
    for call in (
        lambda: ego.apply_physics_control(control),
        lambda: ego.open_door(carla.VehicleDoor.All),
        lambda: ego.set_wheel_steer_direction(carla.VehicleWheelLocation.FL_Wheel, 10.0),
        lambda: ego.add_torque(up),
        lambda: ego.set_enable_gravity(False),
        client.stop_recorder,
        lambda: world.set_weather(carla.WeatherParameters.ClearNoon),
    ):
        call()
    command = carla.command
    batch = [command.ApplyTorque(ego.id, up), command.ApplyVehiclePhysicsControl(ego.id, control)]
    found["batch"] = [response.error for response in client.apply_batch_sync(batch, False)]
    client.apply_batch([command.DestroyActor(999_999)])
    ego.destroy()
    world.tick()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]))
