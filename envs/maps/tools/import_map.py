"""`drivedit import-map`: an OpenStreetMap extract to OpenDRIVE, through the converter of the carla package, offline."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import tyro

from envs.maps.road_map import load_map
from worldsim.option_checks import check_options

TIMEOUT = 900.0
"""Longest that the converter may take [s]."""
CAR_WAYS = (
    "motorway",
    "motorway_link",
    "trunk",
    "trunk_link",
    "primary",
    "primary_link",
    "secondary",
    "secondary_link",
    "tertiary",
    "tertiary_link",
    "unclassified",
    "residential",
)
"""Values of `highway` that the converter makes roads of."""
_CONVERT = """
import sys, carla
source, target, lane_width, lights = sys.argv[1:]
settings = carla.Osm2OdrSettings()
settings.default_lane_width = float(lane_width)
settings.generate_traffic_lights = lights == "True"
settings.set_osm_way_types(sys.stdin.read().split())
text = carla.Osm2Odr.convert(open(source, encoding="utf-8").read(), settings)
open(target, "w", encoding="utf-8").write(text)
"""


@dataclass(frozen=True, kw_only=True)
class ImportMapConfig:
    """What is converted.

    Args:
        source: an .osm file, as "Export" on openstreetmap.org gives it.
        out: the .xodr file to write; by default beside the source, under its name.
        lane_width: of lanes whose width the source does not tell [m].
        lights: whether junctions that have traffic lights in the source get them.

    Raises:
        ValueError: a lane width that no car fits in.
    """

    source: tyro.conf.Positional[Path]
    out: Path | None = None
    lane_width: float = 3.35
    lights: bool = True

    def __post_init__(self) -> None:
        check_options(self)
        if not 2 <= self.lane_width <= 10:
            raise ValueError(f"lane_width must be in [2, 10] m, got {self.lane_width}")

    @property
    def target(self) -> Path:
        """The file to write."""
        return self.source.with_suffix(".xodr") if self.out is None else self.out


def import_map(config: ImportMapConfig) -> None:
    """Convert an extract, check that it can be driven, and write it.

    Raises:
        ValueError: the source is no OpenStreetMap extract with streets for cars, or what comes out cannot be driven.
    """
    source, target = config.source, config.target
    missing = check_osm(source)
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder, f"{target.stem}.xodr")
        _convert(config, converted)
        road_map = load_map(converted)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(converted.read_bytes())
    kilometres = sum(lane.length for lane in road_map.lanes.values()) / 1000
    if missing:
        print(f"{missing} nodes that ways refer to are not in {source}; those ways end where the extract does")
    print(f"{target}: {kilometres:.1f} km of driving lanes; look at it with `drivedit check-map {target}`")


def check_osm(source: Path) -> int:
    """Refuse what the converter cannot use; returns how many nodes its ways refer to that are not there.

    Raises:
        ValueError: no file, not XML, not OpenStreetMap's, or without a street for cars.
    """
    if not source.is_file():
        raise ValueError(f"no OpenStreetMap extract at {source}")
    if source.suffix == ".pbf":
        raise ValueError(f"{source} is PBF; `osmium cat {source} -o area.osm` makes the .osm file that is needed")
    try:
        root = ET.parse(source).getroot()
    except (ET.ParseError, LookupError, ValueError) as error:
        raise ValueError(f"{source} is not XML: {error}") from error
    if root.tag != "osm":
        raise ValueError(f"{source} is not an OpenStreetMap extract: its root is <{root.tag}>, not <osm>")
    nodes = set()
    for node in root.iter("node"):
        for name, limit in (("lat", 90.0), ("lon", 180.0)):
            if not _is_number(node.get(name, ""), limit):
                raise ValueError(f"{source}: node {node.get('id')} has {name}={node.get(name)!r}, not degrees")
        nodes.add(node.get("id"))
    streets = [way for way in root.iter("way") if _is_street(way)]
    if not streets:
        kinds = sorted({tag.get("v", "") for tag in root.iterfind("way/tag") if tag.get("k") == "highway"})
        found = f"its ways are {', '.join(kinds)}" if kinds else "it has no way with the tag highway"
        raise ValueError(f"{source} has no street for cars ({', '.join(CAR_WAYS[::2])}, ...): {found}")
    return len({ref.get("ref") for way in streets for ref in way.iter("nd")} - nodes)


def _is_number(text: str, limit: float) -> bool:
    try:
        return abs(float(text)) <= limit
    except ValueError:
        return False


def _is_street(way: ET.Element) -> bool:
    return any(tag.get("k") == "highway" and tag.get("v") in CAR_WAYS for tag in way.iter("tag"))


def _convert(config: ImportMapConfig, target: Path) -> None:
    """Run the converter in a process of its own: it is C++ and talks to the terminal.

    Raises:
        ValueError: it makes nothing of the source; says why.
    """
    arguments = [str(config.source), str(target), str(config.lane_width), str(config.lights)]
    command = [sys.executable, "-c", _CONVERT, *arguments]
    try:
        child = subprocess.run(command, input=" ".join(CAR_WAYS), capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{config.source}: converting it took more than {TIMEOUT:g} s; take a smaller area") from error
    if child.returncode < 0:
        raise ValueError(f"{config.source}: the converter crashed on it (signal {-child.returncode})")
    if child.returncode > 0:
        last = (child.stderr.strip() or "no message").splitlines()[-1]
        raise ValueError(f"{config.source}: the converter makes no roads of it: {last}")
