"""Ticks for long with one camera, in episodes of 500 frames; counts what was missed and how memory grew. Prints JSON.

python soak.py PORT SERVER_PID NUM_FRAMES
"""

import json
import queue
import sys
import time
from pathlib import Path

import carla

EPISODE = 500


def megabytes(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def main(port, server, num_frames):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    blueprint = library.find("sensor.camera.rgb")
    blueprint.set_attribute("image_size_x", "64")
    blueprint.set_attribute("image_size_y", "48")
    misses, memory, begun = 0, [], time.time()
    for first in range(0, num_frames, EPISODE):
        ego = world.spawn_actor(library.find("vehicle.nissan.patrol"), spawns[first // EPISODE % len(spawns)])
        camera = world.spawn_actor(blueprint, carla.Transform(carla.Location(x=1.2, z=1.6)), attach_to=ego)
        images = queue.Queue()
        camera.listen(images.put)
        expected = world.get_snapshot().frame
        for k in range(min(EPISODE, num_frames - first)):
            ego.apply_control(carla.VehicleControl(throttle=0.5, brake=float(k % 100 > 60)))
            expected += 1
            misses += world.tick() != expected
            misses += images.get(timeout=60.0).frame != expected
        camera.stop()
        camera.destroy()
        ego.destroy()
        world.tick()
        memory.append([megabytes("self"), megabytes(server)])
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    seconds = time.time() - begun
    print(json.dumps({"misses": misses, "memory": memory, "ticks_per_second": num_frames / seconds}))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
