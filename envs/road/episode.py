"""An episode of the reference world: all that changes in it from step to step, and its bytes."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace

import numpy as np

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects, points_at
from envs.history import Instant, check_past
from envs.maps.route import Route, RouteStops
from envs.road.rendering.weather import Weather
from envs.road.static_scene import StaticScene, load_map_scene, load_town_scene
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.driver_model import PATH_STEP, DriverConfig
from envs.road.traffic.junctions import CROSSING_POINTS
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.paths import Paths
from envs.road.traffic.pedestrians import Pedestrians
from envs.road.traffic.traffic import Traffic
from envs.road.traffic.vehicles import BackgroundVehicles
from envs.scripted_actors import ActorScript, ActorState, DirectedScene, Director, DirectorState
from envs.serialization import StateCodec
from envs.signals_ahead import SignalsAhead
from envs.state_shapes import SHARED_SHAPES
from worldsim.datatypes.layout import BOX_NAMES, FOOTPRINT_COLUMNS, BoxColumn, Layout
from worldsim.datatypes.route import LANE_RANGE
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import light_states
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View
from worldsim.surroundings import GRADE_REACH

VIEW_RANGE = 150.0
"""Road users farther than this are not drawn [m]."""
ON_LANE = 2.0
"""A route follows the lanes of its map within this distance [m]."""
_PATH_ARCS = PATH_STEP * np.arange(CROSSING_POINTS)


@dataclass(frozen=True, kw_only=True, eq=False)
class RoadView:
    """What the camera shows at an instant; road users one a row, as in `objects`.

    Args:
        pose: of the ego, x, y, yaw [m, m, rad].
        z: height of the road under the ego [m].
        grade: how steeply the road rises in the ego's direction [rad].
        objects: the road users.
        heights: theirs [m], [n].
        colors: theirs, RGB, [n, 3].
        braking: who shows brake lights, bool [n].
        phases: of their stride [rad], [n].
        cycles: of the light groups, LIGHT_CYCLE_NAMES, float64 [g, 4] [s].
        time: on their clock [s].
    """

    pose: np.ndarray
    z: float
    grade: float
    objects: Objects
    heights: np.ndarray
    colors: np.ndarray
    braking: np.ndarray
    phases: np.ndarray
    cycles: np.ndarray
    time: float

    @staticmethod
    def of(traffic: Traffic, vehicle: np.ndarray, z: float, grade: float) -> RoadView:
        """The view from `vehicle` [6] at height `z` on a road of `grade` of the traffic as it is."""
        return RoadView(
            pose=vehicle[:3],
            z=z,
            grade=grade,
            objects=traffic.objects,
            heights=traffic.heights,
            colors=traffic.colors,
            braking=traffic.braking(),
            phases=traffic.phases(),
            cycles=traffic.lights.cycles,
            time=traffic.time,
        )

    def with_parked(self, num_before: int, traffic: Traffic) -> RoadView:
        """The same instant, had those stood there who are parked in `traffic` now, not the last `num_before` rows."""
        rows, now = slice(len(self.heights) - num_before), traffic.parked_rows

        def joined(before: np.ndarray, after: np.ndarray) -> np.ndarray:
            return np.concatenate([before[rows], after[now]])

        mine, theirs = self.objects, traffic.objects
        assert mine.z is not None
        return replace(
            self,
            objects=Objects(
                boxes=joined(mine.boxes, theirs.boxes),
                speeds=joined(mine.speeds, theirs.speeds),
                kinds=joined(mine.kinds, theirs.kinds),
                z=joined(mine.z, traffic.heights_of_ground),
            ),
            heights=joined(self.heights, traffic.heights),
            colors=joined(self.colors, traffic.colors),
            braking=joined(self.braking, traffic.braking()),
            phases=joined(self.phases, traffic.phases()),
        )

    def lights(self) -> np.ndarray:
        """SignalKind that each light group shows, int64 [g]."""
        return light_states(self.cycles, self.time)

    def view(self) -> View:
        """Where the camera's vehicle stands."""
        x, y, yaw = self.pose.tolist()
        return View(x=x, y=y, yaw=yaw, z=self.z, grade=self.grade)

    def nearby(self) -> np.ndarray:
        """Rows of those whom the camera may see, int64 [k]."""
        boxes = self.objects.boxes
        return self.view().rows_in_sight(boxes[:, :2], boxes[:, 3], VIEW_RANGE)

    def camera_scene(self, sun: np.ndarray) -> CameraScene:
        """Everything that the camera may see beside the layout, under the sun in that direction, [3]."""
        return CameraScene(view=self.view(), users=self.users(), user_ids=self.nearby(), lights=self.lights(), sun=sun)

    def users(self) -> RoadUsers:
        """Whom the camera may see."""
        boxes, near = self.objects.boxes, self.nearby()
        shown = np.zeros((len(near), len(BOX_NAMES)))
        shown[:, FOOTPRINT_COLUMNS] = boxes[near]
        shown[:, BoxColumn.HEIGHT] = self.heights[near]
        if self.objects.z is not None:
            shown[:, BoxColumn.Z] = self.objects.z[near]
        return RoadUsers(
            kinds=self.objects.kinds[near],
            boxes=shown,
            colors=self.colors[near],
            braking=self.braking[near],
            phases=self.phases[near],
        )


