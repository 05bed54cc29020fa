"""How background traffic flows in towns without an ego: waiting, collisions, signals obeyed.

`python -m traffic_flow --towns 20 --seconds 600` in this folder prints a table.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, fields

import numpy as np

from envs.maps.road_map import RoadMap, load_town
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.ego import Ego
from envs.road.traffic.spawn_points import SpawnPoints
from envs.road.traffic.traffic import Traffic
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.signals import SignalKind

FAR = 1e4
"""The ego is this far away: it meets nobody [m]."""
LONG_WAIT = 60.0
"""Vehicles that wait longer count as stuck [s]."""


@dataclass
class Flow:
    """Counts over the time and towns measured.

    stuck: vehicles that waited longer than LONG_WAIT once. collisions: pairs of vehicles that began to touch.
    pedestrians_hit: pairs of a vehicle and a pedestrian that did. red_runs: fronts that crossed a line while it was
    red. stops_missed: stop signs passed without a stop.
    """

    vehicles: int = 0
    stuck: int = 0
    vehicle_hours: float = 0.0
    mean_speed: float = 0.0
    longest_wait: float = 0.0
    collisions: int = 0
    pedestrians_hit: int = 0
    red_runs: int = 0
    stops_missed: int = 0
    cpu: float = 0.0

    def add(self, other: Flow) -> None:
        """Sum both up."""
        hours = self.vehicle_hours + other.vehicle_hours
        speed = (self.mean_speed * self.vehicle_hours + other.mean_speed * other.vehicle_hours) / max(hours, 1e-9)
        longest = max(self.longest_wait, other.longest_wait)
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        self.mean_speed, self.longest_wait = speed, longest


def measure_flow(
    road_map: RoadMap, seconds: float, num_vehicles: int, num_pedestrians: int = 16, seed: int = 0
) -> Flow:
    """Let traffic run on a whole map for a while; nobody leaves, however long it waits."""
    config = TrafficConfig(
        num_vehicles=num_vehicles,
        num_pedestrians=num_pedestrians,
        spawn_range=(12.0, 2 * FAR),
        respawn_range=(12.0, 2 * FAR),
        leave_range=3 * FAR,
        patience=np.inf,
        lead_share=0.0,
    )
    rng = np.random.default_rng(seed)
    points = SpawnPoints.find(road_map)
    route = road_map.route_from(points.lanes[0], 300.0, rng)
    away = points.xy.mean(axis=0) + FAR
    box = np.array([*away, 0.0, 4.6, 1.9])
    ego = Ego(box=box, speed=0.0, path=np.tile(away, (20, 1)), on_script_route=None)
    traffic = Traffic(config, road_map, points, route, box, 0.0, 0.0, None, rng)
    vehicles, paths, n = traffic.vehicles, traffic.vehicles.paths, num_vehicles

    flow, speeds, longest = Flow(vehicles=n), [], np.zeros(n)
    touching, hitting = np.zeros((n, n), bool), np.zeros((n, num_pedestrians), bool)
    slowest = np.full(n, np.inf)
    for _ in range(round(seconds / 0.1)):
        stops_before = [_line_ahead(traffic, i) for i in range(n)]
        shown = traffic.lights.shown(traffic.time)
        began = time.process_time()
        traffic.step(ego, 0.1, rng)
        flow.cpu += time.process_time() - began
        active = paths.active
        longest = np.maximum(longest, np.where(active, vehicles.waited, 0.0))
        speeds.append(vehicles.speed[active].mean())
        flow.vehicle_hours += active.sum() / 36_000

        # lines crossed in this step
        for i, before in enumerate(stops_before):
            if before is None or not active[i]:
                slowest[i] = np.inf
                continue
            route_i, place, signal, gap = before
            if gap < 4.0 and shown[signal] == SignalKind.STOP:
                slowest[i] = min(slowest[i], vehicles.speed[i])
            now = paths.route_s[i] + paths.s[i] + vehicles.size[i, 0] / 2
            if paths.routes[i] is route_i and now > place:
                flow.red_runs += int(shown[signal] == SignalKind.RED)
                flow.stops_missed += int(shown[signal] == SignalKind.STOP and slowest[i] > 0.5)
                slowest[i] = np.inf

        boxes, z = traffic.objects.boxes, traffic.heights_of_ground
        own, walkers = boxes[:n], boxes[n : n + num_pedestrians]
        now = _touching(own, own, active, active) & ~np.eye(n, dtype=bool) & (np.abs(z[:n, None] - z[:n]) < 2.5)
        flow.collisions += int((now & ~touching).sum()) // 2
        touching = now
        now = _touching(own, walkers, active, traffic.pedestrians.paths.active)
        flow.pedestrians_hit += int((now & ~hitting).sum())
        hitting = now
    flow.stuck = int((longest > LONG_WAIT).sum())
    flow.longest_wait, flow.mean_speed = float(longest.max()), float(np.mean(speeds))
    return flow


def _line_ahead(traffic: Traffic, i: int):
    """Route, place on it [m], signal and distance [m] of the next line of vehicle `i`; None without one."""
    paths, half = traffic.vehicles.paths, traffic.vehicles.size[i, 0] / 2
    if not paths.active[i]:
        return None
    front = paths.s[i] + half
    ahead = np.flatnonzero((paths.stop_s[i] >= front) & np.isfinite(paths.stop_s[i]))
    if not len(ahead):
        return None
    k = ahead[0]
    place = float(paths.route_s[i] + paths.stop_s[i, k])
    return paths.routes[i], place, int(paths.stop_signals[i, k]), float(paths.stop_s[i, k] - front)


def _touching(a: np.ndarray, b: np.ndarray, active_a: np.ndarray, active_b: np.ndarray) -> np.ndarray:
    """Which boxes [n, 5] and [m, 5] touch, bool [n, m]."""
    d = a[:, None, :2] - b[None, :, :2]
    rows, columns = np.nonzero((np.hypot(d[..., 0], d[..., 1]) < 12.0) & active_a[:, None] & active_b[None])
    found = np.zeros((len(a), len(b)), bool)
    found[rows, columns] = overlap(a[rows], b[columns])
    return found


def main() -> None:
    """Print the flow of several towns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--towns", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--vehicles", type=int, default=30)
    args = parser.parse_args()
    total = Flow()
    for town in range(args.first, args.first + args.towns):
        road_map = load_town(town)
        flow = measure_flow(road_map, args.seconds, args.vehicles, seed=town)
        print(town, flow, flush=True)
        total.add(flow)
    print("all", total)


if __name__ == "__main__":
    main()
