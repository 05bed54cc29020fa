"""Which column of a table is which quantity, in which unit: by its whole name, or as the user assigns it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.importers.recording import SIGNAL_NAMES, Origin

_DEGREE = math.pi / 180


@dataclass(frozen=True)
class _Unit:
    """How a unit is written in a report, and what makes it the SI one: offset + factor * value."""

    label: str
    factor: float = 1.0
    offset: float = 0.0


_METRES = {"m": _Unit("m"), "cm": _Unit("cm", 0.01)}
_RADIANS = {"rad": _Unit("rad"), "deg": _Unit("°", _DEGREE)}
_COMPASS = _Unit("° clockwise from north", -_DEGREE, math.pi / 2)
_DEGREES_A_SECOND = _Unit("°/s", _DEGREE)
_UNITS: dict[str, dict[str, _Unit]] = {
    "time": {"s": _Unit("s"), "ms": _Unit("ms", 1e-3), "us": _Unit("us", 1e-6), "ns": _Unit("ns", 1e-9)},
    "x": _METRES,
    "y": _METRES,
    "yaw": _RADIANS | {"compass": _COMPASS},
    "steer_angle": _RADIANS,
    "speed": {
        "mps": _Unit("m/s"),
        "kmh": _Unit("km/h", 1 / 3.6),
        "kph": _Unit("km/h", 1 / 3.6),
        "mph": _Unit("mph", 0.44704),
    },
    "acceleration": {"mps2": _Unit("m/s²")},
    "yaw_rate": {"radps": _Unit("rad/s"), "dps": _DEGREES_A_SECOND, "degps": _DEGREES_A_SECOND},
}
"""Units that may end a column's name or an assignment; the first one of a quantity is the SI one."""
_PARENTHESISED = {
    **{"m/s": "mps", "km/h": "kmh", "m/s²": "mps2", "m/s^2": "mps2", "m/s2": "mps2", "rad/s": "radps"},
    **{"deg/s": "dps", "°/s": "dps", "°": "deg", "degrees": "deg", "radians": "rad"},
}
_POSITIVE_LEFT = ", positive left"
_UNITLESS = {
    "steer": f"share of full lock{_POSITIVE_LEFT}",
    **dict.fromkeys(("throttle", "brake"), "0 to 1"),
    "reverse": "yes or no",
}
_ALIASES = {
    **dict.fromkeys(("t", "timestamp", "time", "elapsed"), "time"),
    **dict.fromkeys(("image", "filename", "file", "image_path", "center"), "image"),
    **dict.fromkeys(("steering", "steer_cmd"), "steer"),
    **dict.fromkeys(("gas", "gas_pedal", "accelerator"), "throttle"),
    "brake_pedal": "brake",
    "heading": "yaw",
    "velocity": "speed",
    # of ROS: what a vehicle measures, by the path of the field; a bare linear.x is a command
    **dict.fromkeys(("twist.linear.x", "twist.twist.linear.x"), "speed"),
    **dict.fromkeys(("twist.angular.z", "twist.twist.angular.z"), "yaw_rate"),
    **dict.fromkeys(("pose.position.x", "pose.pose.position.x"), "x"),
    **dict.fromkeys(("pose.position.y", "pose.pose.position.y"), "y"),
}
_NORMALIZED = {"steering_angle": "steer"}
"""What a name that ends in _normalized is, where it would else be another quantity or none."""
_MIRRORED = ("steer", "y", "yaw", "yaw_rate", "steer_angle")
_QUANTITIES = ("time", "image", *SIGNAL_NAMES)
_RANGES = {
    "steer": (-1.0, 1.0, "degrees, or an angle of the wheel?"),
    "throttle": (0.0, 1.0, "percent, or negative in reverse?"),
    "brake": (0.0, 1.0, "percent?"),
    "reverse": (0.0, 1.0, "a gear?"),
}
_EPOCH_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))
"""Times counted from 1970 are at least as large in each unit, and in no smaller one before the year 5000."""
_PLAUSIBLE = {
    "yaw": (2 * math.pi, "degrees? Assign {0}:deg, {0}:compass if they are clockwise from north, {0}:rad if not"),
    "steer_angle": (math.pi / 2, "degrees? Assign {0}:deg; of the steering wheel? Assign {0}:0.001 or what it is"),
    "yaw_rate": (2 * math.pi, "degrees a second? Assign {0}:dps, or {0}:radps if not"),
    "speed": (120.0, "km/h? Assign {0}:kmh, or {0}:mps if not"),
}
"""Largest magnitude that a value of unknown unit has in the SI one, and what to do where it is larger."""


