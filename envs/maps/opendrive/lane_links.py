"""Which lane goes on into which, from the links of roads, lanes and junctions.

Every written link says that an end of one lane touches an end of another. Links are collected from both sides, so one
that is written on one side only holds too; where traffic goes follows from the lanes' directions.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from envs.maps.geometry import LaneKey
from envs.maps.opendrive.roads import Connection, Junction, Link, Road

LaneEnd = tuple[int, int, int, bool]
"""A LaneKey and whether it is the end with the higher s."""

LARGEST_GAP = 2.0
"""Lanes whose ends lie farther apart are not linked, whatever the map says [m]."""
SHARPEST_BEND = np.radians(120.0)
"""The same for directions of travel that differ by more."""


class LaneLinks:
    """The links of a map.

    Args:
        roads: of the map.
        junctions: of the map.
    """

    def __init__(self, roads: Sequence[Road], junctions: Sequence[Junction]) -> None:
        self._roads = {road.id: road for road in roads}
        self._touching: defaultdict[LaneEnd, set[LaneEnd]] = defaultdict(set)
        self._lanes = {
            (road.number, section.index, lane.id): lane
            for road in roads
            for section in road.sections
            for lane in section.lanes
        }
        self._empty = {(road.number, section.index) for road in roads for section in road.sections if section.is_empty}
        for road in roads:
            self._link_sections(road)
            self._link_road(road, road.predecessor, at_end=False)
            self._link_road(road, road.successor, at_end=True)
        for junction in junctions:
            self._link_junction(junction)

    def onward(self, key: LaneKey) -> list[LaneKey]:
        """The lanes that traffic enters at the end of a lane, in order of their keys."""
        found: set[LaneKey] = set()
        seen: set[LaneEnd] = set()
        pending = [(*key, self._lanes[key].along)]
        while pending:
            exit_end = pending.pop()
            for touching in self._touching[exit_end] - seen:
                seen.add(touching)
                other, at_end = touching[:3], touching[3]
                if self._lanes[other].along == at_end:  # traffic leaves it here
                    continue
                if other[:2] in self._empty:
                    pending.append((*other, not at_end))
                else:
                    found.add(other)
        return sorted(found)

    def _touch(self, one: LaneEnd, other: LaneEnd) -> None:
        if one[:3] in self._lanes and other[:3] in self._lanes:
            self._touching[one].add(other)
            self._touching[other].add(one)

    def _link_sections(self, road: Road) -> None:
        for before, after in pairwise(road.sections):
            pairs = [(lane.id, lane.after) for lane in before.lanes] + [(lane.before, lane.id) for lane in after.lanes]
            for one, other in pairs:
                if one is not None and other is not None:
                    self._touch((road.number, before.index, one, True), (road.number, after.index, other, False))

    def _link_road(self, road: Road, link: Link | None, *, at_end: bool) -> None:
        if link is None or link.to_junction:
            return
        other = self._roads.get(link.id)
        name = "successor" if at_end else "predecessor"
        if other is None:
            warnings.warn(f"{road.where}: its {name} road {link.id!r} does not exist; it ends there", stacklevel=2)
            return
        other_end = link.contact == "end" if link.contact else self._nearest_end(road, at_end, other)
        section = road.sections[-1 if at_end else 0]
        for lane in section.lanes:
            linked = lane.after if at_end else lane.before
            if linked is not None:
                self._touch((road.number, section.index, lane.id, at_end), _end_of(other, linked, other_end))

    def _link_junction(self, junction: Junction) -> None:
        if junction.kind == "virtual":
            warnings.warn(f"junction {junction.id!r} is virtual: nothing turns off there", stacklevel=2)
            return
        for connection in junction.connections:
            incoming = self._roads.get(connection.incoming)
            connecting = self._roads.get(connection.connecting)
            if incoming is None or connecting is None:
                missing = connection.incoming if incoming is None else connection.connecting
                warnings.warn(f"junction {junction.id!r}: there is no road {missing!r} to connect", stacklevel=2)
                continue
            for at_end, contact in self._contacts(junction, connection, incoming, connecting):
                for own, other in _lane_pairs(connection, incoming, at_end, connecting, contact):
                    self._touch(_end_of(incoming, own, at_end), _end_of(connecting, other, contact))

    def _contacts(
        self, junction: Junction, connection: Connection, incoming: Road, connecting: Road
    ) -> Iterator[tuple[bool, bool]]:
        """Which end of the incoming road meets which end of the connecting one."""
        ends = [
            at_end
            for at_end, link in ((False, incoming.predecessor), (True, incoming.successor))
            if link is not None and link.to_junction and link.id == junction.id
        ] or [False, True]
        contacts = [connection.contact == "end"] if connection.contact else [False, True]
        pairs = [(own, other) for own in ends for other in contacts]
        yield min(pairs, key=lambda pair: _distance(incoming, pair[0], connecting, pair[1]))

    @staticmethod
    def _nearest_end(road: Road, at_end: bool, other: Road) -> bool:
        return _distance(road, at_end, other, True) < _distance(road, at_end, other, False)


def _lane_pairs(
    connection: Connection, incoming: Road, at_end: bool, connecting: Road, contact: bool
) -> Iterator[tuple[int, int]]:
    """Linked lane ids; without any in the map, equal ids (OpenDRIVE 1.4, 5.3.14.1.1)."""
    if connection.lanes:
        yield from connection.lanes
        return
    own = {lane.id for lane in incoming.sections[-1 if at_end else 0].lanes}
    other = {lane.id for lane in connecting.sections[-1 if contact else 0].lanes}
    yield from ((lane, lane) for lane in sorted(own & other))


def _end_of(road: Road, lane: int, at_end: bool) -> LaneEnd:
    return (road.number, road.sections[-1 if at_end else 0].index, lane, at_end)


def _distance(road: Road, at_end: bool, other: Road, other_end: bool) -> float:
    ends = [r.line.at(np.array([r.length if e else 0.0]))[0][0] for r, e in ((road, at_end), (other, other_end))]
    return float(np.hypot(*(ends[0] - ends[1])))


def joined(
    links: LaneLinks, ends: Mapping[LaneKey, tuple[np.ndarray, np.ndarray]], names: Mapping[int, str]
) -> dict[LaneKey, tuple[LaneKey, ...]]:
    """The driving lanes that follow each driving lane.

    Args:
        links: of the map.
        ends: first and last pose (x, y, yaw) of each driving lane along its travel.
        names: ids of the roads by number.

    Links that tear the way apart are named in a warning and left out.
    """
    result = {}
    for key, (_, last) in ends.items():
        following = []
        for other in links.onward(key):
            if other not in ends:
                continue
            first = ends[other][0]
            gap = float(np.hypot(*(first[:2] - last[:2])))
            bend = abs(float(np.angle(np.exp(1j * (first[2] - last[2])))))
            if gap <= LARGEST_GAP and bend <= SHARPEST_BEND:
                following.append(other)
                continue
            warnings.warn(
                f"road {names[key[0]]!r} lane {key[2]} is linked to road {names[other[0]]!r} lane {other[2]},"
                f" which begins {gap:.1f} m away at {np.degrees(bend):.0f} degrees to it: not linked",
                stacklevel=2,
            )
        result[key] = tuple(following)
    return result
