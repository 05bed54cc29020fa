"""Edits as values: what they refuse, and their way through JSON."""

import json

import pytest

from drivedit import edit
from worldsim.editing.edits import FORMAT, THINGS, read_edits

EDITS = (
    edit.Put(thing="truck", place=edit.AlongRoute(ahead=25.0, left=-3.0), size=(7.0, 2.3, 3.0)),
    edit.Put(thing="building", place=edit.OnMap(x=1.5, y=-20.0, yaw=0.5), color=(200, 10, 0), seed=9),
    edit.Remove(place=edit.AlongRoute(ahead=10, left=6, turn=0.0)),
    edit.Repaint(place=edit.OnMap(x=0, y=9), color=(1, 2, 3)),
    edit.Look(name="fog"),
)


def test_edits_come_back_from_json_as_they_were():
    text = edit.to_json(EDITS)
    assert edit.from_json(text) == EDITS
    assert json.loads(text)["format"] == FORMAT
    assert read_edits(text) == EDITS == read_edits(list(EDITS))
    assert read_edits(EDITS[0]) == EDITS[:1]


@pytest.mark.parametrize("thing", list(THINGS))
def test_every_thing_can_be_put(thing):
    assert edit.from_json(edit.to_json([edit.Put(thing=thing, place=edit.OnMap(x=0, y=0))]))[0].thing == thing


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: edit.Put(thing="tower", place=edit.OnMap(x=0, y=0)), "no thing named 'tower'; right would be one of"),
        (lambda: edit.Put(thing="car", place=(1, 2)), r"car: place must be OnMap\(x=, y=\) or AlongRoute"),
        (
            lambda: edit.Put(thing="car", place=edit.OnMap(x=3, y=4), size=(0, 1, 1)),
            "car at x = 3, y = 4: size must be",
        ),
        (lambda: edit.Put(thing="car", place=edit.OnMap(x=3, y=4), size=(1, 1)), "size must be length, width"),
        (lambda: edit.Put(thing="car", place=edit.OnMap(x=3, y=4), color=(0, 0, 256)), "color must be red, green"),
        (lambda: edit.Put(thing="car", place=edit.OnMap(x=3, y=4), seed=-1), "seed must be in"),
        (lambda: edit.OnMap(x=float("nan"), y=0), "OnMap.x must be a finite number, got nan"),
        (lambda: edit.AlongRoute(ahead="10"), "AlongRoute.ahead must be a finite number, got '10'"),
        (lambda: edit.Repaint(place=edit.OnMap(x=0, y=9), color="red"), "color must be red, green and blue"),
        (lambda: edit.Look(name="night"), "no look named 'night'; right would be noon, evening"),
    ],
)
def test_what_cannot_be_is_refused_with_its_name_and_place(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "must be JSON of the format"),
        ("[]", "got format 'list'"),
        ('{"format": "drivedit edits 2", "edits": []}', "got format 'drivedit edits 2'"),
        (f'{{"format": "{FORMAT}", "edits": [{{"edit": "move"}}]}}', "edit 0: must say what it is"),
        (f'{{"format": "{FORMAT}", "edits": [{{"edit": "look", "name": "hail"}}]}}', "edit 0, look: there is no look"),
        (f'{{"format": "{FORMAT}", "edits": [{{"edit": "remove", "place": {{"x": 1, "left": 2}}}}]}}', "a place has x"),
        (f'{{"format": "{FORMAT}", "edits": [{{"edit": "look", "name": "fog", "of": 1}}]}}', "edit 0, look: .*'of'"),
    ],
)
def test_a_text_of_another_format_is_refused(text, says):
    with pytest.raises(ValueError, match=says):
        edit.from_json(text)


def test_what_is_no_edit_is_named():
    with pytest.raises(ValueError, match="got 7"):
        read_edits([EDITS[0], 7])
    with pytest.raises(ValueError, match="got dict"):
        read_edits({"edits": 1})
