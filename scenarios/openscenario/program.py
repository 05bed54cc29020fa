"""A scenario file made ready to be played on a map: entities, what they begin with, storyboard."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from scenarios.openscenario.action_reader import ActionReader
from scenarios.openscenario.actions import Action
from scenarios.openscenario.catalogs import Catalogs, expand
from scenarios.openscenario.conditions import ConditionReader
from scenarios.openscenario.entities import Entity, EntityState, find_ego, read_entities
from scenarios.openscenario.instant_actions import Changes, TakeRoute, Teleport
from scenarios.openscenario.longitudinal_actions import ChangeSpeed
from scenarios.openscenario.motion import place_at
from scenarios.openscenario.network import Network, Pose
from scenarios.openscenario.positions import Frame, Position
from scenarios.openscenario.source import Node, ScenarioFileError, Scope, read_xml
from scenarios.openscenario.stage import Stage
from scenarios.openscenario.storyboard import Element, InitAction, StoryboardReader
from scenarios.openscenario.traffic_lights import contradictions, lights_of, read_controllers
from scenarios.openscenario.triggers import Trigger
from worldsim.editing.edits import LookName

VERSIONS = range(4)
"""Minor versions of OpenSCENARIO 1 that are read."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScenarioFile:
    """A file as it was read, with parameters, expressions and catalogue entries put in.

    Args:
        root: of it.
        path: of it.
        parameters: the values that it declares.
        digest: the first 16 digits of the SHA-256 of it and its catalogues.
    """

    root: Node
    path: Path
    parameters: Mapping[str, str]
    digest: str

    @property
    def is_carla(self) -> bool:
        """Whether it is written for CARLA's ScenarioRunner, in its left-handed coordinates; its header says so."""
        return self.root.need("FileHeader").text("description", "").startswith("CARLA:")


