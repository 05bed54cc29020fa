"""KnownRoadUsers: the other road users that a start clip tells of, with what a picture of them needs. numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from worldsim.datatypes.layout import BOX_NAMES, BoxColumn
from worldsim.datatypes.scene import ObjectKind

HEIGHTS = {ObjectKind.CAR: 1.55, ObjectKind.TRUCK: 3.1, ObjectKind.PEDESTRIAN: 1.75, ObjectKind.STATIC: 1.0}
"""Of road users whose height is not known [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class KnownRoadUsers:
    """`n` road users at an instant, in the ground frame.

    Args:
        kinds: ObjectKind, never EMPTY, int64 [n].
        boxes: BOX_NAMES, float64 [n, 7]; NaN for a z or a height that is not known.
        speeds: along the own heading, float64 [n] [m/s].
        colors: of paint or clothes, RGB [0, 255], float64 [n, 3]; NaN where not known.
        braking: whose brake lights are on, bool [n].
        phases: of pedestrians' strides [rad], float64 [n].
        parked: who stands beside the lanes and does not start by itself, bool [n].

    Raises:
        ValueError: the rows do not match, a kind is EMPTY, or a place or size is not finite.
    """

    kinds: np.ndarray
    boxes: np.ndarray
    speeds: np.ndarray
    colors: np.ndarray
    braking: np.ndarray
    phases: np.ndarray
    parked: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.kinds)
        expected = {"boxes": (n, len(BOX_NAMES)), "colors": (n, 3)}
        for f in fields(self):
            shape, wanted = getattr(self, f.name).shape, expected.get(f.name, (n,))
            if shape != wanted:
                raise ValueError(f"{f.name} of {n} road users must be {list(wanted)}, got {list(shape)}")
        if (self.kinds == ObjectKind.EMPTY).any():
            raise ValueError(f"road user {int(np.argmin(self.kinds))} is of kind EMPTY: leave it out")
        placed = np.isfinite(self.boxes[:, [c for c in BoxColumn if c not in (BoxColumn.Z, BoxColumn.HEIGHT)]]).all(1)
        if not placed.all():
            row = int(np.argmin(placed))
            raise ValueError(f"road user {row} must have a finite place and size, got {self.boxes[row]}")

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, rows: np.ndarray) -> KnownRoadUsers:
        """Those of the given rows, by index, int64 [k], or bool [n]."""
        return KnownRoadUsers(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    @property
    def heights(self) -> np.ndarray:
        """Theirs, that of their kind where it is not known, float64 [n] [m]."""
        return np.where(
            np.isfinite(self.boxes[:, BoxColumn.HEIGHT]), self.boxes[:, BoxColumn.HEIGHT], usual_heights(self.kinds)
        )

    @staticmethod
    def concatenate(parts: Sequence[KnownRoadUsers]) -> KnownRoadUsers:
        """All of them, in that order."""
        return KnownRoadUsers(
            **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(KnownRoadUsers)}
        )

    @staticmethod
    def none() -> KnownRoadUsers:
        """It is known that nobody is there."""
        return KnownRoadUsers(
            kinds=np.zeros(0, np.int64),
            boxes=np.zeros((0, len(BOX_NAMES))),
            speeds=np.zeros(0),
            colors=np.zeros((0, 3)),
            braking=np.zeros(0, bool),
            phases=np.zeros(0),
            parked=np.zeros(0, bool),
        )


def usual_heights(kinds: np.ndarray) -> np.ndarray:
    """Heights of road users of these kinds, float64 [...] [m]; 0 of EMPTY."""
    table = np.zeros(len(ObjectKind))
    table[list(HEIGHTS)] = list(HEIGHTS.values())
    return table[kinds]
