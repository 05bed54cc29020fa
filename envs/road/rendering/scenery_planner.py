"""Plans what stands beside the roads of a map: finds free places, puts houses, trees, lamps and walls there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from envs.road.rendering.ground_texture import GroundColors
from envs.road.rendering.signal_boxes import Box
from worldsim.datatypes.layout import BOX_NAMES, Layout, LayoutKind

if TYPE_CHECKING:
    from envs.maps.geometry import RoadGeometry

CELL = 0.5
"""Raster in which free places are sought, coarser where a map would take more than MAX_CELLS [m/px]."""
MAX_CELLS = 40e6
BUILDING_SETBACK, WALL_SETBACK, TREE_SETBACK, LAMP_SETBACK, SIGN_SETBACK = 5.0, 3.0, 2.4, 0.7, 0.7
"""Distance from the outermost lane or sidewalk [m]."""
CLEARANCE = 3.5
"""No building stands closer to a lane or sidewalk than this [m]."""

_WALLS = (
    (206, 188, 162), (188, 142, 118), (198, 200, 198), (170, 118, 98), (212, 198, 150), (160, 172, 182),
    (220, 212, 200), (184, 164, 152), (150, 160, 146), (204, 168, 140),
)  # fmt: skip
_NUM_ROOFS = 4
_LEAVES = ((84, 124, 62), (98, 134, 70), (72, 112, 66), (116, 136, 66))


class SceneryPlanner:
    """Finds free places by their distance to the roads and puts things there.

    Args:
        geometry: the roads.
        seed: of all choices.
        left_hand: traffic keeps to the left.
    """

    def __init__(self, geometry: RoadGeometry, seed: int, *, left_hand: bool = False):
        self.geometry, self.seed, self.left_hand = geometry, seed, left_hand
        self.rng = np.random.default_rng([seed, 7005])
        x_min, y_min, x_max, y_max = geometry.bounds
        self.origin = np.array([x_min, y_min]) - 36.0
        size = np.array([x_max - x_min, y_max - y_min]) + 72.0
        self.cell = max(CELL, float(np.sqrt(size.prod() / MAX_CELLS)))
        width, height = np.ceil(size / self.cell).astype(int)
        surface = np.full((int(height), int(width)), 255, np.uint8)
        for outline in [*(lane.outline for lane in geometry.lanes), *geometry.junctions, *geometry.aprons]:
            cv2.fillPoly(surface, [self._pixels(outline)], 0)
        self.distance = cv2.distanceTransform(surface, cv2.DIST_L2, 5) * self.cell
        self.taken = np.zeros_like(surface)
        self.urban = float(self.rng.random())
        self.walls = self.rng.permutation(len(_WALLS))[:5]
        self.roofs = self.rng.permutation(_NUM_ROOFS)[:2]
        self.leaves = self.rng.permutation(len(_LEAVES))[:2]
        self.boxes: list[Box] = []
        self.pads: list[np.ndarray] = []
        self.ground_colors = self._ground_colors()

    def plan(self, fixed: Sequence[Box]) -> Layout:
        """The boxes of a layout: those that are `fixed`, then what finds a place among them."""
        for box in fixed:
            self._take(np.array(box.place[:2]), 2.0)
        self._place_buildings()
        self._place_walls()
        self._place_lamps()
        self._place_trees()
        return _layout([*fixed, *self.boxes])

    def free_side(self, point: np.ndarray, yaw: float) -> np.ndarray:
        """The nearest place beside the road for what looks along `yaw` from a point, best on traffic's side."""
        face = np.array([np.cos(yaw), np.sin(yaw)])
        right = np.array([-face[1], face[0]])
        for step in np.arange(0.0, 14.0, 0.25):
            for side in (-1.0, 1.0) if self.left_hand else (1.0, -1.0):
                place = point + side * step * right
                if self._lookup(self.distance, place) >= SIGN_SETBACK:
                    return place
        return point

    def _ground_colors(self) -> GroundColors:
        """The town's own shades of grass, paving and asphalt."""
        warm, dark, dry = self.rng.uniform(-1, 1, 3)
        default = GroundColors()

        def shifted(color: Sequence[float], by: Sequence[float]) -> tuple[float, float, float]:
            r, g, b = (float(c + d) for c, d in zip(color, by, strict=True))
            return r, g, b

        return GroundColors(
            grass=shifted(default.grass, (10 * dry, 4 * dry, -2 * dry)),
            grass_dry=shifted(default.grass_dry, (10 * dry, 4 * dry, 0)),
            paving=shifted(default.paving, (7 * warm, 2 * warm, -5 * warm)),
            sidewalk=shifted(default.sidewalk, (7 * warm, 2 * warm, -5 * warm)),
            asphalt=shifted(default.asphalt, (8 * dark + 2 * warm, 8 * dark, 8 * dark - 2 * warm)),
        )

    def _pixels(self, points: np.ndarray) -> np.ndarray:
        return np.rint((np.asarray(points) - self.origin) / self.cell).astype(np.int32)

    def _lookup(self, image: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Values of a raster at ground points [..., 2]."""
        at = np.clip(self._pixels(points), 0, np.array(image.shape[::-1]) - 1)
        return image[at[..., 1], at[..., 0]]

    def _along_roads(self, setback: float) -> Iterator[np.ndarray]:
        """Lines at a distance from the roads, each [n, 2] at 0.5 m spacing, smoothed."""
        contours, _ = cv2.findContours((self.distance < setback).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for contour in contours:
            line = contour[:, 0].astype(float) * self.cell + self.origin
            if len(line) > 60:
                closed = np.concatenate([line[-6:], line, line[:6]])
                kernel = np.ones(13) / 13
                line = np.stack([np.convolve(closed[:, k], kernel, "valid") for k in (0, 1)], axis=1)
                s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
                at = np.arange(0.0, s[-1], 0.5)
                yield np.stack([np.interp(at, s, line[:, k]) for k in (0, 1)], axis=1)

    def _towards_road(self, point: np.ndarray) -> float:
        """Direction from a free place to the road [rad]."""
        step = np.array([2.0, 0.0])
        dx = self._lookup(self.distance, point + step) - self._lookup(self.distance, point - step)
        dy = self._lookup(self.distance, point + step[::-1]) - self._lookup(self.distance, point - step[::-1])
        return float(np.arctan2(-dy, -dx))

    def _place_buildings(self):
        for line in self._along_roads(BUILDING_SETBACK):
            at = 0.0
            while at < 0.5 * len(line) - 12:
                width, depth = self.rng.uniform(8.5, 17.0), self.rng.uniform(8.0, 12.0)
                start, end = line[int(2 * at)], line[min(int(2 * (at + width)), len(line) - 1)]
                if self._place_building(start, end, width, depth):
                    at += width + (self.rng.uniform(1.0, 4.0) if self.rng.random() < 0.7 else self.rng.uniform(6, 22))
                else:
                    at += 3.0

    def _place_building(self, start: np.ndarray, end: np.ndarray, width: float, depth: float) -> bool:
        """Try to put a building's front between two points at the setback line; True if there was room."""
        height, seed = self._building_size()
        color = _WALLS[self.rng.choice(self.walls)]
        middle = 0.5 * (start + end)
        yaw = self._towards_road(middle)
        chord = end - start
        if np.linalg.norm(chord) > 0.8 * width:
            yaw += (np.arctan2(chord[1], chord[0]) + np.pi / 2 - yaw + np.pi / 2) % np.pi - np.pi / 2
        front = np.array([np.cos(yaw), np.sin(yaw)])
        side = np.array([-front[1], front[0]])
        centre = middle - 0.5 * depth * front
        us, vs = np.meshgrid(np.linspace(-0.5, 0.5, 9), np.linspace(-0.5, 0.5, 9))
        inside = centre + us[..., None] * depth * front + vs[..., None] * width * side
        if self._lookup(self.distance, inside).min() < CLEARANCE or self._lookup(self.taken, inside).any():
            return False
        self._add(LayoutKind.BUILDING, centre, yaw, (depth, width, height), color, seed)
        cv2.fillPoly(self.taken, [self._pixels(_rectangle(centre, front, side, depth + 1.5, width + 1.0))], 255)
        self.pads.append(_rectangle(centre + 2.2 * front, front, side, depth + 5.5, width + 1.6))
        return True

    def _building_size(self) -> tuple[float, int]:
        """Height and seed of a house with a gable roof, or of a block with a flat one."""
        tall = self.rng.random() < self.urban
        floors = int(self.rng.integers(3, 7) if tall else self.rng.integers(1, 3))
        height = floors * float(self.rng.uniform(2.9, 3.4)) + 0.6
        gabled = not tall and bool(self.rng.random() < 0.85)
        # the seed says which, and which colour the roof has
        roof = int(self.rng.choice(self.roofs))
        seed = 8 * (4 * int(self.rng.integers(2**24)) + roof)
        return (height + 3.3, seed + int(self.rng.integers(1, 8))) if gabled else (height, seed)

    def _place_walls(self):
        """Low walls and hedges in front of some gardens."""
        for line in self._along_roads(WALL_SETBACK):
            at = self.rng.uniform(0.0, 20.0)
            while at < 0.5 * len(line) - 12:
                length = float(self.rng.uniform(5.0, 10.0))
                hedge = bool(self.rng.random() < 0.6)
                start, end = line[int(2 * at)], line[int(2 * (at + length))]
                if self.rng.random() < 0.5 * (1.2 - self.urban):
                    self._place_wall(start, end, hedge)
                at += length + self.rng.uniform(1.0, 14.0)

    def _place_wall(self, start: np.ndarray, end: np.ndarray, hedge: bool):
        chord = end - start
        size = float(np.linalg.norm(chord))
        along = start + np.linspace(0.0, 1.0, 9)[:, None] * chord
        if self._lookup(self.distance, along).min() < WALL_SETBACK - 0.5 or self._lookup(self.taken, along).any():
            return
        color = np.array(_LEAVES[self.leaves[0]]) * 0.85 if hedge else np.array((168, 160, 148))
        thick, height = (0.7, 1.1) if hedge else (0.3, 0.9)
        yaw = float(np.arctan2(chord[1], chord[0]))
        self._add(LayoutKind.WALL, 0.5 * (start + end), yaw, (size, thick, height), color, int(hedge))
        for point in along:
            self._take(point, 0.8)

    def _place_lamps(self):
        for line in self._along_roads(LAMP_SETBACK):
            for k in range(24, len(line) - 24, 56):
                if self._is_free(line[k], LAMP_SETBACK - 0.4):
                    yaw = self._towards_road(line[k])
                    middle = line[k] + 0.9 * np.array([np.cos(yaw), np.sin(yaw)])
                    self._add(LayoutKind.POLE, middle, yaw, (2.0, 0.2, 6.2), (110, 114, 118), 1)
                    self._take(line[k], 3.0)

    def _place_trees(self):
        for setback, spacing in ((TREE_SETBACK, 11.0), (11.0, 16.0), (20.0, 14.0)):
            for line in self._along_roads(setback):
                at = self.rng.uniform(2.0, 10.0)
                while at < 0.5 * len(line) - 6:
                    point = line[int(2 * at)] + self.rng.uniform(-0.7, 0.7, 2) * (setback > TREE_SETBACK)
                    if self._is_free(point, TREE_SETBACK - 0.8):
                        self._place_tree(point)
                    at += spacing * self.rng.uniform(0.6, 1.7)

    def _place_tree(self, point: np.ndarray):
        conifer = self.rng.random() < 0.25
        height = self.rng.uniform(5.5, 9.0)
        crown = 2 * (self.rng.uniform(1.3, 1.7) if conifer else self.rng.uniform(1.5, 2.3))
        color = np.array(_LEAVES[self.rng.choice(self.leaves)]) * self.rng.uniform(0.92, 1.08)
        color = color * (0.86 if conifer else 1.0)
        # the seed says which it is
        seed = 4 * int(self.rng.integers(1, 2**28)) + (0 if conifer else int(self.rng.integers(1, 4)))
        self._add(LayoutKind.TREE, point, self.rng.uniform(0, 6.28), (crown, crown, height), color, seed)
        self._take(point, 3.6)

    def _is_free(self, point: np.ndarray, clearance: float) -> bool:
        return bool(self._lookup(self.distance, point) >= clearance and not self._lookup(self.taken, point))

    def _take(self, point: np.ndarray, radius: float):
        x, y = self._pixels(point)
        cv2.circle(self.taken, (int(x), int(y)), round(radius / self.cell), 255, -1)

    def _add(
        self, kind: LayoutKind, point: np.ndarray, yaw: float, size: tuple, color: Sequence | np.ndarray, seed: int
    ):
        red, green, blue = (int(np.clip(c, 0, 255)) for c in color)
        length, width, height = size
        place = (float(point[0]), float(point[1]), 0.0, float(yaw), length, width, height)
        self.boxes.append(Box(place, kind, (red, green, blue), seed))


def _layout(boxes: Sequence[Box]) -> Layout:
    """A layout of boxes alone."""
    return Layout(
        boxes=np.array([box.place for box in boxes], np.float64).reshape(-1, len(BOX_NAMES)),
        box_kinds=np.array([box.kind for box in boxes], np.int64),
        box_colors=np.array([box.color or (0, 0, 0) for box in boxes], np.uint8).reshape(-1, 3),
        box_color_valid=np.array([box.color is not None for box in boxes], bool),
        box_seeds=np.array([box.seed for box in boxes], np.uint32),
        box_signals=np.array([box.signal for box in boxes], np.int64),
        box_signs=np.array([box.sign for box in boxes], np.int64),
    )


def _rectangle(centre: np.ndarray, front: np.ndarray, side: np.ndarray, depth: float, width: float) -> np.ndarray:
    """Corners [4, 2] of a rectangle with `depth` along `front` and `width` along `side`."""
    f, s = 0.5 * depth * front, 0.5 * width * side
    return np.array([centre - f - s, centre + f - s, centre + f + s, centre - f + s])
