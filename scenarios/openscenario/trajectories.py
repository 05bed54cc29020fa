"""Trajectories of OpenSCENARIO: polylines, clothoids and NURBS, sampled to vertices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import BSpline

from scenarios.openscenario.network import Pose
from scenarios.openscenario.positions import Fixed, Frame, Position, read_position
from scenarios.openscenario.source import Node
from worldsim.datatypes.boxes import wrap_angle

if TYPE_CHECKING:
    from scenarios.openscenario.stage import Stage

STEP = 1.0
"""Curves are sampled so finely [m]."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)


class TableColumn(IntEnum):
    """Columns of `Trajectory.table`: place [m], heading, unwrapped [rad], height, arc length [m] and time [s]."""

    X = 0
    Y = 1
    YAW = 2
    Z = 3
    ARC = 4
    TIME = 5


@dataclass(frozen=True, kw_only=True)
class Vertex:
    """A vertex of a trajectory.

    Args:
        position: where.
        time: when, from the trajectory's beginning [s]; None does not say.
    """

    position: Position
    time: float | None


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """A trajectory.

    Args:
        vertices: at least two.
        is_timed: whether all of them say when.
        smooth: whether it is a curve, which is turned along, and not a polyline, whose vertices may say a heading.
    """

    vertices: tuple[Vertex, ...]
    is_timed: bool
    smooth: bool = False

    def table(self, stage: Stage, center: float) -> np.ndarray:
        """TableColumn [n, 6] of the middle of a box at each vertex; NaN for a time that is not told.

        Args:
            stage: now.
            center: of the box, ahead of the point that positions refer to [m].
        """
        poses = [vertex.position.pose(stage) for vertex in self.vertices]
        told = [not self.smooth and _has_heading(vertex.position) for vertex in self.vertices]
        points = np.array([pose[:2] for pose in poses])
        yaws = np.array([pose.yaw for pose in poses])
        tangents = _tangents(points, yaws)
        yaws = np.where(told, yaws, tangents)
        middles = [pose._replace(yaw=float(yaw)).moved(center) for pose, yaw in zip(poses, yaws, strict=True)]
        xy = np.array([pose[:2] for pose in middles])
        arcs = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
        times = [math.nan if vertex.time is None else vertex.time for vertex in self.vertices]
        return np.column_stack([xy, np.unwrap(yaws), [pose.z for pose in poses], arcs, times])


def pose_on(table: np.ndarray, at: float, *, by_time: bool) -> Pose:
    """The pose at a time [s] or an arc length [m] of `Trajectory.table` [n, 6]; beyond its ends that of the end."""
    key = table[:, TableColumn.TIME if by_time else TableColumn.ARC]
    columns = TableColumn.X, TableColumn.Y, TableColumn.YAW, TableColumn.Z
    x, y, yaw, z = (float(np.interp(at, key, table[:, column])) for column in columns)
    return Pose(x, y, float(wrap_angle(yaw)), z)


def read_trajectory(node: Node, frame: Frame) -> Trajectory:
    """The trajectory in a <Trajectory>.

    Raises:
        ScenarioFileError: a shape that is not supported, or wrong.
    """
    shape = node.need("Shape").only()
    match shape.tag:
        case "Polyline":
            vertices = [
                Vertex(
                    position=read_position(each.need("Position"), frame),
                    time=each.number("time") if each.attributes.get("time", "") else None,
                )
                for each in shape.all("Vertex")
            ]
            smooth = False
        case "Clothoid":
            vertices, smooth = _clothoid(shape, frame), True
        case "Nurbs":
            vertices, smooth = _nurbs(shape, frame), True
        case _:
            raise shape.error("is not supported; Polyline, Clothoid and Nurbs are")
    if len(vertices) < 2:
        raise shape.error(f"needs at least two vertices, got {len(vertices)}")
    times = [vertex.time for vertex in vertices]
    is_timed = all(time is not None for time in times)
    if is_timed and any(b <= a for a, b in pairwise(times)):  # pyright: ignore[reportOperatorIssue]
        raise shape.error("the times of its vertices must ascend")
    return Trajectory(vertices=tuple(vertices), is_timed=is_timed, smooth=smooth)


