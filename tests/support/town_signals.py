"""Lights and signs for a map that has none: lights where four roads meet, stop or yield signs at the stem of a T."""

from __future__ import annotations

import numpy as np

from envs.maps.road_map import RoadMap
from envs.maps.signals import Signal, SignalType
from envs.road.traffic.right_of_way import RightOfWay, turn_of


def add_signals(road_map: RoadMap) -> None:
    """Give the map its signals; each lane into a junction has its own, stop lines 2 m before the junction."""
    signals = []
    for junction, lanes_in in RightOfWay.of(road_map).approaches.items():
        roads = {key[0] for key in lanes_in}
        for key, onward in lanes_in.items():
            lane = road_map.lanes[key]
            stem = all(abs(turn_of(each)) > 0.6 for each in onward)
            kind = (
                SignalType.TRAFFIC_LIGHT if len(roads) == 4 else SignalType.STOP if junction % 2 else SignalType.YIELD
            )
            if len(roads) < 4 and not stem:
                continue
            signals.append(
                Signal(
                    id=str(len(signals)),
                    kind=kind,
                    x=float(lane.points[-1, 0]),
                    y=float(lane.points[-1, 1]),
                    z=5.0,
                    yaw=float(lane.yaw[-1] + np.pi),
                    width=0.3,
                    height=1.0,
                    stops=((key, lane.length - 2.0),),
                    controller="",
                    junction=junction,
                )
            )
    road_map.signals = tuple(signals)
    RightOfWay.of.cache_clear()
