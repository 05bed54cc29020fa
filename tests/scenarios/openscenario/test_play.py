"""What a storyboard has its road users do, in numbers, on a straight road along x whose lanes are 3.5 m wide."""

import math

import numpy as np
import pytest
from scenario_files import (
    DATA,
    Play,
    at_time,
    condition,
    event,
    file_text,
    lateral,
    of_entity,
    place_other,
    private,
    speed,
    teleport,
    write,
)

from scenarios.openscenario.source import ScenarioFileError

X, Y, YAW, SPEED = range(4)
AHEAD = '<RelativeObjectPosition entityRef="ego" dx="{}" dy="{}"/>'
EGO_Y = -1.75


@pytest.fixture
def play(tmp_path, monkeypatch):
    def begin(*events, ego_speed=10.0, **parts):
        parts.setdefault("init", place_other(AHEAD.format(30, 0), 5.0))
        return Play(write(tmp_path, file_text(*events, **parts)), monkeypatch, ego_speed)

    return begin


def at(rows, time, name="other"):
    return rows[round((time + 0.7) * 10)][name]


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


@pytest.mark.parametrize(
    ("dynamics", "halfway", "until"),
    [
        ('dynamicsShape="linear" dynamicsDimension="time" value="2"', 7.5, 2.0),
        ('dynamicsShape="cubic" dynamicsDimension="time" value="2"', 7.5, 2.0),
        ('dynamicsShape="sinusoidal" dynamicsDimension="rate" value="3.9269908"', 7.5, 2.0),
        ('dynamicsShape="linear" dynamicsDimension="distance" value="15"', 7.5, 2.0),
        ('dynamicsShape="step" dynamicsDimension="time" value="2"', 10.0, 0.1),
    ],
)
def test_transitions_of_the_speed(play, dynamics, halfway, until):
    change = event("e", private(speed(10.0, f"<SpeedActionDynamics {dynamics}/>")), at_time(1.0))
    rows = play(change).run(4.0)
    assert at(rows, 1.0)[SPEED] == 5.0
    assert at(rows, 1.0 + until / 2 if until > 1 else 1.1)[SPEED] == pytest.approx(halfway, abs=1e-3)
    assert at(rows, 1.0 + until)[SPEED] == pytest.approx(10.0)
    assert at(rows, 2.9)[X] - at(rows, 2.8)[X] <= 1.0 + 1e-9


def test_lateral_actions(play):
    offset = (
        '<LaneOffsetAction continuous="false"><LaneOffsetActionDynamics dynamicsShape="cubic" maxLateralAcc="1.5"/>'
        '<LaneOffsetTarget><AbsoluteTargetLaneOffset value="0.5"/></LaneOffsetTarget></LaneOffsetAction>'
    )
    change = (
        '<LaneChangeAction targetLaneOffset="-0.25">'
        '<LaneChangeActionDynamics dynamicsShape="linear" dynamicsDimension="distance" value="10"/>'
        '<LaneChangeTarget><AbsoluteTargetLane value="-2"/></LaneChangeTarget></LaneChangeAction>'
    )
    rows = play(event("e", private(lateral(offset)), at_time(0)), event("f", private(lateral(change)), at_time(3))).run(
        7
    )
    y = np.array([at(rows, t / 10)[Y] for t in range(60)])
    assert y[15] == pytest.approx(EGO_Y + 0.5)  # sqrt(6 * 0.5 / 1.5) s
    assert np.abs(np.diff(y[:15], 2)).max() / 0.01 == pytest.approx(1.5, rel=0.15)
    assert y[40] == pytest.approx((EGO_Y + 0.5 + EGO_Y - 3.75) / 2, abs=0.25)  # 5 m/s for 10 m
    assert y[51] == pytest.approx(EGO_Y - 3.75)


