"""A simulation of a Scenic program and a drive that go on together: two threads that take turns, a step at a time.

Scenic has a loop of its own, and so has a drive. The drive tells where the ego is and waits; the program's behaviours
act, everyone else moves, and the program waits in turn. One of them waits always, and each draws random numbers of its
own, so that nothing depends on timing.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np

from envs.scripted_actors import ActorState


def get_random_state() -> tuple[Any, Any]:
    """That of Python's and numpy's own generators, from which Scenic draws."""
    return random.getstate(), np.random.get_state()


def set_random_state(state: tuple[Any, Any]) -> None:
    """Go on as from `get_random_state`."""
    random.setstate(state[0])
    np.random.set_state(state[1])


class AbandonedError(Exception):
    """Ends a simulation whose drive has been given up."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a program has everyone but the ego do in a step.

    Args:
        actors: where they are at its end; as they were where the program has come to its end.
        action: of the ego by the program itself, steer and acceleration in [-1, 1].
        is_over: the program has come to its end.
        rejected: the requirement by which it throws this simulation away; "" for none.
    """

    actors: tuple[ActorState, ...]
    action: tuple[float, float] = (0.0, 0.0)
    is_over: bool = False
    rejected: str = ""


class SceneRun:
    """A simulation of a program and a drive together.

    Attributes:
        vehicles: the ego, VEHICLE_NAMES [6], at each step so far.
        turns: what the program did in each.

    The program draws its random numbers on from those of the instant at which this is made.

    Args:
        actors: everyone but the ego at the beginning.
    """

    def __init__(self, actors: tuple[ActorState, ...]) -> None:
        self.vehicles: list[np.ndarray] = []
        self.turns: list[Turn] = []
        self._last = Turn(actors=actors)
        self._to_program: SimpleQueue[tuple[np.ndarray | None, bool]] = SimpleQueue()
        self._to_drive: SimpleQueue[Turn | Exception] = SimpleQueue()
        self._open, self._abandoned = True, False
        self._random_state = get_random_state()
        self._thread: threading.Thread | None = None

    def start(self, target: Callable[[SceneRun], None], name: str) -> None:
        """Have one of the two sides run in a thread of its own."""
        self._thread = threading.Thread(target=target, args=(self,), name=name, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until that side is through."""
        if self._thread is not None:
            self._thread.join()

    # the drive's side

    def has_begun_with(self, vehicles: np.ndarray) -> bool:
        """Whether its first steps are those of an ego at `vehicles` [k, 6]."""
        return len(vehicles) <= len(self.vehicles) and all(map(np.array_equal, vehicles, self.vehicles))

    def turn(self, k: int, vehicle: np.ndarray) -> Turn:
        """What the program does in step `k` with the ego at `vehicle` [6]; a step that has been is not made again.

        Raises:
            Exception: that by which the program broke.
        """
        if k < len(self.vehicles):
            return self.turns[k]
        assert k == len(self.vehicles), "steps come one by one"
        if self._open and not self._last.is_over:
            own = get_random_state()
            self._to_program.put((vehicle.copy(), False))
            answer = self._to_drive.get()
            set_random_state(own)
            if isinstance(answer, Exception):
                self._open = False
                raise answer
            self._last = answer
        self.vehicles.append(vehicle.copy())
        self.turns.append(self._last)
        return self._last

    def end_drive(self, vehicle: np.ndarray | None = None) -> None:
        """The drive is over, with the ego at `vehicle` [6] if it got so far; the program learns it where it waits."""
        self._open = False
        self._to_program.put((vehicle, True))

    def abandon(self) -> None:
        """End the simulation, which runs in a thread of its own, where it waits."""
        self._abandoned = True
        self.end_drive()
        self.join()

    # the program's side

    def await_ego(self) -> tuple[np.ndarray | None, bool]:
        """Where the ego is now, [6], None of a drive that broke; and whether the drive is over.

        Raises:
            AbandonedError: the drive has been given up.
        """
        vehicle, is_over = self._to_program.get()
        if self._abandoned:
            raise AbandonedError
        set_random_state(self._random_state)
        return vehicle, is_over

    def answer(self, turn: Turn) -> None:
        """What the program did in this step."""
        self._random_state = get_random_state()
        self._to_drive.put(turn)

    def end_program(self, *, rejected: str = "") -> None:
        """The program has come to its end where the drive waits for it."""
        self._to_drive.put(Turn(actors=self._last.actors, is_over=True, rejected=rejected))

    def break_program(self, error: Exception) -> None:
        """The program broke where the drive waits for it."""
        self._to_drive.put(error)
