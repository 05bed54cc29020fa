"""What a CARLA user writes to record: synchronous mode, a queue per sensor, all readings of a frame awaited by number.

python recorder.py PORT NUM_FRAMES; prints one JSON object. Nothing in it knows of DriveDiT.
"""

import json
import math
import queue
import sys
import time

import carla
import numpy as np

SECONDS = 60.0


def pixels(image):
    return np.frombuffer(image.raw_data, np.uint8).reshape(image.height, image.width, 4)[..., 2::-1]


def of_frame(waiting, number):
    """The reading of a frame; older ones are passed over, as in CARLA's own synchronous_mode.py."""
    while True:
        reading = waiting.get(timeout=SECONDS)
        if reading.frame >= number:
            return reading


def camera(library, width, height, fov):
    blueprint = library.find("sensor.camera.rgb")
    blueprint.set_attribute("image_size_x", str(width))
    blueprint.set_attribute("image_size_y", str(height))
    blueprint.set_attribute("fov", str(fov))
    return blueprint


def main(port, num_frames):
    client = carla.Client("localhost", port)
    client.set_timeout(SECONDS)
    world = client.get_world()
    world_map, library = world.get_map(), world.get_blueprint_library()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    world.set_weather(carla.WeatherParameters.WetSunset)
    ego = world.spawn_actor(library.find("vehicle.tesla.model3"), world_map.get_spawn_points()[0])
    front = carla.Transform(carla.Location(x=1.5, z=1.7))
    wanted = {
        "front": (camera(library, 96, 64, 90), front),
        "wide": (camera(library, 200, 40, 110), front),
        "left": (camera(library, 64, 64, 80), carla.Transform(front.location, carla.Rotation(yaw=-60))),
        "chase": (camera(library, 64, 64, 90), carla.Transform(carla.Location(x=-6, z=3), carla.Rotation(pitch=-10))),
        "gnss": (library.find("sensor.other.gnss"), carla.Transform()),
        "imu": (library.find("sensor.other.imu"), carla.Transform()),
    }
    sensors, queues = {}, {}
    for name, (blueprint, mount) in wanted.items():
        sensors[name] = world.spawn_actor(blueprint, mount, attach_to=ego)
        queues[name] = queue.Queue()
        sensors[name].listen(queues[name].put)
    collisions, invasions = [], []
    for name, found in (("collision", collisions), ("lane_invasion", invasions)):
        sensors[name] = world.spawn_actor(library.find(f"sensor.other.{name}"), carla.Transform(), attach_to=ego)
        sensors[name].listen(found.append)
    world.tick()  # the frame in which the sensors begin: not all may be heard in it

    frames, misses, worst_imu, worst_gnss, worst_motion = [], 0, 0.0, 0.0, 0.0
    before = ego.get_transform()
    begun = time.time()
    for k in range(num_frames):
        steer = 0.0 if k < num_frames // 2 else -0.6
        ego.apply_control(carla.VehicleControl(throttle=0.9, steer=steer))
        number = world.tick()
        readings = {name: of_frame(waiting, number) for name, waiting in queues.items()}
        frames.append(number)
        misses += sum(reading.frame != number for reading in readings.values())
        snapshot = world.get_snapshot()
        misses += snapshot.frame != number
        place, turning = ego.get_location(), ego.get_angular_velocity().z
        told, computed = readings["gnss"], world_map.transform_to_geolocation(place)
        worst_gnss = max(worst_gnss, abs(told.latitude - computed.latitude), abs(told.longitude - computed.longitude))
        worst_imu = max(worst_imu, abs(math.degrees(readings["imu"].gyroscope.z) - turning))
        after = snapshot.find(ego.id)
        moved = after.get_transform().location.distance(before.location)
        speed = after.get_velocity().length()
        if speed > 0.0:  # who hits something stands at once, and its collision is heard later
            worst_motion = max(worst_motion, abs(moved - 0.1 * speed))
        before = after.get_transform()
    seconds = time.time() - begun
    pictures = {name: pixels(readings[name]) for name in ("front", "wide", "left", "chase")}
    print(
        json.dumps(
            {
                "versions": [client.get_client_version(), client.get_server_version()],
                "rises": np.diff(frames).tolist(),
                "misses": misses,
                "worst_imu": worst_imu,
                "worst_gnss": worst_gnss,
                "worst_motion": worst_motion,
                "shapes": {name: picture.shape for name, picture in pictures.items()},
                "spread": {name: float(picture.std()) for name, picture in pictures.items()},
                "sun_altitude": world.get_weather().sun_altitude_angle,
                "vehicles": len(world.get_actors().filter("vehicle.*")),
                "sensors": len(world.get_actors().filter("sensor.*")),
                "collisions": sorted({event.other_actor.type_id for event in collisions}),
                "invasions": len(invasions),
                "control": [ego.get_control().throttle, round(ego.get_control().steer, 3)],
                "speed_limit": ego.get_speed_limit(),
                "on_road": world_map.get_waypoint(ego.get_location()) is not None,
                "ticks_per_second": num_frames / seconds,
            }
        )
    )
    for sensor in sensors.values():
        sensor.stop()
        sensor.destroy()
    ego.destroy()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