@dataclass(frozen=True)
class Column:
    """A column taken as a quantity.

    Args:
        quantity: one of SIGNAL_NAMES, "time" or "image".
        factor: from its unit to the SI one.
        offset: what is added to that [SI].
        unit: as a report says it.
        assumed: whether neither its name nor the user tells the unit, or from where an angle is counted.
        positive_left: whether it is so by construction, in a left-handed source too.
    """

    quantity: str
    factor: float = 1.0
    offset: float = 0.0
    unit: str = ""
    assumed: bool = False
    positive_left: bool = False

    def convert(self, values: np.ndarray, left_handed: bool) -> np.ndarray:
        """Values [n] in SI units and our frame; `left_handed` as of `DriveOptions`."""
        return (-1.0 if self._mirrored(left_handed) else 1.0) * (self.offset + self.factor * values)

    def origin(self, header: str, left_handed: bool) -> Origin:
        """What a report says of the column called `header`."""
        unit = self.unit.removesuffix(_POSITIVE_LEFT)
        side = ", positive right" if self._mirrored(left_handed) else self.unit.removeprefix(unit)
        return Origin(header, unit + side + (", assumed" if self.assumed else ""))

    def _mirrored(self, left_handed: bool) -> bool:
        """Whether its values are counted positive to the right; a compass says itself which way it turns."""
        return left_handed and self.quantity in _MIRRORED and self.offset == 0 and not self.positive_left


def recognise(header: str) -> Column | None:
    """What a column called `header` holds, by its whole name and a unit at its end, as in speed_kmh or speed (km/h).

    None where that is not known. A name without a unit is taken as SI: [m/s], [rad], [s].
    """
    name = header.strip().lower().lstrip("#%").strip().removeprefix("field.")
    parenthesised = re.fullmatch(r"(.+?)[\s_]*[\[(](.+)[\])]", name)
    if parenthesised:
        stem, unit = parenthesised[1], parenthesised[2].replace(" ", "")
        return _with_unit(stem.replace(" ", "_"), _PARENTHESISED.get(unit, unit))
    name = name.replace(" ", "_")
    stem = name.removesuffix("_normalized")
    quantity = _NORMALIZED.get(stem, stem) if stem != name else name
    quantity = _ALIASES.get(quantity, quantity)
    if quantity in _QUANTITIES:
        return in_si(quantity)
    stem, _, unit = name.rpartition("_")
    return _with_unit(stem, unit)


def in_si(quantity: str) -> Column:
    """A column of a quantity whose unit nobody tells."""
    units = _UNITS.get(quantity)
    label = _UNITLESS.get(quantity, "") if units is None else next(iter(units.values())).label
    return Column(quantity, unit=label, assumed=units is not None or quantity == "steer")


def _with_unit(name: str, unit: str) -> Column | None:
    quantity = _ALIASES.get(name, name)
    known = _UNITS.get(quantity, {}).get(unit)
    if known is None:
        return None
    perhaps_compass = (name, unit) == ("heading", "deg")  # taken as a yaw, counter-clockwise from x
    return Column(quantity, known.factor, known.offset, known.label, assumed=perhaps_compass)


