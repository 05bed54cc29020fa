"""An episode of the reference world: all that changes in it from step to step, and its bytes."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np

from envs.ground_truth import Objects
from envs.history import Instant
from envs.maps.route import Route, RouteStops
from envs.road.rendering.weather import Weather
from envs.road.static_scene import StaticScene, load_map_scene, load_town_scene
from envs.road.traffic.driver_model import DriverConfig
from envs.road.traffic.lights import LightPrograms
from envs.road.traffic.paths import Paths
from envs.road.traffic.pedestrians import Pedestrians
from envs.road.traffic.traffic import ExternalActors, Traffic, TrafficConfig
from envs.road.traffic.vehicles import BackgroundVehicles
from envs.scripted_actors import ActorScript, ActorState
from envs.serialization import StateCodec
from envs.signals_ahead import SignalsAhead
from worldsim.datatypes.layout import BOX_NAMES, BoxColumn
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import light_states
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

VIEW_RANGE = 150.0
"""Road users farther than this are not drawn [m]."""


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

    def camera_scene(self) -> CameraScene:
        """Everything that the camera may see beside the layout."""
        return CameraScene(view=self.view(), users=self.users(), user_ids=self.nearby(), lights=self.lights())

    def users(self) -> RoadUsers:
        """Whom the camera may see."""
        boxes, near = self.objects.boxes, self.nearby()
        shown = np.zeros((len(near), len(BOX_NAMES)))
        shown[:, [BoxColumn.X, BoxColumn.Y, BoxColumn.YAW, BoxColumn.LENGTH, BoxColumn.WIDTH]] = boxes[near]
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
        weather_seed: what `look` was drawn from.
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

    def copy(self) -> RoadEpisode:
        """An independent copy; arrays in it are never written to, the stage is shared."""
        other = copy.copy(self)
        other.traffic, other.rng = self.traffic.copy(), copy.deepcopy(self.rng)
        return other


_CODEC = StateCodec(
    types=(
        RoadEpisode, Instant, RoadView, Weather, Route, RouteStops, Traffic, LightPrograms, TrafficConfig,
        ExternalActors, BackgroundVehicles, DriverConfig, Pedestrians, Paths, Objects, SceneState, ActorState,
        ObjectKind, SignalsAhead, RouteSignals, SignalCompliance,
    ),
    open_type=ActorScript,
)  # fmt: skip


def _given(stage: StaticScene) -> dict[str, object]:
    """What an episode on this stage points to and a state does not hold."""
    return {"stage": stage, "road_map": stage.road_map, "places": stage.spawn_points}


class EpisodeCodec:
    """Writes an episode as bytes: its town's number, or its map's OpenDRIVE text, and what changed since the start."""

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
                "episode": _CODEC.pack(value, _given(stage)),
            }
        )

    def unpack(self, data: bytes) -> RoadEpisode:
        """The episode that was packed; towns and maps built before are shared.

        Raises:
            ValueError: no such state, or damaged.
        """
        parts = StateCodec().unpack(data)
        stage = load_town_scene(parts["town"]) if parts["town"] >= 0 else load_map_scene(parts["map"])
        return _CODEC.unpack(parts["episode"], _given(stage))
