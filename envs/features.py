"""What a small network can learn lane keeping from: a SceneState as a few numbers of about unit size."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from worldsim.datatypes.scene import ROUTE_DISTANCES, SceneState

EGO_UNITS = (14.0, 4.0, 0.5, 0.3)
"""Speed [m/s], acceleration [m/s²], yaw rate [rad/s] and steer angle [rad] that become 1."""
LANE_UNITS = (2.0, 0.3)
"""Lateral offset [m] and heading error [rad] that become 1."""
LIMIT_UNIT = 7.0
"""Distance of the speed from the limit that becomes 1 [m/s]."""
BEARING_UNIT = 0.3
"""Angle at which a route point is seen that becomes 1 [rad]."""
GAP_UNIT, CLOSING_UNIT = 15.0, 7.0
"""Gap to the lead that becomes 1/2 [m]; the speed at which it closes that becomes 1 [m/s]."""
FEATURE_NAMES = (
    "speed",
    "acceleration",
    "yaw_rate",
    "steer_angle",
    "lateral_offset",
    "heading_error",
    "below_limit",
    *(f"bearing_{distance:.0f}m" for distance in ROUTE_DISTANCES),
    "lead_nearness",
    "lead_closing",
)
NUM_FEATURES = len(FEATURE_NAMES)
MIRRORED = np.array(
    [
        -1.0 if name in ("yaw_rate", "steer_angle", "lateral_offset", "heading_error") or "bearing" in name else 1.0
        for name in FEATURE_NAMES
    ],
    np.float32,
)
"""Features times these are those of the same moment with left and right exchanged."""
FEATURE_BOUND = 5.0


def features(scene: SceneState) -> np.ndarray:
    """FEATURE_NAMES, float32 [..., NUM_FEATURES], of a scene [...]: each value by its unit, 0 where it is not known.

    `lead_nearness` is 1 at contact, 1/2 at GAP_UNIT and 0 with a free road. All are cut to +-FEATURE_BOUND.
    """
    ego = np.where(scene.ego_valid, scene.ego / np.array(EGO_UNITS), 0.0)
    lane = np.where(scene.lane_valid[..., :2], scene.lane[..., :2] / np.array(LANE_UNITS), 0.0)
    below = np.where(scene.lane_valid[..., 3], (scene.speed_limit - scene.speed) / LIMIT_UNIT, 0.0)
    bearing = np.arctan2(scene.route[..., 1], np.maximum(scene.route[..., 0], 0.1)) / BEARING_UNIT
    nearness = GAP_UNIT / (GAP_UNIT + np.maximum(scene.lead[..., 0], 0.0))
    lead = np.stack([nearness, (scene.speed - scene.lead[..., 1]) / CLOSING_UNIT], axis=-1)
    parts = (
        ego,
        lane,
        below[..., None],
        np.where(scene.route_valid, bearing, 0.0),
        np.where(scene.lead_valid[..., None], lead, 0.0),
    )
    return np.clip(np.concatenate(parts, axis=-1), -FEATURE_BOUND, FEATURE_BOUND).astype(np.float32)


def features_of_state(state: ArrayLike) -> np.ndarray:
    """FEATURE_NAMES of a state's vector [..., SCENE_SIZE]: of obs="state" or `info["scene"]`."""
    return features(SceneState.from_vector(state))
