"""What actions do to a road user, in numbers, on a straight road along x whose lanes are 3.5 m wide."""

import math

import numpy as np
import pytest
from scenario_files import EGO_Y, OFF_CENTRE, SPEED, YAW, X, Y, at, at_time, event, lateral, place_other, private, speed


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


def test_a_distance_is_kept(play):
    keep = (
        '<LongitudinalAction><LongitudinalDistanceAction entityRef="ego" distance="15" freespace="false" '
        'continuous="true"/></LongitudinalAction>'
    )
    rows = play(event("e", private(keep), at_time(0.0))).run(15.0)
    assert at(rows, 14.0)[X] - (500 + 140) == pytest.approx(15, abs=0.5)
    assert at(rows, 14.0)[SPEED] == pytest.approx(10, abs=0.2)


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
