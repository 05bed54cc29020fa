"""TrustScorer: how far the newest frames may be believed, and why."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from worldsim.datatypes.route import RoutePreview
from worldsim.datatypes.scene import EgoColumn
from worldsim.dynamics.trust import DISAGREEMENTS, FREE_SIGNALS, FULL_SIGNALS, TrustModel, TrustScores
from worldsim.scene_decoder import DecodedScene
from worldsim.scene_tracker import TrackedScene


class TrustScorer:
    """The two TrustModels at work, beside the disagreements of decoded and tracked values.

    Args:
        free: weighs FREE_SIGNALS.
        full: weighs FULL_SIGNALS.
    """

    def __init__(self, free: TrustModel, full: TrustModel) -> None:
        self.free, self.full = free, full

    def score(
        self, signals: Tensor, tracked: TrackedScene, decoded: DecodedScene, preview: RoutePreview, *, full: bool
    ) -> TrustScores:
        """Trust in the newest frames.

        Args:
            signals: FREE_SIGNALS, or FULL_SIGNALS where `full`, [b, k].
            tracked: the scene as computed.
            decoded: the scene as generated.
            preview: where the egos are on their routes.
            full: which signals these are.
        """
        names, model = (FULL_SIGNALS, self.full) if full else (FREE_SIGNALS, self.free)
        speed = np.abs(decoded.ego[:, 0] - tracked.ego[:, EgoColumn.SPEED])
        yaw_rate = np.abs(decoded.ego[:, 1] - tracked.ego[:, EgoColumn.YAW_RATE])
        lateral = np.abs(decoded.scene.lateral_offset - preview.lateral_offset)
        lateral = np.where(preview.on_route, lateral, 0.0)
        return TrustScores(
            trust=model(signals).cpu().numpy(),
            signals={
                **dict(zip(names, signals.nan_to_num(0.0).cpu().numpy().T, strict=True)),
                **dict(zip(DISAGREEMENTS, (speed, yaw_rate, lateral), strict=True)),
            },
        )

    @staticmethod
    def neutral(num: int) -> TrustScores:
        """Of state-only drives: nothing is generated that could be wrong, so trust is 1 and all signals are 0."""
        return TrustScores(np.ones(num), {name: np.zeros(num) for name in (*FREE_SIGNALS, *DISAGREEMENTS)})
