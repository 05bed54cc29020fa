"""Traffic of the embedded world: drivers, scripted actors, pedestrians and parked cars around the ego. numpy only."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from envs.ground_truth import Objects, points_at
from envs.road.traffic.driver_model import PATH_STEP, DriverConfig
from envs.road.traffic.pedestrians import HEIGHT, STRIDE, Pedestrians
from envs.road.traffic.spawn_points import SpawnPoints
from envs.road.traffic.vehicles import CROSSING_POINTS, ROUTE_LENGTH, BackgroundVehicles, Obstacles, car_colors
from envs.scripted_actors import ActorScript, ActorState, ScriptedActors, scripted_box
from worldsim.datatypes.scene import ObjectKind

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

__all__ = ["ActorScript", "ActorState", "Ego", "ScriptedActors", "Traffic", "TrafficConfig"]

CROSSING_MARGIN = 1.5
"""Drivers mind a pedestrian on the way across this far beside their corridor [m]."""
SPAWN_GAP = 14.0
"""Vehicles appear at least this far from others [m]."""
SCRIPTED_HEIGHTS = {ObjectKind.CAR: 1.5, ObjectKind.TRUCK: 3.2, ObjectKind.PEDESTRIAN: HEIGHT, ObjectKind.STATIC: 1.0}
"""Heights of scripted actors [m]."""


@dataclass(frozen=True, kw_only=True)
class TrafficConfig:
    """How much traffic there is and where.

    Args:
        num_vehicles: driving vehicles around the ego.
        num_pedestrians: around the ego.
        parked_share: of the map's parking places that are taken, [0, 1].
        truck_share: of the driving vehicles, [0, 1].
        spawn_range: road users first appear at this distance from the ego [m].
        respawn_range: road users appear later at this distance [m].
        leave_range: road users farther from the ego are taken away [m].
        patience: drivers standing longer are taken away when out of spawn_range's lower end [s].
        lead_share: episodes that begin with a vehicle ahead of the ego in its lane, [0, 1].
        lane_changes: considered per second, all vehicles together [1/s].
        driver: how they drive.

    Raises:
        ValueError: a count is negative, a share is outside [0, 1] or a range is empty.
    """

    num_vehicles: int = 12
    num_pedestrians: int = 8
    parked_share: float = 0.5
    truck_share: float = 0.12
    spawn_range: tuple[float, float] = (12.0, 110.0)
    respawn_range: tuple[float, float] = (65.0, 120.0)
    leave_range: float = 135.0
    patience: float = 40.0
    lead_share: float = 0.45
    lane_changes: float = 1.0
    driver: DriverConfig = DriverConfig()  # noqa: RUF009 (frozen)

    def __post_init__(self) -> None:
        for name in ("num_vehicles", "num_pedestrians"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        for name in ("parked_share", "truck_share", "lead_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("spawn_range", "respawn_range"):
            low, high = getattr(self, name)
            if not 0 <= low < high <= self.leave_range:
                raise ValueError(f"{name} must rise within [0, leave_range], got {(low, high)}")


@dataclass(frozen=True, kw_only=True)
class Ego:
    """What the others see of the ego.

    Args:
        box: [5].
        speed: [m/s].
        path: where it is expected to go, [CROSSING_POINTS, 2], PATH_STEP apart [m].
        on_script_route: the ego in coordinates of the scripts' route; None where there are no scripts.
    """

    box: np.ndarray
    speed: float
    path: np.ndarray
    on_script_route: ActorState | None


@dataclass(frozen=True, kw_only=True)
class ExternalActors:
    """Road users that someone outside the world places, and it itself never moves.

    Args:
        objects: where they are, g of them.
        heights: float64 [g] [m].
        colors: uint8 [g, 3].
        braking: who shows brake lights, bool [g].
    """

    objects: Objects
    heights: np.ndarray
    colors: np.ndarray
    braking: np.ndarray

    @staticmethod
    def none() -> ExternalActors:
        """Nobody."""
        return ExternalActors(
            objects=Objects.none(), heights=np.zeros(0), colors=np.zeros((0, 3), np.uint8), braking=np.zeros(0, bool)
        )


class Traffic:
    """All road users but the ego. Their order, everywhere: drivers, scripted actors, guests, pedestrians, parked cars.

    Attributes:
        objects: everyone as they are now; never written to.
        heights: theirs [m].
        colors: theirs, uint8 [m, 3].
        guests: of them, those placed from outside.

    Args:
        config: how much traffic.
        road_map: where.
        places: of the same map.
        route: the ego's route at the start; scripted actors live on it.
        ego: the ego's box [5].
        ego_s: where the ego starts on the route [m].
        start_time: the scripts' clock now [s].
        scenario: scripted actors, if any.
        rng: draws the population; not kept.
    """

    def __init__(
        self,
        config: TrafficConfig,
        road_map: RoadMap,
        places: SpawnPoints,
        route: Route,
        ego: np.ndarray,
        ego_s: float,
        start_time: float,
        scenario: ScriptedActors | None,
        rng: np.random.Generator,
    ):
        self.config, self.road_map, self.places = config, road_map, places
        ambient = scenario is None or scenario.ambient_traffic
        num_vehicles, num_pedestrians = (config.num_vehicles, config.num_pedestrians) if ambient else (0, 0)
        self.script_route, self.scripts = route, scenario.scripts if scenario else ()
        self.scripted = tuple(script.initial(route, ego_s) for script in self.scripts)
        self.guests = ExternalActors.none()
        self.time = start_time
        taken = rng.random(len(places.parking)) < (config.parked_share if ambient else 0.0)
        self.parked = places.parking[taken]
        self.pedestrians = Pedestrians(num_pedestrians, rng)
        self.fleet = BackgroundVehicles(num_vehicles, config.truck_share, road_map, config.driver, rng)
        if num_vehicles and rng.random() < config.lead_share:
            self.fleet.enter(0, route, ego_s + float(rng.uniform(12.0, 45.0)), rng)
        self._populate(self._objects(), ego, config.spawn_range, rng)
        self.objects = self._objects()
        colors = car_colors(len(self.scripts) + len(self.parked), rng)
        scripted_colors, parked_colors = colors[: len(self.scripts)], colors[len(self.scripts) :]
        self.colors = np.concatenate([self.fleet.color, scripted_colors, self.pedestrians.color, parked_colors])
        scripted_heights = [SCRIPTED_HEIGHTS[actor.kind] for actor in self.scripted]
        people = np.full(num_pedestrians, HEIGHT)
        self.heights = np.concatenate([self.fleet.size[:, 2], scripted_heights, people, places.parking_heights[taken]])

    def copy(self) -> Traffic:
        """An independent copy; what never changes is shared."""
        other = copy.copy(self)
        other.fleet, other.pedestrians = self.fleet.copy(), self.pedestrians.copy()
        return other

    def place(self, guests: ExternalActors) -> None:
        """Put these guests in place of the present ones."""
        old = self.guest_rows
        self.heights = np.concatenate([self.heights[: old.start], guests.heights, self.heights[old.stop :]])
        self.colors = np.concatenate([self.colors[: old.start], guests.colors, self.colors[old.stop :]])
        self.guests = guests
        self.objects = self._objects()

    @property
    def guest_rows(self) -> slice:
        """Where the guests are among the objects."""
        return slice(self._num_solid - len(self.guests.heights), self._num_solid)

    def _objects(self) -> Objects:
        kinds = [
            self.fleet.kind,
            np.array([int(actor.kind) for actor in self.scripted], np.int64),
            self.guests.objects.kinds,
            np.full(len(self.pedestrians), ObjectKind.PEDESTRIAN, np.int64),
            np.full(len(self.parked), ObjectKind.CAR, np.int64),
        ]
        scripted = np.array([scripted_box(a, self.script_route) for a in self.scripted]).reshape(-1, 5)
        guests = self.guests.objects
        boxes = [self.fleet.boxes(), scripted, guests.boxes, self.pedestrians.boxes(), self.parked]
        speeds = [self.fleet.speed, [a.speed for a in self.scripted], guests.speeds, self.pedestrians.speeds()]
        return Objects(
            boxes=np.concatenate(boxes),
            speeds=np.concatenate([*speeds, np.zeros(len(self.parked))]),
            kinds=np.concatenate(kinds),
        )

    def braking(self) -> np.ndarray:
        """Who shows brake lights, bool [m]."""
        rest = np.zeros(len(self.pedestrians) + len(self.parked), bool)
        scripted = np.array([a.braking for a in self.scripted], bool)
        return np.concatenate([self.fleet.braking, scripted, self.guests.braking, rest])

    def phases(self) -> np.ndarray:
        """How far pedestrians are in their stride [m] [rad]; 0 for vehicles."""
        scripted = [a.s + a.lateral if a.kind == ObjectKind.PEDESTRIAN else 0.0 for a in self.scripted]
        placed, on_foot = self.guests.objects.boxes, self.guests.objects.kinds == ObjectKind.PEDESTRIAN
        guests = np.where(on_foot, placed[:, 0] + placed[:, 1], 0.0)
        walked = [np.zeros(len(self.fleet)), scripted, guests, self.pedestrians.walked, np.zeros(len(self.parked))]
        return 2 * np.pi / STRIDE * np.concatenate(walked)

    def stop(self, index: int) -> None:
        """The road user at `index` was struck by the ego: it stands from now on if it is a driver."""
        if index < len(self.fleet):
            self.fleet.hit_by_ego[index] = True
            self.fleet.speed[index] = 0.0

    def step(self, ego: Ego, dt: float, rng: np.random.Generator) -> None:
        """Move everyone by `dt` seconds from where they and the ego are now.

        Args:
            ego: the ego at the beginning of the step.
            dt: [s].
            rng: draws who comes next, who changes lane and who crosses the road.
        """
        objects, n, solid = self.objects, len(self.fleet), self._num_solid
        self.fleet.step(objects.boxes[:n], self._others(ego), dt, self.config.lane_changes, rng)
        if len(self.pedestrians):
            walkers = objects.boxes[solid : solid + len(self.pedestrians)]
            vehicles = np.concatenate([objects.boxes[:solid], ego.box[None]])
            speeds = np.append(objects.speeds[:solid], ego.speed)
            self.pedestrians.step(self.road_map, walkers, vehicles, speeds, dt, rng)
        if ego.on_script_route is not None:
            steps = zip(self.scripts, self.scripted, strict=True)
            self.scripted = tuple(script.step(self.time, ego.on_script_route, own, dt) for script, own in steps)
        self._populate(objects, ego.box, self.config.respawn_range, rng)
        self.objects = self._objects()
        self.time += dt

    @property
    def _num_solid(self) -> int:
        """Drivers, scripted actors and guests: those whom others mind wherever they are."""
        return len(self.fleet) + len(self.scripted) + len(self.guests.heights)

    def _others(self, ego: Ego) -> Obstacles:
        """Whom the fleet must mind: the ego, scripted actors and who crosses the road; the rest keeps off it."""
        n, k = len(self.fleet), self._num_solid - len(self.fleet)
        crossing = n + k + np.flatnonzero(self.pedestrians.crossing)
        minded = np.concatenate([np.arange(n, n + k), crossing])
        ahead = PATH_STEP * np.arange(CROSSING_POINTS)
        paths = [points_at(self.script_route, a.s + np.cos(a.heading) * ahead) for a in self.scripted]
        return Obstacles(
            boxes=np.concatenate([self.objects.boxes[minded], ego.box[None]]),
            speeds=np.append(self.objects.speeds[minded], ego.speed),
            margins=np.concatenate([np.zeros(k), np.full(len(crossing), CROSSING_MARGIN), [0.0]]),
            paths=np.stack([*paths, ego.path]),
            path_speeds=np.array([*(a.speed for a in self.scripted), ego.speed]),
        )

    def _populate(self, objects: Objects, ego: np.ndarray, ring: tuple[float, float], rng: np.random.Generator) -> None:
        """Takes away who is far from the ego or stuck, and lets others appear within the ring around it."""
        fleet, people = self.fleet, self.pedestrians.paths
        n, solid = len(fleet), self._num_solid
        distance = np.hypot(objects.boxes[:, 0] - ego[0], objects.boxes[:, 1] - ego[1])
        far = distance > self.config.leave_range
        stuck = (fleet.waited > self.config.patience) & (distance[:n] > self.config.spawn_range[0])
        for i in np.flatnonzero(fleet.paths.active & (far[:n] | stuck)).tolist():
            fleet.paths.remove(i)
        for i in np.flatnonzero(people.active & far[solid : solid + len(self.pedestrians)]).tolist():
            people.remove(i)
        missing, missing_people = np.flatnonzero(~fleet.paths.active), np.flatnonzero(~people.active)
        if len(missing) + len(missing_people) == 0:
            return
        distance = np.hypot(self.places.xy[:, 0] - ego[0], self.places.xy[:, 1] - ego[1])
        candidates = np.flatnonzero((distance > ring[0]) & (distance < ring[1]))
        if len(candidates) == 0:
            return
        taken = np.concatenate([objects.boxes[:solid, :2], ego[None, :2]])
        for i in missing.tolist():
            place = int(rng.choice(candidates))
            d = taken - self.places.xy[place]
            if np.hypot(d[:, 0], d[:, 1]).min() > SPAWN_GAP:
                fleet.enter(i, self.road_map.route_from(self.places.lanes[place], ROUTE_LENGTH, rng), 0.0, rng)
                taken[i] = self.places.xy[place]
        for i in missing_people.tolist():
            self.pedestrians.spawn(i, int(rng.choice(candidates)), self.places, self.road_map, rng)