def test_a_lane_change_to_the_left_goes_left_in_both_dialects(play):
    change = (
        '<LaneChangeAction><LaneChangeActionDynamics dynamicsShape="linear" dynamicsDimension="time" value="1"/>'
        '<LaneChangeTarget><RelativeTargetLane entityRef="other" value="{}"/></LaneChangeTarget></LaneChangeAction>'
    )
    start = place_other('<RelativeLanePosition entityRef="ego" dLane="{}" ds="20"/>', 5.0)
    for header, left in (("test", 1), ("CARLA:test", -1)):
        rows = play(
            event("e", private(lateral(change.format(left))), at_time(0.05)), init=start.format(-left), header=header
        ).run(3.0)
        assert at(rows, 0.0)[Y] == pytest.approx(EGO_Y - 3.5)
        assert at(rows, 2.0)[Y] == pytest.approx(EGO_Y)


@pytest.mark.parametrize(
    ("position", "pose"),
    [
        ('<WorldPosition x="520" y="-5" h="0.1"/>', (520, -5, 0.1)),
        ('<RelativeWorldPosition entityRef="ego" dx="20" dy="-3"/>', (520, EGO_Y - 3, 0)),
        ('<RelativeObjectPosition entityRef="ego" dx="20" dy="3"><Orientation type="relative" h="3.14159265"/>'
         "</RelativeObjectPosition>", (520, EGO_Y + 3, math.pi)),
        ('<LanePosition roadId="1" laneId="-2" s="530" offset="0.5"/>', (530, -4.75, 0)),
        ('<LanePosition roadId="1" laneId="1" s="530"/>', (530, 1.75, math.pi)),
        ('<RelativeLanePosition entityRef="ego" dLane="-1" ds="-25" offset="0.5"/>', (475, -4.75, 0)),
        ('<RoadPosition roadId="1" s="530" t="-5"/>', (530, -5, 0)),
        ('<RelativeRoadPosition entityRef="ego" ds="40" dt="-1"/>', (540, EGO_Y - 1, 0)),
        ('<RoutePosition><RouteRef><Route name="r" closed="false">'
         '<Waypoint routeStrategy="fastest"><Position><WorldPosition x="520" y="-1.75"/></Position></Waypoint>'
         '<Waypoint routeStrategy="fastest"><Position><WorldPosition x="700" y="-1.75"/></Position></Waypoint>'
         '</Route></RouteRef><InRoutePosition><FromLaneCoordinates pathS="30" laneId="-1" laneOffset="0.5"/>'
         "</InRoutePosition></RoutePosition>", (550, EGO_Y + 0.5, 0)),
    ],
)  # fmt: skip
def test_positions(play, position, pose):
    x, y, yaw, _ = at(play(init=place_other(position)).run(1.0), 0.0)
    assert (x, y) == pytest.approx(pose[:2], abs=1e-3)
    assert math.remainder(yaw - pose[2], 2 * math.pi) == pytest.approx(0, abs=1e-6)


RELATIVE = (
    '<RelativeDistanceCondition entityRef="other" relativeDistanceType="{}" freespace="{}" rule="lessThan" value="{}"/>'
)


