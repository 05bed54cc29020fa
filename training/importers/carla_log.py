"""CARLA recorder logs (`client.start_recorder`): states of the ego and the other actors, no images.

Written from the packet layout of CARLA 0.9.10 to 0.9.16 (`Carla/Source/Carla/Recorder`), file version 1: a header, then
packets of an id, a size and a body; unknown ids are skipped. Positions are in centimetres, left-handed.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np

from training.importers.importer import Importer
from training.importers.recording import Origin, Recording, Signal, Track
from training.importers.resample import speed_along
from worldsim.datatypes.scene import ObjectKind

EGO_ROLES = ("hero", "ego_vehicle")
MIN_HEIGHT = 0.25
"""A prop lower than this can be driven over [m]."""
_MAGIC = "CARLA_RECORDER"
_DEFAULT_SIZE = {ObjectKind.CAR: (4.6, 1.9), ObjectKind.PEDESTRIAN: (0.5, 0.5)}


class _Packet(IntEnum):
    FRAME_START = 0
    FRAME_END = 1
    ADD = 2
    REMOVE = 3
    PARENT = 4
    COLLISION = 5
    POSITION = 6
    VEHICLE = 8
    KINEMATICS = 12
    BOX = 13


@dataclass(eq=False)
class _Actor:
    """Everything the log says of an actor; times [s], poses x, y [m] and yaw [rad] in our frame."""

    blueprint: str
    attributes: dict[str, str]
    poses: list[tuple[float, float, float, float]] = field(default_factory=list)
    controls: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    motions: list[tuple[float, float, float, float]] = field(default_factory=list)
    """Time [s], velocity x, y [m/s] in our ground frame, yaw rate [rad/s]."""
    box: tuple[float, float, float, float, float] | None = None
    """Centre x, y and half length, width, height [m]."""
    collision_sensor_since: float | None = None
    collisions: list[float] = field(default_factory=list)


class _Reader:
    """Reads numbers and texts from bytes; its errors name file and offset."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data, self.offset = path, data, 0

    def unpack(self, layout: str) -> tuple:
        """The next little-endian values."""
        try:
            values = struct.unpack_from("<" + layout, self.data, self.offset)
        except struct.error:
            raise ValueError(f"{self.path} ends amid a value at byte {self.offset}") from None
        self.offset += struct.calcsize("<" + layout)
        return values

    def text(self) -> str:
        """The next text, its length before it."""
        (length,) = self.unpack("H")
        (raw,) = self.unpack(f"{length}s")
        return raw.decode("utf-8", "replace")

    def packets(self) -> Iterator[tuple[int, int]]:
        """Id and end of each whole packet, the offset at its body; warns of a log that was cut."""
        while self.offset < len(self.data):
            start = self.offset
            if start + 5 > len(self.data):
                break
            identifier, size = self.unpack("BI")
            end = self.offset + size
            if end > len(self.data):
                break
            yield identifier, end
            self.offset = end
        else:
            return
        warnings.warn(f"{self.path} was cut at byte {start}; what lies before is imported", stacklevel=2)


class _Log:
    """The actors of a log, put together from its packets; `time` is that of the current frame [s].

    Each method takes one entry of a packet as it was written; entries of actors that were never added are ignored.
    """

    def __init__(self) -> None:
        self.actors: dict[int, _Actor] = {}
        self.time = 0.0

    def add(self, number: int, actor: _Actor) -> None:
        """An actor appears."""
        self.actors[number] = actor

    def attach(self, child: int, parent: int) -> None:
        """An actor is attached to another; what matters is who carries a collision sensor."""
        attached = self.actors.get(child)
        if attached is not None and attached.blueprint == "sensor.other.collision" and parent in self.actors:
            self.actors[parent].collision_sensor_since = self.time

    def collide(self, _id: int, first: int, second: int, _first_is_hero: bool, _second_is_hero: bool) -> None:
        """Two actors collide."""
        for number in {first, second} & self.actors.keys():
            self.actors[number].collisions.append(self.time)

    def move(self, number: int, x: float, y: float, _z: float, _roll: float, _pitch: float, yaw: float) -> None:
        """An actor is at a pose [cm, °], left-handed."""
        if number in self.actors:
            poses = self.actors[number].poses
            if not poses or poses[-1][0] < self.time:  # props are written twice in a frame
                poses.append((self.time, x / 100, -y / 100, -np.radians(yaw)))

    def control(self, number: int, steer: float, throttle: float, brake: float, _hand_brake: bool, gear: int) -> None:
        """A vehicle is controlled; steer is positive to the right."""
        if number in self.actors:
            self.actors[number].controls.append((self.time, -steer, throttle, brake, float(gear < 0)))

    def drive(self, number: int, vx: float, vy: float, _vz: float, _wx: float, _wy: float, yaw_rate: float) -> None:
        """The velocity [m/s] and angular velocity [°/s] of an actor, in CARLA's ground frame."""
        if number in self.actors:
            self.actors[number].motions.append((self.time, vx, -vy, -np.radians(yaw_rate)))

    def measure(self, number: int, x: float, y: float, _z: float, length: float, width: float, height: float) -> None:
        """The bounding box of an actor: its centre, seen from the actor's origin, and half its size [cm]."""
        if number in self.actors:
            self.actors[number].box = (x / 100, -y / 100, length / 100, width / 100, height / 100)


