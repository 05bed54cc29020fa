#!/usr/bin/env bash
# carla.Map takes ids of roads for numbers, though OpenDRIVE allows any string: of "17a" it reads 17, of "exit" 0. Roads whose ids
# become the same are one road, and nothing is said.
#
# asam-qc-opendrive is there for OpenDRIVE's schema, which the maps obey.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check carla==0.9.16 asam-qc-opendrive==1.0.0 numpy==1.26.4

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version
from importlib.resources import files

import carla
from lxml import etree

SCHEMA = etree.XMLSchema(file=str(files("qc_opendrive") / "schema/1.7.0/opendrive_17_core.xsd"))
MAP = """<?xml version="1.0"?>
<OpenDRIVE>
  <header revMajor="1" revMinor="7"><geoReference>+proj=tmerc +lat_0=0 +lon_0=0</geoReference></header>
  {roads}
</OpenDRIVE>"""
ROAD = """
  <road id="{id}" junction="-1" length="100">
    <link><{side} elementType="road" elementId="{other}" contactPoint="{contact}"/></link>
    <planView><geometry s="0" x="{x}" y="0" hdg="0" length="100"><line/></geometry></planView>
    <elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
    <lateralProfile/>
    <lanes><laneSection s="0">
      <center><lane id="0" type="none" level="false"/></center>
      <right><lane id="-1" type="driving" level="false">
        <link><{side} id="-1"/></link>
        <width sOffset="0" a="3.5" b="0" c="0" d="0"/>
      </lane></right>
    </laneSection></lanes>
  </road>"""


def two_roads(first, second):
    """A one-way road of 100 m and its continuation."""
    return MAP.format(
        roads=ROAD.format(id=first, x=0, side="successor", other=second, contact="start")
        + ROAD.format(id=second, x=100, side="predecessor", other=first, contact="end")
    )


def read(first, second):
    """What carla.Map knows: ids of roads, and pairs of roads of which one leads to the other."""
    text = two_roads(first, second)
    SCHEMA.assertValid(etree.fromstring(text.encode()))
    road_map = carla.Map("two roads", text)
    roads = sorted({waypoint.road_id for waypoint in road_map.generate_waypoints(10.0)})
    return roads, [(a.road_id, b.road_id) for a, b in road_map.get_topology() if a.road_id != b.road_id]


print(f"carla {version('carla')}, two roads, the second the continuation of the first")
print("expected: two roads, and one pair of roads of which the first leads to the second; or an error")
seen = []
for ids in (("1", "2"), ("main", "exit"), ("17a", "17b")):
    seen.append(read(*ids))
    print(f"seen with the ids {' and '.join(ids)}: roads {seen[-1][0]}, pairs {seen[-1][1]}")
sys.exit(0 if seen == [([1, 2], [(1, 2)]), ([0], []), ([17], [])] else 1)
PYTHON
