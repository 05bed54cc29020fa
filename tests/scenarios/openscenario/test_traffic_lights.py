"""Traffic lights that switch together show one colour, whichever of them a file sets."""

import pytest
from scenario_files import Play, at_time, condition, event, file_text, place_other, private, speed, write
from small_maps import through_junction

from worldsim.datatypes.signals import SignalKind

LIGHT = '<signal s="195" t="{t}" id="{id}" dynamic="yes" orientation="+" type="1000001" zOffset="3" height="0.9"/>'
TOWN = through_junction(signals=LIGHT.format(t=-4, id="a") + LIGHT.format(t=1, id="b"))


def light(name: str, state: str) -> str:
    return (
        "<GlobalAction><InfrastructureAction><TrafficSignalAction>"
        f'<TrafficSignalStateAction name="{name}" state="{state}"/>'
        "</TrafficSignalAction></InfrastructureAction></GlobalAction>"
    )


@pytest.fixture
def play(tmp_path, monkeypatch):
    def begin(*events, init=""):
        place = '<LanePosition roadId="in" laneId="-1" s="{}"/>'
        everyone = place_other(place.format(50), 10.0, "ego") + place_other(place.format(90), 5.0)
        return Play(write(tmp_path, file_text(*events, init=init + everyone)), monkeypatch, town=TOWN)

    return begin


def test_lights_that_switch_together_are_set_together_and_asked_together(play):
    shows = '<ByValueCondition><TrafficSignalCondition name="b" state="{}"/></ByValueCondition>'
    found = play(
        event("e", light("a", "green"), at_time(1.0)),
        event("f", private(speed(9.0)), condition(shows.format("off;off;on"))),
        init=light("b", "red"),
    )
    assert found.program.notes == ()
    assert dict(found.scene.lights) == dict.fromkeys(range(2), SignalKind.RED)
    rows = found.run(2.5)
    assert dict(found.scene.lights) == dict.fromkeys(range(2), SignalKind.GREEN)
    assert found.memory.lights == {"a": "green", "b": "green"}
    assert rows[-1]["other"][3] == 9.0


def test_lights_that_switch_together_and_are_set_apart_are_named(play):
    (note,) = play(init=light("a", "red") + light("b", "green")).program.notes
    assert "<TrafficSignalStateAction>: light 'b' switches together with 'a', which is set to 'red'" in note
    assert play(init=light("a", "red") + light("b", "red")).program.notes == ()
