"""RoadMap."""
from __future__ import annotations
from pathlib import Path
from envs.road_geometry import Lane, LaneKey, LanePolygon, Marking, RoadGeometry, extract  # noqa: F401


class RoadMap:
    def __init__(self, name: str, xodr: str, geometry: RoadGeometry, lanes: dict[LaneKey, Lane]):
        self.name, self.xodr, self.geometry, self.lanes = name, xodr, geometry, lanes


def load_map(source: str | Path) -> RoadMap:
    import carla
    xodr = source if str(source).lstrip().startswith("<") else Path(source).read_text()
    return RoadMap("map", str(xodr), *extract(carla.Map("map", str(xodr)), str(xodr)))
