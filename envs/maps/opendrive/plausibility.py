"""Numbers of a map that can be read and are hardly meant: named in warnings, one a kind, with the map's own ids."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from envs.maps.geometry import Lane, LaneKey
from envs.maps.opendrive.roads import Road
from envs.maps.opendrive.text import read_number

HIGHEST_STEP = 0.3
"""Higher than this is no unevenness of a road [m]."""
STEEPEST = 0.5
"""Rise over run; the steepest streets have 0.35."""
LARGEST_BANK = 0.9
"""Superelevation; the steepest race tracks have 0.85 [rad]."""
LARGEST_HEADING = 10 * np.pi
"""Headings that were counted on and on stay below it; in degrees most do not [rad]."""
_MOST_NAMED = 5


def road_list(ids: Sequence[str]) -> str:
    """Roads by their ids, the first few of many: "roads 'a', 'b' and 3 more"."""
    named = ", ".join(repr(text) for text in ids[:_MOST_NAMED])
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return f"road{'s' if len(ids) > 1 else ''} {named}{more}"


def warn_of_implausible_roads(roads: Sequence[Road]) -> None:
    """Name steps and slopes of elevations, superelevations and headings that are hardly meant."""
    for measure, limit, text in _CHECKS:
        sizes = {road.id: measure(road) for road in roads}
        ids = [road for road, size in sizes.items() if size > limit]
        if ids:
            most = max(ids, key=lambda road: sizes[road])
            warnings.warn(f"{road_list(ids)}: {text.format(sizes[most], most)}", stacklevel=3)


def warn_of_steps_between(lanes: Mapping[LaneKey, Lane], road_ids: Mapping[int, str]) -> None:
    """Name the roads at whose end the road that follows is higher or lower."""
    high: dict[tuple[str, str], float] = {}
    for key, lane in lanes.items():
        for other in lane.successors:
            pair, step = (road_ids[key[0]], road_ids[other[0]]), abs(float(lanes[other].z[0] - lane.z[-1]))
            if step > max(HIGHEST_STEP, high.get(pair, 0.0)):
                high[pair] = step
    if high:
        (before, after), step = max(high.items(), key=lambda item: item[1])
        more = f" ({len(high)} such links)" if len(high) > 1 else ""
        warnings.warn(
            f"road {before!r} leads to road {after!r} over a step of {step:.2g} m in height; elevations in another "
            f"unit, or one that is missing?{more}",
            stacklevel=3,
        )


def _step(road: Road) -> float:
    """The highest step of its elevation [m]."""
    starts = road.elevation.starts
    inside = starts[(starts > 1e-3) & (starts < road.length - 1e-3)]
    if not len(inside):
        return 0.0
    return float(np.abs(road.elevation(inside) - road.elevation(inside - 1e-6)).max())


def _slope(road: Road) -> float:
    """Its largest rise over run."""
    return float(np.abs(road.elevation.slope(_places(road))).max())


def _bank(road: Road) -> float:
    """Its largest superelevation [rad]."""
    return float(np.abs(road.roll(_places(road))).max())


def _heading(road: Road) -> float:
    """Its largest written heading [rad]."""
    pieces = road.element.findall("planView/geometry")
    return max(abs(read_number(piece, "hdg", road.where)) for piece in pieces)


def _places(road: Road) -> np.ndarray:
    return np.linspace(0.0, road.length, 33)


_CHECKS: tuple[tuple[Callable[[Road], float], float, str], ...] = (
    (_step, HIGHEST_STEP, "<elevation> jumps by up to {:.2g} m, in road {!r}; it is driven as it is written"),
    (_slope, STEEPEST, "<elevation> climbs by up to {:.0%}, in road {!r}; b is rise over run, not an angle or percent"),
    (_bank, LARGEST_BANK, "<superelevation> is up to {:.3g} rad, in road {!r}; degrees?"),
    (_heading, LARGEST_HEADING, "hdg is up to {:.4g} rad, in road {!r}; degrees?"),
)
"""How large something is on a road, from where on it is named, and how."""
