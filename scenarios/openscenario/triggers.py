"""Triggers of a storyboard: groups of conditions with edges and delays, and what they remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from envs.scripted_actors import DirectorState
from scenarios.openscenario.conditions import Check, ConditionReader
from scenarios.openscenario.source import Node
from scenarios.openscenario.stage import Stage

EDGES = ("rising", "falling", "risingOrFalling", "none")
CRITERIA = "criteria_"
"""Conditions of such names are criteria of CARLA's ScenarioRunner, not conditions."""
_SOON = 1e-6


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition.

    Args:
        key: tells it apart from all others of the file.
        name: of it.
        edge: of EDGES.
        delay: it counts so much later [s].
        check: what must be true.
    """

    key: str
    name: str
    edge: str
    delay: float
    check: Check


@dataclass(frozen=True, kw_only=True)
class Seen(DirectorState):
    """What is remembered of a condition.

    Args:
        held: whether its check held when it was looked at last.
        due: when it is going to count [s].
        met: whether it has ever counted.
    """

    held: bool
    due: tuple[float, ...] = ()
    met: bool = False


Trigger = tuple[tuple[Condition, ...], ...]
"""Groups of conditions: one group of which all count now is enough."""


def read_trigger(node: Node | None, reader: ConditionReader, key: str) -> Trigger:
    """The trigger in a <StartTrigger> or <StopTrigger>; never met where there is none. Criteria are left out.

    Raises:
        ScenarioFileError: a condition that is not supported, or wrong.
    """
    groups = []
    for g, group in enumerate(node.all("ConditionGroup") if node is not None else ()):
        conditions = []
        for c, each in enumerate(group.all("Condition")):
            if each.text("name", "").startswith(CRITERIA):
                continue
            conditions.append(
                Condition(
                    key=f"{key}/{g}/{c}",
                    name=each.text("name", ""),
                    edge=each.choice("conditionEdge", *EDGES, default="none"),
                    delay=each.number("delay", 0.0),
                    check=reader.read(each),
                )
            )
        if conditions:
            groups.append(tuple(conditions))
    return tuple(groups)


def look(trigger: Trigger, stage: Stage, before: Mapping[str, Seen], *, lasting: bool) -> tuple[bool, dict[str, Seen]]:
    """Whether a trigger is met now, and what its conditions have been seen to be.

    An edge is none where a condition is looked at for the first time.

    Args:
        trigger: to be looked at.
        stage: the instant.
        before: what was seen, by the conditions' keys.
        lasting: conditions have no edges, and one that has been met once stays so: how CARLA's ScenarioRunner reads
            them.
    """
    seen, is_met = {}, False
    for group in trigger:
        count = []
        for condition in group:
            last, holds = before.get(condition.key), condition.check.holds(stage)
            fires = holds if lasting else _fires(condition.edge, holds, last)
            due = (*(last.due if last is not None else ()), *((stage.time + condition.delay,) if fires else ()))
            counts = any(at <= stage.time + _SOON for at in due)
            due = tuple(at for at in due if at > stage.time + _SOON)
            met = counts or (last is not None and last.met)
            seen[condition.key] = Seen(held=holds, due=due[:1] if lasting else due, met=met)
            count.append(met if lasting else counts)
        is_met |= all(count)
    return is_met, seen


def _fires(edge: str, holds: bool, last: Seen | None) -> bool:
    if edge == "none":
        return holds
    if last is None or holds == last.held:
        return False
    return edge == "risingOrFalling" or holds == (edge == "rising")
