"""Traffic of a CARLA server: vehicles driven by the client library's Traffic Manager, begun and ended in safe order."""

from __future__ import annotations

import contextlib
from typing import Any

import carla
import numpy as np

NEAREST = 12.0
"""No vehicle appears nearer to the ego [m]."""
MOST_REFUSALS = 5
"""A server that has refused that many vehicles is asked for no more."""


class CarlaTraffic:
    """Vehicles around the ego, as far as the server lets; without one there is no Traffic Manager.

    Args:
        client: connected.
        world: in synchronous mode.
        port: of the Traffic Manager in this process.
        role: role_name of the vehicles.
    """

    def __init__(self, client: carla.Client, world: carla.World, port: int, role: str) -> None:
        self._client, self._world, self._port, self._role = client, world, port, role
        self._vehicles: list[Any] = []
        self._manager: Any = None

    def begin(self, num_vehicles: int, ego: carla.Location, seed: int) -> None:
        """Spawn up to `num_vehicles` at the spawn points nearest to the ego's, as far as the server lets."""
        if num_vehicles == 0:
            return
        rng = np.random.default_rng([seed, 7])
        spawns = [t for t in self._world.get_map().get_spawn_points() if t.location.distance_2d(ego) > NEAREST]
        spawns.sort(key=lambda t: t.location.distance_2d(ego))
        library = self._world.get_blueprint_library().filter("vehicle.*")
        cars = sorted((b for b in library if _has_four_wheels(b)), key=lambda b: b.id)
        for tried, spawn in enumerate(spawns[: 2 * num_vehicles]):
            if len(self._vehicles) == num_vehicles or tried - len(self._vehicles) == MOST_REFUSALS:
                break
            blueprint = cars[int(rng.integers(len(cars)))]
            blueprint.set_attribute("role_name", self._role)
            vehicle = self._world.try_spawn_actor(blueprint, spawn)
            if vehicle is not None:
                self._vehicles.append(vehicle)
        if self._vehicles:
            self._manager = self._client.get_trafficmanager(self._port)
            self._manager.set_synchronous_mode(True)
            self._manager.set_random_device_seed(seed)
            for vehicle in self._vehicles:
                vehicle.set_autopilot(True, self._port)
                self._manager.update_vehicle_lights(vehicle, True)  # else nobody shows brake lights

    def end(self) -> None:
        """Autopilots off, vehicles away, a frame, the manager down: another order can end the process."""
        for vehicle in self._vehicles:
            with contextlib.suppress(RuntimeError):
                vehicle.set_autopilot(False, self._port)
                vehicle.destroy()
        if self._manager is not None:
            with contextlib.suppress(RuntimeError):
                self._world.tick()
            self._manager.shut_down()
        self._vehicles, self._manager = [], None


def _has_four_wheels(blueprint: Any) -> bool:
    return blueprint.has_attribute("number_of_wheels") and int(blueprint.get_attribute("number_of_wheels")) == 4