def choose_columns(recognised: Mapping[str, Column | None], assigned: Sequence[str], where: str) -> dict[str, Column]:
    """The columns to read, by header.

    Args:
        recognised: what each column is by its name; None where that is not known.
        assigned: "quantity=header", "quantity=header:unit" or "quantity=header:factor"; these go before names.
        where: what the headers belong to, for messages.

    Raises:
        ValueError: an assignment cannot be read or names what is not there, or two columns claim one quantity.
    """
    chosen: dict[str, Column] = {}
    for text in assigned:
        quantity, header, unit = _parse(text, recognised)
        if header not in recognised:
            raise ValueError(f"{where} has no column {header!r}; it has {', '.join(recognised)}")
        chosen[header] = _assigned(quantity, unit, text)

    taken = {column.quantity for column in chosen.values()}  # an assignment outranks a name
    for header, column in recognised.items():
        if header in chosen or column is None or column.quantity in taken:
            continue
        rivals = [h for h, other in chosen.items() if other.quantity == column.quantity]
        if rivals:
            raise ValueError(f"{where}: {rivals[0]!r} and {header!r} both look like {column.quantity}; assign one")
        chosen[header] = column
    return chosen


def _parse(text: str, headers: Mapping[str, Column | None]) -> tuple[str, str, str | None]:
    """Quantity, header and unit of an assignment."""
    quantity, _, rest = text.partition("=")
    if quantity not in _QUANTITIES or not rest:
        raise ValueError(f"{text!r} is not quantity=column[:unit]; quantities: {', '.join(_QUANTITIES)}")
    header, colon, unit = rest.rpartition(":")
    return (quantity, rest, None) if rest in headers or not colon else (quantity, header, unit)


def _assigned(quantity: str, unit: str | None, text: str) -> Column:
    if unit is None:
        return in_si(quantity)
    units = _UNITS.get(quantity, {})
    if unit in units:
        return Column(quantity, units[unit].factor, units[unit].offset, units[unit].label)
    try:
        return Column(quantity, float(unit), unit=f"times {unit}")
    except ValueError:
        known = f"nor one of {', '.join(units)}" if units else f"and {quantity} has no units"
        raise ValueError(f"unit {unit!r} in {text!r} is no number {known}") from None


def with_epoch_unit(column: Column, times: np.ndarray) -> Column:
    """The column of times [n] in the unit that their size tells, where neither name nor user does."""
    known = np.abs(times[np.isfinite(times)])
    for least, name in _EPOCH_UNITS:
        if column.assumed and len(known) and known.min() >= least:
            unit = _UNITS["time"][name]
            return Column("time", unit.factor, unit=f"{unit.label}, by their size")
    return column


def check_values(header: str, column: Column, values: np.ndarray, place: Callable[[int], str]) -> None:
    """Refuse SI values [n] that the quantity cannot have; NaN is none.

    Args:
        header: of the column.
        column: what it was taken as.
        values: in SI units.
        place: where the value of an index stands, for messages.

    Raises:
        ValueError: names place, column and value, and what it may be instead.
    """
    low, high, guess = _RANGES.get(column.quantity, (-math.inf, math.inf, ""))
    bad = np.flatnonzero((values < low - 1e-3) | (values > high + 1e-3))
    if len(bad):
        k = int(bad[0])
        raise ValueError(f"{place(k)}: {column.quantity} is {values[k]:g}, outside [{low:g}, {high:g}]: {guess}")
    limit, advice = _PLAUSIBLE.get(column.quantity, (math.inf, ""))
    bad = np.flatnonzero(np.abs(values) > limit + 1e-3)
    if column.assumed and column.factor == 1 and len(bad):  # with another factor its unit is known
        k = int(bad[0])
        raise ValueError(
            f"{place(k)}: {header} is {values[k]:g}, but no {column.quantity} in {column.unit} is over {limit:.3g}: "
            + advice.format(f"{column.quantity}={header}")
        )
