"""A key actor under control: its script, and what is added."""

import math

import numpy as np
import pytest
import torch

from envs.learned.snapshot import snapshot_codec
from envs.scripted_actors import ActorState
from envs.worlds import WORLDS
from scenarios.actors import BrakingLead, CrossingPedestrian, LaneChange, Steady
from scenarios.catalogue import SCENARIOS
from scenarios.falsification.actor_controls import ActorControls, ControlledActor, OnScript, control_actor
from scenarios.measures import Braking, Gap
from worldsim.datatypes.vehicle import VehicleModel

DT = 0.1
EGO = ActorState(s=0.0, lateral=0.0, speed=10.0)
SCRIPTS = (
    BrakingLead(gap=10.0, speed=8.0, brake_at=-0.5, deceleration=4.0),
    LaneChange(gap=9.0, speed=7.0, offset=-3.5, start_at=0.4, lateral_speed=1.2),
    LaneChange(gap=60.0, speed=7.0, offset=0.0, target=3.5, start_at=1.0, lateral_speed=1.2, oncoming=True),
    CrossingPedestrian(distance=15.0, offset=4.0, start_at=-0.5, speed=1.4),
)


def play(script, seconds, start=-0.7):
    own, t = script.initial(None, 0.0), start
    while t < seconds - 1e-9:
        own, t = script.step(t, EGO, own, DT), t + DT
    return own


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_added_is_the_script(script):
    controlled = ControlledActor(script=script, accelerations=(0.0, 0.0), steer=(0.0, 0.0), piece=2.0)
    ours, theirs = play(controlled, 4.0), play(script, 4.0)
    for name in ("s", "lateral", "speed", "heading", "braking"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-9)


def test_acceleration_is_added_from_the_start_on_piece_by_piece():
    steady = Steady(gap=10.0, speed=5.0)
    controlled = ControlledActor(script=steady, accelerations=(2.0, -1.0), steer=(0.0, 0.0), piece=1.0)
    assert play(controlled, 0.0) == play(controlled, -DT + DT)
    assert play(controlled, 0.0).s == pytest.approx(play(steady, 0.0).s)
    after_one, after_three = play(controlled, 1.0), play(controlled, 3.0)
    assert after_one.speed == pytest.approx(7.0)
    assert after_one.s - play(steady, 1.0).s == pytest.approx(1.0)  # a t² / 2
    assert (after_three.speed, after_three.braking) == (pytest.approx(6.0), False)
    assert play(controlled, 1.5).braking


def test_nobody_drives_backwards():
    controlled = ControlledActor(script=SCRIPTS[0], accelerations=(-3.0,), steer=(0.0,), piece=4.0)
    speeds = [play(controlled, t / 10).speed for t in range(0, 40, 4)]
    assert min(speeds) >= 0
    assert speeds[-1] == 0
    assert play(controlled, 3.9).s == pytest.approx(play(controlled, 3.0).s, abs=1e-6)


def test_steer_turns_it_as_a_car_turns():
    steady = Steady(gap=10.0, speed=5.0)
    controlled = ControlledActor(script=steady, accelerations=(0.0,), steer=(0.05,), piece=1.0)
    own = play(controlled, 1.0)
    assert own.heading == pytest.approx(5.0 * math.tan(0.05) / VehicleModel().wheelbase, rel=1e-6)
    assert own.lateral == pytest.approx(0.5 * 5.0 * own.heading, rel=0.15)
    assert play(controlled, 3.0).lateral > own.lateral + 0.5  # it goes on in its new direction


def test_a_case_under_control_is_measured_by_where_the_controls_led():
    case = SCENARIOS["lead_braking"].draw(0)
    controls = ActorControls(num_pieces=3, max_acceleration=2.0, max_steer=0.03)
    assert [p.name for p in controls.parameters][2:4] == ["added acceleration 3", "added steer 1"]
    assert controls.parameters[3].unit == "rad"
    changed = control_actor(case, controls, {p.name: 0.01 for p in controls.parameters})
    assert [type(m) for m in changed.measures] == [Gap, OnScript]
    assert any(isinstance(m, Braking) for m in case.measures)
    assert changed.actors.scripts[0].piece == case.duration / 3
    assert changed.parameters["added steer 3"] == 0.01
    assert not case.parameters.keys() & {p.name for p in controls.parameters}


@pytest.mark.parametrize(
    ("values", "message"),
    [({"num_pieces": 0}, "num_pieces must be at least 1, got 0"), ({"num_pieces": 1, "max_steer": 1.0}, "max_steer")],
)
def test_bad_bounds_are_named(values, message):
    with pytest.raises(ValueError, match=message):
        ActorControls(**values)


def test_a_world_with_a_controlled_actor_can_be_saved_and_gone_on_with():
    controls = ActorControls(num_pieces=1, max_acceleration=2.0)
    case = SCENARIOS["lead_braking"].draw(0)
    case = control_actor(case, controls, {parameter.name: -1.0 for parameter in controls.parameters})
    env, again = (WORLDS["road"].make(obs="state") for _ in range(2))
    env.reset(seed=case.seed, options=case.reference_options())
    env.step(np.zeros(2, np.float32))
    again.set_state(env.get_state())
    ours, theirs = (each.step(np.zeros(2, np.float32))[4]["scene"] for each in (env, again))
    assert np.array_equal(ours, theirs)
    begun = ControlledActor(script=SCRIPTS[0], accelerations=(1.0,), steer=(0.0,), piece=4.0).initial(None, 0.0)
    codec = snapshot_codec(torch.device("cpu"))
    assert codec.unpack(codec.pack(begun)) == begun
