"""Procedural towns as OpenDRIVE 1.7 text: a seed gives a loop-rich street net without dead ends, lit and signed."""

from __future__ import annotations

import random
import xml.etree.ElementTree as ET
from dataclasses import replace

from scenariogeneration import xodr

from envs.maps.towns.roads import add_junction, draw_centre_line, street_road
from envs.maps.towns.signs import SignWriter, draw_controls, draw_second_limit
from envs.maps.towns.street_net import StreetNet, legs_at

_GEO_REFERENCE = "+proj=tmerc +lat_0=0 +lon_0=0 +k=1 +x_0=0 +y_0=0 +datum=WGS84 +units=m +no_defs"
_FIRST_JUNCTION_ID = 1000
_FIRST_TURN_ID = 10_000
_TURNS_PER_JUNCTION = 100


def town_xodr(seed: int) -> str:
    """OpenDRIVE text of a town; equal seeds give equal text.

    A town has T and X junctions, bends, streets of one and avenues of two lanes each way, limits of 30, 50 and 70 km/h
    and sidewalks. Traffic lights with crosswalks rule its larger junctions, stop or yield signs the others. From every
    driving lane one can drive on without end.

    Args:
        seed: any integer.
    """
    rng = random.Random(seed)
    net = StreetNet(rng)
    streets = net.streets(rng)

    # A generator of its own, so that what is drawn for the signs never moves a street.
    rng = random.Random(f"signs of town {seed}")
    color = rng.choice((xodr.RoadMarkColor.yellow, xodr.RoadMarkColor.white))
    streets = [replace(s, speed_limits=(s.speed_limits[0], draw_second_limit(s, rng))) for s in streets]
    junction_ids = {node: _FIRST_JUNCTION_ID + i for i, node in enumerate(net.junctions)}
    legs = [legs_at(node, streets) for node in net.junctions]
    junctions = draw_controls(list(junction_ids.values()), legs, rng)

    reach_of = {junction.junction_id: junction.crosswalk_reach for junction in junctions}

    town = xodr.OpenDrive(f"town_{seed}", revMinor="7")
    for street in streets:
        (first, _), (last, _) = street.ends
        ids = junction_ids[first], junction_ids[last]
        unpainted = reach_of[ids[0]], reach_of[ids[1]]
        town.add_road(street_road(street, ids, draw_centre_line(street, rng), color, unpainted))
    for i, junction in enumerate(junctions):
        add_junction(town, junction.junction_id, _FIRST_TURN_ID + i * _TURNS_PER_JUNCTION, junction.legs)

    root = town.get_element()
    _tidy(root)
    SignWriter(root).write(junctions, streets)
    ET.indent(root, " ")
    return ET.tostring(root, encoding="unicode")


def _tidy(root: ET.Element) -> None:
    """Take out of the header what changes with the time of day and bounds that are not known; towns are flat."""
    header = root.find("header")
    assert header is not None
    for name in ("date", "north", "south", "east", "west"):
        header.attrib.pop(name, None)
    reference = header.find("geoReference")
    reference = ET.SubElement(header, "geoReference") if reference is None else reference
    reference.text = _GEO_REFERENCE
    for road in root.iter("road"):
        for name in ("elevationProfile", "lateralProfile"):
            for profile in road.findall(name):
                if len(profile) == 0:
                    road.remove(profile)
