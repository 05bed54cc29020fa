"""Spawns an ego, cars, a bicycle, a prop and walkers of all kinds and moves them by their controls. Prints JSON."""

import json
import math
import sys

import carla


def message(call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except RuntimeError as error:
        return str(error)
    return ""


def main(port, num_frames):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    world = client.get_world()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    found = {"spawns": len(spawns)}
    bicycles = [b for b in library.filter("vehicle.*") if int(b.get_attribute("number_of_wheels")) == 2]
    found["two_wheelers"] = sorted(b.id for b in bicycles)
    found["colours"] = len(library.find("vehicle.tesla.model3").get_attribute("color").recommended_values)
    found["walkers"] = len(library.filter("walker.pedestrian.*"))
    patrol = library.find("vehicle.nissan.patrol")
    patrol.set_attribute("role_name", "hero")
    found["off_route"] = message(world.spawn_actor, patrol, carla.Transform(carla.Location(x=9e3)))

    start = spawns[int(sys.argv[3])]
    ego = world.spawn_actor(patrol, start)
    world.tick()
    found["ego_at"] = ego.get_location().distance(start.location)
    ahead, right = start.get_forward_vector(), start.get_right_vector()

    def at(forward, aside, turn=0.0):
        place = start.location + carla.Location(ahead * forward) + carla.Location(right * aside)
        return carla.Transform(place, carla.Rotation(yaw=start.rotation.yaw + turn))

    names = {
        "car": ("vehicle.tesla.model3", at(14, 0)),
        "bicycle": ("vehicle.gazelle.omafiets", at(24, 0)),
        "prop": ("static.prop.trafficcone01", at(9, 2.2)),
        "walker": ("walker.pedestrian.0012", at(32, 4, -90)),
    }
    actors = {name: world.spawn_actor(library.find(kind), place) for name, (kind, place) in names.items()}
    found["twice"] = message(world.spawn_actor, library.find("vehicle.tesla.model3"), at(14, 0))
    found["flat"] = message(world.spawn_actor, library.find("static.prop.ironplank"), at(40, 0))
    controller = world.spawn_actor(library.find("controller.ai.walker"), carla.Transform(), actors["walker"])
    world.tick()
    found["types"] = [type(actors[name]).__name__ for name in names] + [type(controller).__name__]
    found["heights"] = [2 * actors[name].bounding_box.extent.z for name in ("prop", "walker")]

    before = {name: actor.get_location() for name, actor in actors.items()}
    actors["car"].apply_control(carla.VehicleControl(throttle=0.5))
    actors["bicycle"].set_target_velocity(carla.Vector3D(ahead * 4.0))
    actors["walker"].apply_control(carla.WalkerControl(direction=carla.Vector3D(right * -1.0), speed=1.5))
    for _ in range(num_frames):
        world.tick()
    after = {name: actor.get_location() for name, actor in actors.items()}
    found["moved"] = {name: after[name].distance_2d(before[name]) for name in actors}
    found["speeds"] = {name: actor.get_velocity().length() for name, actor in actors.items()}
    found["told"] = [actors["car"].get_control().throttle, actors["walker"].get_control().speed]
    facing = math.radians(actors["walker"].get_transform().rotation.yaw)
    found["faces"] = math.cos(facing) * -right.x + math.sin(facing) * -right.y

    actors["car"].apply_control(carla.VehicleControl(brake=1.0))
    for _ in range(12):
        world.tick()
    found["stopped"] = actors["car"].get_velocity().length()
    actors["car"].apply_control(carla.VehicleControl(throttle=0.5, reverse=True))
    for _ in range(8):
        world.tick()
    back = actors["car"].get_velocity()
    found["reversed"] = back.x * ahead.x + back.y * ahead.y
    found["ai"] = message(controller.start)
    found["gone"] = [controller.destroy(), actors["car"].destroy()]
    world.tick()
    found["left"] = sum(actor.id in [a.id for a in actors.values()] for actor in world.get_actors())
    ego.destroy()
    world.tick()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
