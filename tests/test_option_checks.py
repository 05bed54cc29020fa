"""Options of every command: what can be none is refused when the config is made, by name and value."""

import dataclasses
import math
import typing
from pathlib import Path

import pytest

from drivedit.verbs import VERBS
from worldsim.option_checks import LEAST

GIVEN = {"policy": "lane_follower", "models": ("a=x", "b=y")}
"""What commands need beside paths."""


def options():
    """Each option of each command that holds floats, or integers of which no config has a least value of its own: the
    config's class, its name, whether they are floats."""
    for verb, load in VERBS.items():
        config, _ = load()
        hints = typing.get_type_hints(config)
        for field in dataclasses.fields(config):
            types = {hints[field.name], *typing.get_args(hints[field.name])} - {bool, type(None)}
            counted = field.name in LEAST or field.name.startswith("num_")
            if float in types or (int in types and counted):
                yield pytest.param(config, field.name, float in types, id=f"{verb} {field.name}")


def made(config, **options):
    """The config with these options, and whatever it cannot be made without."""
    hints = typing.get_type_hints(config)
    needed = [f for f in dataclasses.fields(config) if f.default is f.default_factory is dataclasses.MISSING]
    paths = {Path: Path("x"), str: "x"}
    given = {f.name: GIVEN[f.name] if f.name in GIVEN else paths.get(hints[f.name], (Path("x"),)) for f in needed}
    return config(**given | options)


@pytest.mark.parametrize(("config", "name", "is_float"), list(options()))
def test_what_no_option_can_be_is_refused_by_name(config, name, is_float):
    for value in (math.nan, math.inf, -math.inf) if is_float else (-1,):
        many = isinstance(getattr(config, name, None), tuple)
        with pytest.raises(ValueError, match=rf"{name} .*{value}"):
            made(config, **{name: (value, value) if many else value})