@pytest.mark.parametrize(
    ("check", "entity", "when"),  # the ego closes in at 5 m/s from 30 m, both are 4.6 m long
    [
        (RELATIVE.format("euclidianDistance", "false", 20), "ego", 2.1),
        (RELATIVE.format("longitudinal", "true", 20.4), "ego", 1.1),
        ('<DistanceCondition value="20" freespace="false" rule="lessThan"><Position><WorldPosition x="530" y="-1.75"/>'
         "</Position></DistanceCondition>", "ego", 1.1),
        ('<TimeHeadwayCondition entityRef="other" value="2" freespace="false" rule="lessThan"/>', "ego", 2.1),
        ('<TimeToCollisionCondition value="3.02" freespace="true" rule="lessThan"><TimeToCollisionConditionTarget>'
         '<EntityRef entityRef="other"/></TimeToCollisionConditionTarget></TimeToCollisionCondition>', "ego", 2.1),
        ('<ReachPositionCondition tolerance="1.05"><Position><WorldPosition x="520" y="-1.75"/></Position>'
         "</ReachPositionCondition>", "ego", 1.9),
        ('<TraveledDistanceCondition value="15"/>', "ego", 1.5),
        ('<SpeedCondition rule="greaterThan" value="9"/>', "ego", 0.0),
        ('<RelativeSpeedCondition entityRef="ego" rule="lessThan" value="-4"/>', "other", 0.0),
        ('<CollisionCondition><EntityRef entityRef="other"/></CollisionCondition>', "ego", 5.1),
        ('<EndOfRoadCondition duration="0"/>', "ego", None),
        ('<OffroadCondition duration="0.5"/>', "ego", None),
        ('<StandStillCondition duration="0.3"/>', "ego", None),
        ('<AccelerationCondition rule="lessThan" value="-1"/>', "other", None),
    ],
)  # fmt: skip
def test_conditions_of_entities(play, check, entity, when):
    size = "<BoundingBox><Center x='0' y='0' z='0'/><Dimensions width='1.9' length='4.6' height='1'/></BoundingBox>"
    others = f'<ScenarioObject name="other"><Vehicle name="v" vehicleCategory="car">{size}</Vehicle></ScenarioObject>'
    play = play(event("e", private(speed(0.0)), condition(of_entity(entity, check))), others=others)
    begun = None
    play.run(0.7)
    for k in range(60):
        play.run(0.1)
        if play.memory.progress["0/0/0/0/0"].state != "standby" if "0/0/0/0/0" in play.memory.progress else False:
            begun = round(0.1 * k, 1)
            break
    assert begun == when


OFF_CENTRE = (
    '<ScenarioObject name="other"><Vehicle name="v" vehicleCategory="car"><BoundingBox><Center x="1.4" y="0" z="0"/>'
    '<Dimensions width="1.9" length="4.6" height="1"/></BoundingBox></Vehicle></ScenarioObject>'
)
"""A car whose positions are those of its rear axle."""


@pytest.mark.parametrize(
    ("system", "freespace", "value"),  # the other's axle is 30 m ahead of the ego's middle at first, 29.5 m 0.1 s later
    [("entity", "false", 29.8), ("lane", "false", 29.8), ("entity", "true", 26.5), ("lane", "true", 26.5)],
)
def test_distances_are_of_reference_points_or_of_boxes(play, system, freespace, value):
    check = (
        f'<RelativeDistanceCondition entityRef="ego" relativeDistanceType="longitudinal" coordinateSystem="{system}" '
        f'freespace="{freespace}" rule="lessThan" value="{value}"/>'
    )
    rows = play(event("e", private(speed(0.0)), condition(of_entity("other", check))), others=OFF_CENTRE).run(2.0)
    assert [at(rows, t)[SPEED] for t in (0.1, 0.2)] == [5.0, 0.0]


def test_a_distance_is_kept_from_reference_point_to_reference_point(play):
    keep = (
        '<LongitudinalAction><LongitudinalDistanceAction entityRef="ego" distance="15" freespace="false" '
        'continuous="true"/></LongitudinalAction>'
    )
    rows = play(event("e", private(keep), at_time(0.0)), others=OFF_CENTRE).run(15.0)
    assert at(rows, 14.0)[X] - (500 + 140) == pytest.approx(15 + 1.4, abs=0.3)


@pytest.mark.parametrize(
    ("displacement", "left"), [("any", -3.0), ("rightToReferencedEntity", -3.0), ("leftToReferencedEntity", 3.0)]
)
def test_a_lateral_distance_is_kept_on_the_side_that_is_asked_for(play, displacement, left):
    keep = (
        f'<LateralDistanceAction entityRef="ego" distance="3" freespace="false" continuous="true" '
        f'displacement="{displacement}"/>'
    )
    start = place_other('<RelativeLanePosition entityRef="ego" dLane="-1" ds="20"/>', 10.0)
    rows = play(event("e", private(lateral(keep)), at_time(0.0)), init=start).run(10.0)
    assert at(rows, 9.0)[Y] == pytest.approx(EGO_Y + left, abs=1e-3)


