"""The options of `reset`: what a world knows, under the names of today, and of the right kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from envs.deprecation import with_new_names
from envs.scripted_actors import ScriptedActors
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.start_clip import StartClip
from worldsim.editing.edits import Edit, read_edits


def read_reset_options(
    options: Mapping[str, Any], *, known: Sequence[str], world: str, renamed: Mapping[str, str]
) -> dict[str, Any]:
    """The options that were given, by today's names. None counts as not given.

    Args:
        options: as they came to the world's `reset`.
        known: names of the options that the world knows.
        world: what the world is called in an error.
        renamed: today's names of options by their old names, which are read with a DeprecationWarning.

    Raises:
        ValueError: an unknown option, an option under its old and its new name, or a value of the wrong kind.
    """
    given = {name: value for name, value in options.items() if value is not None}
    given = with_new_names(given, renamed, "reset option")
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"unknown reset options {unknown}; {world} knows {', '.join(known)}")
    return {name: _READ[name](value) if name in _READ else value for name, value in given.items()}


def _read_clip(value: Any) -> StartClip:
    if not isinstance(value, StartClip):
        raise ValueError(f"start_clip must be a StartClip, such as env.start_clip() returns, got {value!r}")
    return value


def _read_pose(value: Any) -> tuple[float, float, float]:
    try:
        pose = np.asarray(value, np.float64)
    except (TypeError, ValueError):  # not numbers, or rows of different lengths
        pose = np.empty(0)
    if pose.shape != (3,) or not np.isfinite(pose).all():
        raise ValueError(f"start_pose must be x, y [m] and yaw [rad], three finite numbers, got {value!r}")
    x, y, yaw = pose.tolist()
    return x, y, yaw


def _read_actors(value: Any) -> ScriptedActors:
    if not isinstance(value, ScriptedActors):
        raise ValueError(f"scripted_actors must be ScriptedActors(scripts=(...)), got {value!r}")
    return value


def _read_layout(value: Any) -> Layout | tuple[Edit, ...]:
    if isinstance(value, Layout):
        return value
    try:
        return read_edits(value)
    except ValueError as error:
        raise ValueError(f"layout must be a Layout, such as env.unwrapped.world.layout(), or edits: {error}") from error


def _read_index(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"start_index must be an integer, got {value!r}")
    return int(value)


def _read_towns(value: Any) -> tuple[int, ...]:
    towns = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    wrong = [
        town for town in towns if not isinstance(town, int | np.integer) or isinstance(town, bool) or int(town) < 0
    ]
    if wrong or not towns:
        got = repr(wrong[0]) if wrong else "an empty sequence"
        raise ValueError(f"town must be the seed of a procedural town, an integer of 0 or more, got {got}")
    return tuple(int(town) for town in towns)


def _read_flag(value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"endless must be True or False, got {value!r}")
    return bool(value)


def _read_commands(value: Any) -> np.ndarray:
    try:
        return np.array([RouteCommand(command) for command in value], np.int64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"commands must be a sequence of RouteCommand, got {value!r}") from error


_READ: Mapping[str, Callable[[Any], Any]] = {
    "start_clip": _read_clip,
    "start_index": _read_index,
    "town": _read_towns,
    "start_pose": _read_pose,
    "scripted_actors": _read_actors,
    "layout": _read_layout,
    "endless": _read_flag,
    "commands": _read_commands,
}
