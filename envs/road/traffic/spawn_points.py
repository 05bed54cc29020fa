"""Spawn points: where road users can appear on a map, found once and shared by all episodes. numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worldsim.datatypes.boxes import corners

if TYPE_CHECKING:
    from envs.maps.road_map import LanePoint, RoadMap

KERB_SEARCH = 30.0
"""How far across the road the opposite kerb is looked for [m]."""
PARKING_GAP = 0.2
"""Between the kerb and a parked car [m]."""
PARKING_SPACING = 6.0
"""Between the centres of parked cars [m]."""
_STEP = 0.25


@dataclass(frozen=True, kw_only=True)
class SpawnPoints:
    """Lane points spread over a map, and what lies beside them.

    Args:
        lanes: points on driving lanes outside junctions.
        xy: their positions [n, 2] [m].
        near_kerb: distance to the right at which the drivable area ends, [n] [m]; infinite if another lane is there.
        far_kerb: distance to the left at which it ends, [n] [m]; infinite beyond KERB_SEARCH.
        parking: boxes of cars that may be parked there, [k, 5].
        parking_heights: of these cars [k] [m].
        parking_z: height of the ground under them [k] [m].
    """

    lanes: tuple[LanePoint, ...]
    xy: np.ndarray
    near_kerb: np.ndarray
    far_kerb: np.ndarray
    parking: np.ndarray
    parking_heights: np.ndarray
    parking_z: np.ndarray

    @staticmethod
    def find(road_map: RoadMap, num_points: int = 500) -> SpawnPoints:
        """The spawn points of a map; always the same ones."""
        rng = np.random.default_rng(0)
        lanes = tuple(road_map.random_lane_point(rng) for _ in range(num_points))
        pose = np.array([[p.x, p.y, p.yaw] for p in lanes])
        reach = np.arange(_STEP, KERB_SEARCH, _STEP)

        # probe to the right, then to the left, for where the drivable area ends
        kerbs = []
        for side in (-1.0, 1.0):
            across = side * np.stack([-np.sin(pose[:, 2]), np.cos(pose[:, 2])], axis=-1)
            probes = pose[:, None, :2] + reach[:, None] * across[:, None]
            drivable = road_map.drivable(probes.reshape(-1, 2)).reshape(len(lanes), -1)
            kerbs.append(np.where(drivable.all(axis=1), np.inf, reach[np.argmin(drivable, axis=1)]))

        half_width = np.array([p.half_width for p in lanes])
        near = np.where(kerbs[0] < half_width + 2.0, kerbs[0], np.inf)
        parking, heights = _park(lanes, near, road_map, rng)
        return SpawnPoints(
            lanes=lanes,
            xy=pose[:, :2],
            near_kerb=near,
            far_kerb=kerbs[1],
            parking=parking,
            parking_heights=heights,
            parking_z=np.zeros(len(parking)),
        )


def _park(
    lanes: tuple[LanePoint, ...], kerbs: np.ndarray, road_map: RoadMap, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [k, 5] and heights [k] of cars parked beside the lanes with their wheels on the kerb."""
    boxes: list[np.ndarray] = []
    for point, kerb in zip(lanes, kerbs, strict=True):
        length, width = rng.uniform((3.9, 1.75), (4.9, 2.0))
        if not np.isfinite(kerb):
            continue
        offset = -(kerb + PARKING_GAP + width / 2)
        x, y = point.x - np.sin(point.yaw) * offset, point.y + np.cos(point.yaw) * offset
        box = np.array([x, y, point.yaw, length, width])
        apart = all(np.hypot(x - b[0], y - b[1]) > PARKING_SPACING for b in boxes)
        if apart and not road_map.drivable(np.concatenate([corners(box), box[None, :2]])).any():
            boxes.append(box)
    return np.array(boxes).reshape(-1, 5), rng.uniform(1.4, 1.75, len(boxes))
