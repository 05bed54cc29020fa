"""Where in a recording the model can start, and the start clip at such a place."""

from __future__ import annotations

import numpy as np

from training.data.frame_store import FrameStore
from training.data.validity import known_of
from worldsim.datatypes.route import ROUTE_LANE_NAMES, RouteLaneColumn, centreline_of, to_ground_frame, to_vehicle_frame
from worldsim.datatypes.scene import LANE_NAMES
from worldsim.datatypes.start_clip import LAYOUT_RADIUS, StartClip


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
    """The StartClip whose newest frame is at `position`."""
    rows = slice(position - num_context + 1, position + 1)
    route, lanes = recorded_route(store, position)
    layout = store.layouts[episode_at(store, position)].read()
    around = np.concatenate(
        [store.rows.vehicles[position, None, :2], to_ground_frame(store.rows.vehicles[position], route)]
    )
    return StartClip(
        frames=np.array(store.frames[rows]),
        controls=store.rows.controls[rows][:-1],
        vehicles=store.rows.vehicles[rows],
        scenes=store.rows.scenes[rows],
        route=route,
        dt=store.dt,
        lanes=lanes,
        layout=layout.crop(around, LAYOUT_RADIUS),
    )


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
