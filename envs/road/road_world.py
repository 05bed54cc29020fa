"""RoadWorld: the reference world, zero-setup stand-in for CARLA. Roads, traffic, camera and truth together."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box

from envs.ego_route import LayoutAlong, keep_lane, keep_route, start_clip
from envs.ground_truth import (
    Objects,
    ego_box,
    is_off_road,
    is_wrong_way,
    scene_from_truth,
    touched,
    touching,
)
from envs.history import Instant
from envs.maps.junction_search import JunctionStart, find_junction_start
from envs.maps.road_map import LanePoint
from envs.maps.route import Route
from envs.reset_options import read_reset_options
from envs.road.config import RoadWorldConfig
from envs.road.editing import edit_episode
from envs.road.episode import EpisodeCodec, RoadEpisode, RoadView
from envs.road.episode_start import begin_episode, draw_town_and_weather, is_fair, is_spoilt, signal_rows
from envs.road.static_scene import StaticScene, load_map_scene, load_town_scene
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.ego import Ego
from envs.scripted_actors import DirectedScene, ScriptedActors, ego_on_route
from envs.world import WorldStep
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.route_signals import cycles_from
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.editing.edits import Edit
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import SENSOR_NAMES

if TYPE_CHECKING:
    from envs.road.rendering.camera import Camera

MAX_TRIES = 20
"""Starts tried before the last one is kept, good or not."""


class RoadWorld:
    """The reference world: procedural towns or any OpenDRIVE map, with traffic, a front camera and exact truth.

    A town or map takes half a second or more to build when it is first entered. It is kept in the user's cache folder,
    or in the one that the environment variable DRIVEDIT_CACHE names; "off" keeps none (`envs.disk_cache`).

    reset options:
        town: seed of a procedural town, or of several: the first is taken in which all the rest can be had.
        map: path or text of an .xodr file; excludes `town`.
        start_pose: (x, y, yaw) on a driving lane [m, m, rad]; without it the seed draws one.
        scripted_actors: ScriptedActors.
        layout: edits of `drivedit.edit`, made when the start is there, or a Layout with this map's ground and other
            boxes. The start's frames show them too; the car has driven there without minding them.

    info of a step: `town` (-1 for a map), `weather_seed` (-1 after a Look), `collided_with` (ObjectKind of what the ego
    touches, EMPTY if nothing).

    Args:
        config: what the world is like.
    """

    def __init__(self, config: RoadWorldConfig | None = None):
        self.config = RoadWorldConfig() if config is None else config
        self.frame_size, self.dt = self.config.frame_size, self.config.dt
        self.latent_space: Box | None = None
        self.sensor_names: tuple[str, ...] = SENSOR_NAMES
        self._traffic_config = TrafficConfig(
            num_vehicles=self.config.num_vehicles,
            num_pedestrians=self.config.num_pedestrians,
            parked_share=self.config.parked_share,
        )
        self._episode: RoadEpisode | None = None
        self._layout_along = LayoutAlong()

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """A new start, a function of `seed` and `options` alone.

        Raises:
            ValueError: an unknown option, a map that cannot be used, a pose that is on no lane, scripted actors for
                which the map has no start, or a layout that cannot be.
        """
        options = read_reset_options(
            options,
            known=("map", "town", "start_pose", "scripted_actors", "layout"),
            world="the reference world",
            renamed={"start": "start_pose", "scenario": "scripted_actors"},
        )
        if "map" in options and "town" in options:
            raise ValueError("give map or town, not both")
        if "start_pose" in options and "scripted_actors" in options and options["scripted_actors"].junction is not None:
            raise ValueError("give start_pose or scripted_actors with a junction, which say both where to start")
        rng = np.random.default_rng(seed)
        town, weather_seed = draw_town_and_weather(rng, self.config.num_towns)
        if "map" in options:
            return self._reset_on(load_map_scene(str(options["map"])), weather_seed, options, rng)
        *others, last = options.get("town", (town,))
        for other in others:
            with suppress(ValueError):
                return self._reset_on(load_town_scene(other), weather_seed, options, copy.deepcopy(rng))
        return self._reset_on(load_town_scene(last), weather_seed, options, rng)

    def _reset_on(
        self, stage: StaticScene, weather_seed: int, options: Mapping[str, Any], rng: np.random.Generator
    ) -> WorldStep:
        """`reset` on a map."""
        scripted_actors = options.get("scripted_actors")
        junction = None if scripted_actors is None else scripted_actors.junction
        has_room = "start_pose" in options or scripted_actors is not None
        for _ in range(MAX_TRIES):
            start = None if junction is None else find_junction_start(stage.road_map, junction, rng)
            if "start_pose" in options:
                lane = stage.lane_under(options["start_pose"])
            elif start is not None:
                lane = start.lane
            else:
                lane = stage.draw_start(0.0 if scripted_actors is None else scripted_actors.straight, rng)
            pose = options.get("start_pose", (lane.x, lane.y, lane.yaw))
            step = self._begin(stage, weather_seed, lane, np.array(pose, np.float64), scripted_actors, start, rng)
            if not is_spoilt(step) and (scripted_actors is not None or is_fair(self._running(), step.scene)):
                break
            has_room |= step.collision <= 0.5 and step.off_road <= 0.5
        else:
            if not has_room:
                seconds, car = (self.config.num_context - 1) * self.dt, self.config.vehicle
                raise ValueError(
                    f"map {stage.road_map.name}: in each of {MAX_TRIES} tries the car left the road or touched"
                    f" something within {seconds:g} s; it needs room for its {car.length:g} by {car.width:g} m"
                )
        if "layout" in options:
            try:
                step = self.edit(options["layout"])
            except ValueError:
                self._episode = None  # no episode without what was asked for
                raise
        return replace(step, progress=0.0, red_light=False, stop_sign_missed=False)

    def edit(self, edits: Sequence[Edit] | Layout) -> WorldStep:
        """Put, take away and repaint things, or change the look, now; the last frames show it as if it had been so.

        Raises:
            ValueError: one of the edits cannot be made, and none is.
        """
        edit_episode(self._running(), edits, self.config.vehicle)
        # the newest instant, in which something stands or looks otherwise now
        episode = self._running()
        control, episode.past = episode.past[-1].control, episode.past[:-1]
        step = self._answer(control, episode.traffic.objects, 0.0)
        return replace(step, red_light=False, stop_sign_missed=False)

    def step(self, control: np.ndarray) -> WorldStep:
        """Apply control float32 [4] (CONTROL_NAMES) over one step.

        Raises:
            ValueError: the control has another shape or is not finite.
        """
        control = np.array(control, np.float32)
        if control.shape != (4,) or not np.isfinite(control).all():
            raise ValueError(f"a control is 4 finite numbers, got {control}")
        episode, model = self._running(), self.config.vehicle
        before = episode.vehicle
        on_script_route = None
        if episode.traffic.scripts:
            on_script_route = ego_on_route(
                before, episode.traffic.script_route, episode.script_s, model.length, model.width
            )
            episode.script_s = on_script_route.s
        ego = Ego(
            box=ego_box(before, model),
            speed=float(before[VehicleColumn.SPEED]),
            path=episode.expected_path,
            on_script_route=on_script_route,
            z=episode.z,
            red_light=_red_light(episode.past[-1].scene, model) if episode.past else np.inf,
            vehicle=before if episode.traffic.director is not None else None,
        )
        episode.vehicle = model.step(before, control, self.dt)
        episode.traffic.step(ego, self.dt, episode.rng)
        s, lateral, _ = episode.route.project(episode.vehicle[:2], episode.s)
        episode.z = episode.road_height(s, lateral)
        objects = episode.traffic.objects
        self._collide(objects)
        progress, episode.s = s - episode.s, s
        front, speed = s + model.length / 2, float(episode.vehicle[VehicleColumn.SPEED])
        episode.signals = episode.signals.step(front, lateral, speed, episode.traffic.time)
        self._keep_route(lateral)
        if episode.traffic.scene is not None:
            self._follow_director(episode.traffic.scene)
        return self._answer(control, objects, progress)

    def frame(self) -> np.ndarray:
        """The newest frame, RGB uint8 [h, w, 3]."""
        return self._running().past[-1].seen(self._show).copy()

    def sensor_frames(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Pictures of the same instant, camera and size as `frame`.

        Args:
            names: of SENSOR_NAMES.

        Returns:
            "depth": along the camera's axis, float16 [h, w] [m], inf in the sky. "semantic": SemanticClass, uint8
            [h, w].

        Raises:
            ValueError: an unknown name.
        """
        episode = self._running()
        view: RoadView = episode.past[-1].view
        return self._camera.sense(names, episode.stage.scenery, view.view(), view.users(), view.lights())

    def camera_scene(self) -> CameraScene:
        """What the newest frame shows beside `layout`; of the road users those within sight."""
        episode = self._running()
        return episode.past[-1].view.camera_scene(episode.look.sun_direction)

    def light_cycles(self) -> np.ndarray:
        """LIGHT_CYCLE_NAMES by light group of the layout, float64 [g, 4]; time 0 is now."""
        traffic = self._running().traffic
        return cycles_from(traffic.lights.cycles, traffic.time)

    def snapshot(self) -> RoadEpisode:
        """The whole state; later steps never change it."""
        return self._running().copy()

    def restore(self, snapshot: RoadEpisode) -> None:
        """Continue exactly from a snapshot of this world, or of one with the same config."""
        self._episode = snapshot.copy()

    @property
    def codec(self) -> EpisodeCodec:
        """Writes snapshots, a map's OpenDRIVE text included."""
        return EpisodeCodec()

    @property
    def config_digest(self) -> str:
        """Tells worlds apart whose episodes differ: the config, spelled out."""
        return repr(self.config)

    def __copy__(self) -> RoadWorld:
        """Another world with the same map, scenery and camera; not by way of bytes, as pickle goes."""
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        return other

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy, which the maps do not bear."""
        return {"config": self.config, "snapshot": None if self._episode is None else self.codec.pack(self._episode)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["config"])
        if state["snapshot"] is not None:
            self._episode = self.codec.unpack(state["snapshot"])

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames with their controls, SceneState and route; without `pictures` a state-only clip."""
        episode = self._running()
        return start_clip(
            episode.past,
            self._show,
            episode.route,
            episode.s,
            self.dt,
            episode.stage.road_map,
            self._layout_along.of(episode.route, self.layout()),
            signals=episode.signals.lines.ahead(0, episode.s, episode.traffic.time),
            light_cycles=self.light_cycles(),
            road_users=episode.traffic.known_users(),
            ego_z=episode.z,
            sun=episode.look.sun_direction,
            partner_path=episode.traffic.partner_path(),
            pictures=pictures,
        )

    @property
    def objects(self) -> Objects:
        """Every road user but the ego; never written to."""
        return self._running().traffic.objects

    def layout(self) -> Layout:
        """Everything that does not move on the whole map."""
        return self._running().stage.layout

    def close(self) -> None:
        """Forget the episode."""
        self._episode = None

    def _running(self) -> RoadEpisode:
        if self._episode is None:
            raise ValueError("the world has no state yet: call reset first")
        return self._episode

    def _begin(
        self,
        stage: StaticScene,
        weather_seed: int,
        lane: LanePoint,
        pose: np.ndarray,
        scripted_actors: ScriptedActors | None,
        start: JunctionStart | None,
        rng: np.random.Generator,
    ) -> WorldStep:
        """Put the ego on its lane among traffic and drive until the context is full."""
        self._episode = begin_episode(
            stage, self.config, self._traffic_config, weather_seed, lane, pose, scripted_actors, start, rng
        )
        objects, speed = self._episode.traffic.objects, float(self._episode.vehicle[VehicleColumn.SPEED])
        self._collide(objects)
        step = self._answer(np.zeros(4, np.float32), objects, 0.0)
        careful = scripted_actors is None or scripted_actors.ambient_traffic
        for _ in range(self.config.num_context - 1):
            step = self.step(keep_lane(step.scene, self.config.vehicle, speed, mind_lead=careful))
            if is_spoilt(step):
                break
        return step

    def _show(self, view: RoadView) -> np.ndarray:
        """What the camera sees."""
        episode = self._running()
        return self._camera.render(episode.stage.scenery, episode.look, view.view(), view.users(), view.lights())

    @property
    def _camera(self) -> Camera:
        """The front camera; its compiled code is loaded when the first picture is taken."""
        from envs.road.rendering.camera import CameraConfig, load_camera

        height, width = self.frame_size
        return load_camera(CameraConfig(height_px=height, width_px=width))

    def _collide(self, objects: Objects) -> None:
        """An ego that touches something stands, and so does the driver it touches."""
        episode, model = self._running(), self.config.vehicle
        hit = touched(episode.vehicle, model, objects, episode.z)
        episode.hit_by_ego = ObjectKind.EMPTY
        if len(hit):
            episode.hit_by_ego = ObjectKind(int(objects.kinds[hit[0]]))
        elif len(touching(ego_box(episode.vehicle, model), episode.stage.obstacles)):
            episode.hit_by_ego = ObjectKind.STATIC
        if episode.hit_by_ego:
            episode.vehicle = episode.vehicle.copy()
            episode.vehicle[[VehicleColumn.SPEED, VehicleColumn.ACCELERATION]] = 0.0
            for index in hit:
                episode.traffic.stop(int(index))

    def _follow_director(self, scene: DirectedScene) -> None:
        """The look and the lights of the scene as its director has them now."""
        episode = self._running()
        traffic = episode.traffic
        if scene.look is not None:
            episode.look, episode.weather_seed = episode.look.changed_to(scene.look), -1
        lights = traffic.lights
        for signal, kind in scene.lights:
            lights = lights.held(signal, SignalKind(kind))
        if not np.array_equal(lights.cycles, traffic.lights.cycles):
            traffic.lights = lights
            self._follow_route(episode.route, episode.s)

    def _follow_route(self, route: Route, s: float) -> None:
        """The ego at arc length `s` [m] minds the lights and signs of a route from now on."""
        episode = self._running()
        front, speed = s + self.config.vehicle.length / 2, float(episode.vehicle[VehicleColumn.SPEED])
        rows, time = signal_rows(route, episode.traffic), episode.traffic.time
        episode.signals = episode.signals.follow(rows, front, speed, time)

    def _keep_route(self, lateral: float) -> None:
        """A route that ends soon is prolonged; an ego that has changed to another lane of its direction gets one there.

        Junctions are exempt: there the lanes overlap.
        """
        episode = self._running()
        route, s = keep_route(
            episode.route, episode.s, lateral, episode.vehicle, episode.stage.road_map, episode.rng, episode.z
        )
        if route is not episode.route:
            self._follow_route(route, s)
        episode.route, episode.s = route, s

    def _answer(self, control: np.ndarray, objects: Objects, progress: float) -> WorldStep:
        """The world as it is now, remembered for the start clip."""
        episode, model = self._running(), self.config.vehicle
        scene = scene_from_truth(
            vehicle=episode.vehicle, model=model, route=episode.route, objects=objects, hint_s=episode.s, z=episode.z
        )
        episode.signals.fill(scene)
        stage = episode.stage
        view = RoadView.of(episode.traffic, episode.vehicle, episode.z, episode.grade(scene))
        instant = Instant(control=control, vehicle=episode.vehicle, scene=scene, view=view)
        episode.past = (*episode.past, instant)[-self.config.num_context :]
        return WorldStep(
            scene=scene.copy(),
            vehicle=episode.vehicle.copy(),
            collision=float(bool(episode.hit_by_ego)),
            off_road=float(is_off_road(episode.vehicle, model, stage.road_map, episode.z)),
            wrong_way=is_wrong_way(scene, episode.vehicle, stage.road_map, episode.z),
            red_light=episode.signals.red_light,
            stop_sign_missed=episode.signals.stop_sign_missed,
            progress=progress,
            info={"town": stage.town, "weather_seed": episode.weather_seed, "collided_with": int(episode.hit_by_ego)},
            route_done=episode.s >= episode.route.length,
            scenario_done=episode.traffic.scene is not None and episode.traffic.scene.is_over,
        )


def _red_light(scene: SceneState, model: VehicleModel) -> float:
    """Distance from the ego's centre to the stop line of a light ahead that is red, infinite for none [m]."""
    return float(scene.signal_distance) + model.length / 2 if scene.signal == SignalKind.RED else np.inf
