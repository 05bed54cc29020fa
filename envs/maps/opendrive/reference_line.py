"""A road's reference line and the profiles along it, in float64: line, arc, spiral, poly3, paramPoly3, cubics.

ASAM OpenDRIVE 1.8, chapters 9 (geometry) and 10.5 (elevation). Angles are radians, counter-clockwise from x.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from envs.maps.opendrive.text import read_number

LARGEST_GAP = 1.0
"""Farther apart than this, two pieces of a reference line are no line [m]."""
LONGEST_ROAD = 1e6
"""[m]."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(5)
_SPIRAL_TURN = 0.2
"""A spiral is integrated in pieces that turn by at most this [rad]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cubics:
    """A function of s that is a cubic polynomial between breakpoints, zero where none is defined.

    Args:
        starts: s of each piece, ascending, float64 [k] [m].
        coefficients: a, b, c, d of each piece in powers of the distance from its start, float64 [k, 4].
    """

    starts: np.ndarray
    coefficients: np.ndarray

    @staticmethod
    def read(
        elements: list[ET.Element], where: str, *, offset_name: str = "s", origin: float = 0.0, extend: bool = False
    ) -> Cubics:
        """The pieces written in `elements`.

        Args:
            elements: with attributes a, b, c, d and `offset_name`.
            where: for messages.
            offset_name: attribute of the place where a piece begins, from `origin` on.
            origin: s that offsets count from [m].
            extend: whether the first piece also holds before its start.

        Raises:
            ValueError: an attribute is not a number.
        """
        rows = []
        for element in elements:
            at = origin + read_number(element, offset_name, where, 0.0)
            rows.append((at, *(read_number(element, name, where, 0.0) for name in "abcd")))
        rows.sort(key=lambda row: row[0])
        table = np.array(rows, np.float64).reshape(-1, 5)
        if extend and len(table) and table[0, 0] > origin:
            table = np.concatenate([[[origin, table[0, 1], 0.0, 0.0, 0.0]], table])
        return Cubics(starts=table[:, 0], coefficients=table[:, 1:])

    @property
    def is_zero(self) -> bool:
        """Whether it is zero everywhere."""
        return not self.coefficients.any()

    def __call__(self, s: np.ndarray) -> np.ndarray:
        """Values at s [n]."""
        return self._evaluate(s, derivative=False)

    def slope(self, s: np.ndarray) -> np.ndarray:
        """Derivatives at s [n]."""
        return self._evaluate(s, derivative=True)

    def _evaluate(self, s: np.ndarray, *, derivative: bool) -> np.ndarray:
        if self.is_zero:
            return np.zeros(len(s))
        piece = np.searchsorted(self.starts, s, side="right") - 1
        defined = piece >= 0
        piece = np.maximum(piece, 0)
        d = s - self.starts[piece]
        a, b, c, e = self.coefficients[piece].T
        value = b + d * (2 * c + d * 3 * e) if derivative else a + d * (b + d * (c + d * e))
        return np.where(defined, value, 0.0)


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """One <geometry>: where it begins, and its shape with the shape's numbers."""

    s: float
    length: float
    x: float
    y: float
    heading: float
    shape: str
    numbers: tuple[float, ...]

    def at(self, d: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points [n, 2], heading [n] and curvature [n] at distances `d` [n] from the beginning."""
        local, turn, curvature = _SHAPES[self.shape](d, self.length, *self.numbers)
        c, s = np.cos(self.heading), np.sin(self.heading)
        x, y = self.x + c * local[0] - s * local[1], self.y + s * local[0] + c * local[1]
        return np.stack([x, y], axis=-1), self.heading + turn, curvature


_Local = tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]


def _line(d: np.ndarray, length: float) -> _Local:
    zero = np.zeros(len(d))
    return (d, zero), zero, zero


def _arc(d: np.ndarray, length: float, curvature: float) -> _Local:
    turn = curvature * d
    # sin(a)/a and (1 - cos(a))/a through sinc, which bear a curvature of zero
    half = np.sinc(turn / (2 * np.pi))
    chord = d * half
    return (chord * np.cos(turn / 2), chord * np.sin(turn / 2)), turn, np.full(len(d), curvature)


def _spiral(d: np.ndarray, length: float, start: float, end: float) -> _Local:
    """Curvature grows linearly; the position is the integral of the direction, by Gauss-Legendre quadrature."""
    rate = (end - start) / length if length > 0 else 0.0
    turn = d * (start + 0.5 * rate * d)
    largest = max(abs(start), abs(end))
    count = int(np.clip(np.ceil(length * largest / _SPIRAL_TURN), 1, 100_000))
    knots = np.union1d(np.linspace(0.0, length, count + 1), d)
    middle, half = (knots[1:] + knots[:-1]) / 2, (knots[1:] - knots[:-1]) / 2
    at = middle[:, None] + half[:, None] * _NODES
    angle = at * (start + 0.5 * rate * at)
    steps = half[:, None] * np.stack([np.cos(angle) @ _WEIGHTS, np.sin(angle) @ _WEIGHTS], axis=-1)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    x, y = path[np.searchsorted(knots, d)].T
    zero = np.searchsorted(knots, 0.0)
    return (x - path[zero, 0], y - path[zero, 1]), turn, start + rate * d


def _cubic(d: np.ndarray, a: float, b: float, c: float, e: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return a + d * (b + d * (c + d * e)), b + d * (2 * c + d * 3 * e), 2 * c + 6 * e * d


def _poly3(d: np.ndarray, length: float, a: float, b: float, c: float, e: float) -> _Local:
    """v is a cubic of u; u is found from the arc length."""
    grid = np.linspace(0.0, length, max(int(4 * length), 16) + 1)
    slope = _cubic(grid, a, b, c, e)[1]
    density = np.sqrt(1 + slope**2)
    arc = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    u = np.interp(d, arc, grid)
    v, first, second = _cubic(u, a, b, c, e)
    return (u, v), np.arctan(first), second / (1 + first**2) ** 1.5


def _param_poly3(d: np.ndarray, length: float, *numbers: float) -> _Local:
    """u and v are cubics of p, which is the arc length or runs from 0 to 1."""
    scale = numbers[8]
    p = d * scale
    u, du, ddu = _cubic(p, *numbers[:4])
    v, dv, ddv = _cubic(p, *numbers[4:8])
    speed = np.maximum(np.hypot(du, dv), 1e-12)
    return (u, v), np.unwrap(np.arctan2(dv, du)), (du * ddv - dv * ddu) / speed**3


_SHAPES = {"line": _line, "arc": _arc, "spiral": _spiral, "poly3": _poly3, "paramPoly3": _param_poly3}
_PARAM_POLY3 = ("aU", "bU", "cU", "dU", "aV", "bV", "cV", "dV")


def _read_piece(element: ET.Element, where: str) -> _Piece:
    shapes = [child for child in element if child.tag in _SHAPES]
    if len(shapes) != 1:
        found = ", ".join(f"<{child.tag}>" for child in element) or "nothing"
        raise ValueError(f"{where}: a <geometry> holds {found}; it must hold exactly one of {', '.join(_SHAPES)}")
    shape = shapes[0]
    length = read_number(element, "length", where, least=0.0)
    numbers: tuple[float, ...] = ()
    match shape.tag:
        case "arc":
            numbers = (read_number(shape, "curvature", where),)
        case "spiral":
            numbers = (read_number(shape, "curvStart", where), read_number(shape, "curvEnd", where))
        case "poly3":
            numbers = tuple(read_number(shape, name, where) for name in "abcd")
        case "paramPoly3":
            by_length = shape.get("pRange", "normalized") == "arcLength"
            scale = 1.0 if by_length else 1.0 / max(length, 1e-9)
            numbers = (*(read_number(shape, name, where) for name in _PARAM_POLY3), scale)
    return _Piece(
        s=read_number(element, "s", where, least=-1e-6),
        length=length,
        x=read_number(element, "x", where),
        y=read_number(element, "y", where),
        heading=read_number(element, "hdg", where),
        shape=shape.tag,
        numbers=numbers,
    )


class ReferenceLine:
    """The reference line of a road.

    Args:
        pieces: its geometries, at least one, in order of s.
        length: of the road [m].
    """

    def __init__(self, pieces: list[_Piece], length: float) -> None:
        self._pieces, self.length = pieces, length
        self._starts = np.array([piece.s for piece in pieces])

    @staticmethod
    def read(road: ET.Element, length: float, where: str) -> ReferenceLine:
        """The line of a <road>.

        Raises:
            ValueError: there is none, it is shorter than the road, or its pieces do not meet.
        """
        pieces = [_read_piece(element, where) for element in road.findall("planView/geometry")]
        if not pieces:
            raise ValueError(f"{where}: no <geometry> in <planView>; a road needs a reference line")
        pieces.sort(key=lambda piece: piece.s)
        end = pieces[-1].s + pieces[-1].length
        if pieces[0].s > LARGEST_GAP or end < length - LARGEST_GAP:
            raise ValueError(
                f"{where}: its <geometry> elements reach from s = {pieces[0].s:g} to {end:g} m;"
                f" its length is {length:g} m"
            )
        line = ReferenceLine(pieces, length)
        line._check_joints(where)
        return line

    def _check_joints(self, where: str) -> None:
        for before, after in pairwise(self._pieces):
            reached = before.at(np.array([after.s - before.s]))[0][0]
            gap = float(np.hypot(reached[0] - after.x, reached[1] - after.y))
            if not gap <= LARGEST_GAP:
                raise ValueError(
                    f"{where}: the <geometry> at s = {after.s:g} m begins {gap:.2f} m from where the one before it ends"
                )

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points [n, 2] [m], heading [n] [rad] and curvature [n] [1/m] at s [n] [m]."""
        piece = np.clip(np.searchsorted(self._starts, s, side="right") - 1, 0, len(self._pieces) - 1)
        points, heading, curvature = np.empty((len(s), 2)), np.empty(len(s)), np.empty(len(s))
        for i in np.unique(piece):
            here = piece == i
            points[here], heading[here], curvature[here] = self._pieces[i].at(s[here] - self._starts[i])
        return points, heading, curvature

    def curvatures(self) -> list[tuple[float, float, float]]:
        """Beginning, end [m] and largest absolute curvature [1/m] of each piece."""
        bounds = [*self._starts[1:].tolist(), self.length]
        found = []
        for piece, end in zip(self._pieces, bounds, strict=True):
            if piece.shape in ("line", "arc", "spiral"):
                largest = max((abs(k) for k in piece.numbers), default=0.0)
            else:
                largest = float(np.abs(piece.at(np.linspace(0.0, piece.length, 33))[2]).max())
            found.append((piece.s, end, largest))
        return found