@dataclass(kw_only=True)
class RoadEpisode:
    """What changes from step to step, and what it points to. `copy` makes a snapshot.

    Args:
        stage: the map and what stands on it.
        look: sun, sky and weather.
        weather_seed: what `look` was drawn from, -1 of one that was asked for.
        rng: draws all that is random from here on.
        traffic: all road users but the ego.
        route: that the ego is to follow.
        s: where the ego is on it [m].
        script_s: where it is on the route of the scripted actors [m].
        signals: the lights and signs along the route, and how the ego has obeyed them.
        vehicle: the ego, VEHICLE_NAMES, float64 [6].
        z: height of the road under the ego [m].
        hit_by_ego: what the ego touches, EMPTY if nothing.
        past: the newest instants, oldest first.
    """

    stage: StaticScene
    look: Weather
    weather_seed: int
    rng: np.random.Generator
    traffic: Traffic
    route: Route
    s: float
    script_s: float
    signals: SignalsAhead
    vehicle: np.ndarray
    z: float
    hit_by_ego: ObjectKind
    past: tuple[Instant, ...]

    @property
    def time(self) -> float:
        """The clock of lights and scripts [s]; 0 where the start clip ends."""
        return self.traffic.time

    @property
    def expected_path(self) -> np.ndarray:
        """Where other drivers expect the ego to go: along its route while it is near it, else straight on;
        [CROSSING_POINTS, 2], PATH_STEP apart [m]."""
        on_route = points_at(self.route, self.s + _PATH_ARCS)
        (x, y), (ego_x, ego_y, yaw, *_) = on_route[0].tolist(), self.vehicle.tolist()
        if math.hypot(x - ego_x, y - ego_y) < 2.0:
            return on_route
        return self.vehicle[:2] + _PATH_ARCS[:, None] * np.array([np.cos(yaw), np.sin(yaw)])

    def road_height(self, s: float, lateral: float) -> float:
        """Height of the road under the ego: its route's where it is on it, else of the level it has been on [m].

        Args:
            s: arc length of the ego on its route [m].
            lateral: its distance from the route, to the left [m].
        """
        if abs(lateral) <= LANE_RANGE and 0.0 <= s <= self.route.length:
            return self.route.height_at(s)
        return float(self.stage.road_map.height_at(self.vehicle[None, :2], np.array([self.z]))[0])

    def grade(self, scene: SceneState) -> float:
        """How steeply the road under the ego rises in its direction [rad]; `scene` is what is true of it now."""
        if self.stage.road_map.is_flat:
            return 0.0
        vehicle, reach = self.vehicle, np.array([-GRADE_REACH, GRADE_REACH])
        if scene.lane_valid.all():
            rear, front = (self.route.height_at(self.s + ahead) for ahead in reach.tolist())
            rise = (front - rear) * float(np.cos(scene.heading_error))
        else:
            yaw = vehicle[VehicleColumn.YAW]
            axles = vehicle[:2] + np.outer(reach, [np.cos(yaw), np.sin(yaw)])
            rear, front = self.stage.road_map.height_at(axles, np.full(2, self.z)).tolist()
            rise = front - rear
        return float(np.arctan2(rise, 2 * GRADE_REACH))

    def copy(self) -> RoadEpisode:
        """An independent copy; arrays in it are never written to, the stage is shared."""
        other = copy.copy(self)
        other.traffic, other.rng = self.traffic.copy(), copy.deepcopy(self.rng)
        return other


