"""SVG figures of reports, small and sharp at any size: drives from above, intervals, which parameters were driven."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from envs.world import EVENT_THRESHOLD
from scenarios.colors import BAD, CAR, EGO, FAINT, GOOD, INK, INVALID, USERS
from scenarios.coverage import ParameterCoverage
from scenarios.metrics.collision import first_event
from scenarios.rollout_files import SavedDrive
from scenarios.statistics import Interval
from worldsim.datatypes.boxes import corners
from worldsim.datatypes.layout import AreaKind, LineColor, LineKind
from worldsim.datatypes.route import rotate, to_vehicle_frame
from worldsim.datatypes.scene import LaneColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

AREA_COLORS = {
    AreaKind.OTHER: "#e9eee4",
    AreaKind.MEDIAN: "#dfe7d8",
    AreaKind.SIDEWALK: "#e4e2dd",
    AreaKind.SHOULDER: "#d7d9dc",
    AreaKind.PARKING: "#d3d5d9",
    AreaKind.DRIVABLE: "#c9ccd1",
    AreaKind.JUNCTION: "#c9ccd1",
    AreaKind.CROSSWALK: "#eceef0",
}
"""In the order in which areas lie on each other."""
LINE_COLORS = {LineColor.WHITE: "#ffffff", LineColor.YELLOW: "#e3b341"}
SMALLEST_BOX = 0.9
"""Pedestrians are drawn at least this large [m]."""
MARGIN = 12.0
"""Around the ego's path [m]."""
LEAST_WIDTH, LEAST_HEIGHT = 60.0, 26.0
"""Of what is shown [m]."""
LABEL_DISTANCE = 5.0
"""Nearer to the last instant than this, no time is written [m]."""
PIXELS = 900
"""Width of a picture, before it is scaled to the page."""


def top_view_svg(drive: SavedDrive) -> str:
    """A drive from above, in the vehicle frame of its start, ahead to the right: the road, ego and road users every
    second, fainter the longer ago, and the ego at a collision or the road's edge in red."""
    start, yaw0 = drive.vehicles[0], float(drive.vehicles[0, VehicleColumn.YAW])
    path = to_vehicle_frame(start, drive.vehicles[:, :2])
    event = first_event(np.maximum(drive.collision, drive.off_road), EVENT_THRESHOLD)
    last = len(path) - 1 if event is None else event
    low, high = _view(path[: last + 1])

    parts = [*_road(drive, low, high)]
    parts += _lane(drive, path[: last + 1], yaw0)
    parts.append(_line(path[: last + 1], EGO, 0.35))
    model, every = VehicleModel(), max(round(1 / drive.dt), 1)
    for k in sorted({*range(0, last + 1, every), last}):
        opacity = 0.2 + 0.8 * k / max(last, 1)
        yaw = float(drive.vehicles[k, VehicleColumn.YAW]) - yaw0
        for box, kind in zip(*_road_users(drive, k), strict=True):
            color = USERS.get(ObjectKind(kind), CAR)
            parts.append(_polygon(path[k] + rotate(corners(box), yaw), color, opacity))
        ego = corners(np.array([*path[k], yaw, model.length, model.width]))
        hit = event is not None and k == last
        parts.append(_polygon(ego, BAD if hit else EGO, opacity))
        if k == last or np.linalg.norm(path[k] - path[last]) > LABEL_DISTANCE:
            parts.append(_text(path[k] + np.array([0.0, model.width / 2 + 0.9]), f"{k * drive.dt:.3g} s", FAINT, 1.5))
    parts += _scale_bar(low, high)
    return _svg(low, high, parts, "#f3f5f1")


