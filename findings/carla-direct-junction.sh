#!/usr/bin/env bash
# carla.Map refuses a map with a direct junction, which OpenDRIVE has had since 1.7, with an IndexError that names nothing.
#
# asam-qc-opendrive is there for OpenDRIVE's schema, which the map obeys.
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
  {content}
</OpenDRIVE>"""
JUNCTION = """
  <junction id="9" name="exit" type="direct">
    <connection id="0" incomingRoad="1" linkedRoad="2" contactPoint="start"><laneLink from="-1" to="-1"/></connection>
    <connection id="1" incomingRoad="1" linkedRoad="3" contactPoint="start"><laneLink from="-2" to="-1"/></connection>
  </junction>"""


def road(id, x, y, num_lanes, link):
    """A one-way road of 100 m."""
    lanes = "".join(
        f'<lane id="{-1 - k}" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
        for k in range(num_lanes)
    )
    return f"""
  <road id="{id}" junction="-1" length="100">
    <link>{link}</link>
    <planView><geometry s="0" x="{x}" y="{y}" hdg="0" length="100"><line/></geometry></planView>
    <elevationProfile><elevation s="0" a="0" b="0" c="0" d="0"/></elevationProfile>
    <lateralProfile/>
    <lanes><laneSection s="0">
      <center><lane id="0" type="none" level="false"/></center>
      <right>{lanes}</right>
    </laneSection></lanes>
  </road>"""


def read(text):
    """What becomes of a map that obeys the schema."""
    SCHEMA.assertValid(etree.fromstring(text.encode()))
    try:
        road_map = carla.Map("exit", text)
    except Exception as error:
        return repr(error)
    return f"{len({waypoint.road_id for waypoint in road_map.generate_waypoints(10.0)})} roads"


to = '<successor elementType="junction" elementId="9"/>'
out_of = '<predecessor elementType="junction" elementId="9"/>'
linked = road(1, 0, 0, 2, to) + road(2, 100, 0, 1, out_of) + road(3, 100, -3.5, 1, out_of) + JUNCTION
single = road(1, 0, 0, 2, "") + road(2, 100, 0, 1, "") + road(3, 100, -3.5, 1, "")
print(f"carla {version('carla')}, a road of two lanes, one of which goes on as road 2 and one as road 3")
print("expected: 3 roads, or an error that says what is not supported")
seen = {name: read(MAP.format(content=content)) for name, content in (("with", linked), ("without", single))}
for name, what in seen.items():
    print(f"seen {name} the direct junction: {what}")
sys.exit(0 if seen == {"with": "IndexError('_Map_base::at')", "without": "3 roads"} else 1)
PYTHON
