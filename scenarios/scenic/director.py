"""Plays a Scenic program in a world: a Director whose program goes on in a thread of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from envs.scripted_actors import ActorState, DirectedScene, DirectorState
from scenarios.openscenario.director import load_network
from scenarios.scenic.maps import back_in_time
from scenarios.scenic.scene_run import SceneRun


class Source(Protocol):
    """Where the simulation of a scene comes from."""

    def begin(self) -> SceneRun:
        """A simulation from the beginning, in a thread of its own; the same each time."""
        ...


@dataclass(frozen=True, kw_only=True)
class ScenicMemory(DirectorState):
    """What the play of a program remembers: it is played again from the beginning where another drive goes on.

    Args:
        vehicles: the ego, VEHICLE_NAMES, at each step since time 0, float64 [k, 6].
        rejected: the requirement that was not kept; "" for none.
    """

    vehicles: np.ndarray
    rejected: str = ""


@dataclass(frozen=True, kw_only=True)
class ScenicDirector:
    """Plays a Scenic scene on a map. See `envs.scripted_actors.Director`.

    Args:
        opening: everyone but the ego at time 0.
        map: path of the OpenDRIVE map.
        source: of the simulation; None of one that runs already, and once only (`play_along`).
    """

    opening: tuple[ActorState, ...]
    map: str
    source: Source | None

    def begin(self, time: float) -> DirectedScene:
        """See Director. Before time 0 everyone comes along their lane at the speed that they have then."""
        return self._opening_scene(min(time, 0.0))

    def direct(self, scene: DirectedScene, t: float, vehicle: np.ndarray, dt: float) -> DirectedScene:
        """See Director."""
        if t < -dt / 2:  # the clock of the scripts is not yet at 0
            ahead = t + dt
            return self._opening_scene(0.0 if ahead > -dt / 2 else ahead)
        memory = scene.memory
        assert isinstance(memory, ScenicMemory), "a scene of this director"
        if scene.is_over:
            return scene
        turn = _stage.run_of(self, memory.vehicles).turn(len(memory.vehicles), vehicle)
        memory = ScenicMemory(vehicles=np.concatenate([memory.vehicles, vehicle[None]]), rejected=turn.rejected)
        return DirectedScene(actors=turn.actors, memory=memory, is_over=turn.is_over)

    def program_action(self, scene: DirectedScene, vehicle: np.ndarray) -> np.ndarray:
        """How the program itself would drive an ego at `vehicle` [6] now: steer and acceleration, float32 [2]."""
        memory = scene.memory
        assert isinstance(memory, ScenicMemory), "a scene of this director"
        turn = _stage.run_of(self, memory.vehicles).turn(len(memory.vehicles), vehicle)
        return np.array(turn.action, np.float32)

    def _opening_scene(self, time: float) -> DirectedScene:
        network = load_network(self.map)
        actors = tuple(back_in_time(actor, network, time) for actor in self.opening)
        return DirectedScene(actors=actors, memory=ScenicMemory(vehicles=np.zeros((0, 6))))


class _Stage:
    """Scenic runs one simulation at a time, this one: whoever goes on with another ends it."""

    def __init__(self) -> None:
        self._director: ScenicDirector | None = None
        self._run: SceneRun | None = None

    def run_of(self, director: ScenicDirector, vehicles: np.ndarray) -> SceneRun:
        """The simulation of a director whose ego was at `vehicles` [k, 6], after those steps at least.

        Raises:
            RuntimeError: it is over, and cannot be played again.
        """
        if self._run is not None and self._director == director and self._run.has_begun_with(vehicles):
            return self._run
        if director.source is None:
            raise RuntimeError("this simulation runs but once, and another drive has begun in it")
        self.clear()
        self.put(director, director.source.begin())
        assert self._run is not None, "it was put there"
        for k, vehicle in enumerate(vehicles):
            self._run.turn(k, vehicle)
        return self._run

    def put(self, director: ScenicDirector, run: SceneRun) -> None:
        """From now on this one."""
        self._director, self._run = director, run

    def clear(self) -> None:
        """End the present one."""
        if self._run is not None:
            self._run.abandon()
        self._director, self._run = None, None


_stage = _Stage()


def play_along(director: ScenicDirector, run: SceneRun) -> None:
    """A simulation that runs already is that of a director without a source."""
    _stage.put(director, run)


def clear_stage() -> None:
    """End the simulation that goes on, if there is one: nothing else may be compiled or simulated meanwhile."""
    _stage.clear()