_ENTRIES: dict[int, tuple[str, Callable[..., None]]] = {
    _Packet.PARENT: ("II", _Log.attach),
    _Packet.COLLISION: ("III??", _Log.collide),
    _Packet.POSITION: ("I6f", _Log.move),
    _Packet.VEHICLE: ("Ifff?i", _Log.control),
    _Packet.KINEMATICS: ("I6f", _Log.drive),
    _Packet.BOX: ("I6f", _Log.measure),
}
"""Packets that are a count and as many entries: the layout of an entry, and what the log makes of it."""


def read_carla_log(path: Path, ego: str | None = None) -> Recording:
    """The drive of one vehicle with all vehicles, walkers and props around it.

    Collisions are known from when the ego carries a collision sensor; steering angles, lanes and routes are not in the
    log.

    Args:
        path: of the log.
        ego: role name or actor id of the ego; None for the first whose role is one of EGO_ROLES.

    Raises:
        ValueError: no such log, a damaged one, or no such ego; the message names the file.
    """
    try:
        reader = _Reader(path, path.read_bytes())
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    (version,) = reader.unpack("H")
    magic = reader.text() if len(reader.data) > 20 else ""
    if magic != _MAGIC:
        raise ValueError(f"{path} is not a CARLA recorder log")
    if version != 1:
        raise ValueError(f"{path} is a CARLA recorder log of version {version}, not 1")
    reader.unpack("q")  # when it was recorded
    reader.text()  # and on which map
    actors = _read_packets(reader)
    number = _find_ego(actors, ego, path)
    return _recording(path.stem, actors, number)


def _read_packets(reader: _Reader) -> dict[int, _Actor]:
    log = _Log()
    for packet, end in reader.packets():
        if packet == _Packet.FRAME_START:
            _, _, log.time = reader.unpack("Qdd")
        elif packet == _Packet.ADD:
            for _ in range(*reader.unpack("H")):
                log.add(*_read_actor(reader))
        elif packet in _ENTRIES:
            layout, take = _ENTRIES[packet]
            for _ in range(*reader.unpack("H")):
                take(log, *reader.unpack(layout))

        # A count that is too large would read on into the next packet and find plausible numbers there.
        if reader.offset > end:
            raise ValueError(f"{reader.path} is damaged: packet {packet} runs past its end at byte {end}")
    return log.actors


def _read_actor(reader: _Reader) -> tuple[int, _Actor]:
    number, _ = reader.unpack("IB")
    reader.unpack("6fI")
    blueprint = reader.text()
    attributes = {}
    for _ in range(*reader.unpack("H")):
        reader.unpack("B")
        name = reader.text()
        attributes[name] = reader.text()
    return number, _Actor(blueprint, attributes)


def _find_ego(actors: dict[int, _Actor], ego: str | None, path: Path) -> int:
    vehicles = {n: actor for n, actor in actors.items() if actor.blueprint.startswith("vehicle.")}
    roles = EGO_ROLES if ego is None else (ego,)
    for number, actor in vehicles.items():
        if actor.attributes.get("role_name") in roles or str(number) == ego:
            if len(actor.poses) < 2:
                raise ValueError(f"{path}: vehicle {number} ({actor.blueprint}) has {len(actor.poses)} poses")
            return number
    found = [f"{n} {actor.blueprint} ({actor.attributes.get('role_name', 'no role')})" for n, actor in vehicles.items()]
    raise ValueError(f"{path} has no vehicle {' or '.join(roles)}; vehicles: {', '.join(found) or 'none'}")


