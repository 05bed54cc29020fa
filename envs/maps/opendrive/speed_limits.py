"""Speed limits: a lane's own over its road's over a sign's over the default of the road's type."""

from __future__ import annotations

import math
import warnings
import xml.etree.ElementTree as ET
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from envs.maps.geometry import LaneKey
from envs.maps.opendrive.roads import LaneRecord, Road
from envs.maps.opendrive.sign_codes import NO_LIMIT, SPEED_UNITS, speed_limit_of
from envs.maps.opendrive.signals import Placement, SignalRecord
from envs.maps.opendrive.text import read_number

TYPE_LIMITS = {
    "motorway": 130 / 3.6,
    "rural": 100 / 3.6,
    "townExpressway": 80 / 3.6,
    "lowSpeed": 30 / 3.6,
    "townPlayStreet": 10 / 3.6,
    "pedestrian": 10 / 3.6,
    "bicycle": 30 / 3.6,
}
"""Limits of road types where the map names none [m/s]; 130 km/h is also what "no limit" is driven at."""
HIGHEST_LIMIT = 160 / 3.6
"""Of all roads [m/s]."""
DEFAULT_LIMIT = 50 / 3.6
"""The limit of all other types [m/s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneLimits:
    """The limits on one driving lane before neighbouring roads are asked.

    Args:
        written: along its travel, NaN where neither lane, road nor sign says anything, float64 [n] [m/s].
        default: of the road's type [n] [m/s].
        sign_at_end: the limit by sign that is in force at the lane's end [m/s], NaN for none.
    """

    written: np.ndarray
    default: np.ndarray
    sign_at_end: float


class SpeedLimits:
    """Reads the speed limits of a map; what cannot be understood is named in a warning, once.

    Args:
        records: the signals of the map.
    """

    def __init__(self, records: Sequence[SignalRecord]) -> None:
        self._named: set[str] = set()
        self._signs: defaultdict[int, list[tuple[Placement, float]]] = defaultdict(list)
        for record in records:
            limit = speed_limit_of(record.element)
            if limit is not None:
                for place in record.places:
                    self._signs[place.road.number].append((place, limit))
        self._types: dict[int, list[tuple[float, float, float]]] = {}

    def on_lane(self, road: Road, section_start: float, lane: LaneRecord, s: np.ndarray) -> LaneLimits:
        """The limits on a lane.

        Args:
            road: of the lane.
            section_start: s of its lane section [m].
            lane: the lane.
            s: places along its travel, ascending or descending, [n] [m].
        """
        types = self._road_types(road)
        index = np.maximum(np.searchsorted([start for start, _, _ in types], s + 1e-6, side="right") - 1, 0)
        written = np.array([limit for _, limit, _ in types])[index]
        default = np.array([limit for _, _, limit in types])[index]
        by_sign = self._by_sign(road, lane, s)
        limits = np.where(np.isnan(written), np.where(by_sign == NO_LIMIT, default, by_sign), written)
        own = self._of_lane(road, section_start, lane, s)
        limits = np.where(np.isnan(own), limits, own)
        sign = float(by_sign[-1]) if np.isnan(own[-1]) and np.isnan(written[-1]) else math.nan
        return LaneLimits(written=limits, default=default, sign_at_end=math.nan if sign == NO_LIMIT else sign)

    def _road_types(self, road: Road) -> list[tuple[float, float, float]]:
        """(s, written limit or NaN, default) along a road, ascending in s, read once."""
        if road.number not in self._types:
            entries = [(-math.inf, math.nan, DEFAULT_LIMIT)]
            for element in road.element.findall("type"):
                default = TYPE_LIMITS.get(element.get("type", ""), DEFAULT_LIMIT)
                speed = element.find("speed")
                limit = math.nan if speed is None else self._read(speed, road.where)
                entries.append((read_number(element, "s", road.where, 0.0), limit, default))
            self._types[road.number] = sorted(entries, key=lambda entry: entry[0])
        return self._types[road.number]

    def _of_lane(self, road: Road, section_start: float, lane: LaneRecord, s: np.ndarray) -> np.ndarray:
        limits = np.full(len(s), np.nan)
        where = f"{road.where}, lane {lane.id}"
        entries = [
            (section_start + read_number(speed, "sOffset", where, 0.0), self._read(speed, where))
            for speed in lane.element.findall("speed")
        ]
        for start, limit in sorted(entries, key=lambda entry: entry[0]):
            limits[s >= start - 1e-6] = limit
        return limits

    def _by_sign(self, road: Road, lane: LaneRecord, s: np.ndarray) -> np.ndarray:
        """From where a sign stands on, in the direction of travel."""
        limits = np.full(len(s), np.nan)
        signs = [(place.s, limit) for place, limit in self._signs[road.number] if place.counts_for(lane)]
        for at, limit in sorted(signs, key=lambda sign: sign[0], reverse=not lane.along):
            limits[s >= at - 1e-6 if lane.along else s <= at + 1e-6] = limit
        return limits

    def _read(self, speed: ET.Element, where: str) -> float:
        """The limit of a <speed> element [m/s], NaN where it says none."""
        text, unit = speed.get("max", "").strip(), speed.get("unit", "").strip() or "m/s"
        if text == "no limit":
            return TYPE_LIMITS["motorway"]
        if text in ("undefined", ""):
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if unit.lower() not in SPEED_UNITS or not math.isfinite(value) or value < 0:
            self._name_once(f'{where}: <speed max="{text}" unit="{unit}"> is no speed limit; it is left out')
            return math.nan
        if value * SPEED_UNITS[unit.lower()] > HIGHEST_LIMIT:
            fast = f"is {value * SPEED_UNITS[unit.lower()] * 3.6:.0f} km/h; is its unit km/h or mph?"
            self._name_once(f'{where}: <speed max="{text}" unit="{speed.get("unit", "")}"> {fast}')
        # a limit of zero is how some tools write that there is none
        return value * SPEED_UNITS[unit.lower()] if value > 0 else math.nan

    def _name_once(self, message: str) -> None:
        kind = message.partition(": ")[2]
        if kind not in self._named:
            self._named.add(kind)
            warnings.warn(message, stacklevel=2)


def complete_limits(
    lanes: Mapping[LaneKey, LaneLimits],
    successors: Mapping[LaneKey, tuple[LaneKey, ...]],
    junctions: Mapping[LaneKey, int],
) -> dict[LaneKey, np.ndarray]:
    """Limits everywhere on every lane, float64 [n] [m/s].

    A sign holds on from road to road up to the next junction; a connecting road without a limit takes that of the road
    it comes from; all else has the default of its road's type.
    """
    signed = _spread(
        {key: lane.sign_at_end for key, lane in lanes.items()},
        successors,
        lambda key: junctions[key] < 0 and bool(np.isnan(lanes[key].written[0])),
        lambda key: bool(np.isnan(lanes[key].written[-1])),
    )
    filled: dict[LaneKey, np.ndarray] = {}
    for key, lane in lanes.items():
        unknown = np.isnan(lane.written)
        if junctions[key] < 0 or key in signed:
            fill = np.where(np.cumsum(~unknown) == 0, signed.get(key, np.nan), np.nan)
            fill = np.where(np.isnan(fill), lane.default, fill)
            filled[key] = np.where(unknown, fill, lane.written)

    entered = _spread(
        {key: float(filled[key][-1]) if key in filled else float(lane.written[-1]) for key, lane in lanes.items()},
        successors,
        lambda key: key not in filled and bool(np.isnan(lanes[key].written[0])),
        lambda key: bool(np.isnan(lanes[key].written[-1])),
    )
    for key, lane in lanes.items():
        if key not in filled:
            fill = np.where(np.cumsum(~np.isnan(lane.written)) == 0, entered.get(key, np.nan), np.nan)
            fill = np.where(np.isnan(fill), lane.default, fill)
            filled[key] = np.where(np.isnan(lane.written), fill, lane.written)
    return filled


def _spread(at_end, successors, takes, passes_on) -> dict[LaneKey, float]:
    """Limits that lanes take over at their beginning from the lanes before them.

    Args:
        at_end: limit at the end of each lane that is known, NaN for unknown.
        successors: of each lane.
        takes: whether a lane takes a limit over.
        passes_on: whether it hands what it took over on at its end.
    """
    taken: dict[LaneKey, float] = {}
    pending = deque((key, limit) for key, limit in sorted(at_end.items()) if not math.isnan(limit))
    while pending:
        key, limit = pending.popleft()
        for following in successors[key]:
            if following not in taken and takes(following):
                taken[following] = limit
                if passes_on(following):
                    pending.append((following, limit))
    return taken
