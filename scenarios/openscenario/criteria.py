"""What a file asks of the policy: the criteria of CARLA's ScenarioRunner, and how long it lasts."""

from __future__ import annotations

from scenarios.criteria import PassCriteria
from scenarios.openscenario.source import Node
from scenarios.openscenario.triggers import CRITERIA

USUAL_DURATION, LONGEST_DURATION = 40.0, 60.0
"""A drive of a file that says no time of its end, and the longest of one that does [s]."""
NOT_JUDGED = ("KeepLaneTest", "WrongLaneTest", "AverageVelocityTest")
"""Criteria without a counterpart here."""


def read_criteria(root: Node) -> tuple[PassCriteria, tuple[str, ...]]:
    """The criteria of a pass, and notes on those that are not judged.

    No collision and no wheel off the road are asked of every drive.
    """
    stop, notes = root.find("Storyboard/StopTrigger"), []
    red_lights, stop_signs, distance = None, None, 0.0
    for node in stop.walk() if stop is not None else ():
        name = node.attributes.get("name", "")
        if node.tag != "Condition" or not name.startswith(CRITERIA):
            continue
        test = name.removeprefix(CRITERIA)
        match test:
            case "CollisionTest" | "OnSidewalkTest" | "OffRoadTest":
                pass
            case "RunningRedLightTest":
                red_lights = 0
            case "RunningStopTest":
                stop_signs = 0
            case "DrivenDistanceTest":
                distance = node.need("ByValueCondition/ParameterCondition").number("value")
            case _:
                notes.append(f"{node.where}: criterion {test} is not judged")
    criteria = PassCriteria(min_progress=distance, max_red_lights=red_lights, max_stop_signs=stop_signs)
    return criteria, tuple(notes)


def read_duration(root: Node) -> float:
    """How long the policy drives at most [s]: to the latest time at which a stop trigger ends an act or the whole, at
    most LONGEST_DURATION; USUAL_DURATION where none tells one."""
    storyboard = root.need("Storyboard")
    triggers = [node for node in storyboard.walk() if node.tag == "StopTrigger"]
    times = [
        node.number("value")
        for trigger in triggers
        for node in trigger.walk()
        if node.tag == "SimulationTimeCondition" and node.number("value") > 0
    ]
    return min(max(times) + 1.0, LONGEST_DURATION) if times else USUAL_DURATION
