#!/usr/bin/env bash
# carla.Map takes any object for a speed limit sign whose name begins with "speed_" or "Speed_", whatever its type, and raises
# ValueError "stod" if no number follows: "speed_bump_1" ends the reading of a map.
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
  <road id="1" junction="-1" length="100">
    <planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
    <elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
    <lateralProfile/>
    <lanes><laneSection s="0">
      <center><lane id="0" type="none" level="false"/></center>
      <right><lane id="-1" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right>
    </laneSection></lanes>
    <objects>
      <object id="7" name="{name}" type="obstacle" s="50" t="-1.75" zOffset="0" hdg="0" orientation="none"
        length="0.4" width="3.5" height="0.05"/>
    </objects>
  </road>
</OpenDRIVE>"""


def read(name):
    """The landmarks of a map with an object of this name."""
    text = MAP.format(name=name)
    SCHEMA.assertValid(etree.fromstring(text.encode()))
    try:
        road_map = carla.Map("object", text)
    except Exception as error:
        return repr(error)
    return ", ".join(f"type {sign.type}, {sign.value:g} {sign.unit}" for sign in road_map.get_all_landmarks()) or "none"


print(f"carla {version('carla')}, a road with an object of type obstacle and no signal")
print("expected: no landmarks, whatever the object is called")
seen = {name: read(name) for name in ("bump_1", "speed_bump_1", "Speed_Table", "speed_50")}
for name, what in seen.items():
    print(f"seen with the name {name}: {what}")
sys.exit(0 if list(seen.values()) == ["none", "ValueError('stod')", "ValueError('stod')", "type 274, 50 mph"] else 1)
PYTHON
