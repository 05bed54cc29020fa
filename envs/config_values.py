"""Configs as plain values and back, so that an env's spec can be written as JSON and made again from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from gymnasium.envs.registration import EnvSpec

Config = TypeVar("Config")


def plain_values(value: Any) -> Any:
    """`value` as JSON can hold it: paths become strings, dataclasses dicts, enums their values, tuples lists.

    What JSON has no form for stays as it is.
    """
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain_values(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain_values(part) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain_values(part) for part in value]
    return value


def plain_spec(spec: EnvSpec | None) -> EnvSpec | None:
    """The spec with the arguments of its env as plain values."""
    return None if spec is None else replace(spec, kwargs=plain_values(spec.kwargs))


def config_from_values(cls: type[Config], values: Config | Mapping[str, Any] | None) -> Config:
    """The config that `values` describe: itself, its fields as plain values, or None for the defaults.

    Args:
        cls: a dataclass whose fields all have defaults, dataclasses of the same kind among them.
        values: what was given; fields that a mapping leaves out keep their defaults.

    Raises:
        ValueError: a mapping names a field that the config does not have, a value the config refuses, or it is
            something else altogether.
    """
    if values is None:
        return cls()
    if isinstance(values, cls):
        return values
    if not isinstance(values, Mapping):
        raise ValueError(f"expected a {cls.__name__} or a dict of its fields, got {values!r}")
    known = {field.name: _default(field) for field in fields(cls)}  # pyright: ignore[reportArgumentType]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"a {cls.__name__} has no fields {unknown}; it has {', '.join(known)}")
    try:
        return cls(**{name: _like(known[name], value) for name, value in values.items()})
    except TypeError as error:  # a value of another type, such as "128" for a number
        raise ValueError(f"a {cls.__name__} cannot be made of {dict(values)}: {error}") from error


def _default(field: Field) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _like(default: Any, value: Any) -> Any:
    """A plain value in the form that the field's default has."""
    if is_dataclass(default) and not isinstance(default, type):
        return config_from_values(type(default), value)
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    return value
