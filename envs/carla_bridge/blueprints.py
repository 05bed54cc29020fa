"""The blueprint library: what a client may ask for, with CARLA's names."""

from __future__ import annotations

from dataclasses import dataclass

from envs.carla.cameras import SENSOR_BLUEPRINTS
from envs.carla_bridge.blueprint_sizes import BICYCLES, BUSES, FLAT_PROPS, MOTORCYCLES, PROPS, TREES, VANS
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
        recommended: of which clients choose.
    """

    name: str
    type: int
    value: str
    modifiable: bool = True
    recommended: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """One kind of actor.

    Args:
        id: CARLA's, words with dots between.
        attributes: all it has.
    """

    id: str
    attributes: tuple[Attribute, ...]

    def having(self, *attributes: Attribute) -> Blueprint:
        """The same with further attributes."""
        return Blueprint(id=self.id, attributes=(*self.attributes, *attributes))

    def definition(self, uid: int) -> list:
        """ActorDefinition on the wire."""
        attributes = [[a.name, a.type, a.value, list(a.recommended), a.modifiable, False] for a in self.attributes]
        return [uid, self.id, self.id.replace(".", ","), attributes]

    def description(self, uid: int, values: dict[str, str] | None = None) -> list:
        """ActorDescription on the wire, of an actor with these values."""
        chosen = {} if values is None else values
        return [uid, self.id, [[a.name, a.type, chosen.get(a.name, a.value)] for a in self.attributes]]


COLORS = ("40,60,120", "170,20,20", "20,20,20", "235,235,235", "120,120,120", "30,90,50", "200,160,40")
"""Paints that clients choose from."""


def _vehicle(name: str, base_type: str = "car", wheels: int = 4) -> Blueprint:
    fixed = (("base_type", STRING, base_type), ("number_of_wheels", INT, str(wheels)), ("generation", INT, "2"))
    return Blueprint(
        id=name,
        attributes=(
            Attribute(name="role_name", type=STRING, value="autopilot"),
            Attribute(name="color", type=COLOR, value=COLORS[0], recommended=COLORS),
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


def _with_numbers(name: str, **numbers: float) -> Blueprint:
    return _sensor(name, _TICK, *(Attribute(name=n, type=FLOAT, value=str(value)) for n, value in numbers.items()))


_BEAMS = Attribute(name="channels", type=INT, value="32")
_POINTS = Attribute(name="points_per_second", type=INT, value="56000")
_SCAN = {"range": 10.0, "rotation_frequency": 10.0, "upper_fov": 10.0, "lower_fov": -30.0, "horizontal_fov": 360.0}
_RETURNS = {
    "atmosphere_attenuation_rate": 0.004, "dropoff_general_rate": 0.45, "dropoff_intensity_limit": 0.8,
    "dropoff_zero_intensity": 0.4, "noise_stddev": 0.0,
}  # fmt: skip
RAY_SENSORS = (
    _with_numbers("sensor.lidar.ray_cast", **_SCAN, **_RETURNS).having(_BEAMS, _POINTS),
    _with_numbers("sensor.lidar.ray_cast_semantic", **_SCAN).having(_BEAMS, _POINTS),
    _with_numbers("sensor.other.radar", horizontal_fov=30.0, vertical_fov=30.0, range=100.0).having(_POINTS),
    _with_numbers("sensor.other.obstacle", distance=5.0, hit_radius=0.5),
)
"""Sensors that no served world has, with CARLA's attributes."""
OTHER_CAMERAS = tuple(
    _sensor(f"sensor.camera.{name}", *_IMAGE) for name in ("dvs", "instance_segmentation", "normals", "optical_flow")
)
"""Cameras that no served world has."""
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
VANS_AND_BUSES = (
    *(_vehicle(f"vehicle.{name}", "van") for name in VANS),
    *(_vehicle(f"vehicle.{name}", "bus") for name in BUSES),
)
TWO_WHEELERS = (
    *(_vehicle(f"vehicle.{name}", "bicycle", wheels=2) for name in BICYCLES),
    *(_vehicle(f"vehicle.{name}", "motorcycle", wheels=2) for name in MOTORCYCLES),
)
CHILDREN = {"0009": 1.1, "0010": 1.1, "0011": 1.1, "0012": 1.3, "0013": 1.3, "0014": 1.3, "0048": 1.1, "0049": 1.1}
"""Heights of those walkers that are no adults [m]."""
WALKING_SPEEDS = ("0.0", "1.4", "3.0")
"""Standing, walking, running, in the order in which clients choose from them [m/s]."""


