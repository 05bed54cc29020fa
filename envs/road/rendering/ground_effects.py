"""Compiled kernel of what wet ground mirrors."""

from __future__ import annotations

import math

from envs.road.rendering.shading import HORIZON, WETNESS, ZENITH
from worldsim.compiled import compiled
from worldsim.gbuffer.kernels import AXES, FOCAL, GROUND, MIDDLE_X, MIDDLE_Y


@compiled
def mirror(camera, supersampling, surface, weather, frame):
    """Let wet ground mirror what stands behind it: each column is folded at the foot of the thing above."""
    height, width = frame.shape[0], frame.shape[1]
    focal = camera[FOCAL]
    for column in range(width):
        foot = 0
        for row in range(height):
            top, left = row * supersampling, column * supersampling
            if surface[top, left] != GROUND:
                foot = row + 1
                continue
            at_x = (left + 0.5 * supersampling - camera[MIDDLE_X]) / focal
            at_y = (top + 0.5 * supersampling - camera[MIDDLE_Y]) / focal
            dz = at_x * camera[AXES + 2] + at_y * camera[AXES + 5] + camera[AXES + 8]
            facing = min(max(-dz / math.sqrt(at_x * at_x + at_y * at_y + 1.0), 0.0), 1.0)
            share = 0.62 * weather[WETNESS] * (1.0 - facing) ** 5
            above = 2 * foot - row - 1
            for d in range(3):
                seen = 0.7 * weather[HORIZON + d] + 0.3 * weather[ZENITH + d]
                if above >= 0:  # ripples blur it
                    low, high = max(above - 1, 0), min(above + 1, foot - 1)
                    seen = (float(frame[low, column, d]) + frame[above, column, d] + frame[high, column, d]) / 3.0
                value = frame[row, column, d]
                frame[row, column, d] = int(value + (seen - value) * share + 0.5)
