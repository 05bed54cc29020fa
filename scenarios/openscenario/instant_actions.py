"""Actions of OpenSCENARIO that are done at once: they change entities, parameters, lights or the look of the world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

from scenarios.openscenario.entities import EntityState
from scenarios.openscenario.expressions import number_as_text
from scenarios.openscenario.motion import find_path, place_at
from scenarios.openscenario.positions import Position
from scenarios.openscenario.source import Node
from scenarios.openscenario.stage import Stage
from worldsim.editing.edits import LookName


@dataclass(kw_only=True)
class Changes:
    """What actions that are done at once have changed so far.

    Args:
        states: of the entities.
        parameters: by name.
        lights: what the traffic lights show that are held, by the map's own id.
        look: of the world; None as it was.
    """

    states: dict[str, EntityState]
    parameters: dict[str, str]
    lights: dict[str, str]
    look: LookName | None = None


class InstantAction(Protocol):
    """An action that is done at once."""

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """Do it, for an entity; `name` is "" for a global one."""
        ...


@dataclass(frozen=True, kw_only=True)
class Teleport:
    """Puts an entity somewhere, or adds it.

    Args:
        position: where.
        entity: who; None for the action's own actor.
    """

    position: Position
    entity: str | None = None

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
        who = name if self.entity is None else self.entity
        pose = self.position.pose(stage)
        changes.states[who] = place_at(changes.states[who], pose, stage.entities[who], stage.network)


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Takes an entity away."""

    entity: str

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
        changes.states[self.entity] = EntityState(deleted=True, keeps_lane=changes.states[self.entity].keeps_lane)


@dataclass(frozen=True, kw_only=True)
class TakeRoute:
    """The entity drives by some places, by the shortest way over the lanes."""

    waypoints: tuple[Position, ...]
    node: Node

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction.

        Raises:
            ScenarioFileError: no way leads there.
        """
        state = changes.states[name]
        places = tuple(each.pose(stage) for each in self.waypoints)
        found = stage.network.follow_to(state.pose, places)
        if found is None:
            raise self.node.error(f"no way over the lanes of the map leads {name} there")
        changes.states[name] = replace(
            state, lanes=found.lanes, s=found.s, lateral=found.lateral, along=1, keeps_lane=True
        )


@dataclass(frozen=True, kw_only=True)
class KeepLane:
    """The entity follows the lanes from now on, or goes straight on."""

    keeps_lane: bool

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
        state = replace(changes.states[name], keeps_lane=self.keeps_lane)
        changes.states[name] = find_path(state, stage.network)


@dataclass(frozen=True, kw_only=True)
class SetParameter:
    """Gives a parameter another value.

    Args:
        parameter: its name.
        value: it, or what is added to it or multiplied with it.
        how: which of these.
        node: for messages.
    """

    parameter: str
    value: str
    how: Literal["set", "add", "multiply"]
    node: Node

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction.

        Raises:
            ScenarioFileError: something that is no number is to be added to, or multiplied.
        """
        if self.how == "set":
            changes.parameters[self.parameter] = self.value
            return
        try:
            now, value = float(changes.parameters[self.parameter]), float(self.value)
        except (KeyError, ValueError) as error:
            raise self.node.error(f"the parameter {self.parameter!r} is no number to {self.how}") from error
        changes.parameters[self.parameter] = number_as_text(now + value if self.how == "add" else now * value)


@dataclass(frozen=True, kw_only=True)
class SetLight:
    """A traffic light, with all that switch together with it, shows a state from now on.

    Args:
        signal: its id.
        together: ids of all.
        state: as the file has it.
        node: for messages.
    """

    signal: str
    together: tuple[str, ...]
    state: str
    node: Node

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
        changes.lights |= dict.fromkeys(self.together, self.state)


@dataclass(frozen=True, kw_only=True)
class ChangeLook:
    """Light and weather from now on."""

    look: LookName

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
        changes.look = self.look


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """What makes no difference here, or an action without content."""

    def apply(self, name: str, stage: Stage, changes: Changes) -> None:
        """See InstantAction."""
