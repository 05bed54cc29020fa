"""What a recording tells of the surroundings at one of its frames: road users, lights, and the stop lines ahead."""

from __future__ import annotations

import cv2
import numpy as np

from training.data.camera_scenes import CameraScenes, speeds_between
from worldsim.actors.actors import STANDING, ActorColumn, object_states
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import AreaKind, BoxColumn, Layout, LayoutKind
from worldsim.datatypes.route import Routes, preview_routes
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import (
    LIGHT_CYCLE_NAMES,
    NO_SIGNALS,
    ROUTE_SIGNAL_NAMES,
    RouteSignalColumn,
    SignalKind,
    light_states,
)

SAME_PLACE = 0.3
"""An object of a scene this near to a road user in the camera is that one [m]."""
SAME_SIZE = 2e-3
"""Lengths and widths that differ by less are of one road user [m]."""
MOVED = 0.05
"""Whoever was never seen farther than this from where he is now stands there for good [m]."""
SAME_LINE = 6.0
"""Stop lines of one kind that lie closer together are one [m]."""
HEAD_RANGE = (-4.0, 45.0)
"""How far beyond its stop line a light's heads stand along the route [m]."""
HEAD_SIDE = 16.0
"""How far beside the route they may be [m]."""
FACES = 0.6
"""By how much at most they are turned away from who waits at the line [rad]."""
AGREES = 0.98
"""Share of the frames in which a light must have shown what the ego was told [1]."""
_LIGHTS = (SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN)
_CYCLE = [RouteSignalColumn[name.upper()] for name in LIGHT_CYCLE_NAMES]


def recorded_users(
    scenes: CameraScenes, frame: int, scene: SceneState, vehicle: np.ndarray, layout: Layout, dt: float
) -> KnownRoadUsers:
    """All others at a frame of an episode: whom its picture shows, whom its scene lists beside these, and whom any of
    its pictures shows parked.

    Args:
        scenes: of the whole episode.
        frame: which of its frames.
        scene: at that frame.
        vehicle: the ego then, VEHICLE_NAMES, float64 [6].
        layout: around the route.
        dt: time between frames [s].
    """
    everyone = _Sightings(scenes)
    parked = everyone.parked_ids(layout)
    now, then = scenes[frame], scenes[max(frame - 1, 0)]
    absent = everyone.rows_of(np.setdiff1d(parked, now.user_ids))
    speeds = speeds_between(then, now, dt)
    in_picture = KnownRoadUsers(
        kinds=now.users.kinds,
        boxes=now.users.boxes,
        speeds=np.where(np.isnan(speeds), 0.0, speeds),
        colors=now.users.colors,
        braking=now.users.braking,
        phases=now.users.phases,
        parked=np.isin(now.user_ids, parked) | (now.users.kinds == ObjectKind.STATIC),
    )
    users = KnownRoadUsers.concatenate([in_picture, absent])
    return _with_scene(users, scene, vehicle, everyone)


class _Sightings:
    """Every road user in every picture of an episode, one a row."""

    def __init__(self, scenes: CameraScenes) -> None:
        each = [scenes[k] for k in range(len(scenes))]
        self.ids = np.concatenate([one.user_ids for one in each])
        self.kinds = np.concatenate([one.users.kinds for one in each])
        self.boxes = np.concatenate([one.users.boxes for one in each])
        self.colors = np.concatenate([one.users.colors for one in each])

    def parked_ids(self, layout: Layout) -> np.ndarray:
        """Who was never seen to move and stands beside the lanes, int64 [k]."""
        order = np.argsort(self.ids, kind="stable")
        ids, first = np.unique(self.ids[order], return_index=True)
        if not len(ids):
            return ids
        places = self.boxes[order, :2]
        moved = np.maximum.reduceat(places, first) - np.minimum.reduceat(places, first)
        kinds = self.kinds[order][first]
        stands = (moved.max(axis=1) < MOVED) & (kinds != ObjectKind.PEDESTRIAN)
        return ids[stands & ~_on_lanes(places[first], layout)]

    def rows_of(self, ids: np.ndarray) -> KnownRoadUsers:
        """Parked ones as they were first seen."""
        found, first = np.unique(self.ids, return_index=True)
        rows = first[np.isin(found, ids)]
        n = len(rows)
        return KnownRoadUsers(
            kinds=self.kinds[rows],
            boxes=self.boxes[rows],
            speeds=np.zeros(n),
            colors=self.colors[rows],
            braking=np.zeros(n, bool),
            phases=np.zeros(n),
            parked=np.ones(n, bool),
        )

    def like(self, kind: int, length: float, width: float) -> int:
        """A row of one road user of that kind and size, -1 where there is none or where there are many."""
        size = self.boxes[:, [BoxColumn.LENGTH, BoxColumn.WIDTH]]
        same = (self.kinds == kind) & (np.abs(size - (length, width)).max(axis=1) < SAME_SIZE)
        rows = np.flatnonzero(same)
        return int(rows[0]) if len(np.unique(self.ids[rows])) == 1 else -1


