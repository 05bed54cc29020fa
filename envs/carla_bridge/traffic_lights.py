"""What clients may ask of traffic lights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from envs.carla_bridge import messages
from envs.carla_bridge.rpc import Method, RefusedError, returning, returning_nothing
from worldsim.datatypes.signals import SignalKind

if TYPE_CHECKING:
    from envs.carla_bridge.bridge import Bridge

OWN_LIGHTS = "the lights of this world keep to its own cycles"
"""Why clients cannot switch them."""


class TrafficLightMethods:
    """Traffic lights, which keep to the served world's own cycles."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge, self._registry = bridge, bridge.registry

    def methods(self) -> dict[str, Method]:
        """By name."""
        return {
            **returning(self.get_group_traffic_lights, self.get_light_boxes),
            **returning_nothing(
                self.reset_all_traffic_lights,
                self.freeze_all_traffic_lights,
                self.set_traffic_light_state,
                self.set_traffic_light_green_time,
                self.set_traffic_light_yellow_time,
                self.set_traffic_light_red_time,
                self.freeze_traffic_light,
                self.reset_traffic_light_group,
            ),
        }

    def get_group_traffic_lights(self, actor: int) -> list[int]:
        """Ids of the lights that switch with one, itself included."""
        signals = self._bridge.simulation.signals
        group = signals[self._registry.signal_number(actor)].group
        return [i for i, signal in zip(self._registry.signals, signals, strict=True) if signal.group == group]

    def get_light_boxes(self, actor: int) -> list:
        """BoundingBox on the wire of each head of a light."""
        simulation, number = self._bridge.simulation, self._registry.signal_number(actor)
        lights = [k for k, signal in enumerate(simulation.signals) if signal.kind == SignalKind.RED]
        places = np.array([simulation.signals[k].pose[:2] for k in lights])
        return messages.light_boxes(simulation.layout, places, lights.index(number))

    def reset_all_traffic_lights(self) -> None:
        """Traffic Managers ask for it whenever they are seeded; the lights of the served world go on."""

    def freeze_all_traffic_lights(self, frozen: bool) -> None:
        """Refused."""
        if frozen:
            raise RefusedError(f"traffic lights cannot be frozen: {OWN_LIGHTS}")

    def set_traffic_light_state(self, actor: int, state: int) -> None:
        """Refused."""
        raise RefusedError(f"traffic light {actor} cannot be switched: {OWN_LIGHTS}")

    def set_traffic_light_green_time(self, actor: int, seconds: float) -> None:
        """Refused."""
        raise RefusedError(f"traffic light {actor} cannot be given other times: {OWN_LIGHTS}")

    def set_traffic_light_yellow_time(self, actor: int, seconds: float) -> None:
        """Refused."""
        self.set_traffic_light_green_time(actor, seconds)

    def set_traffic_light_red_time(self, actor: int, seconds: float) -> None:
        """Refused."""
        self.set_traffic_light_green_time(actor, seconds)

    def freeze_traffic_light(self, actor: int, frozen: bool) -> None:
        """Refused."""
        if frozen:
            raise RefusedError(f"traffic light {actor} cannot be frozen: {OWN_LIGHTS}")

    def reset_traffic_light_group(self, actor: int) -> None:
        """Refused."""
        raise RefusedError(f"the lights of the group of {actor} cannot be reset: {OWN_LIGHTS}")
