"""A storyboard as it is read: stories, acts, groups of manoeuvres, events and actions, and their triggers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from scenarios.openscenario.action_reader import ActionReader
from scenarios.openscenario.actions import Action
from scenarios.openscenario.conditions import ConditionReader
from scenarios.openscenario.instant_actions import InstantAction
from scenarios.openscenario.source import Node, ScenarioFileError
from scenarios.openscenario.triggers import Trigger, read_trigger

PRIORITIES = ("overwrite", "override", "skip", "parallel")


@dataclass(frozen=True, kw_only=True)
class Element:
    """An element of a storyboard.

    Args:
        kind: "story", "act", "maneuverGroup", "maneuver", "event" or "action".
        name: of it.
        key: tells it apart from all others.
        children: the elements in it.
        start: when an act or event begins; () elsewhere.
        stop: when an act ends.
        has_start: whether it says when; one that does not begins with its parent.
        actors: of a group, the entities that its actions are for.
        priority: of an event, of PRIORITIES.
        executions: of a group or event, how often it runs at most.
        actions: of an action, what it does: one after the other at the same instant.
        is_global: of an action, whether it is for nobody.
    """

    kind: str
    name: str
    key: str
    children: tuple[Element, ...] = ()
    start: Trigger = ()
    stop: Trigger = ()
    has_start: bool = False
    actors: tuple[str, ...] = ()
    priority: str = "parallel"
    executions: int = 1
    actions: tuple[Action | InstantAction, ...] = ()
    is_global: bool = False


@dataclass(frozen=True, kw_only=True)
class InitAction:
    """An action of <Init>, for an entity; "" for a global one."""

    entity: str
    actions: tuple[Action | InstantAction, ...]
    node: Node


@dataclass(kw_only=True)
class StoryboardReader:
    """Reads a storyboard, and all that it cannot read.

    Args:
        conditions: reads conditions.
        actions: reads actions.
        names: of the entities.
        errors: what is not supported or wrong; gets more as elements are read.
    """

    conditions: ConditionReader
    actions: ActionReader
    names: Sequence[str]
    errors: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[..., Any], *arguments: Any, instead: Any) -> Any:
        """What `read` returns; `instead` where it fails, which is kept."""
        try:
            return read(*arguments)
        except ScenarioFileError as error:
            self.errors.append(str(error))
            return instead

    def read_init(self, node: Node) -> list[InitAction]:
        """The actions of an <Init>."""
        found = []
        for child in node.need("Actions").children:
            if child.tag == "Private":
                entity = self.attempt(self._entity, child, instead="")
                for each in child.children:
                    if entity:
                        actions = tuple(self.attempt(self.actions.read, each, instead=()))
                        found.append(InitAction(entity=entity, actions=actions, node=each))
            else:
                actions = tuple(self.attempt(self.actions.read, child, instead=()))
                found.append(InitAction(entity="", actions=actions, node=child))
        return found

    def read_story(self, node: Node, key: str) -> Element:
        """A <Story>."""
        acts = tuple(self._read_act(each, f"{key}/{k}") for k, each in enumerate(node.all("Act")))
        return Element(kind="story", name=node.text("name", ""), key=key, children=acts)

    def read_trigger(self, node: Node | None, key: str) -> Trigger:
        """The trigger in a <StartTrigger> or <StopTrigger>."""
        return self.attempt(read_trigger, node, self.conditions, key, instead=())

    def _entity(self, node: Node) -> str:
        name = node.text("entityRef")
        if name not in self.names:
            raise node.error(f"there is no entity named {name!r}; there are {', '.join(self.names)}")
        return name

    def _read_act(self, node: Node, key: str) -> Element:
        groups = tuple(self._read_group(each, f"{key}/{k}") for k, each in enumerate(node.all("ManeuverGroup")))
        return Element(
            kind="act",
            name=node.text("name", ""),
            key=key,
            children=groups,
            start=self.read_trigger(node.find("StartTrigger"), f"{key}/start"),
            stop=self.read_trigger(node.find("StopTrigger"), f"{key}/stop"),
            has_start=_has_conditions(node.find("StartTrigger")),
        )

    def _read_group(self, node: Node, key: str) -> Element:
        actors = node.find("Actors")
        if actors is not None and actors.attributes.get("selectTriggeringEntities", "false").lower() in ("true", "1"):
            self.errors.append(f"{actors.where}: selectTriggeringEntities is not supported; name the actors")
        who = tuple(self.attempt(self._entity, each, instead="") for each in actors.all("EntityRef")) if actors else ()
        maneuvers = [each for each in node.all("Maneuver") if each.children]
        return Element(
            kind="maneuverGroup",
            name=node.text("name", ""),
            key=key,
            children=tuple(self._read_maneuver(each, f"{key}/{k}") for k, each in enumerate(maneuvers)),
            actors=tuple(name for name in who if name),
            executions=self.attempt(_executions, node, instead=1),
        )

    def _read_maneuver(self, node: Node, key: str) -> Element:
        events = tuple(self._read_event(each, f"{key}/{k}") for k, each in enumerate(node.all("Event")))
        return Element(kind="maneuver", name=node.text("name", ""), key=key, children=events)

    def _read_event(self, node: Node, key: str) -> Element:
        actions = tuple(self._read_action(each, f"{key}/{k}") for k, each in enumerate(node.all("Action")))
        return Element(
            kind="event",
            name=node.text("name", ""),
            key=key,
            children=actions,
            start=self.read_trigger(node.find("StartTrigger"), f"{key}/start"),
            has_start=_has_conditions(node.find("StartTrigger")),
            priority=self.attempt(lambda: node.choice("priority", *PRIORITIES, default="parallel"), instead="parallel"),
            executions=self.attempt(_executions, node, instead=1),
        )

    def _read_action(self, node: Node, key: str) -> Element:
        return Element(
            kind="action",
            name=node.text("name", ""),
            key=key,
            actions=tuple(self.attempt(self.actions.read, node, instead=())),
            is_global=node.find("GlobalAction") is not None,
        )


def _has_conditions(node: Node | None) -> bool:
    return node is not None and any(child.tag == "Condition" for group in node.children for child in group.children)


def _executions(node: Node) -> int:
    count = node.number("maximumExecutionCount", 1.0)
    return max(int(count), 1) if count < 1e9 else 10**9
