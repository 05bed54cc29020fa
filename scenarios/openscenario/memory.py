"""What the play of a storyboard remembers from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from envs.scripted_actors import DirectorState
from scenarios.openscenario.actions import Run
from scenarios.openscenario.entities import EntityState
from scenarios.openscenario.triggers import Seen


@dataclass(frozen=True, kw_only=True)
class Progress(DirectorState):
    """How far an element of the storyboard has come.

    Args:
        state: "standby", "running" or "complete".
        transition: made at this instant, "start", "end", "stop" or "skip"; "" for none.
        count: how often it has run.
    """

    state: str = "standby"
    transition: str = ""
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Going(DirectorState):
    """An action of an entity that goes on.

    Args:
        element: key of the action; "" for one of <Init>.
        entity: whose.
        index: of it in its element, or among those of <Init>.
        run: how it goes.
    """

    element: str
    entity: str
    index: int
    run: Run


@dataclass(frozen=True, kw_only=True)
class Memory(DirectorState):
    """What a play goes on from.

    Args:
        states: of everyone, by name.
        progress: of the storyboard's elements, by key.
        seen: of conditions, by key.
        going: actions that go on.
        parameters: their values.
        lights: what the lights show that are held, by id.
        begun: whether time 0 has passed.
        is_over: whether the storyboard has ended.
    """

    states: Mapping[str, EntityState]
    progress: Mapping[str, Progress] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    going: tuple[Going, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    lights: Mapping[str, str] = field(default_factory=dict)
    begun: bool = False
    is_over: bool = False
