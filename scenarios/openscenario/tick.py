"""A step of a play: what the storyboard decides, and how everyone moves by it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache

import numpy as np

from scenarios.openscenario.actions import Action, Step
from scenarios.openscenario.entities import Entity, EntityState
from scenarios.openscenario.instant_actions import Changes, InstantAction, Teleport
from scenarios.openscenario.memory import Going, Memory, Progress
from scenarios.openscenario.motion import advance, find_path, of_ego, put
from scenarios.openscenario.network import Network
from scenarios.openscenario.program import Program
from scenarios.openscenario.stage import Stage
from scenarios.openscenario.storyboard import Element
from scenarios.openscenario.triggers import Trigger, look
from worldsim.editing.edits import LookName


class Tick:
    """One step: the storyboard decides on what is, then everyone moves.

    Args:
        program: what is played.
        memory: how far it has come.
        time: since the scenario began [s].
        vehicle: the ego now, VEHICLE_NAMES [6].
        dt: length of the step [s].
    """

    def __init__(self, program: Program, memory: Memory, time: float, vehicle: np.ndarray, dt: float) -> None:
        self._program, self._time, self._dt = program, time, dt
        ego = program.ego.name
        states = dict(memory.states)
        before = states[ego] if memory.begun else EntityState()
        middle = of_ego(before, vehicle, program.network, dt)
        states[ego] = _with_time_off_road(middle, program, program.ego, dt)
        self._changes = Changes(
            states=states, parameters=dict(memory.parameters), lights=dict(memory.lights), look=None
        )
        self._progress = {key: replace(each, transition="") for key, each in memory.progress.items()}
        self._seen = dict(memory.seen)
        self._going = list(memory.going)
        self._over = memory.is_over
        self._stage = self._new_stage()
        if not memory.begun:
            for index, (name, action) in enumerate(program.begun):
                self._begin_action(action, "", name, index)

    def finish(self) -> tuple[Memory, LookName | None]:
        """What is remembered at the end of the step, and the look that the world takes on now, if any."""
        if not self._over:
            self._decide()
        self._move()
        after = Memory(
            states=self._changes.states,
            progress=self._progress,
            seen=self._seen,
            going=tuple(self._going),
            parameters=self._changes.parameters,
            lights=self._changes.lights,
            begun=True,
            is_over=self._over,
        )
        return after, self._changes.look

    def _new_stage(self) -> Stage:
        return Stage(
            network=self._program.network,
            entities=self._program.all_entities,
            states=dict(self._changes.states),
            time=self._time,
            dt=self._dt,
            elements=self._element_states(),
            parameters=self._changes.parameters,
            lights=self._changes.lights,
        )

    def _element_states(self) -> dict[tuple[str, str], frozenset[str]]:
        """What StoryboardElementState conditions ask for; elements of one kind and name answer together."""
        found: dict[tuple[str, str], frozenset[str]] = {}
        for element in _all_elements(self._program.stories):
            progress = self._progress.get(element.key, Progress())
            words = {f"{progress.state}State"}
            if progress.transition:
                words.add(f"{progress.transition}Transition")
            key = element.kind, element.name
            found[key] = found.get(key, frozenset()) | words
        return found

    # the storyboard

    def _decide(self) -> None:
        """Let the elements of the storyboard begin and end."""
        if self._program.stop and self._met(self._program.stop):
            self._finish()
            return
        for story in self._program.stories:
            if self._state(story) == "standby":
                self._set(story, "running", "start")
            for act in story.children:
                self._decide_act(act)
            if self._state(story) == "running" and all(self._state(act) == "complete" for act in story.children):
                self._set(story, "complete", "end")
        all_told = all(self._state(story) == "complete" for story in self._program.stories)
        # CARLA's ScenarioRunner ends when its behaviours have; the standard waits for a stop trigger
        if self._program.file.is_carla and self._program.stories and all_told:
            self._finish()

    def _finish(self) -> None:
        for story in self._program.stories:
            self._stop(story)
        self._over = True

    def _decide_act(self, act: Element) -> None:
        if self._state(act) == "standby":
            if act.has_start and not self._met(act.start):
                return
            self._set(act, "running", "start")
        if self._state(act) != "running":
            return
        if act.stop and self._met(act.stop):
            self._stop(act)
            return
        for group in act.children:
            self._decide_group(group)
        # in files of CARLA's ScenarioRunner the drive goes on to the stop trigger, by which criteria are met
        waits = self._program.file.is_carla and bool(act.stop)
        if all(self._state(group) == "complete" for group in act.children) and not waits:
            self._set(act, "complete", "end")

    def _decide_group(self, group: Element) -> None:
        if self._state(group) == "standby":
            self._set(group, "running", "start")
            for maneuver in group.children:
                self._set(maneuver, "running", "start")
        if self._state(group) != "running":
            return
        for maneuver in group.children:
            for event in maneuver.children:
                self._decide_event(event, maneuver, group)
            done = all(self._state(event) == "complete" for event in maneuver.children)
            if self._state(maneuver) == "running" and done:
                self._set(maneuver, "complete", "end")
        if all(self._state(maneuver) == "complete" for maneuver in group.children):
            again = self._progress[group.key].count + 1 < group.executions
            self._set(group, "standby" if again else "complete", "end", counted=True)
            if again:
                self._forget(group.children)

    def _decide_event(self, event: Element, maneuver: Element, group: Element) -> None:
        state = self._state(event)
        if state == "running" and all(self._state(action) == "complete" for action in event.children):
            again = self._progress[event.key].count + 1 < event.executions
            self._set(event, "standby" if again else "complete", "end", counted=True)
            if again:
                self._forget(event.children)
            return
        if state != "standby" or (event.has_start and not self._met(event.start)):
            return
        others = [other for other in maneuver.children if other is not event and self._state(other) == "running"]
        if others and event.priority == "skip":
            again = self._progress.get(event.key, Progress()).count + 1 < event.executions
            self._set(event, "standby" if again else "complete", "skip", counted=True)
            return
        # CARLA's ScenarioRunner lets only what takes hold of the same axis overwrite
        if event.priority in ("overwrite", "override") and not self._program.file.is_carla:
            for other in others:
                self._stop(other)
        self._set(event, "running", "start")
        for action in event.children:
            self._begin(action, group.actors)

    def _begin(self, element: Element, actors: tuple[str, ...]) -> None:
        """Begin an action of the storyboard, for all actors."""
        self._set(element, "running", "start")
        ego = self._program.ego.name
        for name in ("",) if element.is_global else actors:
            if name == ego:  # the policy drives it
                continue
            for index, action in enumerate(element.actions):
                if name and not self._can_act(name, action):
                    continue
                if hasattr(action, "apply"):
                    action.apply(name, self._stage, self._changes)  # pyright: ignore[reportAttributeAccessIssue]
                    self._stage = self._new_stage()
                else:
                    self._begin_action(action, element.key, name, index)  # pyright: ignore[reportArgumentType]
        self._finish_if_done(element.key)

    def _can_act(self, name: str, action: Action | InstantAction) -> bool:
        """Whether an entity is there, or is put there for the first time."""
        state = self._changes.states[name]
        return state.present or (isinstance(action, Teleport) and not state.deleted)

    def _begin_action(self, action: Action, key: str, name: str, index: int) -> None:
        if name == self._program.ego.name or not self._changes.states[name].present:
            return
        for other in [going for going in self._going if going.entity == name]:
            if _conflict(self._action_of(other).axis, action.axis):
                self._end(other, "stop")
        run = action.begin(name, self._stage)
        self._going.append(Going(element=key, entity=name, index=index, run=run))

    def _action_of(self, going: Going) -> Action:
        if not going.element:
            return self._program.begun[going.index][1]
        return _elements_by_key(self._program)[going.element].actions[going.index]  # pyright: ignore[reportReturnType]

    def _end(self, going: Going, transition: str) -> None:
        self._going.remove(going)
        if going.element:
            self._finish_if_done(going.element, transition)

    def _finish_if_done(self, key: str, transition: str = "end") -> None:
        """An action is complete when it goes on for none of its actors."""
        if any(going.element == key for going in self._going):
            return
        before = self._progress.get(key, Progress())
        if before.state == "running":
            self._progress[key] = Progress(state="complete", transition=transition, count=before.count + 1)

    def _stop(self, element: Element) -> None:
        """End an element and all in it, whether it has begun or not."""
        for child in element.children:
            self._stop(child)
        self._going = [going for going in self._going if going.element != element.key]
        if self._state(element) != "complete":
            self._set(element, "complete", "stop")

    def _state(self, element: Element) -> str:
        return self._progress.get(element.key, Progress()).state

    def _set(self, element: Element, state: str, transition: str, *, counted: bool = False) -> None:
        count = self._progress.get(element.key, Progress()).count + counted
        self._progress[element.key] = Progress(state=state, transition=transition, count=count)
        if state == "standby":
            self._forget_conditions(element)

    def _forget(self, elements: tuple[Element, ...]) -> None:
        """Let elements begin anew."""
        for element in elements:
            self._progress.pop(element.key, None)
            self._forget_conditions(element)
            self._forget(element.children)

    def _forget_conditions(self, element: Element) -> None:
        for group in element.start:
            for condition in group:
                self._seen.pop(condition.key, None)

    def _met(self, trigger: Trigger) -> bool:
        is_met, seen = look(trigger, self._stage, self._seen, lasting=self._program.file.is_carla)
        self._seen |= seen
        return is_met

    # motion

    def _move(self) -> None:
        """Everyone but the ego a step on."""
        self._stage = self._new_stage()
        ended: list[Going] = []
        for going in list(self._going):
            if not self._changes.states[going.entity].present:
                self._end(going, "stop")
        moved: dict[str, EntityState] = {}
        for entity in self._program.entities:
            state = self._changes.states[entity.name]
            if state.present:
                moved[entity.name] = self._moved(entity, state, ended)
        self._changes.states |= moved
        for going in ended:
            if going in self._going:
                self._end(going, "end")

    def _moved(self, entity: Entity, state: EntityState, ended: list[Going]) -> EntityState:
        wanted, network, dt = Step(), self._program.network, self._dt
        find = False
        for going in [each for each in self._going if each.entity == entity.name]:
            action = self._action_of(going)
            step = action.step(going.run, entity.name, self._stage)
            wanted = Step(
                speeds=step.speeds or wanted.speeds,
                lateral=wanted.lateral if step.lateral is None else step.lateral,
                pose=step.pose or wanted.pose,
            )
            if step.done:
                ended.append(going)
                find |= action.axis != "longitudinal"
        speeds = wanted.speeds or (state.speed, state.speed)
        if wanted.pose is not None:
            moved = put(state, wanted.pose, speed=speeds[1], dt=dt)
        else:
            moved = advance(state, network, speeds=speeds, lateral=wanted.lateral, dt=dt)
        if find:  # in another lane, or at the end of a trajectory: on along the lane that is there
            moved = _settled(moved, network)
        return _with_time_off_road(moved, self._program, entity, dt)


def _settled(state: EntityState, network: Network) -> EntityState:
    """On the path of the lane where it is now, if that goes its way."""
    before = state.following
    if before is None:
        return find_path(state, network)
    x, y, yaw = network.path(before.lanes).pose_at(before.s, before.lateral, 0.0 if before.along > 0 else math.pi)
    found = network.follow(state.pose._replace(x=x, y=y, yaw=yaw))
    if found is None or found.along != before.along or abs(found.lateral) > abs(before.lateral):
        return state
    return replace(state, lanes=found.lanes, s=found.s, lateral=found.lateral, along=found.along)


def _with_time_off_road(state: EntityState, program: Program, entity: Entity, dt: float) -> EntityState:
    if not program.watches_road:
        return state
    on_road = bool(program.network.map.drivable(np.array([[state.x, state.y]]))[0])
    return replace(state, off_road_for=0.0 if on_road else state.off_road_for + dt)


def _conflict(a: str, b: str) -> bool:
    return a == b or "both" in (a, b)


def _all_elements(elements: tuple[Element, ...]) -> list[Element]:
    return [each for element in elements for each in (element, *_all_elements(element.children))]


@lru_cache(maxsize=8)
def _elements_by_key(program: Program) -> dict[str, Element]:
    return {element.key: element for element in _all_elements(program.stories)}
