#!/usr/bin/env bash
# carla.Map reads the orientation of a signal the wrong way round: without <validity>, one for traffic along s ("+") counts for the
# lanes that run against s, and one for traffic against s ("-") for those along it, contrary to OpenDRIVE and to what carla itself
# says of LandmarkOrientation. The yaw is the road's for either, though two such signals face opposite ways.
#
# What a map writes out, the lanes as <validity> and the heading as <positionInertial>, is read as written. asam-qc-opendrive is
# there for OpenDRIVE's schema, which the maps obey.
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
  <road id="1" junction="-1" length="100" rule="RHT">
    <planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
    <elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
    <lateralProfile/>
    <lanes><laneSection s="0">
      <left><lane id="1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></left>
      <center><lane id="0" type="none" level="false"/></center>
      <right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right>
    </laneSection></lanes>
    <signals>
      <signal id="5" s="50" t="{t}" zOffset="2" hOffset="0" orientation="{orientation}" dynamic="no" country="DE"
        type="206" subtype="-1" height="0.8" width="0.8">{more}</signal>
    </signals>
  </road>
</OpenDRIVE>"""
WRITTEN_OUT = """<validity fromLane="{lane}" toLane="{lane}"/><positionInertial x="50" y="{t}" z="2" hdg="{hdg}"/>"""


def read(orientation, written_out):
    """Lanes from whose waypoints, 10 m before it, a stop sign is seen, and its yaw in CARLA's frame [deg]."""
    lane, t, hdg = (-1, -4.5, 0) if orientation == "+" else (1, 4.5, 3.141592653589793)
    more = WRITTEN_OUT.format(lane=lane, t=t, hdg=hdg) if written_out else ""
    text = MAP.format(orientation=orientation, t=t, more=more)
    SCHEMA.assertValid(etree.fromstring(text.encode()))
    road_map = carla.Map("stop sign", text)
    lanes = [lane for lane, s in ((-1, 40), (1, 60)) if road_map.get_waypoint_xodr(1, lane, s).get_landmarks(20)]
    [sign] = road_map.get_all_landmarks()
    return lanes, round(sign.transform.rotation.yaw) % 360


print(f"carla {version('carla')}, a road along x, right-hand traffic (lane -1 runs along s, lane 1 against it), a stop sign")
print('expected: "+" is for lane -1 and "-" for lane 1, and their yaws differ by 180 degrees')
seen = {(sign, written): read(sign, written) for written in (False, True) for sign in "+-"}
for (sign, written), (lanes, yaw) in seen.items():
    how = "validity and positionInertial" if written else "neither validity nor positionInertial"
    print(f'seen with orientation "{sign}" and {how}: for lanes {lanes}, yaw {yaw} deg')
sys.exit(0 if list(seen.values()) == [([1], 0), ([-1], 0), ([-1], 0), ([1], 180)] else 1)
PYTHON
