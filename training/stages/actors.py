"""The actor model's stage: accelerations and yaw rates from recorded traffic, and examples of arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from training.data.camera_scenes import CameraScenes
from training.data.frame_store import FrameStore
from training.data.object_colors import read_object_colors
from training.data.recorded_scenes import RecordedScenes
from training.data.recorded_traffic import RecordedTraffic
from training.data.traffic_density import count_traffic
from training.data.validity import known_of
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.actors.actor_features import NUM_FEATURES, actor_features
from worldsim.actors.actor_model import RATE_SCALE, ActorModel
from worldsim.actors.actors import (
    STANDING,
    TRAIT_NAMES,
    ActorColumn,
    Actors,
    TraitColumn,
    match_objects,
    object_states,
)
from worldsim.actors.all_courses import find_all_courses
from worldsim.actors.arrivals import ARRIVAL_NAMES
from worldsim.actors.course_columns import CourseColumn
from worldsim.actors.driver_habits import STANDSTILL_GAP, USUAL_LIMIT, HabitColumn, habit_likelihood, habits_of
from worldsim.actors.lane_graph import Streets
from worldsim.actors.leads import FREE
from worldsim.actors.route_frame import LANE_HALF_WIDTH, FrenetPose, RouteFrame, to_frenet
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import LaneColumn, ObjectColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.surroundings import lane_graph_of

ARRIVAL_RANGE = (32.0, 50.0)
"""Arrivals are taken from this far ahead on the route [m]: not before the ego's eyes, and where the route is known."""
STEADY, GOES, SAME_SPEED = 0.4, 3.0, 1.0
"""Who accelerates less than this [m/s²], is faster than this [m/s] and not faster or slower than its lead by more than
this [m/s] shows by its speed or gap what it likes."""
FREE_GAP, FREE_HEADWAY = 15.0, 2.0
"""A lead is in nobody's way who is farther than this [m, s]."""