def _with_scene(users: KnownRoadUsers, scene: SceneState, vehicle: np.ndarray, everyone: _Sightings) -> KnownRoadUsers:
    """The users, with exact speeds of those whom the scene lists, and with whom it alone lists."""
    listed = object_states(scene, vehicle)
    speeds, more = users.speeds.copy(), []
    for row in np.flatnonzero(scene.object_kinds > 0).tolist():
        kind, state = int(scene.object_kinds[row]), listed[row]
        x, y, yaw, speed, length, width = state[: ActorColumn.WIDTH + 1].tolist()
        apart = np.hypot(users.boxes[:, BoxColumn.X] - x, users.boxes[:, BoxColumn.Y] - y)
        apart = np.where(users.kinds == kind, apart, np.inf)
        if len(apart) and apart.min() < SAME_PLACE:
            speeds[apart.argmin()] = speed
            continue
        known = everyone.like(kind, length, width)
        z, height = everyone.boxes[known, [BoxColumn.Z, BoxColumn.HEIGHT]] if known >= 0 else (np.nan, np.nan)
        more.append(
            KnownRoadUsers(
                kinds=np.array([kind]),
                boxes=np.array([[x, y, z, yaw, length, width, height]]),
                speeds=np.array([speed]),
                colors=everyone.colors[[known]] if known >= 0 else np.full((1, 3), np.nan),
                braking=np.array([abs(speed) < STANDING and kind in (ObjectKind.CAR, ObjectKind.TRUCK)]),
                phases=np.zeros(1),
                parked=np.array([kind == ObjectKind.STATIC]),
            )
        )
    users = KnownRoadUsers(**{**vars(users), "speeds": speeds})
    return KnownRoadUsers.concatenate([users, *more])


def _on_lanes(places: np.ndarray, layout: Layout) -> np.ndarray:
    """Which points [n, 2] lie where one drives, bool [n]; all of them where the ground is not known."""
    if not layout.ground_known:
        return np.ones(len(places), bool)
    inside = np.zeros(len(places), bool)
    for outline, kind in zip(layout.areas(), layout.area_kinds.tolist(), strict=True):
        if kind not in (AreaKind.DRIVABLE, AreaKind.JUNCTION):
            continue
        low, high = outline[:, :2].min(axis=0), outline[:, :2].max(axis=0)
        polygon = (outline[:, :2] - low).astype(np.float32).reshape(-1, 1, 2)
        for k in np.flatnonzero(((places >= low) & (places <= high)).all(axis=1) & ~inside).tolist():
            x, y = (places[k] - low).tolist()
            inside[k] = cv2.pointPolygonTest(polygon, (x, y), False) >= 0
    return inside


