"""Who is the ego, as scripts of several clients have it; each step is a client of its own. Prints one JSON object.

python ego_choice.py PORT STEP: "first" spawns cars that a Traffic Manager drives and then a hero, and leaves the hero
behind without a word; "next" does it again after that.
"""

import json
import os
import sys

import carla


def message(call, *arguments, **keywords):
    try:
        call(*arguments, **keywords)
    except RuntimeError as error:
        return str(error)
    return ""


def connect(port):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(60.0)
    return client, client.get_world()


def drive(world, car, ticks=12):
    """Speed after full throttle [m/s]."""
    car.apply_control(carla.VehicleControl(throttle=1.0))
    for _ in range(ticks):
        world.tick()
    return car.get_velocity().length()


def first(port):
    _, world = connect(port)
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.1
    world.apply_settings(settings)
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    etron, model3 = library.find("vehicle.audi.etron"), library.find("vehicle.tesla.model3")
    others = [world.spawn_actor(etron, spawn) for spawn in spawns[:3]]
    world.tick()
    found = {"before": sorted({a.type_id for a in world.get_actors().filter("vehicle.*")})}
    found["waiting"] = drive(world, others[0])  # is the ego, for it is the first that is driven
    camera = library.find("sensor.camera.rgb")
    mount = carla.Transform(carla.Location(x=1.3, z=1.6))

    model3.set_attribute("role_name", "hero")
    hero = world.spawn_actor(model3, spawns[10])
    world.tick()
    before = others[0].get_location()
    found["hero"] = drive(world, hero)
    found["went_on"] = others[0].get_location().distance(before)
    found["camera"] = message(world.spawn_actor, camera, mount, attach_to=others[1])
    _, other_world = connect(port)
    found["second"] = message(other_world.spawn_actor, model3, spawns[20])
    found["ids"] = [hero.id, others[1].id]
    settings.fixed_delta_seconds = 0.05
    world.apply_settings(settings)
    found["step"] = world.get_snapshot().timestamp.delta_seconds
    before = hero.get_location()
    world.tick()
    found["one_tick"] = hero.get_location().distance(before) / hero.get_velocity().length()
    print(json.dumps(found), flush=True)
    os._exit(0)  # as a script that dies: nothing is destroyed, the server stays in synchronous mode


def following(port):
    _, world = connect(port)
    world.tick()
    library, spawns = world.get_blueprint_library(), world.get_map().get_spawn_points()
    (left,) = (actor for actor in world.get_actors() if actor.attributes.get("role_name") == "hero")
    mini = library.find("vehicle.mini.cooper_s")
    found = {"occupied": message(world.spawn_actor, mini, left.get_transform())}
    mini.set_attribute("role_name", "ego_vehicle")
    free = next(s for s in spawns[20:] if all(s.location.distance(a.get_location()) > 12 for a in world.get_actors()))
    hero = world.spawn_actor(mini, free)
    world.tick()
    before = left.get_location()
    found["hero"] = drive(world, hero)
    found["left"] = [left.id, left.get_location().distance(before), left.get_velocity().length()]
    for actor in world.get_actors().filter("vehicle.*"):
        if actor.id != hero.id:
            actor.destroy()
    found["destroyed"] = hero.destroy()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = False, None
    world.apply_settings(settings)
    print(json.dumps(found))


if __name__ == "__main__":
    {"first": first, "next": following}[sys.argv[2]](int(sys.argv[1]))
