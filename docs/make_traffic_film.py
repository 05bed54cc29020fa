"""A junction of a procedural town from above, to see traffic obey: `python docs/make_traffic_film.py --town 2`.

Stop lines have the colour of their light; those of stop signs are magenta, those of yield signs orange. A vehicle that
stands is darker, one that a junction is granted to has a white rim.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import tyro

from envs.maps.opendrive.sign_codes import SignalType
from envs.maps.road_map import RoadMap, load_map, load_town
from envs.road.traffic.config import TrafficConfig
from envs.road.traffic.ego import Ego
from envs.road.traffic.spawn_points import SpawnPoints
from envs.road.traffic.traffic import Traffic
from envs.video import write_mp4
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.signals import SignalKind

GROUND = {"driving": (96, 96, 100), "sidewalk": (168, 164, 156), "parking": (110, 110, 116)}
BACKGROUND, JUNCTION, CROSSWALK, MARKING = (120, 140, 104), (96, 96, 100), (150, 150, 154), (220, 220, 220)
SHOWN = {
    SignalKind.RED: (230, 30, 30),
    SignalKind.YELLOW: (250, 210, 0),
    SignalKind.GREEN: (40, 210, 60),
    SignalKind.STOP: (220, 0, 200),
    SignalKind.YIELD: (250, 140, 0),
}
FAR = 1e4
_SHIFT = 4


@dataclass(frozen=True, kw_only=True)
class FilmConfig:
    """What to film.

    Args:
        town: seed of the procedural town.
        map: an .xodr file instead.
        junction: number of it among the junctions, those with lights first.
        seconds: length of the film [s].
        num_vehicles: in the whole town.
        num_pedestrians: in the whole town.
        span: how much of the ground is shown across [m].
        size: of the picture [px].
        out: the file.
    """

    town: int = 0
    map: Path | None = None
    junction: int = 0
    seconds: float = 60.0
    num_vehicles: int = 36
    num_pedestrians: int = 30
    span: float = 90.0
    size: int = 640
    out: Path = field(default=Path("traffic.mp4"))


@dataclass(frozen=True, kw_only=True)
class TopView:
    """Ground coordinates to pixels: north is up.

    Args:
        centre: in the middle of the picture [2] [m].
        scale: [px/m].
        size: of the picture [px].
    """

    centre: np.ndarray
    scale: float
    size: int

    def pixels(self, xy: np.ndarray) -> np.ndarray:
        """Fixed-point pixel coordinates int32 [..., 2] of points [..., 2] as cv2 wants them."""
        d = (np.asarray(xy)[..., :2] - self.centre) * self.scale * [1, -1] + self.size / 2
        return np.rint(d * 2**_SHIFT).astype(np.int32)

    def fill(self, image: np.ndarray, outline: np.ndarray, color: tuple[int, int, int]) -> None:
        """Fill a polygon [k, 2]."""
        cv2.fillPoly(image, [self.pixels(outline)], color, cv2.LINE_AA, _SHIFT)

    def line(self, image: np.ndarray, points: np.ndarray, color: tuple[int, int, int], width: int) -> None:
        """Draw a polyline [k, 2], `width` pixels wide."""
        cv2.polylines(image, [self.pixels(points)], False, color, width, cv2.LINE_AA, _SHIFT)


def main(config: FilmConfig) -> None:
    """Film traffic at a junction and write the film."""
    frames = film_traffic(config)
    write_mp4(config.out, frames, 10.0)
    print(f"{config.out}: {len(frames)} frames")


def film_traffic(config: FilmConfig) -> np.ndarray:
    """The film, 10 frames a second, uint8 [t, size, size, 3]."""
    road_map = load_map(config.map) if config.map is not None else load_town(config.town)
    centre = junction_centre(road_map, config.junction)
    view = TopView(centre=centre, scale=config.size / config.span, size=config.size)
    ground = draw_ground(road_map, view)
    traffic, ego = populate(road_map, config)
    rng = np.random.default_rng(config.town)
    frames = []
    for _ in range(round(config.seconds / 0.1)):
        frames.append(draw_traffic(ground.copy(), traffic, view))
        traffic.step(ego, 0.1, rng)
    return np.stack(frames)


def junction_centre(road_map: RoadMap, index: int) -> np.ndarray:
    """Middle [2] of a junction; those with lights count first."""
    lit = {s.junction for s in road_map.signals if s.kind == SignalType.TRAFFIC_LIGHT}
    ids = sorted({lane.junction for lane in road_map.lanes.values()} - {-1}, key=lambda j: (j not in lit, j))
    lanes = [lane.points for lane in road_map.lanes.values() if lane.junction == ids[index]]
    points = np.concatenate(lanes)
    return (points.min(axis=0) + points.max(axis=0)) / 2


def populate(road_map: RoadMap, config: FilmConfig) -> tuple[Traffic, Ego]:
    """Traffic on the whole map and an ego that is far away from it."""
    traffic_config = TrafficConfig(
        num_vehicles=config.num_vehicles,
        num_pedestrians=config.num_pedestrians,
        spawn_range=(12.0, 2 * FAR),
        respawn_range=(12.0, 2 * FAR),
        leave_range=3 * FAR,
        lead_share=0.0,
    )
    rng = np.random.default_rng(config.town)
    points = SpawnPoints.find(road_map)
    route = road_map.route_from(points.lanes[0], 300.0, rng)
    box = np.array([FAR, FAR, 0.0, 4.6, 1.9])
    ego = Ego(box=box, speed=0.0, path=np.full((20, 2), 2 * FAR), on_script_route=None)
    return Traffic(traffic_config, road_map, points, route, box, 0.0, 0.0, None, rng), ego


def draw_ground(road_map: RoadMap, view: TopView) -> np.ndarray:
    """What never changes, uint8 [h, w, 3]."""
    image = np.full((view.size, view.size, 3), BACKGROUND, np.uint8)
    for kind in ("sidewalk", "parking", "driving"):
        for lane in road_map.geometry.lanes:
            if lane.kind == kind:
                view.fill(image, lane.outline, GROUND[kind])
    for outline in road_map.geometry.junctions:
        view.fill(image, outline, JUNCTION)
    for outline in road_map.geometry.crosswalks:
        view.fill(image, outline, CROSSWALK)
    for marking in road_map.geometry.markings:
        color = (230, 200, 60) if marking.color == "yellow" else MARKING
        view.line(image, marking.points, color, 1)
    return image


def draw_traffic(image: np.ndarray, traffic: Traffic, view: TopView) -> np.ndarray:
    """Stop lines and road users as they are, onto `image`."""
    road_map, vehicles, n = traffic.road_map, traffic.vehicles, len(traffic.vehicles)
    shown = traffic.lights.shown(traffic.time)
    for signal, kind in zip(road_map.signals, shown.tolist(), strict=True):
        for key, s in signal.stops if kind != SignalKind.NONE else ():
            lane = road_map.lanes[key]
            x, y, yaw, half = (
                np.interp(s, lane.s, of) for of in (lane.points[:, 0], lane.points[:, 1], lane.yaw, lane.half_width)
            )
            across = half * np.array([-np.sin(yaw), np.cos(yaw)])
            view.line(image, np.array([x, y]) + np.outer([-1, 1], across), SHOWN[SignalKind(kind)], 4)

    boxes = traffic.objects.boxes
    outlines = corners(boxes)
    for i in range(len(boxes)):
        color = traffic.colors[i].astype(float) * 0.8 + 40
        if i < n and vehicles.speed[i] < 0.3:
            color *= 0.6
        red, green, blue = color.astype(int).tolist()
        view.fill(image, outlines[i], (red, green, blue))
        if i < n:
            view.line(image, outlines[i][:2], (255, 255, 255), 2)  # the front
            if vehicles.granted[i]:
                cv2.polylines(image, [view.pixels(outlines[i])], True, (255, 255, 255), 1, cv2.LINE_AA, _SHIFT)
    cv2.putText(
        image, f"{traffic.time:5.1f} s", (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
    )
    return image


if __name__ == "__main__":
    main(tyro.cli(FilmConfig, description=__doc__))
