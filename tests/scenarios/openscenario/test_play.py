"""What a storyboard has its road users do, in numbers, on a straight road along x whose lanes are 3.5 m wide."""

import math

import numpy as np
import pytest
from scenario_files import (
    AHEAD,
    DATA,
    EGO_Y,
    SPEED,
    YAW,
    Play,
    X,
    Y,
    at,
    at_time,
    event,
    place_other,
    private,
    speed,
    teleport,
)


def test_a_cut_in_cuts_in_and_brakes(monkeypatch):
    rows = Play(DATA / "passing_cut_in.xosc", monkeypatch).run(8.0)
    ego_x = 500.0
    # at the start 5 m ahead of the ego's reference point, by its own, 1.4 m behind the middle of its box
    assert at(rows, 0.0) == pytest.approx([ego_x + 5 + 1.4, EGO_Y - 3.5, 0.0, 15.0], abs=1e-6)
    assert at(rows, -0.7)[X] == pytest.approx(ego_x + 6.4 - 0.7 * 15)
    # ahead by more than 10.6 m, from reference point to reference point, 1.2 s later; in the ego's lane 2 s after
    # that, and at 8 m/s in the end
    y = np.array([at(rows, t / 10)[Y] for t in range(70)])
    assert y[11] == pytest.approx(EGO_Y - 3.5)
    assert y[22] == pytest.approx(EGO_Y - 1.75, abs=0.4)
    assert np.abs(y[33:] - EGO_Y).max() < 1e-6
    assert at(rows, 2.2)[YAW] == pytest.approx(math.atan2(3.5 * math.pi / 4, 15.0), abs=0.02)
    speeds = np.array([at(rows, t / 10)[SPEED] for t in range(70)])
    assert speeds[35] == 15.0
    assert speeds.min() == pytest.approx(8.0)
    assert np.diff(speeds).min() == pytest.approx(-0.25)


def test_the_play_ends_with_its_stop_trigger(monkeypatch):
    play = Play(DATA / "passing_cut_in.xosc", monkeypatch)
    play.run(7.7)
    assert not play.scene.is_over
    play.run(0.3)
    assert play.scene.is_over


def test_who_is_added_is_there_and_who_is_deleted_is_not(play):
    add = f'<GlobalAction><EntityAction entityRef="other"><AddEntityAction><Position>{AHEAD.format(20, 0)}</Position>'
    add += "</AddEntityAction></EntityAction></GlobalAction>"
    delete = '<GlobalAction><EntityAction entityRef="other"><DeleteEntityAction/></EntityAction></GlobalAction>'
    rows = play(event("e", add, at_time(1.0)), event("f", delete, at_time(2.0)), init="").run(4.0)
    assert at(rows, 1.0)[X] > 5000
    assert at(rows, 1.2)[:2] == pytest.approx([530, EGO_Y])
    assert at(rows, 2.2)[X] > 5000


ROUTE = (
    "<RoutingAction><AcquirePositionAction><Position>"
    '<LanePosition roadId="1" laneId="-1" s="900"/></Position></AcquirePositionAction></RoutingAction>'
)


STRAIGHT_ON = '<ActivateControllerAction lateral="true" longitudinal="true"/>'


@pytest.mark.parametrize("action", [ROUTE, STRAIGHT_ON, teleport(AHEAD.format(40, 0)), speed(3.0)])
def test_nothing_is_done_to_who_is_deleted_but_to_add_it_again(play, action):
    delete = '<GlobalAction><EntityAction entityRef="other"><DeleteEntityAction/></EntityAction></GlobalAction>'
    add = delete.replace(
        "<DeleteEntityAction/>", f"<AddEntityAction><Position>{AHEAD.format(20, 0)}</Position></AddEntityAction>"
    )
    events = event("d", delete, at_time(1.0)), event("a", private(action), at_time(2.0)), event("b", add, at_time(3.0))
    rows = play(*events).run(4.0)
    assert at(rows, 2.9)[X] > 5000
    assert at(rows, 3.1)[:2] == pytest.approx([550, EGO_Y])


def test_the_look_changes_with_the_weather(play):
    weather = (
        '<GlobalAction><EnvironmentAction><Environment name="e">'
        '<TimeOfDay animation="false" dateTime="2024-01-01T{}:00:00"/>'
        '<Weather cloudState="free"><Sun intensity="1" azimuth="0" elevation="1"/><Fog visualRange="{}"/>'
        '<Precipitation precipitationType="{}" intensity="{}"/></Weather></Environment></EnvironmentAction>'
        "</GlobalAction>"
    )
    play = play(
        event("e", weather.format("12", 1e5, "rain", 0.9), at_time(1.0)),
        event("f", weather.format("12", 80, "dry", 0), at_time(2.0)),
        event("g", weather.format("22", 1e5, "dry", 0), at_time(3.0)),
        init=weather.format("12", 1e5, "dry", 0) + place_other(AHEAD.format(30, 0)),
    )
    assert play.program.first_look == "noon"
    play.run(5.0)
    assert play.looks == [(1.1, "rain"), (2.1, "fog"), (3.1, "dusk")]


def test_a_pedestrian_goes_straight_and_a_car_follows_its_lane_against_or_with_it(play):
    others = (
        '<ScenarioObject name="other"><Pedestrian name="p" pedestrianCategory="pedestrian" mass="70"/></ScenarioObject>'
        '<ScenarioObject name="wrong"><Vehicle name="v" vehicleCategory="truck"/></ScenarioObject>'
    )
    init = place_other('<WorldPosition x="540" y="-9" h="1.5707963"/>', 1.4)
    init += place_other(
        '<LanePosition roadId="1" laneId="-1" s="600"><Orientation type="relative" h="3.14159265"/></LanePosition>',
        8.0,
        "wrong",
    )
    rows = play(init=init, others=others).run(3.7)
    assert at(rows, 3.0)[:2] == pytest.approx([540, -9 + 4.2], abs=1e-5)
    assert at(rows, 3.0, "wrong")[:2] == pytest.approx([600 - 24, EGO_Y], abs=1e-6)


def test_an_autopilot_stops_behind_who_stands(play):
    drive = '<ControllerAction><ActivateControllerAction longitudinal="true"/></ControllerAction>'
    others = "".join(
        f'<ScenarioObject name="{name}"><Vehicle name="v" vehicleCategory="car"/></ScenarioObject>'
        for name in ("other", "parked")
    )
    init = place_other(AHEAD.format(30, 0), 10.0) + place_other(AHEAD.format(120, 0), 0.0, "parked")
    rows = play(event("e", private(drive), at_time(0.0)), init=init, others=others).run(25.0)
    assert max(row["other"][SPEED] for row in rows) > 12.0
    assert rows[-1]["other"][SPEED] < 0.1
    assert 0.5 < rows[-1]["parked"][X] - rows[-1]["other"][X] - 4.6 < 6.0


def test_the_ego_is_left_to_the_policy(play):
    play = play(event("e", private(teleport(AHEAD.format(90, 0))), at_time(0.0)), actors=("ego",))
    play.run(2.0)
    assert play.memory.states["ego"].x == pytest.approx(500 + 12, abs=1.1)
