"""Traffic lights of a map as a file names and sets them; those that switch together show one colour."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from envs.maps.opendrive.signals import SignalType
from envs.maps.road_map import RoadMap
from envs.road.traffic.lights import LightPrograms
from scenarios.openscenario.instant_actions import SetLight
from scenarios.openscenario.source import Node


def lights_of(road_map: RoadMap) -> dict[str, tuple[str, ...]]:
    """By the id of each traffic light of a map, those that switch together with it, itself included."""
    groups = LightPrograms.of(road_map, 0).groups
    signals = road_map.signals
    return {
        signal.id: tuple(signals[int(k)].id for k in np.flatnonzero(groups == groups[i]))
        for i, signal in enumerate(signals)
        if signal.kind == SignalType.TRAFFIC_LIGHT
    }


def read_controllers(root: Node) -> dict[str, dict[str, dict[str, str]]]:
    """State of each light by controller and phase."""
    return {
        controller.text("name"): {
            phase.text("name"): {
                state.text("trafficSignalId"): state.text("state")
                for state in phase.walk()
                if state.tag == "TrafficSignalState"
            }
            for phase in controller.all("Phase")
        }
        for controller in root.walk()
        if controller.tag == "TrafficSignalController"
    }


def contradictions(actions: Sequence[object]) -> list[str]:
    """A line for each light that, of all actions that are done at once, another one overrules later on: both switch
    together, and are set to different colours."""
    lines, last = [], dict[str, SetLight]()
    for action in actions:
        if not isinstance(action, SetLight):
            continue
        before = last.get(action.signal)
        if before is not None and light_of(before.state) != light_of(action.state):
            lines.append(
                f"{action.node.where}: light {action.signal!r} switches together with {before.signal!r}, which is set "
                f"to {before.state!r} at the same moment; all of them show {action.state!r}"
            )
        last |= dict.fromkeys(action.together, action)
    return lines


def light_of(state: str) -> str | None:
    """The colour in a state of a light: its word, or by the lamps that are on, from the top; None for no such state."""
    words = [word.strip().lower() for word in state.split(";")]
    if len(words) == 1:
        return words[0] if words[0] in ("red", "yellow", "green") else None
    lamps = ("red", "yellow", "green")
    lit = [lamp for lamp, word in zip(lamps, words, strict=False) if word == "on"]
    if len(words) != len(lamps) or not lit or any(word not in ("on", "off", "flashing") for word in words):
        return None
    return "red" if "red" in lit else lit[0]


def read_light_state(node: Node, state: str | None = None) -> str:
    """A state of a light, that of a node's attribute if none is given.

    Raises:
        ScenarioFileError: it is none.
    """
    found = node.text("state") if state is None else state
    if light_of(found) is None:
        raise node.error(f'state must be red, yellow or green, or as "on;off;off", got {found!r}')
    return found
