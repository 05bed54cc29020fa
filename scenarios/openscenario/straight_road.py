"""The map of a file that has none and needs none: a long straight road, two lanes each way."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from functools import cache

from scenariogeneration import xodr

from envs.maps.map_files import MadeMap

LENGTH, LANE_WIDTH, SPEED = 3000.0, 3.5, 100
"""Of the road [m], of a lane [m], the limit [km/h]."""
EGO_S, EGO_LANE = 500.0, -1
"""Where the ego begins: s [m] and the id of the lane."""


@cache
def straight_road() -> MadeMap:
    """The map."""
    road = xodr.create_road([xodr.Line(LENGTH)], id=1, left_lanes=2, right_lanes=2, lane_width=LANE_WIDTH)
    road.add_type(xodr.RoadType.rural, 0, speed=SPEED, speed_unit="km/h")
    file = xodr.OpenDrive("straight_road")
    file.add_road(road)
    file.adjust_roads_and_lanes()
    root = file.get_element()
    header = root.find("header")
    assert header is not None, "scenariogeneration writes one"
    for name in ("date", "north", "south", "east", "west"):  # what changes with the time of day, or is not known
        header.attrib.pop(name, None)
    return MadeMap(name="straight_road", xodr=ET.tostring(root, encoding="unicode"))
