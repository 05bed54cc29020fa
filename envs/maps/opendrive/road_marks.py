"""Painted lines and kerbs: the <roadMark> elements of lanes, lane 0 included, per lane section and offset."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from envs.maps.geometry import Marking, corner_points
from envs.maps.opendrive.lane_surfaces import SectionSurface
from envs.maps.opendrive.roads import Road, Section
from envs.maps.opendrive.text import read_number

_NOT_PAINTED = ("none", "grass", "edge")
_YELLOW = ("yellow", "orange")
_STANDARD_WIDTH, _BOLD_WIDTH = 0.125, 0.25


def section_markings(road: Road, section: Section, surface: SectionSurface) -> Iterator[Marking]:
    """The markings of a lane section: each lane's lie on its outer border, those of lane 0 between 1 and -1."""
    rows = [(lane.id, lane.element, row if lane.id > 0 else row + 1) for row, lane in enumerate(section.lanes)]
    if section.centre is not None:
        rows.append((0, section.centre, surface.centre))
    for lane, element, border in rows:
        where = f"{road.where}, lane {lane}"
        yield from _runs(element, section, surface, border, where)


def _runs(element: ET.Element, section: Section, surface: SectionSurface, border: int, where: str) -> Iterator[Marking]:
    marks = element.findall("roadMark")
    if not marks:
        return
    starts = [section.start + read_number(mark, "sOffset", where, 0.0) for mark in marks]
    order = np.argsort(starts, kind="stable")
    ends = {i: starts[j] for i, j in pairwise(order.tolist())}
    for i in order.tolist():
        start, end = max(starts[i], section.start), min(ends.get(i, section.end), section.end)
        kind = marks[i].get("type", "none").strip().replace(" ", "_")
        if end - start < 1e-3:
            continue
        lines = _painted_lines(marks[i], kind, where)
        for line in lines:
            yield _marking(line, marks[i], surface, border, start, end, where)


def _painted_lines(mark: ET.Element, kind: str, where: str) -> list[tuple[str, float, float, float, float | None]]:
    """Kind, t offset, dash length, gap and width of each line of a mark; widths may be None, dashes 0 for unknown."""
    written = mark.findall("type/line")
    if kind in _NOT_PAINTED and not written:
        return []
    dashes = [(read_number(w, "length", where, 0.0), read_number(w, "space", where, 0.0)) for w in written]
    if kind != "custom" and kind not in _NOT_PAINTED:
        length, gap = next((d for d in dashes if d[1] > 0), (0.0, 0.0))
        return [(kind, 0.0, length, gap, None)]
    lines = []
    for line, (length, gap) in zip(written, dashes, strict=True):
        width = read_number(line, "width", where, 0.0) or None
        lines.append(("broken" if gap > 0 else "solid", read_number(line, "tOffset", where, 0.0), length, gap, width))
    return lines


def _marking(
    line: tuple[str, float, float, float, float | None],
    mark: ET.Element,
    surface: SectionSurface,
    border: int,
    start: float,
    end: float,
    where: str,
) -> Marking:
    kind, offset, dash, gap, width = line
    s = surface.s
    at = np.concatenate([[start], s[(s > start + 1e-6) & (s < end - 1e-6)], [end]])
    x, y, z, heading = (
        np.interp(at, s, of)
        for of in (surface.points[border, :, 0], surface.points[border, :, 1], surface.z[border], surface.heading)
    )
    points = np.stack([x - offset * np.sin(heading), y + offset * np.cos(heading)], axis=-1)
    keep = corner_points(points, z)
    if border < surface.centre and kind in ("solid_broken", "broken_solid"):
        # written from inside to outside, which is from right to left on the left side of the road
        kind = "_".join(reversed(kind.split("_")))
    standard = _BOLD_WIDTH if mark.get("weight") == "bold" else _STANDARD_WIDTH
    return Marking(
        points=points[keep],
        z=z[keep],
        kind=kind,
        color="yellow" if mark.get("color") in _YELLOW else "white",
        width=width or read_number(mark, "width", where, 0.0) or standard,
        dash_length=dash if gap > 0 and dash > 0 else Marking.dash_length,
        dash_gap=gap if gap > 0 and dash > 0 else Marking.dash_gap,
    )
