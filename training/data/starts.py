"""Where in a recording the model can start, and the start clip at such a place."""

from __future__ import annotations

from typing import Any

import numpy as np

from training.data.camera_scenes import CameraScenes
from training.data.frame_store import FrameStore
from training.data.recorded_clips import recorded_signals, recorded_users
from training.data.validity import known_of
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.route import ROUTE_LANE_NAMES, RouteLaneColumn, centreline_of, to_ground_frame, to_vehicle_frame
from worldsim.datatypes.route_signals import cycles_from
from worldsim.datatypes.scene import LANE_NAMES
from worldsim.datatypes.start_clip import LAYOUT_RADIUS, StartClip, cycles_of_layout, users_along
from worldsim.datatypes.vehicle import VehicleModel


def choose_starts(store: FrameStore, num: int, num_context: int, horizon: int, rng: np.random.Generator) -> np.ndarray:
    """Store positions [num] of last context frames; a third of them up to 3 s before an episode's last frame,
    where most collisions and departures are. Picture and motion are known from the context's first frame on.

    Raises:
        ValueError: no episode is long enough, or in none of those so many frames in a row are known.
    """
    lengths = store.lengths
    usable = np.flatnonzero(lengths >= num_context + 10)
    if not len(usable):
        raise ValueError(f"no episode of the data has {num_context + 10} frames")
    possible = known_starts(store, num_context)
    usable = np.array([k for k in usable if len(possible[k])])
    if not len(usable):
        raise ValueError(f"in no long enough episode are picture, control and motion of {num_context} frames known")

    chosen = []
    for k in range(num):
        episode = int(rng.choice(usable))
        length = int(lengths[episode])
        low = num_context - 1
        high = max(low, length - 1 - horizon)
        if k % 3 == 0:
            low = max(low, length - 31)
            high = length - 6
        drawn = int(store.starts[episode]) + int(rng.integers(low, max(low, high) + 1))
        chosen.append(int(possible[episode][np.abs(possible[episode] - drawn).argmin()]))
    return np.array(chosen)


def known_starts(store: FrameStore, num_context: int) -> list[np.ndarray]:
    """Positions in the store, episode by episode, of last context frames: picture, control and motion of the whole
    context are known, and so is the picture after it."""
    known = known_of(store.rows.valid)
    missing = np.concatenate([[0], np.cumsum(~(known.picture & known.motion))])
    found = []
    for first, length in zip(store.starts.tolist(), store.lengths.tolist(), strict=True):
        ends = first + np.arange(num_context, length)
        found.append(ends[(missing[ends] == missing[ends - num_context]) & known.picture[ends]] - 1)
    return found


def clip_at(store: FrameStore, position: int, num_context: int) -> StartClip:
    """The StartClip whose newest frame is at `position`; where camera scenes were recorded, its stop lines are those
    that the rest of the episode tells of."""
    rows = slice(position - num_context + 1, position + 1)
    route, lanes = recorded_route(store, position)
    episode = episode_at(store, position)
    around = np.concatenate(
        [store.rows.vehicles[position, None, :2], to_ground_frame(store.rows.vehicles[position], route)]
    )
    layout = store.layouts[episode].read().crop(around, LAYOUT_RADIUS)
    return StartClip(
        frames=np.array(store.frames[rows]),
        controls=store.rows.controls[rows][:-1],
        vehicles=store.rows.vehicles[rows],
        scenes=store.rows.scenes[rows],
        route=route,
        dt=store.dt,
        lanes=lanes,
        layout=layout,
        **_surroundings(store, position, around[1:], layout),
    )


def _surroundings(store: FrameStore, position: int, route: np.ndarray, layout: Layout) -> dict[str, Any]:
    """StartClip's light cycles, road users, height of the ego, sun and signals, with a route [r, 2] in the ground
    frame."""
    episode = episode_at(store, position)
    begin, vehicle = int(store.starts[episode]), store.rows.vehicles[position]
    if not store.has_camera_scenes(episode):
        return {}
    scenes, frame = store.camera_scenes(episode), position - begin
    if not isinstance(scenes, CameraScenes):  # made of SceneState, which the clip holds anyway
        return {}
    users = recorded_users(scenes, frame, store.rows.scenes[position], vehicle, layout, store.dt)
    cycles = None
    if scenes.light_cycles is not None:
        cycles = cycles_of_layout(layout, cycles_from(scenes.light_cycles, frame * store.dt))
    rest = slice(position, begin + int(store.lengths[episode]))
    signals = recorded_signals(
        route, store.rows.vehicles[rest], store.rows.scenes[rest], VehicleModel().length / 2, layout, cycles, store.dt
    )
    return {
        "light_cycles": cycles,
        "road_users": users_along(users, vehicle, route),
        "ego_z": scenes[frame].view.z,
        "sun": scenes.sun,
        "signals": signals,
    }


def episode_at(store: FrameStore, position: int) -> int:
    """Which of the store's episodes the frame at `position` belongs to."""
    return int(np.searchsorted(store.starts, position, side="right")) - 1


def recorded_route(store: FrameStore, position: int) -> tuple[np.ndarray, np.ndarray]:
    """The route from the frame at `position` on, put together from the rest of its episode, and its lanes.

    Returns:
        Points float32 [r, 2] in the vehicle frame, none where none is known, and ROUTE_LANE_NAMES float32 [r, 4]: width
        and speed limit as recorded when the ego was about there, edges unknown.
    """
    episode = episode_at(store, position)
    rows = slice(position, int(store.starts[episode] + store.lengths[episode]))
    scenes, vehicles = store.rows.scenes[rows], store.rows.vehicles[rows]

    line = list(to_ground_frame(vehicles[0], centreline_of(scenes[0])[:1]))
    sources = [0] * len(line)
    for k in range(len(vehicles)):
        last = k == len(vehicles) - 1
        known = scenes.route[k][scenes.route_valid[k]][: None if last else 1]
        for point in to_ground_frame(vehicles[k], known):
            if not line or np.hypot(*(point - line[-1])) > 1.0:
                line.append(point)
                sources.append(k)

    lanes = np.full((len(line), len(ROUTE_LANE_NAMES)), np.nan, np.float32)
    recorded = np.where(scenes.lane_valid, scenes.lane, np.nan)[sources]
    lanes[:, RouteLaneColumn.HALF_WIDTH] = recorded[:, LANE_NAMES.index("half_width")]
    lanes[:, RouteLaneColumn.SPEED_LIMIT] = recorded[:, LANE_NAMES.index("speed_limit")]
    return to_vehicle_frame(vehicles[0], np.array(line).reshape(-1, 2)).astype(np.float32), lanes
