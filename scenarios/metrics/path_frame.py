"""Road users as seen along the path that the ego drove: gap, lateral clearance, speed along it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenarios.metrics.drive_record import DriveRecord
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectColumn

MIN_SPACING = 0.25
"""Points of a path are at least this far apart [m]."""
EXTENSION = 150.0
"""Straight on before its beginning and after its end [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EgoPath:
    """The path of the ego's centre, straight on at both ends.

    Args:
        points: float64 [p, 2] [m].
        arcs: arc length of each, 0 where the drive began, float64 [p] [m].
        yaw: of the piece after each point, float64 [p] [rad].
    """

    points: np.ndarray
    arcs: np.ndarray
    yaw: np.ndarray

    @staticmethod
    def of(record: DriveRecord) -> EgoPath:
        """The path of a drive; of one that stood, the straight line along its heading."""
        places, yaw = record.ego[:, :2], record.ego[:, ObjectColumn.YAW]
        kept = [0]
        for i in range(1, len(places)):
            if np.hypot(*(places[i] - places[kept[-1]])) >= MIN_SPACING:
                kept.append(i)

        # a reversing car drives its path backwards, so that headings tell the direction of both extensions
        first, last = kept[0], kept[-1]
        ends = [
            places[k] + sign * EXTENSION * np.array([np.cos(yaw[k]), np.sin(yaw[k])])
            for k, sign in ((first, -1.0), (last, 1.0))
        ]
        points = np.concatenate([ends[0][None], places[kept], ends[1][None]])
        steps = np.diff(points, axis=0)
        arcs = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))]) - EXTENSION
        headings = np.arctan2(steps[:, 1], steps[:, 0])
        return EgoPath(points=points, arcs=arcs, yaw=np.append(headings, headings[-1]))

    def project(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arc length [m], lateral offset, positive left [m], and yaw of the path [rad] nearest to places [n, 2]."""
        (start_x, start_y), (along_x, along_y) = self.points[:-1].T, np.diff(self.points, axis=0).T
        squared = along_x * along_x + along_y * along_y
        arcs, lateral, yaw = (np.empty(len(places)) for _ in range(3))
        for begin in range(0, len(places), 512):  # a few at a time: all at once would be too much memory
            block = slice(begin, begin + 512)
            x, y = places[block, :1] - start_x, places[block, 1:] - start_y
            share = np.clip((x * along_x + y * along_y) / squared, 0.0, 1.0)
            miss_x, miss_y = x - share * along_x, y - share * along_y
            nearest = (miss_x * miss_x + miss_y * miss_y).argmin(axis=1)
            rows, length = np.arange(len(nearest)), np.sqrt(squared[nearest])
            arcs[block] = self.arcs[nearest] + share[rows, nearest] * length
            lateral[block] = (along_x[nearest] * y[rows, nearest] - along_y[nearest] * x[rows, nearest]) / length
            yaw[block] = self.yaw[nearest]
        return arcs, lateral, yaw


@dataclass(frozen=True, kw_only=True, eq=False)
class PathFrame:
    """Road users along the ego's path, each [n, t]; meaningful where DriveRecord.track_known.

    Args:
        path: of the ego.
        ego_arc: of the ego's centre, [t] [m].
        arc: of each road user's centre [m].
        lateral: of its centre, positive left [m].
        half_extent: from its centre along the path to its ends [m].
        half_breadth: from its centre across the path to its sides [m].
        speed: along the path, negative of who comes towards the ego [m/s].
        lateral_speed: across it, positive to the left [m/s].
        acceleration: along the path, of its speed alone [m/s²].
    """

    path: EgoPath
    ego_arc: np.ndarray
    arc: np.ndarray
    lateral: np.ndarray
    half_extent: np.ndarray
    half_breadth: np.ndarray
    speed: np.ndarray
    lateral_speed: np.ndarray
    acceleration: np.ndarray

    @staticmethod
    @lru_cache(maxsize=2)  # several metrics of one drive, and of its approach, ask for it in turn
    def of(record: DriveRecord) -> PathFrame:
        """The frame of a drive."""
        path = EgoPath.of(record)
        steps = np.hypot(*np.diff(record.ego[:, :2], axis=0).T)
        forward = np.where(record.speed[1:] + record.speed[:-1] < 0, -steps, steps)
        known = record.track_known
        arc, lateral, yaw = (np.zeros(known.shape) for _ in range(3))
        arc[known], lateral[known], yaw[known] = path.project(record.tracks[known][:, :2])
        turned = wrap_angle(record.tracks[..., ObjectColumn.YAW] - yaw)
        c, s = np.cos(turned), np.sin(turned)
        half_length, half_width = (
            record.tracks[..., ObjectColumn.LENGTH] / 2,
            record.tracks[..., ObjectColumn.WIDTH] / 2,
        )
        speed = record.tracks[..., ObjectColumn.SPEED]
        return PathFrame(
            path=path,
            ego_arc=np.concatenate([[0.0], np.cumsum(forward)]),
            arc=arc,
            lateral=lateral,
            half_extent=np.abs(c) * half_length + np.abs(s) * half_width,
            half_breadth=np.abs(s) * half_length + np.abs(c) * half_width,
            speed=speed * c,
            lateral_speed=speed * s,
            acceleration=np.nan_to_num(record.track_acceleration) * c,
        )

    def gap(self, record: DriveRecord) -> np.ndarray:
        """Along the path from the ego's front bumper to each road user's near end, [n, t] [m]; negative where they are
        beside each other or the road user is behind."""
        return self.arc - self.half_extent - (self.ego_arc + record.ego[:, ObjectColumn.LENGTH] / 2)

    def clearance(self, record: DriveRecord) -> np.ndarray:
        """Across the path between the ego's side and each road user's near side, [n, t] [m]; negative in its way."""
        return np.abs(self.lateral) - self.half_breadth - record.ego[:, ObjectColumn.WIDTH] / 2

    def is_ahead(self) -> np.ndarray:
        """Whose centre is ahead of the ego's along the path, bool [n, t]."""
        return self.arc > self.ego_arc
