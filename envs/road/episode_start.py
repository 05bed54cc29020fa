"""How an episode of the reference world begins: town and weather, the ego among traffic, and which starts will do."""

from __future__ import annotations

import numpy as np

from envs.ego_route import ROUTE_LENGTH
from envs.ground_truth import ego_box
from envs.maps.junction_search import JunctionStart
from envs.maps.road_map import LanePoint
from envs.maps.route import Route
from envs.road.config import RoadWorldConfig
from envs.road.episode import RoadEpisode
from envs.road.rendering.weather import Weather
from envs.road.static_scene import StaticScene
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.driver_model import curve_speed
from envs.road.traffic.traffic import Traffic
from envs.scripted_actors import ScriptedActors
from envs.signals_ahead import START_BRAKING, SignalsAhead, is_fair_start, rows_along
from envs.world import WorldStep
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind

START_LATERAL = 5.0
"""Nobody starts before a curve that asks for more, after braking with START_BRAKING [m/s²]."""


def begin_episode(
    stage: StaticScene,
    config: RoadWorldConfig,
    traffic_config: TrafficConfig,
    weather_seed: int,
    lane: LanePoint,
    pose: np.ndarray,
    scripted_actors: ScriptedActors | None,
    start: JunctionStart | None,
    rng: np.random.Generator,
) -> RoadEpisode:
    """An episode with the ego on its lane among traffic, before its first instant.

    Args:
        stage: where.
        config: of the world.
        traffic_config: how much traffic.
        weather_seed: of the weather.
        lane: on which the ego is put.
        pose: x, y, yaw of the ego [3] [m, m, rad].
        scripted_actors: if any.
        start: the junction before which it begins, if that was asked for.
        rng: draws the rest; kept.
    """
    given = () if scripted_actors is None else scripted_actors.via
    route = stage.road_map.route_from(lane, ROUTE_LENGTH, rng, given if start is None else start.via)
    partner = None if start is None or start.partner is None else (start.partner, start.meeting)
    s = float(route.project(pose[:2], None)[0])
    speed = float(rng.uniform(0.0, 1.0) * lane.speed_limit) if rng.random() < 0.85 else 0.0
    if scripted_actors is not None and scripted_actors.ego_speed is not None:
        speed = scripted_actors.ego_speed
    vehicle = np.array([*pose, speed, 0.0, 0.0])
    ego = ego_box(vehicle, config.vehicle)
    start_time = -(config.num_context - 1) * config.dt
    traffic = Traffic(
        traffic_config,
        stage.road_map,
        stage.spawn_points,
        route,
        ego,
        s,
        start_time,
        scripted_actors,
        rng,
        partner,
    )
    junction = None if scripted_actors is None else scripted_actors.junction
    for signal, kind in traffic.scene.lights if traffic.scene is not None else ():
        traffic.lights = traffic.lights.held(signal, SignalKind(kind))
    if junction is not None and junction.green_ends is not None and start is not None and start.light >= 0:
        traffic.lights = traffic.lights.ending_green(stage.road_map, start.light, junction.green_ends)
    return RoadEpisode(
        stage=stage,
        look=Weather.from_seed(weather_seed),
        weather_seed=weather_seed,
        rng=rng,
        traffic=traffic,
        route=route,
        s=s,
        script_s=s,
        signals=SignalsAhead.begin(signal_rows(route, traffic), s + config.vehicle.length / 2, speed, traffic.time),
        vehicle=vehicle,
        z=lane.z,
        hit_by_ego=ObjectKind.EMPTY,
        past=(),
    )


def is_fair(episode: RoadEpisode, scene: SceneState) -> bool:
    """Whether the ego can still stop for what is ahead, and slow down for the curves of its route."""
    fastest = curve_speed(episode.route.yaw[None], np.array([episode.s]), START_LATERAL, START_BRAKING)[0]
    return is_fair_start(scene) and float(scene.speed) <= fastest


def draw_town_and_weather(rng: np.random.Generator, num_towns: int) -> tuple[int, int]:
    """Seeds of the town and of the weather, as `reset` draws them from a generator that its own seed began."""
    return int(rng.integers(num_towns)), int(rng.integers(2**31))


def is_spoilt(step: WorldStep) -> bool:
    """Whether an infraction makes this a bad start."""
    return step.collision > 0.5 or step.off_road > 0.5 or step.red_light or step.stop_sign_missed


def signal_rows(route: Route, traffic: Traffic) -> np.ndarray:
    """The lights and signs along a route, ROUTE_SIGNAL_NAMES [k, 6]."""
    return rows_along(route.stops, traffic.lights.cycles, traffic.lights.groups, traffic.lights.signs)
