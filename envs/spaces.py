"""The spaces every driving env shares."""

from __future__ import annotations

import gymnasium
import numpy as np


def action_space() -> gymnasium.spaces.Box:
    """Steer (positive left) and acceleration (negative brakes), both in [-1, 1], float32."""
    return gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


def observation_space(frame_size: tuple[int, int]) -> gymnasium.spaces.Box:
    """RGB frames of height and width `frame_size` [px], uint8."""
    return gymnasium.spaces.Box(0, 255, (*frame_size, 3), np.uint8)
