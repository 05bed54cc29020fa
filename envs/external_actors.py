"""ExternalActors: road users whom somebody outside a world moves, as a client of the CARLA bridge. numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.ground_truth import Objects


@dataclass(frozen=True, kw_only=True)
class ExternalActors:
    """Road users that are placed from outside; no traffic model ever moves them.

    Args:
        ids: who each of them is, its own as long as it is there, int64 [g].
        objects: the boxes, speeds and kinds of g road users.
        heights: float64 [g] [m].
        colors: uint8 [g, 3].
        braking: who shows brake lights, bool [g].
    """

    ids: np.ndarray
    objects: Objects
    heights: np.ndarray
    colors: np.ndarray
    braking: np.ndarray

    @staticmethod
    def none() -> ExternalActors:
        """Nobody."""
        return ExternalActors(
            ids=np.zeros(0, np.int64),
            objects=Objects.none(),
            heights=np.zeros(0),
            colors=np.zeros((0, 3), np.uint8),
            braking=np.zeros(0, bool),
        )
