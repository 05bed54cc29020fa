"""The lights and signs of the reference world, as the bridge serves them."""

from __future__ import annotations

import numpy as np

from envs.carla_bridge.simulation import LightStates, ServedSignal
from envs.maps.opendrive.signals import Signal, SignalType
from envs.maps.road_map import RoadMap
from envs.road.traffic.lights import LightPrograms
from worldsim.datatypes.signals import LightCycleColumn, SignalKind

_KINDS = {
    SignalType.TRAFFIC_LIGHT: SignalKind.RED,
    SignalType.STOP: SignalKind.STOP,
    SignalType.YIELD: SignalKind.YIELD,
}


def served_indices(road_map: RoadMap) -> np.ndarray:
    """Which of RoadMap.signals are served: lights, stop and yield signs, int64 [n]."""
    return np.array([i for i, signal in enumerate(road_map.signals) if signal.kind in _KINDS], np.int64)


def served_signals(road_map: RoadMap) -> tuple[ServedSignal, ...]:
    """The lights and signs of a map, in the order of `served_indices`."""
    programs = LightPrograms.of(road_map, 0)  # groups and times are the same for all seeds
    return tuple(
        _served(road_map, road_map.signals[i], int(programs.groups[i]), programs) for i in served_indices(road_map)
    )


def light_states(road_map: RoadMap, programs: LightPrograms, time: float) -> LightStates:
    """What they show at a time [s] of the lights' clock."""
    indices = served_indices(road_map)
    shown = np.where(programs.groups >= 0, programs.shown(time), int(SignalKind.NONE))
    elapsed = np.zeros(len(road_map.signals))
    for i in np.flatnonzero(programs.groups >= 0):
        elapsed[i] = _since_change(programs.cycles[programs.groups[i]], time)
    return LightStates(shown=shown[indices], elapsed=elapsed[indices])


def _served(road_map: RoadMap, signal: Signal, group: int, programs: LightPrograms) -> ServedSignal:
    stops, half_widths = [], []
    for key, s in signal.stops:
        lane = road_map.lanes[key]
        stops.append([np.interp(s, lane.s, values) for values in (lane.points[:, 0], lane.points[:, 1], lane.yaw)])
        half_widths.append(np.interp(s, lane.s, lane.half_width))
    times = (0.0, 0.0, 0.0)
    if group >= 0:
        period, _, green, yellow = programs.cycles[group].tolist()
        times = (green, yellow, period - green - yellow)
    return ServedSignal(
        kind=_KINDS[signal.kind],
        sign_id=signal.id,
        pose=(signal.x, signal.y, signal.z, signal.yaw),
        width=signal.width,
        height=signal.height,
        stops=np.array(stops, np.float64).reshape(-1, 3),
        half_widths=np.array(half_widths, np.float64),
        group=group,
        times=times,
    )


def _since_change(cycle: np.ndarray, time: float) -> float:
    """Time since a light of a LIGHT_CYCLE_NAMES [4] last changed [s]."""
    period = float(cycle[LightCycleColumn.PERIOD])
    phase = (time - float(cycle[LightCycleColumn.OFFSET])) % period
    changes = (0.0, float(cycle[LightCycleColumn.GREEN]))
    changes = (*changes, changes[1] + float(cycle[LightCycleColumn.YELLOW]))
    return phase - max(change for change in changes if change <= phase)
