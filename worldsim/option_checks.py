"""What no option of a command can be: a number that is not finite, a negative count or seed, a port beyond the last."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from typing import Any

LEAST = {"seed": 0, "first_town": 0, "port": 0, "frame_size": 1, "num_threads": 1, "vae_steps": 1, "dit_steps": 1}
"""Least values by the option's name; counts, which begin with `num_`, are at least 0. Configs may ask for more."""
LAST_PORT = 65535


def check_options(config: Any) -> None:
    """Refuse what cannot be, whatever the option means; called first in a config's `__post_init__`.

    Args:
        config: a dataclass; those within are checked too.

    Raises:
        ValueError: names the option, its value and what would be right.
    """
    for field in fields(config):
        _check(field.name, getattr(config, field.name))


def _check(name: str, value: Any) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        check_options(value)
    elif isinstance(value, tuple):
        _check_all(name, value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value}")
    elif isinstance(value, int):
        least = LEAST.get(name, 0 if name.startswith("num_") else None)
        if least is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
        if name == "port" and value > LAST_PORT:
            raise ValueError(f"port must be in [0, {LAST_PORT}], got {value}")


def _check_all(name: str, values: Iterable[Any]) -> None:
    for value in values:
        _check(name, value)
