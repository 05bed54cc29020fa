"""TrustScorer: how far the newest frames may be believed, and why."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from worldsim.datatypes.route import RoutePreview
from worldsim.datatypes.scene import EgoColumn
from worldsim.dynamics.trust import (
    DISAGREEMENTS,
    FREE_SIGNALS,
    FULL_SIGNALS,
    LATENT_SIGNALS,
    PICTURE_SIGNALS,
    TrustModel,
    TrustScores,
)
from worldsim.frame_decoder import PictureState
from worldsim.scene_decoder import DecodedScene
from worldsim.tracked_scene import TrackedScene

ALWAYS_SHOWN = ("style_drift", *DISAGREEMENTS)
"""Signals that are told by name, as 0, where they are not measured."""


class TrustScorer:
    """The two TrustModels at work.

    Args:
        free: weighs FREE_SIGNALS.
        full: weighs FULL_SIGNALS.
    """

    def __init__(self, free: TrustModel, full: TrustModel) -> None:
        self.free, self.full = free, full

    def score(
        self,
        latent_signals: Tensor,
        picture: PictureState,
        tracked: TrackedScene,
        decoded: DecodedScene | None,
        preview: RoutePreview,
    ) -> TrustScores:
        """Trust in the newest frames, by FULL_SIGNALS where `seed_disagreement` was asked for, else by FREE_SIGNALS.

        Args:
            latent_signals: LATENT_SIGNALS, the last one only where it was asked for, [b, k].
            picture: of the frames.
            tracked: the scene as computed.
            decoded: the scene as the frames show it, None where nobody asked: the disagreements are then 0.
            preview: where the egos are on their routes.
        """
        measured: dict[str, Tensor] = dict(zip(LATENT_SIGNALS, latent_signals.unbind(-1), strict=False))
        measured |= zip(PICTURE_SIGNALS, picture.signals.unbind(-1), strict=True)
        unknown = torch.full_like(picture.signals[:, 0], torch.nan)
        measured |= dict.fromkeys(DISAGREEMENTS, unknown)
        if decoded is not None:
            for name, value in disagreements(tracked, decoded, preview).items():
                measured[name] = torch.from_numpy(value).to(unknown)

        full = "seed_disagreement" in measured
        names, model = (FULL_SIGNALS, self.full) if full else (FREE_SIGNALS, self.free)
        trust = model(torch.stack([measured[name] for name in names], dim=-1))
        shown = dict.fromkeys((*names, *ALWAYS_SHOWN))
        signals = {name: measured[name].nan_to_num(0.0).cpu().numpy() for name in shown}
        return TrustScores(trust=trust.cpu().numpy(), signals=signals)

    @staticmethod
    def neutral(num: int) -> TrustScores:
        """Of state-only drives: nothing is generated that could be wrong, so trust is 1 and all signals are 0."""
        return TrustScores(np.ones(num), {name: np.zeros(num) for name in (*FREE_SIGNALS, *ALWAYS_SHOWN)})


def disagreements(tracked: TrackedScene, decoded: DecodedScene, preview: RoutePreview) -> dict[str, np.ndarray]:
    """DISAGREEMENTS of what is computed and what frames show, each float [b]."""
    lateral = np.abs(decoded.scene.lateral_offset - preview.lateral_offset)
    return {
        "speed_disagreement": np.abs(decoded.ego[:, 0] - tracked.ego[:, EgoColumn.SPEED]),
        "yaw_rate_disagreement": np.abs(decoded.ego[:, 1] - tracked.ego[:, EgoColumn.YAW_RATE]),
        "lateral_disagreement": np.where(preview.on_route, lateral, 0.0),
    }
