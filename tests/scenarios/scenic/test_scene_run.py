"""A program and a drive take turns. Scenic is not needed: a thread plays its part."""

import random
import threading

import numpy as np
import pytest

from envs.scripted_actors import ActorState
from scenarios.scenic.scene_run import AbandonedError, SceneRun, Turn

CAR = ActorState(s=0.0, lateral=0.0, speed=0.0)


def at(x: float) -> np.ndarray:
    return np.array([x, 0.0, 0.0, 0.0, 0.0, 0.0])


def follow_ego(run: SceneRun, steps: int) -> None:
    """A program whose car is where the ego was, for so many steps."""
    for _ in range(steps):
        vehicle, is_over = run.await_ego()
        if is_over:
            return
        assert vehicle is not None
        run.answer(Turn(actors=(ActorState(s=float(vehicle[0]), lateral=random.random(), speed=0.0),)))
    _, is_over = run.await_ego()
    if not is_over:
        run.end_program()


def test_steps_are_answered_and_remembered():
    run = SceneRun((CAR,))
    run.start(lambda run: follow_ego(run, 2), "program")
    turns = [run.turn(k, at(float(k))) for k in range(3)]
    run.join()
    assert [turn.actors[0].s for turn in turns] == [0.0, 1.0, 1.0]
    assert [turn.is_over for turn in turns] == [False, False, True]
    assert run.turn(1, at(1.0)) is turns[1]
    assert run.has_begun_with(np.stack([at(0.0), at(1.0)]))
    assert not run.has_begun_with(np.stack([at(0.0), at(9.0)]))


def test_the_drive_does_not_move_the_programs_random_numbers():
    def drawn(disturb: bool) -> list[float]:
        random.seed(5)
        run = SceneRun((CAR,))
        run.start(lambda run: follow_ego(run, 3), "program")
        found = []
        for k in range(3):
            found.append(run.turn(k, at(0.0)).actors[0].lateral)
            if disturb:
                random.seed(99)
        run.end_drive()
        return found

    assert drawn(False) == drawn(True)


def test_the_program_learns_that_the_drive_is_over():
    run, seen = SceneRun((CAR,)), []
    run.start(lambda run: seen.append(run.await_ego()), "program")
    run.end_drive(at(7.0))
    run.join()
    ((vehicle, is_over),) = seen
    assert is_over
    assert vehicle[0] == 7.0
    assert run.turn(0, at(8.0)).actors == (CAR,)  # nobody is waited for any more


def test_an_abandoned_program_ends():
    run, ended = SceneRun((CAR,)), threading.Event()

    def program(run: SceneRun) -> None:
        with pytest.raises(AbandonedError):
            run.await_ego()
        ended.set()

    run.start(program, "program")
    run.abandon()
    assert ended.is_set()


def test_an_error_of_the_program_is_raised_in_the_drive():
    run = SceneRun((CAR,))

    def program(run: SceneRun) -> None:
        run.await_ego()
        run.break_program(ZeroDivisionError("line 3"))

    run.start(program, "program")
    with pytest.raises(ZeroDivisionError, match="line 3"):
        run.turn(0, at(0.0))