SHAPES: dict[type, dict[str, str]] = SHARED_SHAPES | {
    RoadEpisode: {"vehicle": "6"},
    RoadView: {
        "objects.kinds": "n", "objects.boxes": "n 5", "objects.speeds": "n", "objects.z": "n", "heights": "n",
        "colors": "n 3", "braking": "n", "phases": "n", "pose": "3", "cycles": "g 4",
    },
    Traffic: {
        "kinds": "n", "heights": "n", "colors": "n 3", "parked": "p 5", "parked_z": "p", "in_the_way": "w",
    },
    LightPrograms: {"cycles": "g 4", "groups": "s", "signs": "s"},
    Paths: {
        "xy": "n m 2", "yaw": "n m", "z": "n m", "speed_limit": "n m", "near_junction": "n m", "length": "n", "s": "n",
        "lateral": "n", "route_s": "n", "stop_s": "n j ?", "stop_signals": "n j", "entry": "n j ?", "exit": "n j ?",
        "line": "n j ?", "junction": "n j", "rank": "n j",
    },
    Pedestrians: {
        "speed": "n", "direction": "n", "goal": "n", "near": "n", "far": "n", "careless": "n", "walked": "n",
        "moving": "n", "blocked": "n ?", "walkable": "n 2 m", "crosswalk": "n m", "color": "n 3",
    },
    BackgroundVehicles: {
        "size": "n 3", "kind": "n", "color": "n 3", "eagerness": "n", "headway": "n", "bias": "n", "speed": "n",
        "acceleration": "n", "lateral_speed": "n", "waited": "n", "granted": "n", "halted": "n", "hit_by_ego": "n",
    },
    SignalsAhead: {"shown": "1 k", "front": "1", "lines.s": "1 k ?", "lines.kinds": "1 k", "lines.cycles": "1 k 4 ?"},
}  # fmt: skip
"""Of arrays in an episode, for `check_shapes`."""

_CODEC = StateCodec(
    types=(
        RoadEpisode, Instant, RoadView, Weather, Route, RouteStops, Traffic, LightPrograms, TrafficConfig,
        ExternalActors, BackgroundVehicles, DriverConfig, Pedestrians, Paths, Objects, SceneState, ActorState,
        ObjectKind, SignalsAhead, RouteSignals, SignalCompliance, DirectedScene,
    ),
    open_types=(ActorScript, ActorState, Director, DirectorState),
    shapes=SHAPES,
)  # fmt: skip

_BOXES_CODEC = StateCodec(types=(Layout,))


def _given(stage: StaticScene) -> dict[str, object]:
    """What an episode on this stage points to and a state does not hold."""
    return {"stage": stage, "road_map": stage.road_map, "places": stage.spawn_points}


class EpisodeCodec:
    """Writes an episode as bytes: its town's number, or its map's OpenDRIVE text, what stands there if that was edited,
    and what changed since the start."""

    def pack(self, value: RoadEpisode) -> bytes:
        """An episode as bytes.

        Raises:
            ValueError: the script of an actor is no dataclass.
        """
        stage = value.stage
        return StateCodec().pack(
            {
                "town": stage.town,
                "map": "" if stage.town >= 0 else stage.road_map.xodr,
                "boxes": _BOXES_CODEC.pack(stage.layout.boxes_alone()) if stage.edited else b"",
                "episode": _CODEC.pack(value, _given(stage)),
            }
        )

    def unpack(self, data: bytes) -> RoadEpisode:
        """The episode that was packed; towns and maps built before are shared.

        Raises:
            ValueError: no such state, damaged, or of an episode on another map.
        """
        parts = StateCodec().unpack(data)
        kinds = {"town": int, "map": str, "boxes": bytes, "episode": bytes}
        for name, kind in kinds.items():
            value = parts.get(name) if isinstance(parts, dict) else None
            if type(value) is not kind:
                raise ValueError(f"{name} of an episode's state is {value!r:.60}; right would be {kind.__name__}")
        if parts["town"] < 0 and not parts["map"].lstrip("\ufeff \t\r\n").startswith("<"):
            raise ValueError(f"map of an episode's state is no OpenDRIVE text but begins with {parts['map'][:40]!r}")
        stage = load_town_scene(parts["town"]) if parts["town"] >= 0 else load_map_scene(parts["map"])
        if parts["boxes"]:
            stage = stage.with_boxes_of(_BOXES_CODEC.unpack(parts["boxes"]))
        episode = _CODEC.unpack(parts["episode"], _given(stage))
        if not isinstance(episode, RoadEpisode):
            raise ValueError(f"episode of a state is a {type(episode).__name__}; right would be a RoadEpisode")
        _check(episode)
        return episode


def _check(episode: RoadEpisode) -> None:
    """Refuse an episode whose past cannot have been, or that was begun on another map.

    Raises:
        ValueError: so it is.
    """
    check_past(episode.past)
    route, road_map = episode.route, episode.stage.road_map
    for x, y in points_at(route, np.linspace(0.0, route.length, 9)).tolist():
        if not road_map.lanes_near(np.array([x, y]), ON_LANE):
            raise ValueError(
                f"the state's episode is of another map than {road_map.name}: its route leads through "
                f"({x:.1f}, {y:.1f}), where there is no lane"
            )
