"""Files of routes as the CARLA leaderboard has them, for tests."""

from pathlib import Path

import numpy as np


def write_route(path: Path, town: str, points: np.ndarray, version: int = 1, route_id: str = "7") -> Path:
    """A file with one route through points [n, 2] of our frame."""
    tag = "waypoint" if version == 1 else "position"
    lines = [f'<{tag} x="{x:.4f}" y="{-y:.4f}" z="0.0" />' for x, y in points]
    inner = "\n".join(lines) if version == 1 else "<waypoints>\n" + "\n".join(lines) + "\n</waypoints>"
    path.write_text(
        f'<?xml version="1.0"?>\n<routes>\n<route id="{route_id}" town="{town}">\n{inner}\n</route>\n</routes>\n'
    )
    return path
