"""RoadEdges: how far the drivable area reaches to both sides of the ego's route, which a SceneState does not tell."""

from __future__ import annotations

import numpy as np

from worldsim.datatypes.route import RouteLaneColumn
from worldsim.datatypes.start_clip import StartClip


class RoadEdges:
    """The edges along a route, by arc length from where the clip ends.

    Args:
        clip: of the env in which the ego drives; only its route and lanes are used.
    """

    def __init__(self, clip: StartClip) -> None:
        along = np.hypot(*np.diff(clip.route.astype(np.float64), axis=0).T)
        self._arcs = np.concatenate([[0.0], np.cumsum(along)])[: len(clip.route)]
        self._edges = clip.lanes[:, [RouteLaneColumn.LEFT_EDGE, RouteLaneColumn.RIGHT_EDGE]].astype(np.float64)

    def at(self, arcs: np.ndarray) -> np.ndarray:
        """Reach to the left and to the right of the lane's centre [..., 2] [m] at arc lengths [...] [m]; NaN where that
        is not known, and beyond the route's end."""
        if len(self._arcs) == 0:
            return np.full((*arcs.shape, 2), np.nan)
        index = np.minimum(np.searchsorted(self._arcs, arcs), len(self._arcs) - 1)
        known = arcs <= self._arcs[-1]
        return np.where(known[..., None], self._edges[index], np.nan)
