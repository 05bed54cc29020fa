"""Traffic lights and signs of a map."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from envs.maps.opendrive import LaneKey


class SignalType(IntEnum):
    """What a signal is."""

    TRAFFIC_LIGHT = 0
    STOP = 1
    YIELD = 2
    SPEED_LIMIT = 3
    OTHER = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Signal:
    """A light or sign."""

    id: str
    kind: SignalType
    x: float
    y: float
    z: float
    yaw: float
    width: float
    height: float
    stops: tuple[tuple[LaneKey, float], ...]
    controller: str
    junction: int
