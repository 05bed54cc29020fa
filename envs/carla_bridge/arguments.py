"""Arguments of clients' calls: what a number, a place, an attribute has to be before anything is kept of it."""

from __future__ import annotations

from typing import Any, TypeAlias

from envs.carla_bridge.rpc import RefusedError, check_finite

Place: TypeAlias = tuple[float, float, float]
"""Location [m] or rotation [degrees], in CARLA's frame."""


def place(who: str, value: Any, what: str = "the transform") -> tuple[Place, Place]:
    """Location and rotation of a transform.

    Args:
        who: of whom it is asked, for the error.
        value: a client's.
        what: it is, likewise.

    Raises:
        RefusedError: it is something else, or a number in it is not finite.
    """
    parts = value if isinstance(value, (list, tuple)) else ()
    if len(parts) != 2 or not all(isinstance(part, (list, tuple)) and len(part) == 3 for part in parts):
        raise RefusedError(f"{what} of {who} is {value!r:.40}; right would be a location and a rotation")
    for name, part in zip(("location", "rotation"), parts, strict=True):
        check_finite(who, what, part, name)
    (x, y, z), (pitch, yaw, roll) = parts
    return (x, y, z), (pitch, yaw, roll)


def attribute(blueprint: str, name: str, text: str) -> float:
    """The number that an attribute's text is.

    Args:
        blueprint: id of whose attribute it is.
        name: of the attribute.
        text: a client's.

    Raises:
        RefusedError: it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        raise RefusedError(
            f"Spawn failed: attribute {name} of {blueprint} is {text!r:.40}, which is no number"
        ) from None
    check_finite(blueprint, "Spawn failed: the attribute", value, name)
    return value
