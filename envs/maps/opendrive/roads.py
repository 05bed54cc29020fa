"""Roads, lane sections and junctions as an OpenDRIVE text describes them (ASAM OpenDRIVE 1.8, chapters 10 to 12).

Ids are strings in the standard; inside they are numbers, and messages give the map's own.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from envs.maps.opendrive.reference_line import Cubics, ReferenceLine

SAMPLE_STEP = 1.0
"""Longest distance between samples along a road [m]."""
SAMPLE_TURN = 0.06
"""Most that the reference line turns between two samples [rad]."""
SHORTEST_SECTION = 0.01
"""A lane section shorter than this has no surface; links lead through it [m]."""
_MOST_SAMPLES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Link:
    """What a road's end is linked to.

    Args:
        to_junction: whether it is a junction, else a road.
        id: the map's own id of it.
        contact: "start" or "end" of the road, "" where the map does not say.
    """

    to_junction: bool
    id: str
    contact: str


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneRecord:
    """A <lane> within its section.

    Args:
        id: positive to the left of the reference line, negative to its right.
        kind: one of LANE_KINDS.
        element: the XML.
        along: whether traffic drives in the direction of s.
        width: [m]; None where the lane is told by its outer border.
        border: t of the outer border [m].
        before: id of the lane it is linked to at the end with the lower s, None for none.
        after: the same at the other end.
    """

    id: int
    kind: str
    element: ET.Element
    along: bool
    width: Cubics | None
    border: Cubics | None
    before: int | None
    after: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Section:
    """A lane section.

    Args:
        index: within the road.
        start: s [m].
        end: s [m].
        lanes: from the leftmost to the rightmost, without lane 0.
        centre: lane 0, None where it is not written.
    """

    index: int
    start: float
    end: float
    lanes: tuple[LaneRecord, ...]
    centre: ET.Element | None

    @property
    def is_empty(self) -> bool:
        """Whether it is too short to have a surface."""
        return self.end - self.start < SHORTEST_SECTION


@dataclass(frozen=True, kw_only=True, eq=False)
class Road:
    """A <road>.

    Args:
        number: its id inside.
        id: the map's own.
        length: [m].
        junction: number of the junction that it is a connecting road of, -1 for none.
        left_hand: whether traffic keeps to the left.
        element: the XML.
        line: its reference line.
        elevation: z over s.
        roll: superelevation over s [rad]; positive raises the left side.
        offset: t of lane 0 over s.
        sections: its lane sections in order.
        predecessor: what its beginning is linked to.
        successor: what its end is linked to.
    """

    number: int
    id: str
    length: float
    junction: int
    left_hand: bool
    element: ET.Element
    line: ReferenceLine
    elevation: Cubics
    roll: Cubics
    offset: Cubics
    sections: tuple[Section, ...]
    predecessor: Link | None
    successor: Link | None

    @property
    def where(self) -> str:
        """For messages."""
        return f"road {self.id!r}"

    def surface(self, s: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points [..., n, 2] and heights [..., n] at s [n] and t [..., n] [m]."""
        points, heading, _ = self.line.at(s)
        return lift(self, s, t, points, heading)

    @cached_property
    def _density(self) -> tuple[np.ndarray, np.ndarray]:
        """s [k] and how many sample distances lie before it [k]."""
        s, count = [0.0], [0.0]
        for start, end, curvature in self.line.curvatures():
            start, end = np.clip((start, end), s[-1], self.length)
            s.append(float(end))
            count.append(count[-1] + float(end - start) * max(1 / SAMPLE_STEP, curvature / SAMPLE_TURN))
        return np.array(s), np.array(count)

    def sample_positions(self, start: float, end: float) -> np.ndarray:
        """s of samples from `start` to `end`, both included, closer together where the road bends, [n], n >= 2.

        Raises:
            ValueError: there are too many.
        """
        s, count = self._density
        low, high = np.interp((start, end), s, count)
        num_steps = max(int(np.ceil(high - low - 1e-9)), 1)
        if num_steps > _MOST_SAMPLES:
            raise ValueError(f"{self.where}: {end - start:g} m long and curved too much to be sampled")
        at = np.interp(np.linspace(low, high, num_steps + 1), count, s)
        at[0], at[-1] = start, end
        return at


def lift(
    road: Road, s: np.ndarray, t: np.ndarray, points: np.ndarray, heading: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points [..., n, 2] and heights [..., n] beside places of the reference line that are known already."""
    roll = road.roll(s)
    across = t * np.cos(roll)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    return points + across[..., None] * normal, road.elevation(s) + t * np.sin(roll)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A <connection> of a junction.

    Args:
        incoming: the map's own id of the road that leads in.
        connecting: id of the road within the junction, or of the other road of a direct junction.
        contact: "start" or "end" of that road, "" where the map does not say.
        lanes: (from, to) lane ids; empty where equal ids are linked.
    """

    incoming: str
    connecting: str
    contact: str
    lanes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Junction:
    """A <junction>.

    Args:
        number: its id inside.
        id: the map's own.
        kind: "default", "direct", "virtual" or "crossing".
        connections: what it links.
    """

    number: int
    id: str
    kind: str
    connections: tuple[Connection, ...]
