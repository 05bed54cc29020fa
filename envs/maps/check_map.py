"""`drivedit check-map`: what is read of an OpenDRIVE file, in words and as a picture, and what ASAM's checker says."""

from __future__ import annotations

import math
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tyro

from envs.maps.asam_checker import HOW_TO_INSTALL, AsamReport, run_asam_checker
from envs.maps.map_files import MapFile
from envs.maps.map_picture import draw_map
from envs.maps.opendrive import LANE_KINDS
from envs.maps.opendrive_text import parse_opendrive
from envs.maps.road_map import RoadMap, load_map
from envs.maps.sign_codes import SignalType

MOST_FINDINGS = 20
"""So many of ASAM's findings are printed."""
_SIGNAL_WORDS = {
    SignalType.TRAFFIC_LIGHT: "traffic lights",
    SignalType.STOP: "stop signs",
    SignalType.YIELD: "yield signs",
    SignalType.SPEED_LIMIT: "speed signs",
    SignalType.OTHER: "other signals",
}


@dataclass(frozen=True, kw_only=True)
class CheckMapConfig:
    """What is checked.

    Args:
        file: an OpenDRIVE file.
        out: folder for the picture, which has the file's name.
    """

    file: tyro.conf.Positional[Path]
    out: Path = Path("runs/check_map")


def check_map(config: CheckMapConfig) -> int:
    """Print what is read of the file and what ASAM's checker finds; draw the map.

    Returns:
        The exit code: 0 if the map can be driven, 1 if it is refused.

    Raises:
        ValueError: there is no such file.
    """
    if not config.file.is_file():
        raise ValueError(f"no map at {config.file}")
    source = MapFile(path=config.file)
    print(f"{config.file}, SHA-256 {source.digest}")
    road_map = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            road_map = load_map(config.file)
        except ValueError as error:
            print(f"REFUSED: {error}")
    if road_map is not None:
        for line in describe_map(road_map):
            print(line)
        for message in dict.fromkeys(str(entry.message) for entry in caught):
            print(f"not understood: {message.removeprefix(f'map {config.file}: ')}")
    for line in describe_report(run_asam_checker(config.file)):
        print(line)
    if road_map is None:
        return 1
    picture = config.out / f"{source.name}.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(picture), cv2.cvtColor(draw_map(road_map), cv2.COLOR_RGB2BGR)):
        raise OSError(f"cannot write {picture}")
    print(f"picture: {picture}")
    return 0


def describe_map(road_map: RoadMap) -> Iterator[str]:
    """What a map holds, a line a subject."""
    root = parse_opendrive(road_map.xodr)
    roads = [element for element in root if element.tag == "road"]
    kilometres = sum(float(road.get("length", 0)) for road in roads) / 1000
    in_junctions = sum(road.get("junction", "-1") != "-1" for road in roads)
    junctions = sum(element.tag == "junction" for element in root)
    yield f"roads: {len(roads)} ({in_junctions} of them through {junctions} junctions), {kilometres:.2f} km"

    kinds = Counter(lane.kind for lane in road_map.geometry.lanes)
    yield "lanes: " + ", ".join(f"{kinds[kind]} {kind}" for kind in LANE_KINDS if kinds[kind])
    side = "left" if road_map.left_hand else "right"
    heights = np.concatenate([lane.z for lane in road_map.lanes.values()])
    level = "flat" if road_map.is_flat else f"heights from {heights.min():.1f} to {heights.max():.1f} m"
    yield f"traffic keeps to the {side}; {level}"

    marks = Counter(f"{mark.color} {mark.kind.replace('_', ' ')}" for mark in road_map.geometry.markings)
    yield "markings: " + (", ".join(f"{number} {kind}" for kind, number in marks.most_common()) or "none")
    geometry = road_map.geometry
    yield f"stop lines: {len(geometry.stop_lines)}; crosswalks: {len(geometry.crosswalks)}"
    yield "signals: " + (", ".join(_describe_signals(road_map)) or "none")
    yield "speed limits: " + ", ".join(_describe_limits(road_map))


def _describe_signals(road_map: RoadMap) -> Iterator[str]:
    for kind, words in _SIGNAL_WORDS.items():
        found = [signal for signal in road_map.signals if signal.kind == kind]
        if not found:
            continue
        text = f"{len(found)} {words}"
        if kind == SignalType.TRAFFIC_LIGHT:
            groups = {signal.controller for signal in found if signal.controller}
            text += f" in {len(groups)} groups" if groups else ""
        idle = [signal.id for signal in found if not signal.stops]
        if idle and kind in (SignalType.TRAFFIC_LIGHT, SignalType.STOP, SignalType.YIELD):
            text += f" ({len(idle)} of them stop nobody: {_first(idle)})"
        yield text


def _describe_limits(road_map: RoadMap) -> Iterator[str]:
    """Each limit with the length of the lanes it holds on."""
    lengths: defaultdict[float, float] = defaultdict(float)
    for lane in road_map.lanes.values():
        for limit, length in zip(lane.speed_limit[:-1], np.diff(lane.s), strict=True):
            lengths[round(float(limit) * 3.6, 1)] += float(length)
    for limit, length in sorted(lengths.items()):
        name = f"{limit:g} km/h" if math.isfinite(limit) else "no limit"
        yield f"{name} on {length / 1000:.2f} km"


def describe_report(report: AsamReport | None) -> Iterator[str]:
    """ASAM's findings, a line each, the same ones together."""
    if report is None:
        yield HOW_TO_INSTALL
        return
    yield (
        f"ASAM: {len(report.completed)} rules checked, {len(report.skipped)} skipped, {len(report.findings)} findings"
    )
    for why, number in Counter(why for _, why in report.skipped).most_common():
        yield f"  skipped {number}: {why}"
    for rule, why in report.failed:
        yield f"  the checker itself failed on {rule}: {why}"
    places: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for finding in report.findings:
        places[finding.level, finding.rule, finding.message].append(finding.place)
    for (level, rule, message), at in list(places.items())[:MOST_FINDINGS]:
        yield f"  {level} {rule}: {message} ({_first(at)})"
    if len(places) > MOST_FINDINGS:
        yield f"  and {len(places) - MOST_FINDINGS} other kinds"


def _first(items: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"