def recorded_signals(
    route: np.ndarray,
    vehicles: np.ndarray,
    scenes: SceneState,
    half_length: float,
    layout: Layout,
    cycles: np.ndarray | None,
    dt: float,
) -> np.ndarray | None:
    """ROUTE_SIGNAL_NAMES float32 [k, 6] of the stop lines along a route that was driven; None where they are not known,
    or where no light of the layout shows what the ego was told.

    Args:
        route: [r, 2] in the ground frame [m].
        vehicles: of the ego from the route's beginning on, [t, 6].
        scenes: likewise, [t].
        half_length: of the ego [m].
        layout: around the route.
        cycles: LIGHT_CYCLE_NAMES of its light groups, [g, 4]; time 0 is the first frame's. None where not known.
        dt: time between frames [s].
    """
    if len(route) < 2 or not scenes.signal_valid.any():
        return None
    arcs = _arcs_along(route, vehicles)
    told = scenes.signal_valid & (scenes.signal != SignalKind.NONE) & np.isfinite(arcs)
    lines = arcs + half_length + scenes.signal_distance
    rows: list[np.ndarray] = []
    for frames in _same_lines(lines, scenes.signal, told):
        row = np.zeros(len(ROUTE_SIGNAL_NAMES))
        row[RouteSignalColumn.S] = s = float(lines[frames[np.argmin(np.abs(scenes.signal_distance[frames]))]])
        shown = scenes.signal[frames]
        if shown[0] in _LIGHTS:
            cycle = _cycle_of(s, route, shown, frames * dt, layout, cycles)
            if cycle is None:
                return None
            row[RouteSignalColumn.KIND], row[_CYCLE] = SignalKind.RED, cycle
        else:  # a stop sign is one to give way at once the ego has stopped
            row[RouteSignalColumn.KIND] = SignalKind.STOP if SignalKind.STOP in shown else SignalKind.YIELD
        rows.append(row)
    rows = [row for row in rows if row[RouteSignalColumn.S] >= 0]
    rows.sort(key=lambda row: row[RouteSignalColumn.S])
    return np.array(rows, np.float32) if rows else NO_SIGNALS


def _arcs_along(route: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """Arc lengths [t] of the egos on a route [r, 2] that they follow [m]; NaN far from it."""
    routes, place, arcs = Routes.stack([route]), np.zeros(1, np.int64), np.full(len(vehicles), np.nan)
    for k, vehicle in enumerate(vehicles):
        preview = preview_routes(routes, vehicle[None], place)
        place = preview.places
        if preview.on_route[0]:
            arcs[k] = preview.arcs[0]
    return arcs


def _same_lines(lines: np.ndarray, signals: np.ndarray, told: np.ndarray) -> list[np.ndarray]:
    """Which frames tell of one stop line, for each of them, int64 [k]."""
    found: list[list[int]] = []
    for frame in np.flatnonzero(told).tolist():
        is_light = signals[frame] in _LIGHTS
        for frames in found:
            if (signals[frames[-1]] in _LIGHTS) == is_light and abs(lines[frames[-1]] - lines[frame]) < SAME_LINE:
                frames.append(frame)
                break
        else:
            found.append([frame])
    return [np.array(frames) for frames in found]


def _cycle_of(
    s: float, route: np.ndarray, shown: np.ndarray, times: np.ndarray, layout: Layout, cycles: np.ndarray | None
) -> np.ndarray | None:
    """LIGHT_CYCLE_NAMES [4] of the light whose heads stand beyond a stop line, face who waits there and have shown what
    the ego was told [k] at `times` [k] [s]; None where there is none."""
    if cycles is None:
        return None
    place, direction = _pose_at(route, s)
    is_head = (layout.box_kinds == LayoutKind.LIGHT) & (layout.box_signals >= 0)
    heads = np.flatnonzero(is_head & (layout.box_signals < len(cycles)))
    d = layout.boxes[heads, :2] - place
    ahead = d @ np.array([np.cos(direction), np.sin(direction)])
    aside = d @ np.array([-np.sin(direction), np.cos(direction)])
    turned = np.abs(wrap_angle(layout.boxes[heads, BoxColumn.YAW] - direction - np.pi))
    low, high = HEAD_RANGE
    near = (ahead >= low) & (ahead <= high) & (np.abs(aside) <= HEAD_SIDE) & (turned <= FACES)
    for head in heads[near][np.argsort(np.hypot(ahead, aside)[near], kind="stable")].tolist():
        cycle = cycles[layout.box_signals[head]]
        if np.mean(light_states(cycle, times) == shown) >= AGREES:
            return cycle
    return None


def _pose_at(route: np.ndarray, s: float) -> tuple[np.ndarray, float]:
    """The point of a route [r, 2] at arc length `s` [2] [m], and its direction there [rad]."""
    steps = np.diff(route, axis=0)
    arcs = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    k = int(np.clip(np.searchsorted(arcs, s, side="right") - 1, 0, len(steps) - 1))
    length = max(arcs[k + 1] - arcs[k], 1e-6)
    return route[k] + steps[k] * (s - arcs[k]) / length, float(np.arctan2(steps[k, 1], steps[k, 0]))
