"""Which blueprint of a server's library a road user is: that of the version's table, or one with fitting attributes."""

from __future__ import annotations

from typing import Any

from worldsim.datatypes.scene import ObjectKind

_BASE_TYPES = {ObjectKind.CAR: "car", ObjectKind.TRUCK: "truck"}
_PATTERNS = {ObjectKind.PEDESTRIAN: "walker.*", ObjectKind.STATIC: "static.prop.*barrier*"}


def choose_blueprint(library: Any, kind: ObjectKind, preferred: str) -> Any:
    """A blueprint of `kind`: `preferred` where the library has it, else the first by name that fits.

    A car or truck has four wheels and CARLA's `base_type`; a pedestrian is an adult where `age` tells; what stands is a
    barrier.

    Raises:
        ValueError: nothing in the library fits.
    """
    if preferred:
        named = list(library.filter(preferred))
        if named:
            return named[0]
    if kind in _BASE_TYPES:
        fitting = [
            b
            for b in library.filter("vehicle.*")
            if _value(b, "base_type") == _BASE_TYPES[kind] and _value(b, "number_of_wheels") == "4"
        ]
    else:
        fitting = [b for b in library.filter(_PATTERNS[kind]) if _value(b, "age") in (None, "adult")]
    if not fitting:
        raise ValueError(f"the server has no blueprint of a {kind.name.lower()} ({preferred!r} was looked for first)")
    return min(fitting, key=lambda blueprint: blueprint.id)


def _value(blueprint: Any, name: str) -> str | None:
    """The attribute as text; None where the blueprint has none."""
    if not blueprint.has_attribute(name):
        return None
    attribute = blueprint.get_attribute(name)
    return str(int(attribute)) if name == "number_of_wheels" else attribute.as_str()
