"""Whether values that were read from somewhere are what the fields of their class are declared as."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union


def check_fields(cls: type, values: Mapping[str, Any]) -> None:
    """Hold the arguments of a class, a dataclass or a named tuple, against its annotations.

    Raises:
        ValueError: one of them is something else; names the field, its value and what would be right.
    """
    for name, hint in _hints(cls).items():
        if name in values and not fits(values[name], hint):
            right = hint.__name__ if isinstance(hint, type) else hint
            raise ValueError(f"{cls.__name__}.{name} is {values[name]!r:.80}; right would be {right}")


def fits(value: Any, hint: Any) -> bool:
    """Whether `value` is what an annotation says, its elements included; True of annotations that say nothing."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (None, type(None)):
        return value is None
    if hint is float:
        return isinstance(value, (int, float))
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return all(fits(part, arguments[0]) for part in value)
        return len(value) == len(arguments) and all(map(fits, value, arguments))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, origin) and all(fits(part, arguments[1]) for part in value.values())
    if isinstance(origin, type):
        return isinstance(value, origin)
    # jaxtyping's classes say shapes too, whose letters mean something only within a function
    kind = getattr(hint, "array_type", hint)
    if isinstance(kind, TypeVar) or kind is Any:
        return True
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that cannot be asked, or no class
        return True


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    """Of its fields; none of a class that names types which only type checkers import."""
    try:
        return typing.get_type_hints(cls)
    except NameError:
        return {}
