"""Traffic of the reference world: drivers, scripted actors, pedestrians and parked cars around the ego."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects, points_at
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.driver_model import PATH_STEP
from envs.road.traffic.ego import Ego
from envs.road.traffic.junctions import CROSSING_POINTS
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.pedestrians import HEIGHT, STRIDE, Pedestrians
from envs.road.traffic.spawn_points import SpawnPoints
from envs.road.traffic.vehicles import ROUTE_LENGTH, BackgroundVehicles, Obstacles, car_colors
from envs.scripted_actors import GROUND, USUAL_TRAFFIC, ActorState, ScriptedActors, begin_play, directed, scripted_box
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import BOX_NAMES, FOOTPRINT_COLUMNS, BoxColumn
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.scene import ObjectKind

if TYPE_CHECKING:
    from envs.maps.road_map import RoadMap
    from envs.maps.route import Route

CROSSING_MARGIN = 1.5
"""Drivers mind a pedestrian on the way across this far beside their corridor [m]."""
CROSSWALK_MARGIN = 4.0
"""The same at a crosswalk [m]."""
NUM_LIGHT_SEEDS = 64
NUM_DRAWS = 2**31
"""Light programs a map has: which times the cycles begin at [1]."""
SPAWN_GAP, SPAWN_HEADWAY = 14.0, 1.2
"""Vehicles appear at least this far from others, and as far as one drives at the limit in this time [m, s]."""
SCRIPTED_HEIGHTS = {ObjectKind.CAR: 1.5, ObjectKind.TRUCK: 3.2, ObjectKind.PEDESTRIAN: HEIGHT, ObjectKind.STATIC: 1.0}
"""Heights of scripted actors [m]."""


class Traffic:
    """All road users but the ego. Rows are ordered, everywhere: vehicles, scripted, external, pedestrians, parked.

    Attributes:
        objects: everyone as they are now; never written to.
        heights: theirs [m].
        colors: theirs, uint8 [m, 3].
        kinds: theirs, ObjectKind, int64 [m].
        external: the rows placed from outside.
        parked: boxes of those who stand beside the road, or where an edit has put them, [k, 5].
        in_the_way: which of them stand on the road, int64 [w].
        lights: programs of the map's traffic lights.
        time: the clock of lights and scripts [s].

    Args:
        config: how much traffic.
        road_map: where.
        spawn_points: of the same map.
        route: the ego's route at the start; scripted actors live on it, or on the partners' path.
        ego: the ego's box [5].
        ego_s: where the ego starts on the route [m].
        start_time: the clock now [s].
        scenario: scripted actors, if any.
        rng: draws the population; not kept.
        partner: the path of the scripted actors from another road, and where on it they meet the ego's route [m].
    """

    def __init__(
        self,
        config: TrafficConfig,
        road_map: RoadMap,
        spawn_points: SpawnPoints,
        route: Route,
        ego: np.ndarray,
        ego_s: float,
        start_time: float,
        scenario: ScriptedActors | None,
        rng: np.random.Generator,
        partner: tuple[Route, float] | None = None,
    ):
        self.config, self.road_map, self.spawn_points = config, road_map, spawn_points
        ambient = scenario is None or scenario.ambient_traffic
        level = USUAL_TRAFFIC if scenario is None else scenario.traffic
        num_vehicles = round(config.num_vehicles * level.vehicles) if ambient else 0
        num_pedestrians = round(config.num_pedestrians * level.pedestrians) if ambient else 0
        if level.draw:
            rng = np.random.default_rng([int(rng.integers(NUM_DRAWS)), level.draw])
        play = begin_play(scenario or ScriptedActors(scripts=()), route, ego_s, start_time, partner)
        self.script_route, self.scripts, self.scripted = route, play.scripts, play.actors
        self.partner, self.num_partners = partner, play.num_partners
        self.director, self.scene = play.director, play.scene
        self.external = ExternalActors.none()
        self.time = start_time

        # the order of draws is part of what a seed means
        self.lights = LightPrograms.of(road_map, int(rng.integers(NUM_LIGHT_SEEDS)))
        taken = rng.random(len(spawn_points.parking)) < (config.parked_share if ambient else 0.0)
        self.parked = spawn_points.parking[taken]
        self.parked_z = spawn_points.parking_z[taken]
        self.in_the_way = np.zeros(0, np.int64)
        self.pedestrians = Pedestrians(num_pedestrians, road_map, rng)
        self.vehicles = BackgroundVehicles(num_vehicles, config.truck_share, road_map, config.driver, rng)
        self.vehicles.eagerness *= level.speed
        self.kinds = np.concatenate(
            [
                self.vehicles.kind,
                np.array([int(actor.kind) for actor in self.scripted], np.int64),
                np.full(num_pedestrians, ObjectKind.PEDESTRIAN, np.int64),
                np.full(len(self.parked), ObjectKind.CAR, np.int64),
            ]
        )
        if num_vehicles and rng.random() < config.lead_share:
            self.vehicles.enter(0, route, ego_s + float(rng.uniform(12.0, 45.0)), rng)
        self._populate(self._objects(), ego, config.spawn_range, rng)
        self.objects = self._objects()

        colors = car_colors(len(self.scripted) + len(self.parked), rng)
        scripted_colors, parked_colors = colors[: len(self.scripted)], colors[len(self.scripted) :]
        self.colors = np.concatenate([self.vehicles.color, scripted_colors, self.pedestrians.color, parked_colors])

        scripted_heights = [SCRIPTED_HEIGHTS[actor.kind] for actor in self.scripted]
        people = np.full(num_pedestrians, HEIGHT)
        self.heights = np.concatenate(
            [self.vehicles.size[:, 2], scripted_heights, people, spawn_points.parking_heights[taken]]
        )

    def copy(self) -> Traffic:
        """An independent copy; what never changes is shared."""
        other = copy.copy(self)
        other.vehicles, other.pedestrians = self.vehicles.copy(), self.pedestrians.copy()
        return other

    def place(self, external: ExternalActors) -> None:
        """Replace the external actors."""
        old = self.external_rows
        self.heights = np.concatenate([self.heights[: old.start], external.heights, self.heights[old.stop :]])
        self.colors = np.concatenate([self.colors[: old.start], external.colors, self.colors[old.stop :]])
        self.kinds = np.concatenate([self.kinds[: old.start], external.objects.kinds, self.kinds[old.stop :]])
        self.external = external
        self.objects = self._objects()

    def partner_path(self) -> PartnerPath | None:
        """The path of the scripted actors from another road; None without such."""
        if self.partner is None:
            return None
        route, meeting = self.partner
        return PartnerPath(points=route.points, meeting=meeting)

    def park(self, users: KnownRoadUsers) -> None:
        """Replace all who are parked; drivers and pedestrians mind those of them who stand on the road."""
        first = len(self.heights) - len(self.parked)
        self.heights = np.concatenate([self.heights[:first], users.heights])
        self.colors = np.concatenate([self.colors[:first], users.colors.astype(np.uint8)])
        self.kinds = np.concatenate([self.kinds[:first], users.kinds])
        self.parked, self.parked_z = users.boxes[:, FOOTPRINT_COLUMNS], users.boxes[:, BoxColumn.Z]
        points = np.concatenate([corners(self.parked), self.parked[:, None, :2]], axis=1)
        z = None if self.road_map.is_flat else np.repeat(self.parked_z, points.shape[1])
        on_road = self.road_map.drivable(points.reshape(-1, 2), z).reshape(points.shape[:2])
        self.in_the_way = np.flatnonzero(on_road.any(axis=1))
        self.objects = self._objects()

    @property
    def parked_rows(self) -> slice:
        """Rows of the parked among the objects."""
        return slice(len(self.heights) - len(self.parked), len(self.heights))

    @property
    def external_rows(self) -> slice:
        """Rows of the external actors among the objects."""
        return slice(self._num_solid - len(self.external.heights), self._num_solid)

    def _objects(self) -> Objects:
        scripted = np.array([scripted_box(a, on) for a, on in self._scripted_on()]).reshape(-1, 5)
        external, num_parked = self.external.objects, len(self.parked)
        own, own_z = self.vehicles.boxes()
        walkers, walkers_z = self.pedestrians.boxes()
        external_z = np.zeros(len(external.boxes)) if external.z is None else external.z
        speeds = [
            self.vehicles.speed,
            [a.speed for a in self.scripted],
            external.speeds,
            self.pedestrians.speeds(),
            np.zeros(num_parked),
        ]
        return Objects(
            boxes=np.concatenate([own, scripted, external.boxes, walkers, self.parked]),
            speeds=np.concatenate(speeds),
            kinds=self.kinds,
            z=np.concatenate(
                [own_z, [_scripted_z(*each) for each in self._scripted_on()], external_z, walkers_z, self.parked_z]
            ),
        )

    def _scripted_on(self) -> list[tuple[ActorState, Route]]:
        """Each scripted actor with the route in whose coordinates it is."""
        routes = [self.script_route] * len(self.scripts)
        if self.partner is not None:
            routes[len(routes) - self.num_partners :] = [self.partner[0]] * self.num_partners
        routes += [GROUND] * (len(self.scripted) - len(routes))
        return list(zip(self.scripted, routes, strict=True))

    def braking(self) -> np.ndarray:
        """Who shows brake lights, bool [m]."""
        shown, n, external = np.zeros(len(self.heights), bool), len(self.vehicles), self.external_rows
        shown[:n] = self.vehicles.braking
        if external.stop > n:
            shown[n : external.start] = [actor.braking for actor in self.scripted]
            shown[external] = self.external.braking
        return shown

    def phases(self) -> np.ndarray:
        """How far pedestrians are in their stride [m] [rad]; 0 for vehicles."""
        walked, n, external = np.zeros(len(self.heights)), len(self.vehicles), self.external_rows
        if external.stop > n:
            scripted = [a.s + a.lateral if a.kind == ObjectKind.PEDESTRIAN else 0.0 for a in self.scripted]
            placed, on_foot = self.external.objects.boxes, self.external.objects.kinds == ObjectKind.PEDESTRIAN
            walked[n : external.start] = scripted
            walked[external] = np.where(on_foot, placed[:, 0] + placed[:, 1], 0.0)
        walked[external.stop : external.stop + len(self.pedestrians)] = self.pedestrians.walked
        return 2 * np.pi / STRIDE * walked

    def known_users(self) -> KnownRoadUsers:
        """Everyone as a start clip tells of them; those who are off the map just now are far away from it."""
        objects = self.objects
        boxes = np.zeros((len(objects.kinds), len(BOX_NAMES)))
        boxes[:, FOOTPRINT_COLUMNS] = objects.boxes
        boxes[:, BoxColumn.Z], boxes[:, BoxColumn.HEIGHT] = self.heights_of_ground, self.heights
        parked = objects.kinds == ObjectKind.STATIC
        parked[len(parked) - len(self.parked) :] = True
        return KnownRoadUsers(
            kinds=objects.kinds,
            boxes=boxes,
            speeds=np.asarray(objects.speeds, np.float64),
            colors=self.colors.astype(np.float64),
            braking=self.braking(),
            phases=self.phases(),
            parked=parked,
        )

    def stop(self, index: int) -> None:
        """The ego has hit the road user at `index`, which stands still from now on if it is a background vehicle."""
        if index < len(self.vehicles):
            self.vehicles.hit_by_ego[index] = True
            self.vehicles.speed[index] = 0.0

    def step(self, ego: Ego, dt: float, rng: np.random.Generator) -> None:
        """Move everyone by `dt` seconds from where they and the ego are now.

        Args:
            ego: the ego at the beginning of the step.
            dt: [s].
            rng: draws who comes next, who changes lane and who crosses the road.
        """
        objects, z = self.objects, self.heights_of_ground
        n, solid = len(self.vehicles), self._num_solid
        shown = self.lights.shown(self.time)
        self.vehicles.step(objects.boxes[:n], z[:n], self._obstacles(ego), shown, dt, self.config.lane_changes, rng)

        # everyone decides on the state before the step, whatever has been moved by now
        if len(self.pedestrians):
            walkers = slice(solid, solid + len(self.pedestrians))
            self.pedestrians.step(
                objects.boxes[walkers],
                z[walkers],
                np.concatenate([objects.boxes[:solid], self.parked[self.in_the_way], ego.box[None]]),
                np.concatenate([z[:solid], self.parked_z[self.in_the_way], [ego.z]]),
                np.concatenate([objects.speeds[:solid], np.zeros(len(self.in_the_way)), [ego.speed]]),
                shown,
                dt,
                rng,
            )
        moved = self.scripted[: len(self.scripts)]
        if ego.on_script_route is not None:
            steps = zip(self.scripts, moved, strict=True)
            moved = tuple(script.step(self.time, ego.on_script_route, own, dt) for script, own in steps)
        if ego.vehicle is not None:
            self.scene = directed(self.director, self.scene, self.time, ego.vehicle, dt)
        self.scripted = moved if self.scene is None else (*moved, *self.scene.actors)

        self._populate(objects, ego.box, self.config.respawn_range, rng)
        self.objects = self._objects()
        self.time += dt

    @property
    def heights_of_ground(self) -> np.ndarray:
        """Height of the ground under everyone [m] [m]."""
        assert self.objects.z is not None
        return self.objects.z

    @property
    def _num_solid(self) -> int:
        """Background vehicles, scripted and external actors: obstacles to others wherever they are."""
        return len(self.vehicles) + len(self.scripted) + len(self.external.heights)

    def _obstacles(self, ego: Ego) -> Obstacles:
        """What the background vehicles give way to: the ego, scripted and external actors, crossing pedestrians, and
        what has been put on the road.

        Other pedestrians and parked cars keep off the road.
        """
        objects, z, n, solid = self.objects, self.heights_of_ground, len(self.vehicles), self._num_solid
        walkers = np.flatnonzero(self.pedestrians.crossing)
        standing = self.parked_rows.start + self.in_the_way
        crossing: slice | np.ndarray = slice(n, solid)
        if len(walkers) or len(standing):
            crossing = np.concatenate([np.arange(n, solid), standing, solid + walkers])
        margins = np.zeros(solid - n + len(standing) + len(walkers) + 1)
        if len(walkers):
            on_crosswalk = self.pedestrians.on_crosswalk[walkers]
            margins[solid - n + len(standing) : -1] = np.where(on_crosswalk, CROSSWALK_MARGIN, CROSSING_MARGIN)
        ahead = PATH_STEP * np.arange(CROSSING_POINTS)
        paths = [_expected_path(a, on, ahead) for a, on in self._scripted_on()]
        return Obstacles(
            boxes=np.concatenate([objects.boxes[crossing], ego.box[None]]),
            z=np.append(z[crossing], ego.z),
            speeds=np.append(objects.speeds[crossing], ego.speed),
            margins=margins,
            paths=np.stack([*paths, ego.way]) if paths else ego.way[None],
            path_z=np.array([*(_scripted_z(*each) for each in self._scripted_on()), ego.z]),
            path_speeds=np.array([*(a.speed for a in self.scripted), ego.speed]),
        )

    def _populate(self, objects: Objects, ego: np.ndarray, ring: tuple[float, float], rng: np.random.Generator) -> None:
        """Remove road users that are far from the ego or stuck, and spawn others within the ring around it."""
        vehicles, people, points = self.vehicles, self.pedestrians.paths, self.spawn_points
        n, solid, config = len(vehicles), self._num_solid, self.config
        d = objects.boxes[: solid + len(self.pedestrians), :2] - ego[:2]
        squared = d[:, 0] ** 2 + d[:, 1] ** 2
        far = squared > config.leave_range**2
        stuck = (vehicles.waited > config.patience) & (squared[:n] > config.spawn_range[0] ** 2)
        for i in ((vehicles.paths.length > 0) & (far[:n] | stuck)).nonzero()[0].tolist():
            vehicles.paths.remove(i)
        for i in ((people.length > 0) & far[solid:]).nonzero()[0].tolist():
            people.remove(i)

        missing, missing_people = (vehicles.paths.length <= 0).nonzero()[0], (people.length <= 0).nonzero()[0]
        if len(missing) + len(missing_people) == 0:
            return

        # new ones appear out of the ego's way, and vehicles out of each other's
        d = points.xy - ego[:2]
        squared = d[:, 0] ** 2 + d[:, 1] ** 2
        candidates = np.flatnonzero((squared > ring[0] ** 2) & (squared < ring[1] ** 2))
        if len(candidates) == 0:
            return
        taken = np.concatenate([objects.boxes[:solid, :2], ego[None, :2], self.parked[self.in_the_way, :2]])
        for i in missing.tolist():
            point = int(candidates[int(rng.integers(len(candidates)))])
            d = taken - points.xy[point]
            lane = points.lanes[point]
            if (d[:, 0] ** 2 + d[:, 1] ** 2).min() > max(SPAWN_GAP, SPAWN_HEADWAY * lane.speed_limit) ** 2:
                route = self.road_map.route_from(lane, ROUTE_LENGTH, rng)
                vehicles.enter(i, route, 0.0, rng)
                taken[i] = points.xy[point]
        with_kerbs = candidates[points.has_kerbs[candidates]]
        for i in missing_people.tolist() if len(with_kerbs) else ():
            self.pedestrians.spawn(i, int(with_kerbs[int(rng.integers(len(with_kerbs)))]), points, rng)


def _expected_path(actor: ActorState, route: Route, ahead: np.ndarray) -> np.ndarray:
    """Where others expect a scripted actor to go at arcs `ahead` [k] of it [m], [k, 2]: along its route, or straight
    on where it has none."""
    if route is GROUND:
        along = np.array([np.cos(actor.heading), np.sin(actor.heading)])
        return np.array([actor.s, actor.lateral]) + ahead[:, None] * along
    return points_at(route, actor.s + np.cos(actor.heading) * ahead)


def _scripted_z(actor: ActorState, route: Route) -> float:
    """Height of the road under a scripted actor [m]."""
    if actor.z is not None:
        return actor.z
    return float(route.z[min(max(int(actor.s), 0), len(route.z) - 1)])
