"""What the page says to the server, read and checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from envs.viewer.held import Held, aim, beyond_dead_zone, hold_pad

MAX_MESSAGE = 4096
"""A longer message is refused [bytes]."""
MAX_PADS = 4
HELD_KEYS = ("left", "right", "accelerate", "brake", "full_brake")
"""What a key can hold."""


class Click(NamedTuple):
    """A click into a picture.

    Args:
        view: index of the world.
        across: share of the picture's width to the left of it, [0, 1].
        down: share of its height above it, [0, 1].
    """

    view: int
    across: float
    down: float


class PageMessage(NamedTuple):
    """A message of the page.

    Args:
        kind: of MESSAGE_KINDS.
        value: Held of "held", a name of "command" and "world", Click of "click", the number of a state of "drawn";
            None of the others.
    """

    kind: str
    value: Any


def read_message(text: str | bytes) -> PageMessage:
    """A message of the page.

    Raises:
        ValueError: it is none; names what is wrong.
    """
    if isinstance(text, bytes):
        raise ValueError(f"a message of {len(text)} bytes; right would be JSON text")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"a message that is no JSON: {text[:40]!r}") from error
    if not isinstance(message, dict) or message.get("kind") not in _READERS:
        raise ValueError(f"a message {text[:40]!r}; right would be a kind of {', '.join(_READERS)}")
    return PageMessage(message["kind"], _READERS[message["kind"]](message))


def _read_held(message: Mapping[str, Any]) -> Held:
    keys, pads = _list(message, "keys", len(HELD_KEYS)), _list(message, "pads", MAX_PADS)
    if unknown := [key for key in keys if key not in HELD_KEYS]:
        raise ValueError(f"held key {unknown[0]!r}; right would be {', '.join(HELD_KEYS)}")
    steer, pedal = _read_pointer(message.get("pointer"))
    full_brake = "full_brake" in keys
    for pad in pads:
        steer, pedal = hold_pad(
            steer,
            pedal,
            stick=_number(pad, "stick", -1.0),
            throttle=_number(pad, "throttle", 0.0),
            brake=_number(pad, "brake", 0.0),
        )
        full_brake |= pad.get("full_brake") is True
    others = {key: key in keys for key in HELD_KEYS if key != "full_brake"}
    return Held(**others, full_brake=full_brake, steer=steer, pedal=pedal)


def _read_pointer(pointer: Any) -> tuple[float | None, float | None]:
    """Steering and pedals where a mouse or a finger holds them."""
    if pointer is None:
        return None, None
    steer, pedal = aim(_number(pointer, "x", None), _number(pointer, "y", None))
    return (steer, None) if pointer.get("on") == "bar" else (steer, beyond_dead_zone(pedal) or 0.0)


def _read_name(message: Mapping[str, Any]) -> str:
    name = message.get("name")
    if not isinstance(name, str):
        raise ValueError(f"name {name!r}; right would be text")
    return name


def _read_click(message: Mapping[str, Any]) -> Click:
    return Click(_count(message, "view"), _number(message, "x", 0.0), _number(message, "y", 0.0))


def _list(message: Mapping[str, Any], name: str, most: int) -> list[Any]:
    values = message.get(name)
    if not isinstance(values, list) or len(values) > most:
        raise ValueError(f"{name} {values!r:.40}; right would be a list of at most {most}")
    return values


def _count(message: Mapping[str, Any], name: str) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name} {value!r:.40}; right would be a whole number, at least 0")
    return value


def _number(values: Any, name: str, least: float | None) -> float:
    """A number from `least` to 1, or any that is finite."""
    value = values.get(name) if isinstance(values, dict) else None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"{name} {value!r:.40}; right would be a finite number")
    if least is not None and not least <= value <= 1:
        raise ValueError(f"{name} {value!r:.40}; right would be in [{least:g}, 1]")
    return float(value)


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "held": _read_held,
    "command": _read_name,
    "world": _read_name,
    "click": _read_click,
    "drawn": lambda message: _count(message, "number"),
    "take_wheel": lambda message: None,
    "hidden": lambda message: None,
}
MESSAGE_KINDS = tuple(_READERS)
"""What the page can say: what is held, a command, another world, a click into a picture, that a state was drawn (until
then only one more is sent), that this tab wants to drive, that it was hidden."""
