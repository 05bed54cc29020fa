"""Whether what was read from a saved state can be: arrays of the shapes of their class, answers that are finite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from envs.world import WorldStep
from worldsim.datatypes.start_clip import check_finite
from worldsim.datatypes.vehicle import VEHICLE_NAMES

MAY_BE_ANY = " ?"
"""Ends the shape of floats that may be infinite or NaN."""


def check_shapes(instance: object, shapes: Mapping[str, str], to_array: Callable[[Any], np.ndarray | None]) -> None:
    """Hold the arrays of an instance against their declared shapes. Compiled code looks at no bounds: what is too short
    would have it read and write beyond the end.

    Args:
        instance: of any class.
        shapes: dims by name of the attribute, "objects.boxes" of an attribute's: "n 5". A letter stands for the same
            number wherever it occurs, MAY_BE_ANY at the end for floats that need not be finite.
        to_array: an attribute's value as an array; None of what is no array.

    Raises:
        ValueError: a shape is another, or a float is not finite; names the attribute.
    """
    sizes: dict[str, tuple[int, str]] = {}
    for path, text in shapes.items():
        values: Any = instance
        for part in path.split("."):
            values = None if values is None else getattr(values, part)
        array = to_array(values)
        if array is None:  # an optional one that is not there
            continue
        name, dims = f"{type(instance).__name__}.{path}", text.removesuffix(MAY_BE_ANY).split()
        wanted = [int(dim) if dim.isdigit() else sizes.get(dim, (None, ""))[0] for dim in dims]
        found = list(array.shape)
        if len(found) != len(wanted) or any(w not in (None, f) for w, f in zip(wanted, found, strict=True)):
            known = ", ".join(
                f"{dim} = {sizes[dim][0]} as in {sizes[dim][1]}" for dim in dims if dim in sizes and not dim.isdigit()
            )
            raise ValueError(f"{name} must be [{', '.join(dims)}]{known and ', ' + known}, got {found}")
        sizes |= {dim: (size, path) for dim, size in zip(dims, found, strict=True) if dim not in sizes}
        if not text.endswith(MAY_BE_ANY):
            check_finite(name, array)


def check_answer(answer: WorldStep, where: str) -> None:
    """Refuse an answer of a world that has other shapes or is not finite.

    Raises:
        ValueError: names the value, after `where` it is, and what would be right.
    """
    if answer.vehicle.shape != (len(VEHICLE_NAMES),):
        raise ValueError(f"{where}vehicle must be [{len(VEHICLE_NAMES)}], got {list(answer.vehicle.shape)}")
    if answer.scene.batch_shape != ():
        raise ValueError(f"{where}scene must be a single one, got {list(answer.scene.batch_shape)}")
    check_finite(f"{where}vehicle", answer.vehicle)
    for name, values in answer.scene.arrays().items():
        check_finite(f"{where}scene.{name}", values)
    if not np.isfinite(answer.progress):
        raise ValueError(f"{where}progress must be a finite number, got {answer.progress}")
    for name in ("collision", "off_road", "trust"):
        if not 0 <= getattr(answer, name) <= 1:
            raise ValueError(f"{where}{name} must be in [0, 1], got {getattr(answer, name)}")
