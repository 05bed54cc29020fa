"""What the page says is read as what is held and asked for, or refused by name."""

import json

import pytest

from envs.viewer.browser.page_messages import Click, read_message
from envs.viewer.held import Held


def held(**values):
    return read_message(json.dumps({"kind": "held", "keys": [], "pointer": None, "pads": [], **values})).value


def test_keys_pointer_and_pads_are_held_as_in_the_window():
    assert held() == Held()
    assert held(keys=["left", "full_brake"]) == Held(left=True, full_brake=True)
    assert held(pointer={"on": "picture", "x": 0.25, "y": 0.5}) == Held(steer=0.5, pedal=0.0)
    assert held(pointer={"on": "picture", "x": 7, "y": -3}) == Held(steer=-1.0, pedal=1.0)
    assert held(pointer={"on": "bar", "x": 0.25, "y": 0.0}) == Held(steer=0.5)
    pad = {"stick": 1, "throttle": 0, "brake": 1, "full_brake": True}
    assert held(pads=[pad]) == Held(steer=-1.0, pedal=-1.0, full_brake=True)
    assert held(pads=[{**pad, "stick": 0.05}], pointer={"on": "bar", "x": 0.0, "y": 0}).steer == 1


def test_the_other_messages_carry_their_value():
    assert read_message('{"kind": "command", "name": "pause"}') == ("command", "pause")
    assert read_message('{"kind": "click", "view": 1, "x": 0.5, "y": 1}') == ("click", Click(1, 0.5, 1.0))
    assert read_message('{"kind": "drawn", "number": 3}') == ("drawn", 3)
    assert read_message('{"kind": "hidden"}') == ("hidden", None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "no JSON: '{'"),
        ("[" * 4000, "no JSON"),
        ("[]", r"right would be a kind of held"),
        ('{"kind": "fly"}', "fly.*right would be a kind of held"),
        ('{"kind": "held", "keys": ["up"], "pointer": null, "pads": []}', "held key 'up'; right would be left"),
        ('{"kind": "held", "keys": "up", "pointer": null, "pads": []}', "keys 'up'; right would be a list"),
        ('{"kind": "held", "keys": [], "pointer": null, "pads": [1]}', "stick None"),
        ('{"kind": "held", "keys": [], "pointer": {"x": NaN, "y": 0}, "pads": []}', "x nan; right would be a finite"),
        (
            '{"kind": "held", "keys": [], "pointer": null, "pads": [{"stick": 2}]}',
            r"stick 2; right would be in",
        ),
        ('{"kind": "click", "view": 0, "x": ' + "9" * 400 + ', "y": 0}', "x 9{40}; right would be a finite"),
        ('{"kind": "click", "view": -1, "x": 0, "y": 0}', "view -1; right would be a whole number"),
        ('{"kind": "click", "view": 0, "x": 1.5, "y": 0}', r"x 1.5; right would be in \[0, 1\]"),
        ('{"kind": "drawn", "number": true}', "number True"),
        ('{"kind": "world", "name": 3}', "name 3; right would be text"),
        (b"\x00", "1 bytes; right would be JSON"),
    ],
)
def test_anything_else_is_refused_by_name(text, message):
    with pytest.raises(ValueError, match=message):
        read_message(text)