def _walker(number: str) -> Blueprint:
    age = "child" if number in CHILDREN else "adult"
    return Blueprint(
        id=f"walker.pedestrian.{number}",
        attributes=(
            Attribute(name="role_name", type=STRING, value="pedestrian"),
            Attribute(name="is_invincible", type=BOOL, value="true"),
            Attribute(name="speed", type=FLOAT, value=WALKING_SPEEDS[1], recommended=WALKING_SPEEDS),
            Attribute(name="age", type=STRING, value=age, modifiable=False),
            Attribute(name="generation", type=INT, value="2", modifiable=False),
        ),
    )


def _prop(name: str) -> Blueprint:
    return Blueprint(id=f"static.prop.{name}", attributes=(Attribute(name="role_name", type=STRING, value="prop"),))


WALKERS = tuple(_walker(f"{number:04d}") for number in range(1, 53))
STANDING_PROPS = tuple(_prop(name) for name in PROPS)
WALKER_CONTROLLER = Blueprint(
    id="controller.ai.walker", attributes=(Attribute(name="role_name", type=STRING, value="default"),)
)
_SERVED = "this world has cameras (RGB, depth, semantic segmentation), collision, lane invasion, GNSS and IMU sensors"
REFUSED = (
    {_prop(name): "lies flat on the road, and here a car collides with whatever it touches" for name in FLAT_PROPS}
    | {_prop(name): "is a tree, whose bounding box is its crown" for name in TREES}
    | dict.fromkeys(RAY_SENSORS, f"measures by rays, which this world does not cast; {_SERVED}")
    | dict.fromkeys(OTHER_CAMERAS, f"shows what this world does not draw; {_SERVED}")
)
"""Blueprints that are listed and not spawned, and why."""
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
    ObjectKind.PEDESTRIAN: WALKERS[0],
    ObjectKind.STATIC: _prop("streetbarrier"),
}
"""Blueprints of road users that no client has spawned."""
SPAWNABLE_KINDS = (
    {b.id: ObjectKind.CAR for b in (*EGO_VEHICLES, *TWO_WHEELERS)}
    | {b.id: ObjectKind.TRUCK for b in (TRUCK, *OTHER_TRUCKS, *VANS_AND_BUSES)}
    | {b.id: ObjectKind.PEDESTRIAN for b in WALKERS}
    | {b.id: ObjectKind.STATIC for b in STANDING_PROPS}
)
"""What clients may spawn besides the ego and its sensors. A two-wheeler is a narrow car here."""
_SIZES_OF_KINDS = {
    ObjectKind.CAR: (4.6, 1.9, 1.5),
    ObjectKind.TRUCK: (8.0, 2.4, 3.2),
    ObjectKind.PEDESTRIAN: (0.5, 0.5, 1.75),
}
SPAWNED_SIZES = (
    {name: _SIZES_OF_KINDS[kind] for name, kind in SPAWNABLE_KINDS.items() if kind in _SIZES_OF_KINDS}
    | {f"vehicle.{name}": size for name, size in (BICYCLES | MOTORCYCLES | VANS | BUSES).items()}
    | {f"static.prop.{name}": size for name, size in PROPS.items()}
    | {f"walker.pedestrian.{number}": (0.4, 0.4, height) for number, height in CHILDREN.items()}
)
"""Their length, width and height [m]."""
LIBRARY = {
    b.id: b
    for b in (
        *EGO_VEHICLES, TRUCK, *OTHER_TRUCKS, *VANS_AND_BUSES, *TWO_WHEELERS, *WALKERS, WALKER_CONTROLLER,
        *STANDING_PROPS, *REFUSED, *SENSORS,
    )
}  # fmt: skip
"""Everything the client's blueprint library lists."""
UIDS = {
    blueprint_id: uid
    for uid, blueprint_id in enumerate([*LIBRARY, SPECTATOR.id, SCENERY.id, *(b.id for b in SIGNALS.values())], start=1)
}