def read_scenario_file(path: Path) -> ScenarioFile:
    """Read a file.

    Raises:
        FileNotFoundError: no such file.
        ScenarioFileError: no OpenSCENARIO 1.x, a catalogue or entry that is not there, a parameter that is not
            declared; says where.
    """
    root = read_xml(path)
    header = root.need("FileHeader")
    version = header.number("revMajor"), header.number("revMinor")
    if version[0] != 1 or int(version[1]) not in VERSIONS:
        raise header.error(f"is of OpenSCENARIO {version[0]:g}.{version[1]:g}; 1.0 to 1.{VERSIONS[-1]} are read")
    catalogs = Catalogs.of(root, path)
    scope = Scope().with_declarations(root)
    expanded = expand(root, Scope(), catalogs)
    digest = hashlib.sha256(path.read_bytes())
    for file in catalogs.files:
        digest.update(file.read_bytes())
    return ScenarioFile(root=expanded, path=path, parameters=scope.values, digest=digest.hexdigest()[:16])


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A scenario that can be played.

    Args:
        file: that it is from.
        network: the map.
        entities: all but the ego, in order.
        ego: the one that the policy drives.
        start: everyone at time 0, the ego included, by name.
        changes: parameters, lights and look at time 0.
        begun: actions of <Init> that go on from time 0, by entity.
        stories: of the storyboard.
        stop: when it ends.
        ego_goals: places by which the file sends the ego.
        notes: what is left out.
        watches_road: whether a condition asks who is off the road.
    """

    file: ScenarioFile
    network: Network
    entities: tuple[Entity, ...]
    ego: Entity
    start: Mapping[str, EntityState]
    changes: Changes
    begun: tuple[tuple[str, Action], ...]
    stories: tuple[Element, ...]
    stop: Trigger
    ego_goals: tuple[Position, ...]
    notes: tuple[str, ...]
    watches_road: bool

    @cached_property
    def all_entities(self) -> dict[str, Entity]:
        """Everyone, the ego included, by name."""
        return {entity.name: entity for entity in (*self.entities, self.ego)}

    @property
    def first_look(self) -> LookName | None:
        """Light and weather at time 0; None leaves them."""
        return self.changes.look


def make_program(file: ScenarioFile, network: Network, ego_place: Pose | None = None) -> Program:
    """Make a file ready to be played on a map.

    Args:
        file: as it was read.
        network: the map.
        ego_place: where the ego begins if the file puts it nowhere.

    Raises:
        ScenarioFileError: what is not supported or wrong, all of it, each with its file and line.
    """
    root, carla = file.root, file.is_carla
    entities = read_entities(root, carla=carla)
    ego = find_ego(root, entities)
    names = [entity.name for entity in entities]
    frame = Frame(network=network, carla=carla)
    lights = {node.attributes.get("name", "") for node in root.walk() if node.tag == "TrafficSignalStateAction"}
    actions = ActionReader(
        frame=frame,
        names=names,
        ego=ego.name,
        lights=lights_of(network.map),
        parameters=list(file.parameters),
        controllers=read_controllers(root),
    )
    lights |= {signal for phases in actions.controllers.values() for states in phases.values() for signal in states}
    known = sorted({each for light in lights for each in actions.lights.get(light, ())})
    storyboard = root.need("Storyboard")
    conditions = ConditionReader(frame, names, known, actions.parameters, _named_elements(storyboard))
    reader = StoryboardReader(conditions=conditions, actions=actions, names=names)
    init = reader.read_init(storyboard.need("Init"))
    stories = tuple(reader.read_story(each, str(k)) for k, each in enumerate(storyboard.all("Story")))
    stop = reader.read_trigger(storyboard.find("StopTrigger"), "stop")
    if reader.errors:
        raise ScenarioFileError("; ".join(dict.fromkeys(reader.errors)))

    start, changes, begun, goals = _begin(init, entities, ego, network, file.parameters, ego_place)
    return Program(
        file=file,
        network=network,
        entities=tuple(entity for entity in entities if entity is not ego),
        ego=ego,
        start=start,
        changes=changes,
        begun=begun,
        stories=stories,
        stop=stop,
        ego_goals=(*goals, *_goals_of(ego.name, stories)),
        notes=tuple(dict.fromkeys([*actions.notes, *_contradictions(init, stories)])),
        watches_road=any(node.tag == "OffroadCondition" for node in root.walk()),
    )


def _contradictions(init: Sequence[InitAction], stories: Sequence[Element]) -> list[str]:
    """Of traffic lights, in <Init> and in each event."""
    found = contradictions([action for each in init for action in each.actions])
    events, left = [], list(stories)
    while left:
        element = left.pop(0)
        left += element.children
        events += [element] if element.kind == "event" else []
    for event in events:
        found += contradictions([action for each in event.children for action in each.actions])
    return found


_KINDS = {
    "Story": "story",
    "Act": "act",
    "ManeuverGroup": "maneuverGroup",
    "Maneuver": "maneuver",
    "Event": "event",
    "Action": "action",
}
"""Of the elements of a storyboard, by their tags."""


def _named_elements(storyboard: Node) -> set[tuple[str, str]]:
    """Kind and name of the elements of a storyboard."""
    return {(_KINDS[node.tag], node.attributes.get("name", "")) for node in storyboard.walk() if node.tag in _KINDS}


def _begin(
    init: Sequence[InitAction],
    entities: Sequence[Entity],
    ego: Entity,
    network: Network,
    parameters: Mapping[str, str],
    ego_place: Pose | None,
) -> tuple[dict[str, EntityState], Changes, tuple[tuple[str, Action], ...], tuple[Position, ...]]:
    """What <Init> makes of everyone: those who are put beside others wait until these are there."""
    by_name = {entity.name: entity for entity in entities}
    keeps_lane = {e.name: e.category not in ("pedestrian", "obstacle") for e in entities}
    states = {name: EntityState(keeps_lane=keeps_lane[name]) for name in by_name}
    if ego_place is not None:
        states[ego.name] = place_at(states[ego.name], ego_place, ego, network)
    changes = Changes(states=states, parameters=dict(parameters), lights={})
    begun: list[tuple[str, Action]] = []
    goals: list[Position] = []

    def stage() -> Stage:
        return Stage(
            network=network,
            entities=by_name,
            states=dict(changes.states),
            time=0.0,
            dt=1.0,
            elements={},
            parameters=changes.parameters,
            lights=changes.lights,
        )

    single = [(each, action) for each in init for action in each.actions]
    puts = [(each, action) for each, action in single if isinstance(action, Teleport)]
    while puts:
        ready = [
            (each, action)
            for each, action in puts
            if (other := getattr(action.position, "entity", None)) is None or changes.states[other].present
        ]
        if not ready:
            each, action = puts[0]
            raise each.node.error(f"is put beside {getattr(action.position, 'entity', '')}, which is put nowhere")
        for each, action in ready:
            action.apply(each.entity, stage(), changes)
        puts = [pair for pair in puts if pair not in ready]
    if not changes.states[ego.name].present:
        raise ego.node.error("the ego is put nowhere; <Init> needs a <TeleportAction> for it")
    for each, action in single:
        if isinstance(action, TakeRoute) and each.entity == ego.name:
            goals += action.waypoints
        elif hasattr(action, "apply"):
            if not isinstance(action, Teleport):
                action.apply(each.entity, stage(), changes)  # pyright: ignore[reportAttributeAccessIssue]
        else:
            begun.append((each.entity, action))  # pyright: ignore[reportArgumentType]
            if isinstance(action, ChangeSpeed) and action.entity is None and action.dynamics.shape == "step":
                states[each.entity] = replace(states[each.entity], speed=action.value)
    return changes.states, changes, tuple(begun), tuple(goals)


def _goals_of(ego: str, elements: Sequence[Element]) -> tuple[Position, ...]:
    """Places by which the story sends the ego."""
    found: list[Position] = []
    for element in elements:
        if element.kind == "maneuverGroup" and ego not in element.actors:
            continue
        found += [p for action in element.actions if isinstance(action, TakeRoute) for p in action.waypoints]
        found += _goals_of(ego, element.children)
    return tuple(found)