def coverage_svg(coverage: Sequence[ParameterCoverage]) -> str:
    """How many cases passed, failed and are invalid in each bin of each parameter."""
    label, row, width, gap = 230.0, 46.0, float(PIXELS), 6.0
    most = max((one.num_valid + one.num_invalid for p in coverage for one in p.bins), default=1) or 1
    parts = []
    for k, parameter in enumerate(coverage):
        top, num = k * row, len(parameter.bins)
        parts.append(_plain(0, top + 19, parameter.name, INK, 14))
        parts.append(_plain(0, top + 35, f"{parameter.num_covered} of {num} bins covered", FAINT, 11))
        wide = (width - label - gap * (num - 1)) / num
        for j, one in enumerate(parameter.bins):
            x, parted = label + j * (wide + gap), top + 6
            total = one.num_valid + one.num_invalid
            parts.append(_rect(x, parted, wide, 18, "#e9edf3" if total else "#ffffff", "#cbd2dc" if not total else ""))
            counts = (
                (one.num_valid - one.num_failed, GOOD),
                (one.num_failed, BAD),
                (one.num_invalid, INVALID),
            )
            begin = x
            for count, color in counts:
                parts.append(_rect(begin, parted, wide * count / most, 18, color, ""))
                begin += wide * count / most
            text = f"{one.num_failed} of {one.num_valid} failed" if one.num_valid else "no valid case"
            if one.num_invalid:
                text += f", {one.num_invalid} invalid"
            parts.append(_plain(x, top + 36, f"{one.label}: {text}", FAINT if one.num_valid else BAD, 10.5))
    return _document(f"0 0 {width:g} {max(len(coverage) * row, 1):g}", parts, "")


def intervals_svg(rows: Sequence[tuple[str, Interval]], low: float, high: float, form: str = ".2f") -> str:
    """Estimates with their intervals, one below the other, between `low` and `high`, with lines at 0 and at both ends;
    what reaches beyond is cut. An estimate that is not known is a dash."""
    label, row, right, width = 230.0, 26.0, 190.0, float(PIXELS)
    span = width - label - right

    def at(value: float) -> float:
        return label + span * (min(max(value, low), high) - low) / (high - low)

    height = row * len(rows)
    parts = [
        f'<line x1="{at(x):.1f}" x2="{at(x):.1f}" y1="0" y2="{height:g}" stroke="#cbd2dc"/>'
        for x in sorted({low, high} | ({0.0} if low < 0 < high else set()))
    ]
    for k, (name, value) in enumerate(rows):
        middle = row * (k + 0.5)
        parts.append(_plain(0, middle + 5, name, INK, 13))
        parts.append(_plain(width - right + 14, middle + 5, value.text(form), FAINT, 12))
        if np.isfinite([value.low, value.high]).all():
            begin, end = at(value.low), at(value.high)
            parts.append(_rect(begin, middle - 3, max(end - begin, 1.0), 6, "#b9cbe4", ""))
        if np.isfinite(value.estimate):
            parts.append(f'<circle cx="{at(value.estimate):.1f}" cy="{middle:.1f}" r="5" fill="{EGO}"/>')
    ends = [
        _plain(at(low), height + 14, f"{low:g}", FAINT, 11),
        _plain(at(high) - 10, height + 14, f"{high:g}", FAINT, 11),
    ]
    return _document(f"0 0 {width:g} {height + 20:g}", [*parts, *ends], "")


