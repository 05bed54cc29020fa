#!/usr/bin/env bash
# Scenic reads a road on which traffic keeps to the left (OpenDRIVE 1.4 and later: rule="LHT") as if it kept to the right: its
# lanes head the wrong way, and nothing is said.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scenic==3.1.1

"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import math
import sys
from importlib.metadata import version
from pathlib import Path

from scenic.domains.driving.roads import Network

folder = Path(sys.argv[1])
LANE = '<lane id="{id}" type="driving" level="false"><width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane>'
ROAD = (
    '<OpenDRIVE><header revMajor="1" revMinor="4"/><road name="" length="100" id="1" junction="-1" rule="{rule}"><planView>'
    '<geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView><lanes><laneSection s="0"><left>'
    + LANE.format(id=1)
    + '</left><center><lane id="0" type="none"/></center><right>'
    + LANE.format(id=-1)
    + "</right></laneSection></lanes></road></OpenDRIVE>"
)


def read(rule):
    """Where the lane below y = 0 heads, in degrees from x, anticlockwise."""
    path = folder / f"{rule}.xodr"
    path.write_text(ROAD.format(rule=rule))
    network = Network.fromFile(path, useCache=False, writeCache=False)
    return round(math.degrees(network.roadDirection[50, -1.75].yaw)) + 90


print(f"scenic {version('scenic')}")
print("expected: the lane right of the reference line heads along it, 0 degrees, by the right-hand rule; against it, 180, by the left")
seen = {rule: read(rule) for rule in ("RHT", "LHT")}
print(f"seen: {seen}")
sys.exit(0 if seen == {"RHT": 0, "LHT": 0} else 1)
PYTHON
