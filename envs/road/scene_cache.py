"""Static scenes on disk: a town or a map is built once on a machine, and again when the code that builds it changes."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import envs.maps
import worldsim.datatypes
import worldsim.gbuffer
from envs.disk_cache import DiskCache, digest_of, digest_of_code
from envs.maps.geometry import Lane, LanePolygon, Marking, RoadGeometry
from envs.maps.opendrive.map_reader import MapContents
from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.opendrive.signals import Signal
from envs.maps.road_map import LanePoint, MapSource, RoadMap
from envs.road.rendering.ground_texture import GroundColors
from envs.road.rendering.scenery import Scenery
from envs.road.traffic.spawn_points import SpawnPoints
from envs.serialization import StateCodec
from worldsim.datatypes.layout import Layout

_BUILT_WITH = ("drivedit", "scenariogeneration", "numpy", "scipy", "opencv-python-headless")
"""Distributions whose versions can change a scene."""
MAX_BYTES = 2**29
"""Of all cached scenes together; the 64 towns of the default config take a small part of it."""
_CODEC = StateCodec(
    types=(
        MapContents, RoadGeometry, LanePolygon, Marking, Lane, Signal, SignalType, SpawnPoints, LanePoint, Scenery,
        GroundColors, Layout,
    )
)  # fmt: skip


class SceneParts(NamedTuple):
    """What a static scene is made of, and takes long to make; `remarks` is what was warned of meanwhile."""

    road_map: RoadMap
    spawn_points: SpawnPoints
    scenery: Scenery
    remarks: tuple[str, ...] = ()


def cached_town(seed: int, build: Callable[[], SceneParts]) -> SceneParts:
    """The parts of a procedural town, which `build` builds."""
    return _CACHE.get(digest_of("town", str(seed), _digest_of_builders()), build)


def cached_map(source: MapSource, build: Callable[[], SceneParts]) -> SceneParts:
    """The parts of a map, which `build` builds; what it warns of is said every time."""

    def build_noting() -> SceneParts:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            parts = build()
        return parts._replace(remarks=tuple(str(warning.message) for warning in caught))

    parts = _CACHE.get(digest_of("map", *source, _digest_of_builders()), build_noting)
    for remark in parts.remarks:
        warnings.warn(remark, stacklevel=4)
    return parts


@lru_cache(maxsize=1)
def _digest_of_builders() -> str:
    """Changes with the code that makes scenes: of maps, of the reference world, of what they are made of."""
    folders = [Path(str(package.__file__)).parent for package in (envs.maps, worldsim.datatypes, worldsim.gbuffer)]
    code = digest_of_code([*folders, Path(__file__).parent])
    return digest_of(code, *(_version_of(package) for package in _BUILT_WITH))


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _pack(parts: SceneParts) -> bytes:
    road_map = parts.road_map
    return _CODEC.pack(
        {
            "name": road_map.name,
            "xodr": road_map.xodr,
            "geometry": road_map.geometry,
            "lanes": tuple(road_map.lanes.values()),
            "signals": road_map.signals,
            "left_hand": road_map.left_hand,
            "road_ids": tuple(road_map.road_ids.items()),
            "junction_ids": tuple(road_map.junction_ids.items()),
            "spawn_points": parts.spawn_points,
            "scenery": parts.scenery,
            "remarks": parts.remarks,
        }
    )


def _unpack(data: bytes) -> SceneParts:
    tree: dict[str, Any] = _CODEC.unpack(data)
    contents = MapContents(
        geometry=tree["geometry"],
        lanes={lane.key: lane for lane in tree["lanes"]},
        signals=tree["signals"],
        left_hand=tree["left_hand"],
        road_ids=dict(tree["road_ids"]),
        junction_ids=dict(tree["junction_ids"]),
    )
    return SceneParts(
        RoadMap(tree["name"], tree["xodr"], contents), tree["spawn_points"], tree["scenery"], tree["remarks"]
    )


_CACHE: DiskCache[SceneParts] = DiskCache("scenes", MAX_BYTES, _pack, _unpack)