def _recording(name: str, actors: dict[int, _Actor], number: int) -> Recording:
    ego = actors[number]
    t, x, y, yaw = _pose_signals(ego)
    signals = {"x": x, "y": y, "yaw": yaw, "speed": _speed(ego, x, y, yaw)}
    origins = {
        "x": Origin("positions", "cm"),
        "y": Origin("positions", "cm, right"),
        "yaw": Origin("positions", "°, right"),
    }
    origins |= {
        "time": Origin("frames", "s"),
        "speed": Origin("kinematics" if ego.motions else "slope of x and y", "m/s"),
    }
    origins |= {"objects": Origin("positions and boxes of the other actors"), "collision": Origin("collisions")}
    if ego.motions:
        origins["yaw_rate"] = Origin("kinematics", "°/s, right")
        times, _, _, rate = np.array(ego.motions).T
        signals["yaw_rate"] = Signal(times, rate)
    if ego.controls:
        times, *columns = np.array(ego.controls).T
        names = ("steer", "throttle", "brake", "reverse")
        signals |= {key: Signal(times, values) for key, values in zip(names, columns, strict=True)}
        origins |= dict.fromkeys(names[1:], Origin("vehicle controls", "0 to 1"))
        origins["steer"] = Origin("vehicle controls", "share of full lock, positive right")
    since = ego.collision_sensor_since
    return Recording(
        name=name,
        clock=t,
        signals=signals,
        origins=origins,
        tracks=tuple(_tracks(actors, number)),
        collisions=None if since is None else np.array(ego.collisions),
        collisions_since=0.0 if since is None else since,
    )


def _pose_signals(actor: _Actor) -> tuple[np.ndarray, Signal, Signal, Signal]:
    """Times [n] and poses of the centre of an actor's box."""
    t, x, y, yaw = np.array(actor.poses, np.float64).T
    if actor.box is not None:
        dx, dy = actor.box[:2]
        x, y = x + dx * np.cos(yaw) - dy * np.sin(yaw), y + dx * np.sin(yaw) + dy * np.cos(yaw)
    return t, Signal(t, x), Signal(t, y), Signal(t, np.unwrap(yaw))


def _tracks(actors: dict[int, _Actor], ego: int) -> Iterator[Track]:
    for number, actor in actors.items():
        kind = _kind(actor)
        if number == ego or kind is None or len(actor.poses) < 2:
            continue
        _, x, y, yaw = _pose_signals(actor)
        length, width = (2 * s for s in actor.box[2:4]) if actor.box else _DEFAULT_SIZE[kind]
        yield Track(kind=kind, length=length, width=width, x=x, y=y, yaw=yaw, speed=_speed(actor, x, y, yaw))


def _speed(actor: _Actor, x: Signal, y: Signal, yaw: Signal) -> Signal:
    """Speed along the heading, as recorded or else from positions."""
    if not actor.motions:
        return speed_along(x, y, yaw)
    times, vx, vy, _ = np.array(actor.motions).T
    heading = np.interp(times, yaw.times, yaw.values)
    return Signal(times, vx * np.cos(heading) + vy * np.sin(heading))


def _kind(actor: _Actor) -> ObjectKind | None:
    """What kind of object an actor is; None for what cannot be hit: sensors, signs, dirt on the road."""
    family = actor.blueprint.split(".")[0]
    if family == "walker":
        return ObjectKind.PEDESTRIAN
    if family == "vehicle":
        long = actor.box is not None and 2 * actor.box[2] > 6.5
        return ObjectKind.TRUCK if long or actor.attributes.get("base_type") in ("truck", "bus") else ObjectKind.CAR
    is_obstacle = actor.box is not None and min(actor.box[2:4]) > 0 and 2 * actor.box[4] > MIN_HEIGHT
    return ObjectKind.STATIC if actor.blueprint.startswith("static.prop.") and is_obstacle else None


IMPORTER = Importer(
    name="carla_log",
    source="log of `client.start_recorder`",
    knows="pose, speed, yaw rate, controls, the road users around; collisions once the ego carries a collision sensor",
    note="no images; ego by role `hero` or `--ego`",
    recognises=lambda path: path.is_file() and path.suffix.lower() == ".log",
    read=lambda path, hints: [read_carla_log(path, hints.ego)],
)
