"""Writes cases of the catalogue as OpenSCENARIO files, each beside the map that it takes place on."""

# scenariogeneration types the members of its enumerations as what they are not
# pyright: reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scenariogeneration import xosc

from envs.driving_env import DrivingEnv
from envs.ego_route import keep_lane
from envs.road.road_world import RoadWorld
from scenarios.scenario import Case
from scenarios.start_clips import begin_case
from worldsim.atomic_files import atomic_path
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind, light_states
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing.edits import Look, LookName

MINOR_VERSION = 2
"""Of OpenSCENARIO 1."""
DIGITS = 6
"""Places are written to so many digits after the point."""
WAYPOINT_STEP = 40
"""Waypoints of the ego's route lie so far apart [m]."""
NUM_WAYPOINTS = 6
EGO = "ego"
_MOVES = 1e-6
_PEDESTRIAN, _VEHICLE = 75.0, 1500.0
_WEATHERS: dict[LookName, tuple[float, float, float, str]] = {
    "noon": (1.0, 1e5, 0.0, "2024-06-21T12:00:00"),
    "overcast": (1.0, 1e5, 0.0, "2024-06-21T12:00:00"),
    "evening": (0.26, 1e5, 0.0, "2024-06-21T19:00:00"),
    "fog": (0.6, 100.0, 0.0, "2024-06-21T12:00:00"),
    "rain": (0.8, 1e5, 5.0, "2024-06-21T12:00:00"),
    "dusk": (-0.05, 1e5, 0.0, "2024-06-21T21:00:00"),
}
"""Elevation of the sun [rad], visual range [m], precipitation [mm/h] and time of day of each look."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Recorded:
    """A case as it takes place in the reference world.

    Args:
        map_name: of the map.
        xodr: its OpenDRIVE text.
        vehicle: the ego at time 0, VEHICLE_NAMES [6].
        size: its length and width [m].
        waypoints: x, y and yaw along its route from there on, [w, 3].
        boxes: of the others at each step from time 0 on, [t, n, 5].
        speeds: theirs [t, n] [m/s].
        kinds: theirs, ObjectKind [n].
        dt: time step [s].
        lights: state of each traffic light at each step, by the map's own id.
    """

    map_name: str
    xodr: str
    vehicle: np.ndarray
    size: tuple[float, float]
    waypoints: np.ndarray
    boxes: np.ndarray
    speeds: np.ndarray
    kinds: np.ndarray
    dt: float
    lights: dict[str, list[SignalKind]]


def why_not_exported(case: Case) -> str:
    """Why a case cannot be told as an OpenSCENARIO file; "" where it can."""
    if case.actors.ambient_traffic:
        return "its road users are a town's own traffic, which decides for itself"
    if case.disturbance is not None:
        return "the ego is pushed off its lane before the policy takes over"
    if case.actors.director is not None:
        return "it is one already"
    return ""


def record_case(env: DrivingEnv, case: Case) -> Recorded:
    """What the road users of a case do in the reference world while the ego follows its lane; they do not react to it.

    Args:
        env: of the reference world.
        case: to be recorded.

    Raises:
        InvalidStartError: the reference world has no start for it.
    """
    _, info = begin_case(env, case, case.reference_options())
    world = env.world
    assert isinstance(world, RoadWorld), "the reference world"
    episode = world.snapshot()
    route, model = episode.route, world.config.vehicle
    vehicle = episode.vehicle.copy()
    s = np.minimum(episode.s + WAYPOINT_STEP * np.arange(NUM_WAYPOINTS), route.length - 1.0)
    poses = np.array([route.pose_at(float(at), 0.0, 0.0) for at in np.unique(s)])
    scene = SceneState.from_vector(info["scene"])
    boxes, speeds = [world.objects.boxes], [world.objects.speeds]
    num_steps = math.ceil(case.duration / world.dt - 1e-9)
    for _ in range(num_steps):
        step = world.step(keep_lane(scene, model, case.ego_speed, mind_lead=False))
        scene = step.scene
        boxes.append(world.objects.boxes)
        speeds.append(world.objects.speeds)
    signals, lights = episode.stage.road_map.signals, episode.traffic.lights
    times = episode.traffic.time + world.dt * np.arange(num_steps + 1)
    shown = {
        signals[k].id: [SignalKind(int(light_states(lights.cycles[group], time))) for time in times]
        for k, group in enumerate(lights.groups.tolist())
        if group >= 0 and case.actors.junction is not None
    }
    return Recorded(
        map_name=episode.stage.road_map.name.replace(" ", "_") if case.map is None else case.map.name,
        xodr=episode.stage.road_map.xodr,
        vehicle=vehicle,
        size=(model.length, model.width),
        waypoints=poses,
        boxes=np.stack(boxes),
        speeds=np.stack(speeds),
        kinds=world.objects.kinds,
        dt=world.dt,
        lights=shown,
    )


def write_case(case: Case, recorded: Recorded, folder: Path) -> Path:
    """Write a case and its map, over a map that an older version wrote too; the path of the scenario file."""
    folder.mkdir(parents=True, exist_ok=True)
    map_path = folder / f"{recorded.map_name}.xodr"
    if not map_path.is_file() or map_path.read_text(encoding="utf-8") != recorded.xodr:
        with atomic_path(map_path) as temporary:
            temporary.write_text(recorded.xodr, encoding="utf-8")
    path = folder / f"{case.id}.xosc"
    scenario = _scenario(case, recorded, map_path.name)
    with atomic_path(path) as temporary:
        scenario.write_xml(str(temporary))
    return path


def _scenario(case: Case, recorded: Recorded, map_name: str) -> xosc.Scenario:
    entities, init = xosc.Entities(), xosc.Init()
    entities.add_scenario_object(EGO, _vehicle(EGO, recorded.size, xosc.VehicleCategory.car))
    for edit in case.edits:
        if isinstance(edit, Look):
            init.add_global_action(xosc.EnvironmentAction(_environment(edit.name)))
    x, y, yaw, speed = recorded.vehicle[: VehicleColumn.SPEED + 1].tolist()
    _add_start(init, EGO, (x, y, yaw), speed)
    route = xosc.Route("ego's route", closed=False)
    for pose in recorded.waypoints.tolist():
        route.add_waypoint(_position(pose), xosc.RouteStrategy.shortest)
    if len(recorded.waypoints) > 1:
        init.add_init_action(EGO, xosc.AssignRouteAction(route))
    for k, kind in enumerate(recorded.kinds.tolist()):
        name, track = f"actor{k + 1}", recorded.boxes[:, k]
        entities.add_scenario_object(name, _entity(name, ObjectKind(kind), track[0, 3:]))
        _add_start(init, name, track[0, :3].tolist(), float(recorded.speeds[0, k]))
        if np.abs(track - track[0]).max() > _MOVES:
            init.add_init_action(name, _trajectory(name, track, recorded.dt))
    story = _lights_story(recorded, init)
    end = xosc.ValueTrigger(
        "end", 0, xosc.ConditionEdge.none,
        xosc.SimulationTimeCondition(case.duration, xosc.Rule.greaterThan), triggeringpoint="stop",
    )  # fmt: skip
    storyboard = xosc.StoryBoard(init, end)
    if story is not None:
        storyboard.add_maneuver(story)
    return xosc.Scenario(
        case.id,
        "DriveDiT",
        xosc.ParameterDeclarations(),
        entities=entities,
        storyboard=storyboard,
        roadnetwork=xosc.RoadNetwork(roadfile=map_name),
        catalog=xosc.Catalog(),
        osc_minor_version=MINOR_VERSION,
    )


def _add_start(init: xosc.Init, name: str, pose: Sequence[float], speed: float) -> None:
    init.add_init_action(name, xosc.TeleportAction(_position(pose)))
    at_once = xosc.TransitionDynamics(xosc.DynamicsShapes.step, xosc.DynamicsDimension.time, 0)
    init.add_init_action(name, xosc.AbsoluteSpeedAction(round(speed, DIGITS), at_once))


def _position(pose: Sequence[float]) -> xosc.WorldPosition:
    x, y, yaw = (round(float(value), DIGITS) for value in pose[:3])
    return xosc.WorldPosition(x, y, h=yaw)


def _trajectory(name: str, track: np.ndarray, dt: float) -> xosc.FollowTrajectoryAction:
    times = [round(k * dt, DIGITS) for k in range(len(track))]
    trajectory = xosc.Trajectory(f"track of {name}", closed=False)
    trajectory.add_shape(xosc.Polyline(times, [_position(box) for box in track]))
    return xosc.FollowTrajectoryAction(
        trajectory, xosc.FollowingMode.position, xosc.ReferenceContext.absolute, scale=1, offset=0
    )


def _entity(name: str, kind: ObjectKind, size: np.ndarray) -> Any:
    length, width = (float(value) for value in size)
    if kind == ObjectKind.PEDESTRIAN:
        box = xosc.BoundingBox(width, length, 1.75, 0, 0, 0.875)
        return xosc.Pedestrian(name, _PEDESTRIAN, xosc.PedestrianCategory.pedestrian, box, name)
    if kind == ObjectKind.STATIC:
        box = xosc.BoundingBox(width, length, 1.0, 0, 0, 0.5)
        return xosc.MiscObject(name, 0.0, xosc.MiscObjectCategory.obstacle, box)
    category = xosc.VehicleCategory.truck if kind == ObjectKind.TRUCK else xosc.VehicleCategory.car
    return _vehicle(name, (length, width), category)


def _vehicle(name: str, size: tuple[float, float], category: Any) -> xosc.Vehicle:
    """A vehicle; what positions refer to is the middle of its box."""
    length, width = size
    box = xosc.BoundingBox(width, length, 1.5, 0, 0, 0.75)
    front = xosc.Axle(0.5, 0.6, 0.8 * width, 0.3 * length, 0.3)
    rear = xosc.Axle(0.0, 0.6, 0.8 * width, -0.3 * length, 0.3)
    return xosc.Vehicle(name, category, box, front, rear, 60.0, 8.0, 10.0, mass=_VEHICLE)


def _environment(look: LookName) -> xosc.Environment:
    elevation, visual_range, rain, time = _WEATHERS[look]
    date, _, clock = time.partition("T")
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = (int(part) for part in clock.split(":"))
    wet = xosc.PrecipitationType.rain if rain else xosc.PrecipitationType.dry
    cover = xosc.FractionalCloudCover.eightOktas if look in ("overcast", "rain") else xosc.FractionalCloudCover.twoOktas
    weather = xosc.Weather(
        cover,
        sun=xosc.Sun(1.0, 0.0, elevation),
        fog=xosc.Fog(visual_range),
        precipitation=xosc.Precipitation(wet, rain),
    )
    return xosc.Environment(
        look, xosc.TimeOfDay(False, year, month, day, hour, minute, second), weather, xosc.RoadCondition(1.0)
    )


def _lights_story(recorded: Recorded, init: xosc.Init) -> xosc.Maneuver | None:
    """The lights' states at time 0, into `init`, and a manoeuvre of when they change; None where none does."""
    maneuver, num_events = xosc.Maneuver("lights"), 0
    for signal, states in recorded.lights.items():
        init.add_global_action(xosc.TrafficSignalStateAction(signal, states[0].name.lower()))
        for k in range(1, len(states)):
            if states[k] == states[k - 1]:
                continue
            event = xosc.Event(f"light {signal} at {k * recorded.dt:g} s", xosc.Priority.parallel)
            event.add_action(f"light {signal} {k}", xosc.TrafficSignalStateAction(signal, states[k].name.lower()))
            # a light changes within the step that ends with the instant at which it shows its new state
            at = xosc.SimulationTimeCondition(round((k - 1) * recorded.dt, DIGITS), xosc.Rule.greaterOrEqual)
            event.add_trigger(xosc.ValueTrigger(f"time {k}", 0, xosc.ConditionEdge.none, at))
            maneuver.add_event(event)
            num_events += 1
    return maneuver if num_events else None
