"""Loop closure: does the learned world show the same place again after a lap around a block?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from envs.maps.lane_search import Stretch, find_shortest_paths, join_stretches
from envs.maps.road_map import RoadMap
from envs.road.config import RoadWorldConfig
from envs.road.rendering.camera import CameraConfig, load_camera
from envs.road.rendering.weather import Weather
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_town_scene
from training.evaluation.clip_routes import on_route
from training.evaluation.closed_loop import follow_lane
from training.evaluation.image_metrics import psnr
from training.evaluation.modes import DriveMode, ablated
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.signals import NO_SIGNALS
from worldsim.datatypes.start_clip import StartClip
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View
from worldsim.world_model import WorldModel

LAP_RANGE = (120.0, 450.0)
"""Shortest and longest lap [m]."""
STRAIGHT = 45.0
"""A lap begins on a lane at least this long, on which there is room for a start clip [m]."""
SAME_PLACE, SAME_HEADING = 0.25, 0.03
"""Views no farther apart than this are the same [m], [rad]."""
LEAST_TRAVELLED = 0.6
"""Views of the same place count that are at least this share of a lap apart."""
LAPS, NUM_LAPS = 1.7, 3
"""A drive goes around so often, and its route so often."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Loop:
    """A lap around a block of a procedural town.

    Args:
        town: its seed.
        weather_seed: of the start.
        clip: in which nobody else is on the road; its route goes around and around.
        length: of a lap [m].
    """

    town: int
    weather_seed: int
    clip: StartClip
    length: float


@dataclass(frozen=True, kw_only=True, eq=False)
class LoopDrives:
    """`n` drives of `t` steps around loops: frames uint8 [n, t, h, w, 3], and where each was taken from, [n][t]."""

    frames: np.ndarray
    views: list[list[View]]


def find_lap(road_map: RoadMap) -> list[Stretch] | None:
    """The shortest lap that begins on a straight stretch and changes no lanes; None if the map has none."""
    lanes, laps = road_map.lanes, []
    for key in road_map.lane_keys:
        if lanes[key].junction >= 0 or lanes[key].length < STRAIGHT:
            continue
        # it ends just before it begins: where it begins it is already
        begin = 0.2 * lanes[key].length
        found = find_shortest_paths(lanes, (key, begin), {key: begin - 0.5}, LAP_RANGE[1])
        if key in found and found[key][0] >= LAP_RANGE[0] and not any(stretch.gap for stretch in found[key][1]):
            laps.append(found[key])
    return min(laps, key=lambda lap: lap[0])[1] if laps else None


def make_loop(town: int, frame_size: tuple[int, int], num_context: int, seed: int) -> Loop | None:
    """A loop in a town of the reference world; None if the town has no block to go around."""
    scene = load_town_scene(town)
    lap = find_lap(scene.road_map)
    if lap is None:
        return None
    route = scene.road_map.route_along(join_stretches([lap] * NUM_LAPS))
    config = RoadWorldConfig(
        frame_size=frame_size, num_context=num_context, num_vehicles=0, num_pedestrians=0, parked_share=0.0
    )
    world = RoadWorld(config)
    pose = (*route.points[0].tolist(), float(route.yaw[0]))
    step = world.reset(seed, {"town": town, "start_pose": pose})
    clip = on_route(world.start_clip(), world, scene.road_map, route, NO_SIGNALS)
    world.close()
    length = scene.road_map.route_along(lap).length
    return Loop(town=town, weather_seed=int(step.info["weather_seed"]), clip=clip, length=length)


