"""The methods a client may call, by CARLA's names."""

from __future__ import annotations

from envs.carla.coordinates import poses_to_carla
from envs.carla_bridge import messages
from envs.carla_bridge.actor_methods import ActorMethods
from envs.carla_bridge.bridge import Bridge
from envs.carla_bridge.refused_methods import refused_methods
from envs.carla_bridge.rpc import Method, RefusedError, check_finite, returning, returning_nothing
from envs.carla_bridge.traffic_lights import TrafficLightMethods

SPAWN_HEIGHT = 0.5
"""Of spawn points above the road, as CARLA gives them [m]."""
SAME_STEP = 1e-6
"""A fixed step nearer than this to the world's own is the same [s]."""


def methods_of(bridge: Bridge) -> dict[str, Method]:
    """Every method of a bridge by name."""
    parts = (
        _Session(bridge),
        _Maps(bridge),
        ActorMethods(bridge),
        TrafficLightMethods(bridge),
        _TrafficManagers(bridge),
    )
    return refused_methods() | {name: method for part in parts for name, method in part.methods().items()}


class _Session:
    """Version, settings, clock, weather."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.version,
                self.get_episode_info,
                self.get_sensor_token,
                self.get_episode_settings,
                self.set_episode_settings,
                self.tick_cue,
                self.get_weather_parameters,
            ),
            **returning_nothing(self.set_weather_parameters, self.draw_debug_shape, self.update_lights_state),
        }

    def version(self) -> str:
        return self._bridge.layout.version

    def get_episode_info(self) -> list:
        return [self._bridge.episode, [self._bridge.registry.token(1)]]

    def get_sensor_token(self, stream: int) -> list:
        token = self._bridge.registry.token(stream)
        self._bridge.streams.expect(stream)
        return [token]

    def get_episode_settings(self) -> list:
        settings = dict(self._bridge.settings)
        fixed = settings["fixed_delta_seconds"]
        settings["fixed_delta_seconds"] = [False] if fixed is None else [True, fixed]
        return list(settings.values())

    def set_episode_settings(self, values: list) -> int:
        bridge = self._bridge
        settings = dict(zip(bridge.layout.settings, values, strict=True))
        given, *rest = settings["fixed_delta_seconds"]
        settings["fixed_delta_seconds"] = rest[0] if given else None
        for name, value in settings.items():
            if value is not None:
                check_finite("the world", "the settings", value, name)
            if isinstance(value, bool) != isinstance(bridge.layout.settings[name], bool):
                raise RefusedError(f"{name} is {value!r}; right would be as in {bridge.layout.settings[name]!r}")
        if given and abs(rest[0] - bridge.simulation.dt) > SAME_STEP:
            bridge.simulation.set_dt(rest[0])
        bridge.settings = settings
        return bridge.frame

    def tick_cue(self) -> int:
        return self._bridge.cue()

    def get_weather_parameters(self) -> list:
        """That of the pictures; what a client has set where the served world does not know its own."""
        shown = self._bridge.simulation.weather()
        if shown is None:
            return self._bridge.weather
        return messages.weather_parameters(self._bridge.layout, shown)

    def set_weather_parameters(self, weather: list) -> None:
        """Stored, but not shown, which the server's window says: served worlds draw their weather from the seed."""
        for name, value in zip(self._bridge.layout.weather, weather, strict=True):
            check_finite("the world", "the weather", value, name)
        self._bridge.weather = [float(value) for value in weather]
        self._bridge.refuse("set_weather_parameters", RefusedError("pictures show the weather that the seed draws"))

    def draw_debug_shape(self, shape: list) -> None:
        """Nobody looks at the server."""

    def update_lights_state(self, endpoint: str, lights: list, discard: bool = False) -> None:
        """There are no street lights to switch."""


class _Maps:
    """Maps and what stands on them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.get_map_info,
                self.get_map_data,
                self.get_available_maps,
                self.get_required_files,
                self.get_navigation_mesh,
                self.get_all_level_BBs,
                self.get_environment_objects,
                self.query_lights_state,
            ),
            **returning_nothing(self.load_new_episode, self.copy_opendrive_to_file),
        }

    def get_map_info(self) -> list:
        simulation = self._bridge.simulation
        poses = poses_to_carla(simulation.spawn_poses).tolist()
        heights = (simulation.spawn_heights + SPAWN_HEIGHT).tolist()
        points = [[[x, y, z], [0.0, yaw, 0.0]] for (x, y, yaw), z in zip(poses, heights, strict=True)]
        return [simulation.map_name, points]

    def get_map_data(self) -> str:
        return self._bridge.simulation.xodr

    def get_available_maps(self) -> list:
        return list(self._bridge.simulation.map_names)

    def get_required_files(self, folder: str) -> list:
        return []

    def get_navigation_mesh(self) -> bytes:
        return b""

    def get_all_level_BBs(self, tag: int) -> list:  # noqa: N802 (CARLA's name)
        """Of what does not move; a real server lists the boxes of vehicles and walkers too."""
        return messages.level_boxes(self._bridge.simulation.layout, tag)

    def get_environment_objects(self, tag: int) -> list:
        return messages.environment_objects(self._bridge.simulation.layout, tag)

    def query_lights_state(self, endpoint: str) -> list:
        return []

    def load_new_episode(self, name: str, reset_settings: bool, layers: int) -> None:
        bridge = self._bridge
        bridge.simulation.load_map(name.rsplit("/", 1)[-1] if name else bridge.simulation.map_name)
        bridge.new_episode()
        if reset_settings:
            bridge.settings = dict(bridge.layout.settings)

    def copy_opendrive_to_file(self, xodr: str, parameters: list) -> None:
        """The client asks for the map in its next call. It is a text: a path would be one on this machine."""
        if not (isinstance(xodr, str) and "<" in xodr):
            raise RefusedError(f"{xodr!r:.40} is no OpenDRIVE text")
        self._bridge.simulation.add_opendrive(xodr)


class _TrafficManagers:
    """Where clients run their Traffic Managers; they ask each other through the server."""

    def __init__(self, bridge: Bridge) -> None:
        self._running = bridge.traffic_managers

    def methods(self) -> dict[str, Method]:
        return {
            **returning(
                self.is_traffic_manager_running, self.get_traffic_manager_running, self.add_traffic_manager_running
            ),
            **returning_nothing(self.destroy_traffic_manager),
        }

    def is_traffic_manager_running(self, port: int) -> bool:
        return port in self._running

    def get_traffic_manager_running(self, port: int) -> list:
        return self._running.get(port, ["", 0])

    def add_traffic_manager_running(self, address: list) -> bool:
        host, port = address
        if not isinstance(host, str):
            raise RefusedError(f"host of a Traffic Manager is {host!r:.40}; right would be a text")
        check_finite("a Traffic Manager", "the address", port, "port")
        new = port not in self._running
        self._running.setdefault(port, address)
        return new

    def destroy_traffic_manager(self, port: int) -> None:
        self._running.pop(port, None)
