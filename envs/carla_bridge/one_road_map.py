"""An OpenDRIVE map of all that a world knows only a route of: one road with one lane along it, between shoulders.

What lies beside the lane is not known. Without shoulders a client that asks for the nearest lane of any type would be
told that whoever is parked or passes there is in its own lane, and CARLA's agents would wait behind them for ever.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np

BEHIND = 30.0
"""The road begins this far before the route, so that a car at its start stands on it [m]."""
MARKING_WIDTH = 0.15
"""[m]."""
GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"


def route_xodr(route: np.ndarray, half_width: float, name: str) -> str:
    """OpenDRIVE text of a road through a polyline.

    Args:
        route: centre of the lane, ground frame, float64 [r, 2] [m]; its points differ.
        half_width: of the lane [m].
        name: of the map.

    Raises:
        ValueError: the route has less than two points.
    """
    if len(route) < 2:
        raise ValueError(f"a map needs a route of at least 2 points, got {len(route)}")
    first = route[1] - route[0]
    points = np.concatenate([route[:1] - BEHIND * first / np.hypot(*first), route])
    steps = np.diff(points, axis=0)
    lengths, headings = np.hypot(steps[:, 0], steps[:, 1]), np.arctan2(steps[:, 1], steps[:, 0])
    starts = np.concatenate([[0.0], np.cumsum(lengths)])
    root = ET.Element("OpenDRIVE")
    header = ET.SubElement(root, "header", revMajor="1", revMinor="4", name=name, version="1.00")
    ET.SubElement(header, "geoReference").text = GEO_REFERENCE
    road = ET.SubElement(root, "road", name="route", length=f"{starts[-1]:.6f}", id="1", junction="-1")
    ET.SubElement(road, "link")
    plan = ET.SubElement(road, "planView")
    for s, (x, y), heading, length in zip(starts[:-1], points[:-1], headings, lengths, strict=True):
        place = {"s": f"{s:.6f}", "x": f"{x:.6f}", "y": f"{y:.6f}", "hdg": f"{heading:.9f}", "length": f"{length:.6f}"}
        ET.SubElement(ET.SubElement(plan, "geometry", place), "line")
    ET.SubElement(road, "elevationProfile")
    ET.SubElement(road, "lateralProfile")
    lanes = ET.SubElement(road, "lanes")
    ET.SubElement(lanes, "laneOffset", s="0", a=f"{half_width:.4f}", b="0", c="0", d="0")
    section = ET.SubElement(lanes, "laneSection", s="0")
    _add_lane(ET.SubElement(section, "left"), 1, "shoulder", half_width)
    centre = ET.SubElement(ET.SubElement(section, "center"), "lane", id="0", type="none", level="false")
    _mark(centre)
    right = ET.SubElement(section, "right")
    _mark(_add_lane(right, -1, "driving", half_width))
    _add_lane(right, -2, "shoulder", half_width)
    return '<?xml version="1.0"?>\n' + ET.tostring(root, encoding="unicode")


def _add_lane(side: ET.Element, number: int, kind: str, half_width: float) -> ET.Element:
    lane = ET.SubElement(side, "lane", id=f"{number}", type=kind, level="false")
    ET.SubElement(lane, "width", sOffset="0", a=f"{2 * half_width:.4f}", b="0", c="0", d="0")
    return lane


def _mark(lane: ET.Element) -> None:
    style = {"type": "solid", "weight": "standard", "color": "standard", "laneChange": "none"}
    ET.SubElement(lane, "roadMark", {"sOffset": "0", **style, "width": f"{MARKING_WIDTH}"})
