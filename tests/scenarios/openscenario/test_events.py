"""Which events run, how often and how long, on a straight road along x."""

import pytest
from scenario_files import EGO_Y, SPEED, Y, at, at_time, condition, event, lateral, private, speed

from scenarios.openscenario.source import ScenarioFileError


def test_an_action_that_sets_what_is_not_declared_is_named(play):
    action = '<GlobalAction><ParameterAction parameterRef="m"><SetAction value="1"/></ParameterAction></GlobalAction>'
    with pytest.raises(ScenarioFileError, match=r"<ParameterAction>: parameterRef 'm' is not declared"):
        play(event("e", action, at_time(0.0)))


def test_a_step_of_carlas_scenario_runner_lasts_for_its_value(play):
    hold = '<SpeedActionDynamics dynamicsShape="step" dynamicsDimension="distance" value="9"/>'
    after = condition(
        '<ByValueCondition><StoryboardElementStateCondition storyboardElementType="action" '
        'storyboardElementRef="e action" state="completeState"/></ByValueCondition>'
    )
    events = event("e", private(speed(9.0, hold)), at_time(1.0)), event("f", private(speed(0.0)), after)
    # after 1 s at 9 m/s, the condition is looked at in the next step
    assert at(play(*events, header="CARLA:x").run(4.0), 1.9)[SPEED] == 9.0
    assert at(play(*events, header="CARLA:x").run(4.0), 2.2)[SPEED] == 0.0
    assert at(play(*events).run(4.0), 1.3)[SPEED] == 0.0


def test_an_act_of_carlas_scenario_runner_lasts_to_its_stop_trigger(play):
    late = f"<StopTrigger><ConditionGroup>{at_time(3.0)}</ConditionGroup></StopTrigger>"
    for header, act_stop, over in (("CARLA:x", "", True), ("CARLA:x", late, False), ("x", "", False)):
        play_ = play(event("e", private(speed(9.0)), at_time(1.0)), header=header, act_stop=act_stop)
        play_.run(2.7)
        assert play_.scene.is_over == over
        play_.run(2.0)
        assert play_.scene.is_over == header.startswith("CARLA:")


def test_priorities(play):
    slow = '<SpeedActionDynamics dynamicsShape="linear" dynamicsDimension="time" value="10"/>'
    first = event("first", private(speed(15.0, slow)), at_time(0.0))
    change = (
        '<LaneOffsetAction continuous="true"><LaneOffsetActionDynamics dynamicsShape="cubic" maxLateralAcc="1"/>'
        '<LaneOffsetTarget><AbsoluteTargetLaneOffset value="0.5"/></LaneOffsetTarget></LaneOffsetAction>'
    )

    def states(priority):
        play_ = play(first, event("second", private(lateral(change)), at_time(1.0), priority=priority))
        rows = play_.run(4.0)
        return at(rows, 3.0), {key: each.state for key, each in play_.memory.progress.items()}

    row, state = states("parallel")
    assert (row[SPEED], row[Y]) == pytest.approx((8.0, EGO_Y + 0.5))
    assert state["0/0/0/0/0"] == "running"
    row, state = states("override")
    assert (row[SPEED], row[Y]) == pytest.approx((6.0, EGO_Y + 0.5))
    assert state["0/0/0/0/0"] == "complete"
    row, state = states("skip")
    assert (row[SPEED], row[Y]) == pytest.approx((8.0, EGO_Y))
    assert state["0/0/0/0/1"] == "complete"


def test_an_event_runs_as_often_as_it_may(play):
    add = '<ModifyAction><Rule><AddValue value="1"/></Rule></ModifyAction>'
    add = f'<GlobalAction><ParameterAction parameterRef="n">{add}</ParameterAction></GlobalAction>'
    declared = '<ParameterDeclaration name="n" parameterType="double" value="0"/>'
    enough = condition(
        '<ByValueCondition><ParameterCondition parameterRef="n" rule="greaterThan" value="2"/></ByValueCondition>'
    )
    play = play(event("e", add, at_time(0.0), count=3), event("f", private(speed(1.0)), enough), parameters=declared)
    rows = play.run(3.0)
    assert float(play.memory.parameters["n"]) == 3.0
    assert at(rows, 2.0)[SPEED] == 1.0