@dataclass(frozen=True, kw_only=True)
class ActorStageConfig:
    """Batch and targets of the actors' stage.

    Args:
        batch_size: actors a step.
        ahead: frames (START_SECONDS) over which acceleration and yaw rate are averaged; the change from one frame to
            the next follows from the change before it, and learning that would teach nothing.
        every: frames from one of which samples are taken to the next.
        parked_share: of the actors a step that are parked; most of those recorded are.
    """

    loop: LoopConfig
    batch_size: int = 1024
    ahead: int = 5
    every: int = 8
    parked_share: float = 0.2

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 2), ("ahead", 1), ("every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 < self.parked_share < 1:
            raise ValueError(f"parked_share must lie in (0, 1), got {self.parked_share}")


@dataclass(frozen=True, kw_only=True)
class ActorSamples:
    """What actors saw and did: features [n, f], rates [n, 2] in units of RATE_SCALE, habits [n, 2], columns as of
    HabitColumn, NaN where the recording does not tell; bool [n]: parked, waits (a driver who stands) and starts (one
    who then does). And drivers and pedestrians per metre of lane, [2] [1/m]."""

    features: np.ndarray
    rates: np.ndarray
    habits: np.ndarray
    parked: np.ndarray
    waits: np.ndarray
    starts: np.ndarray
    densities: np.ndarray

    @cached_property
    def groups(self) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the parked and of all others."""
        return np.flatnonzero(self.parked), np.flatnonzero(~self.parked)


def _pairs(store: FrameStore, apart: int) -> np.ndarray:
    """Positions of all frames that have one `apart` frames later in the same episode."""
    pieces = zip(store.starts, store.lengths, strict=True)
    return np.concatenate([np.arange(start, start + max(length - apart, 0)) for start, length in pieces])


def _known_kinds(store: FrameStore) -> np.ndarray:
    """ObjectKind int64 [n, s]; EMPTY in frames whose objects are not known."""
    known = known_of(store.rows.valid).objects
    return np.where(known[:, None], store.rows.scenes.object_kinds, ObjectKind.EMPTY)


def actor_samples(store: FrameStore, config: ActorStageConfig) -> ActorSamples:
    """Every road user of every `every`-th frame that is there again `ahead` frames later.

    Raises:
        ValueError: no episode is that long.
    """
    if not len(_pairs(store, config.ahead)):
        raise ValueError(
            f"no episode is longer than {config.ahead} frames: there is nothing to learn of how actors move"
        )
    parts, numbers, length = [], np.zeros(2), 0.0
    for episode in tqdm(range(len(store.lengths)), desc="road users", unit="episode"):
        traffic = RecordedTraffic.of(store, episode)
        parts += _episode_samples(store, episode, traffic, config)
        counted = _count_episode(store, episode, traffic, config.every)
        numbers, length = numbers + counted[0], length + counted[1]
    densities = numbers / max(length, 1.0)
    if not parts:
        empty = np.zeros(0, bool)
        return ActorSamples(
            features=np.zeros((0, NUM_FEATURES)), rates=np.zeros((0, 2)), habits=np.zeros((0, 2)), parked=empty,
            waits=empty, starts=empty, densities=densities,
        )  # fmt: skip
    features, rates, habits, parked, waits, starts = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ActorSamples(
        features=features,
        rates=np.clip(rates, -6, 6),
        habits=habits,
        parked=parked,
        waits=waits,
        starts=starts,
        densities=densities,
    )


def _count_episode(store: FrameStore, episode: int, traffic: RecordedTraffic, every: int) -> tuple[np.ndarray, float]:
    """`count_traffic` of an episode; nothing where its lanes are not known."""
    frames = np.arange(0, int(store.lengths[episode]), every)
    street = _streets(store, episode, frames[:1])[0]
    if street is None:
        return np.zeros(2), 0.0
    return count_traffic(traffic, frames, store.rows.vehicles[int(store.starts[episode]) + frames], street.lanes)


def _episode_samples(
    store: FrameStore, episode: int, traffic: RecordedTraffic, config: ActorStageConfig
) -> list[tuple[np.ndarray, ...]]:
    """Columns of ActorSamples."""
    later = traffic.later(config.ahead)
    frames = np.intersect1d(np.arange(0, int(store.lengths[episode]), config.every), traffic.frames[later >= 0])
    if not len(frames):
        return []
    actors, rows = _gather(traffic, frames)
    at = int(store.starts[episode]) + frames
    scenes, vehicles = store.rows.scenes[at], store.rows.vehicles[at]
    streets = _streets(store, episode, frames)
    in_ego_frame = actors.in_ego_frame(vehicles)
    route_frame = RouteFrame.from_scenes(scenes)
    pose = to_frenet(route_frame, in_ego_frame)
    goals = np.where((rows >= 0)[..., None], traffic.goals[rows], np.nan)
    courses = find_all_courses(actors, vehicles, route_frame, streets, in_ego_frame, pose, goals)
    column = LaneColumn.SPEED_LIMIT
    limits = np.where(scenes.lane_valid[:, column], scenes.lane[:, column], np.nan)
    speeds = vehicles[:, VehicleColumn.SPEED]
    inputs = actor_features(in_ego_frame, actors.kinds, pose, speeds, courses, limits)

    # what they then did
    n, slot = np.nonzero((rows >= 0) & (later[rows] >= 0) & (actors.kinds != ObjectKind.STATIC))
    own = rows[n, slot]
    now, then = traffic.states[own], traffic.states[later[own]]
    rates = _mean_rates(now, then, config.ahead * store.dt) / RATE_SCALE

    # a driver at rest may start at any time, what is parked never does
    stood, stands = (state[:, ActorColumn.SPEED] < STANDING for state in (now, then))
    waits = stood & (now[:, ActorColumn.DRIVES] > 0)
    parked = stood & stands & ~waits
    habits = shown_habits(traffic.tracks[own], now, courses[n, slot], limits[n])
    return [(inputs[n, slot], rates.astype(np.float32), habits, parked, waits, waits & ~stands)]


def shown_habits(tracks: np.ndarray, states: np.ndarray, courses: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Habits that tracks [n] show, columns as of HabitColumn, [n, 2]: the median share of the limit that each drives
    at where nothing is in its way, and the median time that it leaves to a lead of its speed; NaN where it never does.

    Args:
        tracks: numbers.
        states: ACTOR_NAMES [n, 10].
        courses: COURSE_NAMES [n, 18].
        limits: [n] [m/s], NaN where not known.
    """
    speed, steady = states[:, ActorColumn.SPEED], np.abs(states[:, ActorColumn.ACCELERATION]) < STEADY
    gap, lead_speed = courses[:, CourseColumn.GAP], courses[:, CourseColumn.LEAD_SPEED]
    goes = (courses[:, CourseColumn.ON_LANE] > 0) & (speed > GOES)
    stops = np.minimum(courses[:, CourseColumn.STOP], courses[:, CourseColumn.WAIT]) < FREE
    free = goes & steady & ~stops & (courses[:, CourseColumn.CURVE_SPEED] > 1.2 * speed)
    free &= gap > FREE_GAP + FREE_HEADWAY * speed
    follows = goes & steady & ~stops & (gap < 2.5 * speed) & (np.abs(lead_speed - speed) < SAME_SPEED)
    limit = np.where(limits > 0, limits, USUAL_LIMIT)
    habits = np.full((len(tracks), 2), np.nan)
    for column, shows, values in (
        (HabitColumn.PACE, free, speed / limit),
        (HabitColumn.HEADWAY, follows, (gap - STANDSTILL_GAP) / np.maximum(speed, GOES)),
    ):
        order = np.flatnonzero(shows)[np.argsort(tracks[shows], kind="stable")]
        names, begins = np.unique(tracks[order], return_index=True)
        medians = [np.median(part) for part in np.split(values[order], begins[1:])] if len(order) else []
        at = np.minimum(np.searchsorted(names, tracks), max(len(names) - 1, 0))
        if len(names):
            habits[:, column] = np.where(names[at] == tracks, np.array(medians)[at], np.nan)
    return habits


def _gather(traffic: RecordedTraffic, frames: np.ndarray) -> tuple[Actors, np.ndarray]:
    """Those who are there at frames [n], and their rows in `traffic`, [n, s], -1 in free slots."""
    order = np.argsort(traffic.frames, kind="stable")
    begins, ends = (np.searchsorted(traffic.frames[order], frames, side=side) for side in ("left", "right"))
    rows = np.full((len(frames), int((ends - begins).max())), -1)
    for own, begin, end in zip(rows, begins.tolist(), ends.tolist(), strict=True):
        own[: end - begin] = order[begin:end]
    there = rows >= 0
    traits = np.zeros((*rows.shape, len(TRAIT_NAMES)))
    traits[..., [TraitColumn.ID, TraitColumn.WAY]] = np.where(there, traffic.tracks[rows], 0)[..., None]
    actors = Actors(
        states=np.where(there[..., None], traffic.states[rows], 0.0),
        kinds=np.where(there, traffic.kinds[rows], ObjectKind.EMPTY),
        vacant=~there,
        traits=traits,
    )
    return actors, rows


def _streets(store: FrameStore, episode: int, frames: np.ndarray) -> list[Streets | None]:
    """The lanes and lights at frames [n] of an episode."""
    scenes = store.camera_scenes(episode)
    if not isinstance(scenes, CameraScenes):
        return [None] * len(frames)
    lanes = lane_graph_of(store.layouts[episode].read())
    return [Streets(lanes, scenes.light_cycles, time) for time in (store.dt * frames).tolist()]


def _mean_rates(now: np.ndarray, then: np.ndarray, seconds: float) -> np.ndarray:
    """Mean acceleration [m/s²] and yaw rate [rad/s] between states [n, 10]; [n, 2]."""
    change = then - now
    return np.stack([change[:, ActorColumn.SPEED], wrap_angle(change[:, ActorColumn.YAW])], axis=-1) / seconds


def find_arrivals(scenes: RecordedScenes, num: int, rng: np.random.Generator) -> np.ndarray:
    """ARRIVAL_NAMES [num, 10]: actors near the route, far ahead, that were not listed in the frame before.

    Rows of 0 where there are not as many. Actors that stand in the ego's lane or drive across it are left out: two that
    wait for each other would wait for ever.
    """
    store, rows = scenes.store, scenes.store.rows
    states = object_states(rows.scenes, rows.vehicles)
    kinds = _known_kinds(store)
    known = known_of(rows.valid)
    positions = _pairs(store, 1)
    positions = positions[known.objects[positions] & (known.objects & known.route)[positions + 1]]

    num_placed = len(ARRIVAL_NAMES) - 3
    found, places = [np.zeros((0, num_placed))], [np.zeros((0, 2), np.int64)]
    for at in (positions[k : k + 2048] for k in range(0, len(positions), 2048)):
        later = at + 1
        objects = rows.scenes[later].objects.astype(np.float64)
        match = match_objects(states[at], kinds[at], states[later], kinds[later], store.dt, 2.0)
        pose = to_frenet(RouteFrame.from_scenes(rows.scenes[later]), objects)
        is_new = (match < 0) & (kinds[later] > 0)
        n, slot = np.nonzero(is_new & _may_arrive(objects, kinds[later], pose))

        placement = [pose.s[n, slot], pose.lateral[n, slot], pose.heading[n, slot]]
        speed_and_size = objects[n, slot, ObjectColumn.SPEED :].T
        found.append(np.stack([*placement, *speed_and_size, kinds[later][n, slot]], axis=-1))
        places.append(np.stack([later[n], slot], axis=-1))

    all_found, all_places = np.concatenate(found), np.concatenate(places)
    kept = rng.permutation(len(all_found))[:num]
    arrivals = np.zeros((num, len(ARRIVAL_NAMES)), np.float32)
    arrivals[: len(kept), :num_placed] = all_found[kept]
    arrivals[: len(kept), num_placed:] = read_object_colors(scenes, *all_places[kept].T)
    return arrivals


def _may_arrive(objects: np.ndarray, kinds: np.ndarray, pose: FrenetPose) -> np.ndarray:
    """Whether objects [n, s, 6] lie in ARRIVAL_RANGE on the route and neither block nor cross it, bool [n, s]."""
    moves = objects[..., ObjectColumn.SPEED] >= 0.5
    in_lane = np.abs(pose.lateral) < LANE_HALF_WIDTH
    blocks = in_lane & (~moves | (np.cos(pose.heading) < 0.5))
    crosses = (np.abs(np.sin(pose.heading)) > 0.5) & (kinds != ObjectKind.PEDESTRIAN) & moves
    in_range = (pose.s > ARRIVAL_RANGE[0]) & (pose.s < ARRIVAL_RANGE[1])
    return pose.on & in_range & ~blocks & ~crosses


def actor_losses(
    model: ActorModel, samples: ActorSamples, config: ActorStageConfig, rng: np.random.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch."""
    num_parked = int(config.parked_share * config.batch_size)
    sizes = (num_parked, config.batch_size - num_parked)
    drawn = (rng.choice(group, size) for group, size in zip(samples.groups, sizes, strict=True) if len(group))
    chosen = np.concatenate(list(drawn))
    device = model.arrivals.device

    def tensor(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values[chosen].astype(np.float32)).to(device)

    seen, shown = tensor(samples.features), tensor(samples.habits)
    told = model.habits(seen)
    # what a recording does not tell of a driver is drawn, as it will be when it drives
    drawn = habits_of(told.detach(), tensor(rng.standard_normal(samples.habits.shape)))
    estimate = model(seen, torch.where(torch.isfinite(shown), shown, drawn))
    moves = 1 - tensor(samples.waits)
    error = F.smooth_l1_loss(estimate[:, :2], tensor(samples.rates), beta=0.5, reduction="none")
    acceleration, yaw_rate = (error * moves[:, None]).sum(0) / moves.sum().clamp(min=1)
    wrong = F.binary_cross_entropy_with_logits(estimate[:, 2], tensor(samples.starts), reduction="none")
    start = (wrong * (1 - moves)).sum() / (1 - moves).sum().clamp(min=1)
    habits = habit_likelihood(told, shown)
    loss = acceleration + yaw_rate + 0.2 * start + 0.1 * habits
    return {"loss": loss, "acceleration": acceleration, "yaw_rate": yaw_rate, "start": start, "habits": habits}


def train_actors(model: ActorModel, scenes: RecordedScenes, config: ActorStageConfig, folder: Path) -> None:
    """Train the model in place, or load the finished stage; resumable.

    A recording without known objects teaches nothing: no actors will arrive in its world.

    Args:
        model: what is trained.
        scenes: of the recording.
        config: how.
        folder: gets the result.

    Raises:
        ValueError: the recording shows no actors, or too short episodes.
    """
    result = folder / "actors.safetensors"
    if stage_done(model, result):
        return
    store = scenes.store
    if not known_of(store.rows.valid).objects.any():
        finish_stage(model, result)
        return
    seed = config.loop.seed
    arrivals = find_arrivals(scenes, model.config.num_arrivals, np.random.default_rng([seed, 10**6]))
    model.arrivals.copy_(torch.from_numpy(arrivals))
    samples = actor_samples(store, config)
    model.densities.copy_(torch.from_numpy(samples.densities))
    if not len(samples.rates):
        raise ValueError("the recording shows no actor twice: record with traffic")

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return actor_losses(model, samples, config, step_rng(seed, step))

    TrainLoop(model, loss_function, config.loop, folder).run("ActorModel")
    finish_stage(model, result)
