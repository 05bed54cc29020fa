"""When conditions hold, on a straight road along x."""

import pytest
from scenario_files import OFF_CENTRE, SPEED, at, condition, event, of_entity, private, speed

from scenarios.openscenario.source import ScenarioFileError

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
