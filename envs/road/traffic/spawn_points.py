"""Spawn points: where road users can appear on a map, found once and shared by all episodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
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
        kerb_side: 1 where traffic keeps to the right, -1 where it keeps to the left.
        near_kerb: distance at which the drivable area ends on the side that traffic keeps to, [n] [m]; infinite if
            another lane is there.
        far_kerb: distance at which it ends on the other side, [n] [m]; infinite beyond KERB_SEARCH.
        parking: boxes of cars that may be parked there, [k, 5].
        parking_heights: of these cars [k] [m].
        parking_z: height of the ground under them [k] [m].
        crosswalks: outlines of crosswalks, each float64 [c, 2] or [c, 3] [m].
    """

    lanes: tuple[LanePoint, ...]
    xy: np.ndarray
    kerb_side: float
    near_kerb: np.ndarray
    far_kerb: np.ndarray
    parking: np.ndarray
    parking_heights: np.ndarray
    parking_z: np.ndarray
    crosswalks: tuple[np.ndarray, ...]

    @staticmethod
    def find(road_map: RoadMap, num_points: int = 500) -> SpawnPoints:
        """The spawn points of a map; always the same ones."""
        rng = np.random.default_rng(0)
        lanes = tuple(road_map.random_lane_point(rng) for _ in range(num_points))
        pose = np.array([[p.x, p.y, p.yaw] for p in lanes])
        reach = np.arange(_STEP, KERB_SEARCH, _STEP)

        # probe to the side that traffic keeps to, then to the other, for where the drivable area ends
        kerb_side = -1.0 if road_map.left_hand else 1.0
        z = None if road_map.is_flat else np.repeat([p.z for p in lanes], len(reach))
        kerbs = []
        for side in (-kerb_side, kerb_side):
            across = side * np.stack([-np.sin(pose[:, 2]), np.cos(pose[:, 2])], axis=-1)
            probes = pose[:, None, :2] + reach[:, None] * across[:, None]
            drivable = road_map.drivable(probes.reshape(-1, 2), z).reshape(len(lanes), -1)
            kerbs.append(np.where(drivable.all(axis=1), np.inf, reach[np.argmin(drivable, axis=1)]))

        half_width = np.array([p.half_width for p in lanes])
        near = np.where(kerbs[0] < half_width + 2.0, kerbs[0], np.inf)
        parking, heights, ground = _park(lanes, near, kerb_side, road_map, rng)
        return SpawnPoints(
            lanes=lanes,
            xy=pose[:, :2],
            kerb_side=kerb_side,
            near_kerb=near,
            far_kerb=kerbs[1],
            parking=parking,
            parking_heights=heights,
            parking_z=ground,
            crosswalks=road_map.geometry.crosswalks,
        )

    @cached_property
    def has_kerbs(self) -> np.ndarray:
        """Where there is a kerb on both sides of the road, bool [n]."""
        return np.isfinite(self.near_kerb) & np.isfinite(self.far_kerb)

    def on_crosswalk(self, xy: np.ndarray) -> np.ndarray:
        """Which of the points [n, 2] lie on a crosswalk, bool [n]."""
        found = np.zeros(len(xy), bool)
        low, high = xy.min(axis=0), xy.max(axis=0)
        for outline in self.crosswalks:
            corners_xy = outline[:, :2]
            if (corners_xy.max(axis=0) < low).any() or (corners_xy.min(axis=0) > high).any():
                continue
            # OpenCV takes float32, which has no decimetres far from the origin
            polygon = (corners_xy - corners_xy[0]).astype(np.float32).reshape(-1, 1, 2)
            near = (xy - corners_xy[0]).tolist()
            found |= [cv2.pointPolygonTest(polygon, (x, y), False) >= 0 for x, y in near]
        return found


def _park(
    lanes: tuple[LanePoint, ...], kerbs: np.ndarray, kerb_side: float, road_map: RoadMap, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cars parked beside the lanes with their wheels on the kerb: boxes [k, 5], heights [k], z of the ground [k]."""
    boxes: list[np.ndarray] = []
    ground: list[float] = []
    taken = np.empty((len(lanes), 2))
    for point, kerb in zip(lanes, kerbs, strict=True):
        length, width = rng.uniform((3.9, 1.75), (4.9, 2.0))
        if not np.isfinite(kerb):
            continue
        offset = -kerb_side * (kerb + PARKING_GAP + width / 2)
        x, y = point.x - np.sin(point.yaw) * offset, point.y + np.cos(point.yaw) * offset
        box = np.array([x, y, point.yaw, length, width])
        apart = (np.hypot(*(taken[: len(boxes)] - (x, y)).T) > PARKING_SPACING).all()
        z = None if road_map.is_flat else np.full(5, point.z)
        if apart and not road_map.drivable(np.concatenate([corners(box), box[None, :2]]), z).any():
            taken[len(boxes)] = x, y
            boxes.append(box)
            ground.append(point.z)
    return np.array(boxes).reshape(-1, 5), rng.uniform(1.4, 1.75, len(boxes)), np.array(ground, np.float64)