def test_texts_are_but_equal_or_not(play):
    declared = '<ParameterDeclaration name="n" parameterType="string" value="a"/>'

    def begins(rule, value):
        inside = (
            f'<ByValueCondition><ParameterCondition parameterRef="n" rule="{rule}" value="{value}"/></ByValueCondition>'
        )
        rows = play(event("e", private(speed(9.0)), condition(inside)), parameters=declared).run(1.0)
        return at(rows, 0.2)[SPEED] == 9.0

    assert begins("equalTo", "a")
    assert begins("notEqualTo", "b")
    with pytest.raises(ScenarioFileError, match="value must be a number, got 'b'"):
        begins("lessThan", "b")


@pytest.mark.parametrize(
    ("inside", "why"),
    [
        ('<ParameterCondition parameterRef="speed" rule="equalTo" value="1"/>', "'speed' is not declared .* n"),
        ('<VariableCondition variableRef="v" rule="equalTo" value="1"/>', "'v' is not declared"),
        (
            '<StoryboardElementStateCondition storyboardElementType="event" storyboardElementRef="f" '
            'state="completeState"/>',
            "no event named 'f'; there are e",
        ),
    ],
)
def test_a_condition_on_what_there_is_not_is_named(play, inside, why):
    declared = '<ParameterDeclaration name="n" parameterType="string" value="a"/>'
    with pytest.raises(ScenarioFileError, match=rf"case.xosc:\d+: <\w+Condition>: .*{why}"):
        play(event("e", private(speed(9.0)), condition(f"<ByValueCondition>{inside}</ByValueCondition>")),
             parameters=declared)  # fmt: skip


def test_an_action_that_sets_what_is_not_declared_is_named(play):
    action = '<GlobalAction><ParameterAction parameterRef="m"><SetAction value="1"/></ParameterAction></GlobalAction>'
    with pytest.raises(ScenarioFileError, match=r"<ParameterAction>: parameterRef 'm' is not declared"):
        play(event("e", action, at_time(0.0)))


def test_edges_and_delays(play):
    def begins(edge, delay=0.0, value=1.0, rule="greaterOrEqual"):
        inside = f'<ByValueCondition><SimulationTimeCondition value="{value}" rule="{rule}"/></ByValueCondition>'
        rows = play(event("e", private(speed(9.0)), condition(inside, edge=edge, delay=delay))).run(4.0)
        faster = [k for k, row in enumerate(rows) if row["other"][SPEED] == 9.0]
        return round(faster[0] / 10 - 0.8, 1) if faster else None

    assert begins("none") == 1.0
    assert begins("rising") == 1.0
    assert begins("rising", delay=0.5) == 1.5
    assert begins("falling", rule="lessThan") == 1.0
    assert begins("rising", value=0.0) is None, "an edge needs a look before"
    assert begins("risingOrFalling", rule="lessThan") == 1.0


def test_conditions_of_carlas_scenario_runner_last(play):
    both = (
        condition(
            '<ByValueCondition><SimulationTimeCondition value="0" rule="equalTo"/></ByValueCondition>', edge="rising"
        ),
        condition(of_entity("ego", '<TraveledDistanceCondition value="10"/>'), edge="rising"),
    )
    assert at(play(event("e", private(speed(9.0)), *both)).run(3.0), 2.0)[SPEED] == 5.0
    assert at(play(event("e", private(speed(9.0)), *both), header="CARLA:x").run(3.0), 2.0)[SPEED] == 9.0


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


def polyline(*vertices, timing="<None/>"):
    inside = "".join(
        f'<Vertex time="{t}"><Position><WorldPosition x="{x}" y="{y}"/></Position></Vertex>' for t, x, y in vertices
    )
    return trajectory(f"<Polyline>{inside}</Polyline>", timing)