def _view(path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of what is shown: the path, a margin, and no less than is needed to see where it is [m]."""
    low, high = path.min(axis=0) - MARGIN, path.max(axis=0) + MARGIN
    least = np.array([LEAST_WIDTH, LEAST_HEIGHT])
    more = np.maximum(least - (high - low), 0.0)
    low, high = low - more * [0.25, 0.5], high + more * [0.75, 0.5]  # more of what is ahead
    tall = max(float((high - low)[1] - 0.75 * (high - low)[0]), 0.0)  # a turn: no picture is much higher than wide
    aside = np.array([tall / 1.5, 0.0])
    return low - aside, high + aside


def _road(drive: SavedDrive, low: np.ndarray, high: np.ndarray) -> Iterable[str]:
    """Areas and painted lines that come into the picture."""

    def placed(points: np.ndarray) -> np.ndarray | None:
        local = to_vehicle_frame(drive.vehicles[0], points[:, :2])
        inside = len(local) > 1 and np.all(local.min(axis=0) <= high) and np.all(local.max(axis=0) >= low)
        return local if inside else None

    areas, lines = drive.layout.areas(), drive.layout.lines()
    for kind, color in AREA_COLORS.items():
        for k in np.flatnonzero(drive.layout.area_kinds == kind).tolist():
            if (outline := placed(areas[k])) is not None:
                yield _polygon(outline, color, 1.0)
    for k, points in enumerate(lines):
        kind, color = drive.layout.line_kinds[k], LINE_COLORS.get(LineColor(int(drive.layout.line_colors[k])))
        if color is not None and kind != LineKind.LANE_CENTRE and (line := placed(points)) is not None:
            dashes = "2 3" if kind in (LineKind.BROKEN, LineKind.BROKEN_BROKEN) else ""
            yield _line(line, color, 0.5 if kind == LineKind.STOP_LINE else 0.18, dashes)


def _lane(drive: SavedDrive, path: np.ndarray, yaw0: float) -> list[str]:
    """The edges of the ego's lane, where it knows them."""
    num, lane = len(path), drive.scenes.lane.astype(np.float64)
    columns = [LaneColumn.LATERAL_OFFSET, LaneColumn.HEADING_ERROR, LaneColumn.HALF_WIDTH]
    known = drive.scenes.lane_valid[:num, columns].all(axis=-1)
    if known.sum() < 2:
        return []
    heading = drive.vehicles[:num, VehicleColumn.YAW] - yaw0 - lane[:num, LaneColumn.HEADING_ERROR]
    left = np.stack([-np.sin(heading), np.cos(heading)], axis=-1)
    centre = path - lane[:num, LaneColumn.LATERAL_OFFSET, None] * left
    edges = [centre + sign * lane[:num, LaneColumn.HALF_WIDTH, None] * left for sign in (1.0, -1.0)]
    return [_line(edge[known], EGO, 0.12, "0.8 0.8") for edge in edges]


def _road_users(drive: SavedDrive, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [n, 5] in the ego's frame at instant k, and their ObjectKinds [n]."""
    scene = drive.scenes[k]
    boxes = scene.object_boxes[scene.object_valid].astype(np.float64)
    boxes[:, 3:] = np.maximum(boxes[:, 3:], SMALLEST_BOX)
    return boxes, scene.object_kinds[scene.object_valid]


def _scale_bar(low: np.ndarray, high: np.ndarray) -> list[str]:
    """10 m, at the lower right."""
    end = np.array([high[0] - 2.0, low[1] + 1.6])
    return [_line(np.array([end - [10.0, 0.0], end]), INK, 0.3), _text(end - np.array([7.0, -0.6]), "10 m", INK, 1.6)]


def _svg(low: np.ndarray, high: np.ndarray, parts: Iterable[str], ground: str) -> str:
    """Metres to the right and to the top."""
    size = high - low
    return _document(f"{low[0]:.1f} {-high[1]:.1f} {size[0]:.1f} {size[1]:.1f}", parts, ground)


def _document(view: str, parts: Iterable[str], ground: str) -> str:
    width, height = (float(value) for value in view.split()[2:])
    background = f"background:{ground};" if ground else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{view}" width="{PIXELS}" '
        f'height="{PIXELS * height / width:.0f}" style="{background}font-family:system-ui,sans-serif">'
        f"{''.join(parts)}</svg>"
    )


def _points(points: np.ndarray) -> str:
    return " ".join(f"{x:.1f},{-y:.1f}" if abs(x) + abs(y) > 50 else f"{x:.2f},{-y:.2f}" for x, y in points.tolist())


def _polygon(points: np.ndarray, color: str, opacity: float) -> str:
    faint = "" if opacity >= 1 else f' fill-opacity="{opacity:.2f}"'
    return f'<polygon points="{_points(points)}" fill="{color}"{faint}/>'


def _line(points: np.ndarray, color: str, width: float, dashes: str = "") -> str:
    broken = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{_points(points)}" fill="none" stroke="{color}" stroke-width="{width:g}"{broken}/>'


def _text(place: np.ndarray, text: str, color: str, size: float) -> str:
    x, y = np.asarray(place).tolist()
    return _plain(x, -y, text, color, size)


def _plain(x: float, y: float, text: str, color: str, size: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size:g}">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, color: str, edge: str) -> str:
    stroke = f' stroke="{edge}" stroke-dasharray="4 3"' if edge else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:g}" rx="3" fill="{color}"{stroke}/>'
    )