def drive_loops(model: WorldModel, loops: Sequence[Loop], most_steps: int, mode: DriveMode) -> LoopDrives:
    """The lane follower drives around the loops, with nobody else on the road, until each has been around LAPS times.

    Args:
        model: the learned world.
        loops: driven side by side.
        most_steps: that it may take.
        mode: what is taken away from the model.
    """
    with ablated(model, mode):
        state = model.begin([loop.clip for loop in loops], list(range(len(loops))))
        actors = state.tracked.actors
        alone = replace(actors, kinds=np.zeros_like(actors.kinds), vacant=np.zeros_like(actors.vacant))
        state = replace(state, tracked=replace(state.tracked, actors=alone))

        wanted = np.array([LAPS * loop.length for loop in loops])
        travelled, place = np.zeros(len(loops)), state.tracked.vehicles[:, :2]
        frames: list[np.ndarray] = []
        views: list[list[View]] = [[] for _ in loops]
        for now, prediction in follow_lane(model, state, most_steps, f"loops, {mode.title}"):
            assert prediction.frames is not None
            frames.append(prediction.frames)
            for slot, own in enumerate(views):
                own.append(model.tracker.camera_scene(now.tracked, slot).view)
            travelled += np.linalg.norm(now.tracked.vehicles[:, :2] - place, axis=-1)
            place = now.tracked.vehicles[:, :2]
            if (travelled >= wanted).all():
                break
    return LoopDrives(frames=np.stack(frames, axis=1), views=views)


def same_views(views: Sequence[View], least_travelled: float) -> np.ndarray:
    """Frame and earlier frame [p, 2] of the same view, with at least so much driving in between [m]."""
    places = np.array([[view.x, view.y] for view in views])
    yaws = np.array([view.yaw for view in views])
    travelled = np.append(0.0, np.linalg.norm(np.diff(places, axis=0), axis=-1).cumsum())
    pairs = []
    for t in range(len(views)):
        num = int((travelled <= travelled[t] - least_travelled).sum())
        if not num:
            continue
        apart = np.linalg.norm(places[:num] - places[t], axis=-1)
        apart[np.abs(wrap_angle(yaws[:num] - yaws[t])) > SAME_HEADING] = np.inf
        earlier = int(apart.argmin())
        if apart[earlier] <= SAME_PLACE:
            pairs.append((t, earlier))
    return np.array(pairs, np.int64).reshape(-1, 2)


def true_frames(loop: Loop, views: Sequence[View], frame_size: tuple[int, int]) -> np.ndarray:
    """What the reference world's camera sees there, with nobody on the road, uint8 [t, h, w, 3]."""
    height, width = frame_size
    camera = load_camera(CameraConfig(height_px=height, width_px=width))
    scenery, weather = load_town_scene(loop.town).scenery, Weather.from_seed(loop.weather_seed)
    return np.stack([camera.render(scenery, weather, view, RoadUsers.none()) for view in views])


def loop_closure_scores(loops: Sequence[Loop], drives: LoopDrives, rng: np.random.Generator) -> dict:
    """How alike frames of the same view are, a lap after each other [dB], beside true frames of the same two places,
    which are not quite the same, and beside frames of the drive chosen at random; and how true they are then."""
    found: dict[str, list[np.ndarray]] = {
        "same_view_db": [],
        "true_same_view_db": [],
        "other_view_db": [],
        "truth_db": [],
    }
    for loop, frames, views in zip(loops, drives.frames, drives.views, strict=True):
        now, before = same_views(views, LEAST_TRAVELLED * loop.length).T
        if not len(now):
            continue
        size = (frames.shape[1], frames.shape[2])
        true_now, true_before = (true_frames(loop, [views[k] for k in index], size) for index in (now, before))
        found["same_view_db"].append(psnr(frames[now], frames[before]))
        found["true_same_view_db"].append(psnr(true_now, true_before))
        found["other_view_db"].append(psnr(frames[now], frames[rng.integers(0, now)]))
        found["truth_db"].append(psnr(frames[now], true_now))
    pairs = {"loops": len(found["same_view_db"]), "pairs": sum(len(values) for values in found["same_view_db"])}
    return pairs | {name: float(np.concatenate(values).mean()) for name, values in found.items() if values}


def view_rows(loop: Loop, frames: np.ndarray, views: Sequence[View], count: int = 8) -> list[np.ndarray]:
    """Up to `count` views of a drive at the first visit, and the same views a lap later, uint8 [count, h, w, 3] each;
    nothing if it did not come back."""
    pairs = same_views(views, LEAST_TRAVELLED * loop.length)
    if not len(pairs):
        return []
    now, before = pairs[np.linspace(0, len(pairs) - 1, min(count, len(pairs))).astype(int)].T
    return [frames[before], frames[now]]