def trajectory(shape, timing="<None/>"):
    return (
        f'<RoutingAction><FollowTrajectoryAction><TrajectoryFollowingMode followingMode="position"/>'
        f"<TimeReference>{timing}</TimeReference>"
        f'<Trajectory name="t" closed="false"><Shape>{shape}</Shape></Trajectory>'
        "</FollowTrajectoryAction></RoutingAction>"
    )


def test_a_timed_trajectory_is_where_it_says_and_the_lane_goes_on_after_it(play):
    timing = '<Timing domainAbsoluteRelative="relative" scale="1" offset="0"/>'
    way = polyline((0, 530, EGO_Y), (1, 536, EGO_Y), (2, 542, EGO_Y - 3.5), timing=timing)
    rows = play(event("e", private(way), at_time(1.0))).run(6.0)
    assert at(rows, 1.5)[:2] == pytest.approx([533, EGO_Y])
    assert at(rows, 2.5)[:2] == pytest.approx([539, EGO_Y - 1.75])
    assert at(rows, 2.5)[YAW] == pytest.approx(math.atan2(-3.5, 6), abs=0.3)
    assert at(rows, 4.0)[Y] == pytest.approx(EGO_Y - 3.5, abs=1e-6)


def test_clothoids_and_nurbs_are_followed_at_the_speed_of_the_entity(play):
    arc = '<Clothoid curvature="0.05" curvaturePrime="0" length="31.4"><Position><WorldPosition x="530" y="-1.75"/>'
    rows = play(event("e", private(trajectory(arc + "</Position></Clothoid>")), at_time(0.0))).run(8.0)
    assert at(rows, 6.2)[:2] == pytest.approx([550, 18.25], abs=0.6)  # a quarter of a circle of radius 20 m
    assert at(rows, 3.0)[SPEED] == 5.0
    controls = "".join(
        f'<ControlPoint weight="{w}"><Position><WorldPosition x="{530 + x}" y="{EGO_Y + y}"/></Position></ControlPoint>'
        for x, y, w in ((0, 0, 1), (20, 0, math.sqrt(0.5)), (20, 20, 1))
    )
    knots = "".join(f'<Knot value="{k}"/>' for k in (0, 0, 0, 1, 1, 1))
    nurbs = trajectory(f'<Nurbs order="3">{controls}{knots}</Nurbs>')
    rows = play(event("e", private(nurbs), at_time(0.0))).run(8.0)
    away = [np.hypot(at(rows, t)[X] - 530, at(rows, t)[Y] - 18.25) for t in (1.0, 3.0, 5.0)]
    assert away == pytest.approx([20, 20, 20], abs=0.05)


def test_two_meet_when_they_are_synchronised(play):
    meet = (
        '<SynchronizeAction masterEntityRef="ego"><TargetPositionMaster><WorldPosition x="580" y="-1.75"/>'
        '</TargetPositionMaster><TargetPosition><WorldPosition x="600" y="-5.25"/></TargetPosition>'
        '<FinalSpeed><AbsoluteSpeed value="6"/></FinalSpeed></SynchronizeAction>'
    )
    start = place_other('<WorldPosition x="530" y="-5.25"/>', 5.0)
    rows = play(event("e", private(meet), at_time(0.0)), init=start).run(10.0)
    assert at(rows, 8.0)[X] == pytest.approx(600, abs=1.0)
    assert at(rows, 9.0)[SPEED] == pytest.approx(6.0, abs=0.5)


def test_a_distance_is_kept(play):
    keep = (
        '<LongitudinalAction><LongitudinalDistanceAction entityRef="ego" distance="15" freespace="false" '
        'continuous="true"/></LongitudinalAction>'
    )
    rows = play(event("e", private(keep), at_time(0.0))).run(15.0)
    assert at(rows, 14.0)[X] - (500 + 140) == pytest.approx(15, abs=0.5)
    assert at(rows, 14.0)[SPEED] == pytest.approx(10, abs=0.2)


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
