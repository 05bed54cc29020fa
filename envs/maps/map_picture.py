"""A picture of a map as it is read: lanes by kind, markings, stop lines, signals, directions of travel, road ids."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from envs.maps.opendrive import Lane, Marking
from envs.maps.sign_codes import SignalType

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from envs.maps.road_map import RoadMap

LANE_COLORS = {
    "driving": "#8b8f94",
    "restricted": "#b08f6a",
    "shoulder": "#b9b8b0",
    "sidewalk": "#d8cfc4",
    "parking": "#9fb0c4",
    "median": "#b7cfa6",
    "other": "#e6e6df",
}
_BACKGROUND = "#ccd3c0"
_JUNCTION_COLOR = "#7d8186"
_MARK_COLORS = {"white": "#ffffff", "yellow": "#f2b705"}
_KERB_COLOR = "#5c5148"
_SIGNAL_MARKS = {
    SignalType.TRAFFIC_LIGHT: ("o", "#12a150", "traffic light"),
    SignalType.STOP: ("8", "#d01f2e", "stop sign"),
    SignalType.YIELD: ("v", "#e8590c", "yield sign"),
    SignalType.SPEED_LIMIT: ("s", "#1c6dd0", "speed sign"),
    SignalType.OTHER: ("D", "#6f42c1", "other signal"),
}
_MARGIN = 8.0  # around the lanes [m]
_DPI = 100
_ARROW_STEP = 25.0  # between direction arrows [m]
_MOST_LABELS = 150


def draw_map(road_map: RoadMap, size: int = 1600, *, details: bool = True) -> np.ndarray:
    """The map from above, x to the right and y up.

    Args:
        road_map: the map.
        size: of the longer side [px].
        details: whether there are road ids, a legend and a scale; without them it is a thumbnail.

    Returns:
        RGB, uint8 [h, w, 3].
    """
    x_min, y_min, x_max, y_max = road_map.geometry.bounds
    width, height = x_max - x_min + 2 * _MARGIN, y_max - y_min + 2 * _MARGIN
    scale = size / max(width, height)  # [px/m]
    shape = max(width * scale, size / 3), max(height * scale, size / 3)
    figure = Figure(figsize=(shape[0] / _DPI, shape[1] / _DPI), dpi=_DPI, facecolor=_BACKGROUND)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_aspect("equal")
    middle = (x_min + x_max) / 2, (y_min + y_max) / 2
    axes.set_xlim(middle[0] - shape[0] / scale / 2, middle[0] + shape[0] / scale / 2)
    axes.set_ylim(middle[1] - shape[1] / scale / 2, middle[1] + shape[1] / scale / 2)

    _draw_ground(axes, road_map)
    _draw_paint(axes, road_map, scale)
    _draw_directions(axes, road_map, scale)
    _draw_signals(axes, road_map, scale)
    if details:
        _draw_road_ids(axes, road_map)
        _draw_legend(axes, road_map, shape[0] / scale)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_ground(axes: Axes, road_map: RoadMap) -> None:
    axes.add_collection(PolyCollection([*road_map.geometry.junctions], facecolors=_JUNCTION_COLOR, linewidths=0))
    # what lies higher is drawn later, so that a bridge covers what it crosses
    lanes = sorted(road_map.geometry.lanes, key=lambda lane: float(lane.left_z.mean()))
    colors = [_JUNCTION_COLOR if g.in_junction and g.kind == "driving" else LANE_COLORS[g.kind] for g in lanes]
    outlines = [lane.outline for lane in lanes]
    axes.add_collection(PolyCollection(outlines, facecolors=colors, edgecolors=colors, linewidths=0.8))
    axes.add_collection(
        PolyCollection([*road_map.geometry.crosswalks], facecolors="#ffffff80", edgecolors="#ffffff", hatch="////")
    )


def _draw_paint(axes: Axes, road_map: RoadMap, scale: float) -> None:
    """Markings as wide as they are, but wide enough to be seen; double lines as two."""
    for mark in road_map.geometry.markings:
        kerb = mark.kind == "curb"
        color = _KERB_COLOR if kerb else _MARK_COLORS[mark.color]
        width = _points(max(mark.width, 0.12), scale, 0.7)
        for points, broken in _strokes(mark):
            dashes = [v * scale * 72 / _DPI / width for v in (mark.dash_length, mark.dash_gap)] if broken else None
            style = (0, dashes) if dashes else "solid"
            axes.add_collection(LineCollection([points], colors=color, linewidths=width, linestyles=[style]))
    lines = [line[:, :2] for line in road_map.geometry.stop_lines]
    axes.add_collection(LineCollection(lines, colors="#ffffff", linewidths=_points(0.5, scale, 2.0), capstyle="butt"))


def _strokes(mark: Marking) -> Iterator[tuple[np.ndarray, bool]]:
    """Each line of a marking, and whether it is broken."""
    parts = [part for part in mark.kind.split("_") if part in ("solid", "broken")]
    if len(parts) < 2:
        yield mark.points, mark.kind in ("broken", "botts_dots")
        return
    along = np.gradient(mark.points, axis=0)
    left = np.stack([-along[:, 1], along[:, 0]], 1) / np.maximum(np.linalg.norm(along, axis=1), 1e-9)[:, None]
    for side, part in zip((1, -1), parts, strict=False):
        yield mark.points + side * max(mark.width, 0.12) * left, part == "broken"


def _draw_directions(axes: Axes, road_map: RoadMap, scale: float) -> None:
    arrows = [arrow for lane in road_map.lanes.values() for arrow in _arrows(lane, 4.0)]
    if arrows:
        outline = PolyCollection(arrows, facecolors="#20262d", linewidths=_points(0.05, scale, 0.2), alpha=0.65)
        axes.add_collection(outline)


def _arrows(lane: Lane, length: float) -> Iterator[np.ndarray]:
    """Arrowheads along a lane, at least one on all but the shortest; each float64 [3, 2]."""
    if lane.length < length:
        return
    for s in np.linspace(0, lane.length, max(1, round(lane.length / _ARROW_STEP)) + 2)[1:-1]:
        x, y, yaw = (float(np.interp(s, lane.s, of)) for of in (lane.points[:, 0], lane.points[:, 1], lane.yaw))
        c, n = math.cos(yaw), math.sin(yaw)
        corners = np.array([[length / 2, 0], [-length / 2, length / 5], [-length / 2, -length / 5]])
        yield corners @ np.array([[c, n], [-n, c]]) + (x, y)


def _draw_signals(axes: Axes, road_map: RoadMap, scale: float) -> None:
    """A mark where each signal stands, and a line to where one stops for it."""
    size = _points(1.6, scale, 3.0)
    for signal in road_map.signals:
        shape, color, _ = _SIGNAL_MARKS[signal.kind]
        for key, at in signal.stops:
            lane = road_map.lanes[key]
            stop = [float(np.interp(at, lane.s, lane.points[:, k])) for k in range(2)]
            axes.plot([signal.x, stop[0]], [signal.y, stop[1]], color=color, linewidth=_points(0.15, scale, 0.4))
        facing = signal.x + 2.5 * math.cos(signal.yaw), signal.y + 2.5 * math.sin(signal.yaw)
        axes.plot([signal.x, facing[0]], [signal.y, facing[1]], color=color, linewidth=_points(0.5, scale, 1.0))
        axes.plot(signal.x, signal.y, shape, color=color, markersize=size, markeredgecolor="white", markeredgewidth=0.5)


def _draw_road_ids(axes: Axes, road_map: RoadMap) -> None:
    """The map's own id at the middle of each road that is driven on; of many roads only those outside junctions."""
    middle: dict[int, tuple[float, Lane]] = {}
    for (road, _, _), lane in road_map.lanes.items():
        if lane.length > middle.get(road, (-1.0, lane))[0]:
            middle[road] = lane.length, lane
    crowded = len(middle) > _MOST_LABELS
    for road, (_, lane) in middle.items():
        if crowded and lane.junction >= 0:
            continue
        x, y = lane.points[len(lane.points) // 2]
        size = 6 if lane.junction >= 0 else 9
        box = {"boxstyle": "round,pad=0.15", "facecolor": "#ffffffc0", "linewidth": 0}
        axes.text(x, y, road_map.road_ids[road], fontsize=size, ha="center", va="center", bbox=box, clip_on=True)


def _draw_legend(axes: Axes, road_map: RoadMap, width: float) -> None:
    kinds = {lane.kind for lane in road_map.geometry.lanes}
    entries: list[Patch | Line2D] = [
        Patch(facecolor=color, label=f"{kind} lane") for kind, color in LANE_COLORS.items() if kind in kinds
    ]
    shown = {signal.kind for signal in road_map.signals}
    for kind, (shape, color, label) in _SIGNAL_MARKS.items():
        if kind in shown:
            entries.append(Line2D([], [], marker=shape, color=color, linestyle="", label=label))
    axes.legend(handles=entries, loc="upper right", fontsize=8, framealpha=0.85)
    bar = 10.0 ** math.floor(math.log10(max(width / 4, 1.0)))
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    x, y = left + 0.03 * (right - left), bottom + 0.03 * (top - bottom)
    axes.plot([x, x + bar], [y, y], color="black", linewidth=2)
    axes.text(x, y + 0.008 * (top - bottom), f"{bar:g} m", fontsize=9)


def _points(metres: float, scale: float, least: float) -> float:
    """A length in matplotlib's points, at least `least`."""
    return max(metres * scale * 72 / _DPI, least)
