"""CarlaWorldConfig: which CARLA server, and what is driven there."""

from __future__ import annotations

from dataclasses import dataclass, field

from envs.carla.messages import SessionConfig
from envs.carla.versions import DEFAULT_VERSION, layout_of
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.gbuffer.classes import SENSOR_NAMES

WEATHERS = (
    "ClearNoon",
    "CloudyNoon",
    "WetNoon",
    "WetCloudyNoon",
    "SoftRainNoon",
    "MidRainyNoon",
    "HardRainNoon",
    "ClearSunset",
    "CloudySunset",
    "WetSunset",
    "WetCloudySunset",
    "SoftRainSunset",
    "MidRainSunset",
    "HardRainSunset",
)
"""CARLA's presets, of which the seed draws one."""


@dataclass(frozen=True, kw_only=True)
class CarlaWorldConfig:
    """Which server, and what is driven there.

    Args:
        host: of the server.
        port: of its RPC.
        frame_size: height and width of frames [px].
        sensors: what cameras beside the front camera are to give, of "depth" and "semantic".
        dt: step length [s].
        num_context: frames in a start clip; the world drives that many minus one before an episode begins.
        num_warmup: frames under the brake before that, in which the car settles and the sensors start.
        num_vehicles: of CARLA's Traffic Manager around the ego; none where the server has traffic of its own.
        traffic_port: of the Traffic Manager, which listens on all interfaces of this machine.
        carla_version: of the server and the installed client.
        blueprint: of the ego; "" takes that of the version's table, or a car found by its attributes.
        weather: one of WEATHERS; "" lets the seed draw one.
        vehicle: response of the ego, by which the context is driven; its size is read from the server.
        connect_seconds: longest wait for a server [s].
        tick_seconds: longest wait for a frame [s].
        image_seconds: longest wait for a frame's image [s].
        hang_seconds: a client that is this much later than its own limits has hung and is ended [s].

    Raises:
        ValueError: a port, size, count or time is out of range, the weather or a sensor is unknown, or the version is
            not supported.
    """

    host: str = "127.0.0.1"
    port: int = 2000
    frame_size: tuple[int, int] = (128, 128)
    sensors: tuple[str, ...] = ()
    dt: float = 0.1
    num_context: int = 8
    num_warmup: int = 10
    num_vehicles: int = 12
    traffic_port: int = 8000
    carla_version: str = DEFAULT_VERSION
    blueprint: str = ""
    weather: str = ""
    vehicle: VehicleModel = field(default_factory=VehicleModel)
    connect_seconds: float = 10.0
    tick_seconds: float = 10.0
    image_seconds: float = 2.0
    hang_seconds: float = 5.0

    def __post_init__(self) -> None:
        layout_of(self.carla_version)
        for name in ("port", "traffic_port"):
            if not 1 <= getattr(self, name) <= 65535:
                raise ValueError(f"{name} must be in [1, 65535], got {getattr(self, name)}")
        for name in ("connect_seconds", "tick_seconds", "image_seconds", "hang_seconds"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("num_context", "num_warmup"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_vehicles < 0:
            raise ValueError(f"num_vehicles must be at least 0, got {self.num_vehicles}")
        if min(self.frame_size) < 16:
            raise ValueError(f"frame_size must be at least 16 x 16, got {self.frame_size}")
        for name in self.sensors:
            if name not in SENSOR_NAMES:
                raise ValueError(f"sensors may hold {' and '.join(SENSOR_NAMES)}, got {name!r}")
        if not 0.001 < self.dt <= 0.5:
            raise ValueError(f"dt must be in (0.001, 0.5] s, got {self.dt}")
        if self.weather and self.weather not in WEATHERS:
            raise ValueError(f"no weather {self.weather!r}; there are {', '.join(WEATHERS)}")

    def session(self) -> SessionConfig:
        """What the session needs to know."""
        return SessionConfig(
            host=self.host,
            port=self.port,
            frame_size=self.frame_size,
            sensors=self.sensors,
            dt=self.dt,
            carla_version=self.carla_version,
            blueprint=self.blueprint,
            num_vehicles=self.num_vehicles,
            traffic_port=self.traffic_port,
            num_warmup=self.num_warmup,
            connect_seconds=self.connect_seconds,
            tick_seconds=self.tick_seconds,
            image_seconds=self.image_seconds,
        )
