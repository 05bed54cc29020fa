"""Edits: changes of a world as values, put together by a user, kept as JSON, applied by `worldsim.editing.apply`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from types import MappingProxyType
from typing import Any, Literal, get_args

from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.scene import ObjectKind

FORMAT = "drivedit edits 1"
"""What a text of edits calls itself; another number is another format."""
REACH = 1.5
"""What is to be taken away or repainted stands at most so far from the place that is given [m]."""

ThingName = Literal["building", "wall", "hedge", "tree", "car", "truck", "barrier"]
LookName = Literal["noon", "evening", "overcast", "fog", "rain", "dusk"]
Color = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What can be put somewhere.

    Args:
        kind: a LayoutKind becomes a box of the Layout, an ObjectKind a parked road user, which SceneState lists.
        size: length, width and height, unless told otherwise [m].
        color: RGB, unless told otherwise.
        faces_road: its front looks at the road; others stand along it.
    """

    kind: LayoutKind | ObjectKind
    size: tuple[float, float, float]
    color: Color
    faces_road: bool = False

    @property
    def may_stand_on_road(self) -> bool:
        """Vehicles and barriers may; what is built or grows may not."""
        return isinstance(self.kind, ObjectKind)


THINGS: Mapping[ThingName, Thing] = MappingProxyType(
    {
        "building": Thing(kind=LayoutKind.BUILDING, size=(10.0, 14.0, 7.5), color=(206, 188, 162), faces_road=True),
        "wall": Thing(kind=LayoutKind.WALL, size=(8.0, 0.3, 1.8), color=(168, 160, 148)),
        "hedge": Thing(kind=LayoutKind.WALL, size=(8.0, 0.8, 1.6), color=(78, 112, 60)),
        "tree": Thing(kind=LayoutKind.TREE, size=(3.6, 3.6, 7.0), color=(92, 130, 66)),
        "car": Thing(kind=ObjectKind.CAR, size=(4.5, 1.85, 1.5), color=(160, 30, 34)),
        "truck": Thing(kind=ObjectKind.TRUCK, size=(8.0, 2.4, 3.2), color=(235, 235, 238)),
        "barrier": Thing(kind=ObjectKind.STATIC, size=(0.6, 2.4, 1.0), color=(210, 60, 40)),
    }
)
"""Everything that can be put, by name; sizes and colours are those of the reference world's towns."""


@dataclass(frozen=True, kw_only=True)
class OnMap:
    """A place in the ground frame.

    Args:
        x: [m].
        y: [m].
        yaw: heading of what is put there [rad]; None turns it as its kind stands along the nearest lane.

    Raises:
        ValueError: a number is not finite.
    """

    x: float
    y: float
    yaw: float | None = None

    def __post_init__(self) -> None:
        _check_finite(self)

    def __str__(self) -> str:
        return f"x = {self.x:g}, y = {self.y:g}"


@dataclass(frozen=True, kw_only=True)
class AlongRoute:
    """A place along the ego's route, as seen from where the ego is when the edit is made.

    Args:
        ahead: metres along the route from the ego's centre [m].
        left: metres to the left of the route's lane centre; negative is to the right [m].
        turn: heading of what is put there relative to the road's [rad], counter-clockwise; None turns it as its kind
            stands beside a road.

    Raises:
        ValueError: a number is not finite.
    """

    ahead: float
    left: float = 0.0
    turn: float | None = None

    def __post_init__(self) -> None:
        _check_finite(self)

    def __str__(self) -> str:
        side = "left" if self.left >= 0 else "right"
        return f"{self.ahead:.4g} m ahead, {abs(self.left):.3g} m to the {side} of the route"


Place = OnMap | AlongRoute


@dataclass(frozen=True, kw_only=True)
class Put:
    """Put something somewhere.

    Args:
        thing: one of THINGS.
        place: the middle of its footprint.
        size: length along its heading, width across and height [m]; None takes the usual one. Of a building the length
            is its depth, of a tree length and width are the crown's.
        color: RGB [0, 255]; None takes the usual one.
        seed: of windows, roof and leaves; None takes one that follows from the place.

    Raises:
        ValueError: there is no such thing, or a size, colour or seed that cannot be.
    """

    thing: ThingName
    place: Place
    size: tuple[float, float, float] | None = None
    color: Color | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.thing not in THINGS:
            raise ValueError(f"there is no thing named {self.thing!r}; right would be one of {', '.join(THINGS)}")
        what = f"{self.thing} at {self.place}"
        _check_place(self.place, self.thing)
        if self.size is not None:
            size = tuple(float(value) for value in self.size)
            if len(size) != 3 or not all(math.isfinite(value) and 0.1 <= value <= 100.0 for value in size):
                raise ValueError(f"{what}: size must be length, width and height in [0.1, 100] m, got {self.size}")
            object.__setattr__(self, "size", size)
        if self.color is not None:
            object.__setattr__(self, "color", _read_color(self.color, what))
        if self.seed is not None and not 0 <= self.seed < 2**32:
            raise ValueError(f"{what}: seed must be in [0, 2**32), got {self.seed}")


