"""The blueprint library: what a client may ask for, with CARLA's names."""

from __future__ import annotations

from dataclasses import dataclass

from envs.carla.cameras import SENSOR_BLUEPRINTS
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind

BOOL, INT, FLOAT, STRING, COLOR = 1, 2, 3, 4, 5
"""CARLA's attribute types."""


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """One attribute; values are strings on the wire.

    Args:
        name: CARLA's.
        type: BOOL to COLOR.
        value: unless the client sets another.
        modifiable: whether it may.
    """

    name: str
    type: int
    value: str
    modifiable: bool = True


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """One kind of actor.

    Args:
        id: CARLA's, words with dots between.
        attributes: all it has.
    """

    id: str
    attributes: tuple[Attribute, ...]

    def definition(self, uid: int) -> list:
        """ActorDefinition on the wire."""
        attributes = [[a.name, a.type, a.value, [], a.modifiable, False] for a in self.attributes]
        return [uid, self.id, self.id.replace(".", ","), attributes]

    def description(self, uid: int, values: dict[str, str] | None = None) -> list:
        """ActorDescription on the wire, of an actor with these values."""
        chosen = {} if values is None else values
        return [uid, self.id, [[a.name, a.type, chosen.get(a.name, a.value)] for a in self.attributes]]


def _vehicle(name: str, base_type: str = "car", wheels: int = 4) -> Blueprint:
    fixed = (("base_type", STRING, base_type), ("number_of_wheels", INT, str(wheels)), ("generation", INT, "2"))
    return Blueprint(
        id=name,
        attributes=(
            Attribute(name="role_name", type=STRING, value="autopilot"),
            Attribute(name="color", type=COLOR, value="40,60,120"),
            # not CARLA's: the ego's draw, or leave out, the traffic of this world, which CARLA leaves to its clients
            Attribute(name="seed", type=INT, value="-1"),
            Attribute(name="traffic", type=BOOL, value="true"),
            *(Attribute(name=n, type=t, value=v, modifiable=False) for n, t, v in fixed),
        ),
    )


def _sensor(name: str, *attributes: Attribute) -> Blueprint:
    role = Attribute(name="role_name", type=STRING, value="front")
    return Blueprint(id=name, attributes=(role, *attributes))


_TICK = Attribute(name="sensor_tick", type=FLOAT, value="0.0")
_IMAGE = (
    _TICK,
    Attribute(name="image_size_x", type=INT, value="800"),
    Attribute(name="image_size_y", type=INT, value="600"),
    Attribute(name="fov", type=FLOAT, value="90.0"),
)
_UNUSED_BY_CAMERAS = {"gamma": "2.2", "motion_blur_intensity": "0.45", "iso": "100.0", "fstop": "1.4"}
CAMERA = _sensor(
    "sensor.camera.rgb",
    *_IMAGE,
    Attribute(name="enable_postprocess_effects", type=BOOL, value="true"),
    *(Attribute(name=name, type=FLOAT, value=value) for name, value in _UNUSED_BY_CAMERAS.items()),
)
DEPTH_CAMERA = _sensor(SENSOR_BLUEPRINTS["depth"], *_IMAGE)
SEMANTIC_CAMERA = _sensor(SENSOR_BLUEPRINTS["semantic"], *_IMAGE)
CAMERA_PICTURES = {CAMERA.id: "rgb", DEPTH_CAMERA.id: "depth", SEMANTIC_CAMERA.id: "semantic"}
"""What each camera shows: "rgb" or one of SENSOR_NAMES."""
COLLISION = _sensor("sensor.other.collision")
LANE_INVASION = _sensor("sensor.other.lane_invasion")
GNSS = _sensor("sensor.other.gnss", _TICK)
IMU = _sensor("sensor.other.imu", _TICK)
SENSORS = (CAMERA, DEPTH_CAMERA, SEMANTIC_CAMERA, COLLISION, LANE_INVASION, GNSS, IMU)
CAR_NAMES = (
    "nissan.patrol", "tesla.model3", "lincoln.mkz_2020", "audi.etron", "mercedes.coupe_2020", "audi.a2", "audi.tt",
    "bmw.grandtourer", "chevrolet.impala", "citroen.c3", "dodge.charger_2020", "dodge.charger_police",
    "dodge.charger_police_2020", "ford.crown", "ford.mustang", "jeep.wrangler_rubicon", "lincoln.mkz_2017",
    "mercedes.coupe", "micro.microlino", "mini.cooper_s", "mini.cooper_s_2021", "nissan.micra", "nissan.patrol_2021",
    "seat.leon", "toyota.prius",
)  # fmt: skip
"""The cars of CARLA 0.9.16, those that the bridge offered first at the beginning."""
EGO_VEHICLES = tuple(_vehicle(f"vehicle.{name}") for name in CAR_NAMES)
"""All drive alike and are of one size, by the served world's vehicle model."""
TRUCK = _vehicle("vehicle.carlamotors.carlacola", "truck")
OTHER_TRUCKS = tuple(
    _vehicle(f"vehicle.{name}", "truck")
    for name in ("carlamotors.european_hgv", "carlamotors.firetruck", "tesla.cybertruck")
)
SIGNALS = {
    SignalKind.RED: Blueprint(id="traffic.traffic_light", attributes=()),
    SignalKind.STOP: Blueprint(id="traffic.stop", attributes=()),
    SignalKind.YIELD: Blueprint(id="traffic.yield", attributes=()),
}
"""Lights and signs of the map, RED of every light."""
SPECTATOR = Blueprint(id="spectator", attributes=())
SCENERY = Blueprint(id="static.building", attributes=())
"""What a collision is reported with when it is not with an actor."""
OF_KIND = {
    ObjectKind.CAR: EGO_VEHICLES[1],
    ObjectKind.TRUCK: TRUCK,
    ObjectKind.PEDESTRIAN: Blueprint(
        id="walker.pedestrian.0001",
        attributes=(Attribute(name="role_name", type=STRING, value="pedestrian"),),
    ),
    ObjectKind.STATIC: Blueprint(id="static.prop.streetbarrier", attributes=()),
}
"""Blueprints of road users that no client has spawned."""
SPAWNABLE_KINDS = (
    {b.id: kind for kind, b in OF_KIND.items()}
    | {b.id: ObjectKind.CAR for b in EGO_VEHICLES}
    | {b.id: ObjectKind.TRUCK for b in OTHER_TRUCKS}
)
"""What clients may spawn besides the ego and its sensors."""
SPAWNED_SIZES = {
    ObjectKind.CAR: (4.6, 1.9, 1.5),
    ObjectKind.TRUCK: (8.0, 2.4, 3.2),
    ObjectKind.PEDESTRIAN: (0.5, 0.5, 1.75),
    ObjectKind.STATIC: (1.2, 0.4, 1.0),
}
"""Their length, width and height [m]."""
LIBRARY = {b.id: b for b in (*EGO_VEHICLES, *OTHER_TRUCKS, *OF_KIND.values(), *SENSORS)}
"""Everything the client's blueprint library lists."""
UIDS = {
    blueprint_id: uid
    for uid, blueprint_id in enumerate([*LIBRARY, SPECTATOR.id, SCENERY.id, *(b.id for b in SIGNALS.values())], start=1)
}
