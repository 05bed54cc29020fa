"""The old home of the env factories: specs saved with datasets and agents name it. Use `envs.registration`."""

from __future__ import annotations

from typing import Any

from envs import registration
from envs.deprecation import warn_renamed

_RENAMED = {
    "make_carla_env": "make_carla_env",
    "make_dream_env": "make_learned_env",
    "make_dream_vector_env": "make_learned_vector_env",
    "make_road_env": "make_road_env",
}


def __getattr__(name: str) -> Any:
    """A factory by the name it had here, with a DeprecationWarning that says where it is now."""
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warn_renamed(f"{__name__}.{name}", f"{registration.__name__}.{_RENAMED[name]}", "name")
    return getattr(registration, _RENAMED[name])