def _has_heading(position: Position) -> bool:
    return not isinstance(position, Fixed) or position.has_heading


def _tangents(points: np.ndarray, fallback: np.ndarray) -> np.ndarray:
    """Directions [n] along a line of points [n, 2] [rad]; where it stands, that before, and at first `fallback`."""
    step = np.diff(points, axis=0, append=points[-1:])
    step[-1] = step[-2]
    yaws, last = np.empty(len(points)), float(fallback[0])
    for k, (dx, dy) in enumerate(step.tolist()):
        last = math.atan2(dy, dx) if math.hypot(dx, dy) > 1e-3 else last
        yaws[k] = last
    return yaws


def _clothoid(shape: Node, frame: Frame) -> list[Vertex]:
    """A clothoid: its curvature grows linearly from `curvature` by `curvaturePrime` a metre, over `length`."""
    start = read_position(shape.need("Position"), frame)
    if not isinstance(start, Fixed):
        raise shape.error("begins at a relative position, which is not supported; a fixed one is")
    curvature, length = frame.left * shape.number("curvature"), shape.number("length")
    prime = shape.attributes.get("curvaturePrime", shape.attributes.get("curvatureDot"))
    if prime is None:
        raise shape.error("needs the attribute curvaturePrime")
    rate = frame.left * float(prime)
    s = np.linspace(0.0, length, max(math.ceil(length / STEP), 1) + 1)
    half = np.diff(s)[:, None] / 2
    at = (s[1:] + s[:-1])[:, None] / 2 + half * _NODES
    angle = start.at.yaw + at * (curvature + rate * at / 2)
    steps = half * np.stack([np.cos(angle) @ _WEIGHTS, np.sin(angle) @ _WEIGHTS], axis=-1)
    points = np.concatenate([[start.at[:2]], start.at[:2] + np.cumsum(steps, axis=0)])
    times: list[float | None] = [None] * len(s)
    if "startTime" in shape.attributes and "stopTime" in shape.attributes:
        first, last = shape.number("startTime"), shape.number("stopTime")
        times = list((first + (last - first) * s / length).tolist())
    return [_vertex(point, time, frame) for point, time in zip(points, times, strict=True)]


def _nurbs(shape: Node, frame: Frame) -> list[Vertex]:
    """A non-uniform rational B-spline through its control points, weights and knots."""
    controls = shape.all("ControlPoint")
    positions = [read_position(each.need("Position"), frame) for each in controls]
    if not all(isinstance(each, Fixed) for each in positions):
        raise shape.error("has control points at relative positions, which is not supported; fixed ones are")
    points = np.array([each.at[:2] for each in positions if isinstance(each, Fixed)])
    weights = np.array([each.number("weight", 1.0) for each in controls])
    knots = np.array([each.number("value") for each in shape.all("Knot")])
    degree = shape.whole("order") - 1
    if len(knots) != len(points) + degree + 1:
        raise shape.error(
            f"of order {degree + 1} with {len(points)} control points needs {len(points) + degree + 1} knots"
        )
    spline = BSpline(knots, np.column_stack([points * weights[:, None], weights]), degree)
    length = float(np.hypot(*np.diff(points, axis=0).T).sum())
    at = np.linspace(knots[degree], knots[-degree - 1], max(math.ceil(length / STEP), 1) + 1)
    found = spline(at)
    return [_vertex(point, None, frame) for point in found[:, :2] / found[:, 2:]]


def _vertex(point: np.ndarray, time: float | None, frame: Frame) -> Vertex:
    x, y = point.tolist()
    return Vertex(position=Fixed(at=Pose(x, y, 0.0, frame.network.ground(x, y))), time=time)
