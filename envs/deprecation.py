"""Old names, which work for one more release and say what they are called now."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from typing import Any

_INTERNAL = ("drivedit", "envs", "gymnasium", "importlib")
"""Packages whose frames are passed over, so that the warning shows the user's own line."""


def warn_renamed(old: str, new: str, kind: str) -> None:
    """Warn that `old` is called `new` now.

    Args:
        old: name that was used.
        new: name to use instead.
        kind: what has the name: "argument", "reset option", "name", "module".
    """
    message = f"the {kind} {old!r} is called {new!r} now; the old name works for this release only"
    warnings.warn(message, DeprecationWarning, stacklevel=_level_of_caller())


def with_new_names(given: Mapping[str, Any], renamed: Mapping[str, str], kind: str) -> dict[str, Any]:
    """`given` under new names, with a warning for each old one that was used.

    Args:
        given: values by name.
        renamed: new names by old name.
        kind: what the names belong to, see `warn_renamed`.

    Raises:
        ValueError: a value is given under its old and its new name.
    """
    values = dict(given)
    for old, new in renamed.items():
        if old not in values:
            continue
        if new in values:
            raise ValueError(f"{old!r} is the old name of the {kind} {new!r}: give {new!r} alone")
        warn_renamed(old, new, kind)
        values[new] = values.pop(old)
    return values


def _level_of_caller() -> int:
    """The `stacklevel`, seen from `warn_renamed`, of the nearest frame that is the user's own."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _INTERNAL:
        level, frame = level + 1, frame.f_back
    return level
