"""Compiled kernel: templates placed for all their owners."""

from __future__ import annotations

import math

import numpy as np

from worldsim.compiled import compiled
from worldsim.gbuffer.kernels import YAW, X, Y, Z, share_of_height


@compiled
def choose_in_view(templates, boxes, camera, chosen):
    """Fill `chosen` with the templates of owners in view, -1 for the others."""
    for i in range(len(templates)):
        chosen[i] = templates[i] if share_of_height(boxes, i, camera) > 0.0 else -1


@compiled
def place(chosen, parameters, boxes, paints, template, out, face_starts, ball_starts):
    """Write the faces and ellipsoids of all owners; `template` and `out` are tuples of arrays, see Primitives."""
    corners, parts, shares, added, starts, balls, ball_parts, ball_shares, ball_added, b_starts = template
    out_corners, out_parts, out_colors, out_balls, out_ball_parts, out_ball_colors = out
    num_parameters = parameters.shape[1]
    for i in range(len(chosen)):
        t = chosen[i]
        if t < 0:
            continue
        c, s = math.cos(boxes[i, YAW]), math.sin(boxes[i, YAW])
        x, y, z = boxes[i, X], boxes[i, Y], boxes[i, Z]
        local = np.zeros(5)
        for k in range(starts[t], starts[t + 1]):
            q = face_starts[i] + k - starts[t]
            for j in range(4):
                for d in range(3):
                    local[d] = 0.0
                    for p in range(num_parameters):
                        local[d] += corners[k, j, d, p] * parameters[i, p]
                out_corners[q, j, 0] = x + c * local[0] - s * local[1]
                out_corners[q, j, 1] = y + s * local[0] + c * local[1]
                out_corners[q, j, 2] = z + local[2]
            out_parts[q] = parts[k]
            for d in range(3):
                color = added[k, d] + shares[k, 0] * paints[i, 0, d] + shares[k, 1] * paints[i, 1, d]
                out_colors[q, d] = min(max(color, 0.0), 255.0)
        for k in range(b_starts[t], b_starts[t + 1]):
            q = ball_starts[i] + k - b_starts[t]
            for d in range(5):
                local[d] = 0.0
                for p in range(num_parameters):
                    local[d] += balls[k, d, p] * parameters[i, p]
            out_balls[q, 0] = x + c * local[0] - s * local[1]
            out_balls[q, 1] = y + s * local[0] + c * local[1]
            out_balls[q, 2], out_balls[q, 3], out_balls[q, 4] = z + local[2], local[3], local[4]
            out_ball_parts[q] = ball_parts[k]
            for d in range(3):
                color = ball_added[k, d] + ball_shares[k, 0] * paints[i, 0, d] + ball_shares[k, 1] * paints[i, 1, d]
                out_ball_colors[q, d] = min(max(color, 0.0), 255.0)