@dataclass(frozen=True, kw_only=True)
class Remove:
    """Take away what stands nearest to a place, at most REACH from it.

    Args:
        place: where it stands.
    """

    place: Place

    def __post_init__(self) -> None:
        _check_place(self.place, "what is to be removed")


@dataclass(frozen=True, kw_only=True)
class Repaint:
    """Give what stands nearest to a place, at most REACH from it, another colour.

    Args:
        place: where it stands.
        color: RGB [0, 255].

    Raises:
        ValueError: no such colour.
    """

    place: Place
    color: Color

    def __post_init__(self) -> None:
        _check_place(self.place, "what is to be repainted")
        object.__setattr__(self, "color", _read_color(self.color, f"what stands at {self.place}"))


@dataclass(frozen=True, kw_only=True)
class Look:
    """Change light and weather.

    Args:
        name: one of the reference world's weathers.

    Raises:
        ValueError: there is none of this name.
    """

    name: LookName

    def __post_init__(self) -> None:
        if self.name not in get_args(LookName):
            raise ValueError(f"there is no look named {self.name!r}; right would be {', '.join(get_args(LookName))}")


Edit = Put | Remove | Repaint | Look
_EDITS: dict[str, type] = {"put": Put, "remove": Remove, "repaint": Repaint, "look": Look}
_PLACES: tuple[type, ...] = (OnMap, AlongRoute)


def read_edits(value: Any) -> tuple[Edit, ...]:
    """The edits of a single one, a sequence of them, or a text of `to_json`.

    Raises:
        ValueError: something else.
    """
    if isinstance(value, str):
        return from_json(value)
    edits = (value,) if isinstance(value, get_args(Edit)) else value
    if not isinstance(edits, Sequence) or not all(isinstance(each, get_args(Edit)) for each in edits):
        wrong = type(value).__name__
        if isinstance(edits, Sequence):
            wrong = next(repr(each) for each in edits if not isinstance(each, get_args(Edit)))
        raise ValueError(f"edits are Put, Remove, Repaint and Look of drivedit.edit, or their JSON text; got {wrong}")
    return tuple(edits)


def to_json(edits: Sequence[Edit]) -> str:
    """The edits as a text that `from_json` reads."""
    names = {kind: name for name, kind in _EDITS.items()}
    rows = [{"edit": names[type(each)]} | _without_none(asdict(each)) for each in edits]
    return json.dumps({"format": FORMAT, "edits": rows}, indent=1)


def from_json(text: str) -> tuple[Edit, ...]:
    """The edits of `to_json`.

    Raises:
        ValueError: no such text, another format, or as for the edits themselves; says at which edit.
    """
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"edits must be JSON of the format {FORMAT!r}: {error}") from error
    if not isinstance(tree, dict) or tree.get("format") != FORMAT or not isinstance(tree.get("edits"), list):
        found = tree.get("format") if isinstance(tree, dict) else type(tree).__name__
        raise ValueError(f'edits must be {{"format": {FORMAT!r}, "edits": [...]}}, got format {found!r}')
    return tuple(_read_row(row, k) for k, row in enumerate(tree["edits"]))


def _read_row(row: Any, k: int) -> Edit:
    name = row.get("edit") if isinstance(row, dict) else None
    if name not in _EDITS:
        raise ValueError(f"edit {k}: must say what it is, one of {', '.join(_EDITS)}, got {name!r}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key != "edit"}
    try:
        if "place" in values:
            values["place"] = _read_place(values["place"])
        return _EDITS[name](**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"edit {k}, {name}: {error}") from error


def _read_place(value: Any) -> Place:
    for kind in _PLACES:
        names = {f.name for f in fields(kind)}
        if isinstance(value, dict) and value and set(value) <= names:
            return kind(**value)
    raise ValueError(f"a place has x, y and yaw, or ahead, left and turn, got {value!r}")


def _without_none(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in tree.items()
        if value is not None
    }


def _check_finite(place: OnMap | AlongRoute) -> None:
    for f in fields(place):
        value = getattr(place, f.name)
        if value is None and f.default is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"{type(place).__name__}.{f.name} must be a finite number, got {value!r}")


def _check_place(place: Any, what: str) -> None:
    if not isinstance(place, _PLACES):
        raise ValueError(f"{what}: place must be OnMap(x=, y=) or AlongRoute(ahead=, left=), got {place!r}")


def _read_color(color: Any, what: str) -> Color:
    try:
        red, green, blue = (int(value) for value in color)
    except (TypeError, ValueError):
        raise ValueError(f"{what}: color must be red, green and blue in [0, 255], got {color!r}") from None
    if not all(0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(f"{what}: color must be red, green and blue in [0, 255], got {color!r}")
    return red, green, blue
