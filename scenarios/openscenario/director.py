"""Plays a scenario file: its storyboard decides, its entities move, step by step and in the same way in every world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from envs.road.static_scene import load_map_scene
from envs.scripted_actors import ActorState, DirectedScene
from scenarios.openscenario.entities import FAR_APART, FAR_AWAY
from scenarios.openscenario.memory import Memory
from scenarios.openscenario.motion import back_in_time
from scenarios.openscenario.network import Network
from scenarios.openscenario.program import Program, ScenarioFile, make_program, read_scenario_file
from scenarios.openscenario.source import ScenarioFileError
from scenarios.openscenario.straight_road import EGO_LANE, EGO_S
from scenarios.openscenario.tick import Tick
from scenarios.openscenario.traffic_lights import light_of
from worldsim.datatypes.signals import SignalKind

CLOCK_DIGITS = 6
"""Times are rounded to so many digits after the point, so that sums of steps meet the times of a file."""
_START = 1e-6
_KINDS = {"red": SignalKind.RED, "yellow": SignalKind.YELLOW, "green": SignalKind.GREEN}


@dataclass(frozen=True, kw_only=True)
class ScenarioDirector:
    """Plays a scenario file on a map. See `envs.scripted_actors.Director`.

    Args:
        path: of the file.
        digest: of the file and its catalogues, so that another file of that name is refused.
        map: path or text of the OpenDRIVE map.
    """

    path: str
    digest: str
    map: str

    def begin(self, time: float) -> DirectedScene:
        """See Director. Before time 0 everyone comes at the speed that <Init> gives."""
        program = self.program
        memory = Memory(
            states=dict(program.start), parameters=program.changes.parameters, lights=program.changes.lights
        )
        return _scene(program, memory, min(time, 0.0))

    def direct(self, scene: DirectedScene, t: float, vehicle: np.ndarray, dt: float) -> DirectedScene:
        """See Director."""
        memory = scene.memory
        assert isinstance(memory, Memory), "a scene of this director"
        if t < -dt / 2:  # the clock of the scripts is not yet at 0
            return _scene(self.program, memory, min(t + dt, 0.0))
        tick = Tick(self.program, memory, round(max(t, 0.0), CLOCK_DIGITS), vehicle, dt)
        after, look = tick.finish()
        return replace(_scene(self.program, after, 0.0), look=look)

    @property
    def program(self) -> Program:
        """What is played.

        Raises:
            ScenarioFileError: the file is another one now.
        """
        return load_program(self.path, self.digest, self.map)


@lru_cache(maxsize=8)
def load_program(path: str, digest: str, map: str) -> Program:
    """The program of a file on a map; the last ones are kept.

    Raises:
        FileNotFoundError: no such file.
        ScenarioFileError: the file is another one than that of the digest, or cannot be played.
    """
    file = read_scenario_file(Path(path))
    if file.digest != digest:
        raise ScenarioFileError(f"{path}: the file, or a catalogue of it, has changed since this episode began")
    network = load_network(map)
    made = "<" in map  # the text of a map that was made for the file, whose ego may be put nowhere
    ego_place = network.at_lane(network.road("1"), EGO_LANE, EGO_S, 0.0) if made else None
    return make_program(file, network, ego_place)


@lru_cache(maxsize=4)
def load_network(map: str) -> Network:
    """The network of a map, from its path or text; the last ones are kept."""
    return Network(load_map_scene(map).road_map)


def director_of(file: ScenarioFile, map: str) -> ScenarioDirector:
    """The director of a file on a map."""
    return ScenarioDirector(path=str(file.path.resolve()), digest=file.digest, map=map)


def _scene(program: Program, memory: Memory, time: float) -> DirectedScene:
    """The scene of a memory; before time 0 everyone is on the way to where they are then."""
    actors = []
    for k, entity in enumerate(program.entities):
        state = memory.states[entity.name]
        if not state.present:
            state = replace(state, x=FAR_AWAY, y=FAR_AWAY + FAR_APART * k)
        if time < -_START:
            state = back_in_time(state, program.network, time)
        actors.append(
            ActorState(
                s=state.x,
                lateral=state.y,
                speed=state.speed,
                heading=state.yaw,
                kind=entity.kind,
                length=entity.length,
                width=entity.width,
                braking=state.braking,
                z=state.z,
            )
        )
    lights = []
    for k, signal in enumerate(program.network.map.signals):
        shown = light_of(memory.lights.get(signal.id, ""))
        if shown is not None:
            lights.append((k, int(_KINDS[shown])))
    return DirectedScene(actors=tuple(actors), memory=memory, lights=tuple(lights), is_over=memory.is_over)
