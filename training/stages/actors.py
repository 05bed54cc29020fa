"""The actor model's stage: accelerations and yaw rates from recorded traffic, and examples of arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.frame_store import FrameStore
from training.data.object_colors import read_object_colors
from training.data.recorded_scenes import RecordedScenes
from training.data.validity import known_of
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.actors.actor_model import ARRIVAL_NAMES, RATE_SCALE, ActorModel, actor_features
from worldsim.actors.actors import STANDING, ActorColumn, match_objects, object_states, with_rates
from worldsim.actors.route_frame import LANE_HALF_WIDTH, FrenetPose, RouteFrame, to_frenet
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectColumn, ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn

ARRIVAL_RANGE = (32.0, 50.0)
"""Arrivals are taken from this far ahead on the route [m]: not before the ego's eyes, and where the route is known."""


@dataclass(frozen=True, kw_only=True)
class ActorStageConfig:
    """Batch and targets of the actors' stage.

    Args:
        batch_size: actors a step.
        ahead: frames (START_SECONDS) over which acceleration and yaw rate are averaged; the change from one frame to
            the next follows from the change before it, and learning that would teach nothing.
        parked_share: of the actors a step that are parked; most of those recorded are.
    """

    loop: LoopConfig
    batch_size: int = 1024
    ahead: int = 5
    parked_share: float = 0.2

    def __post_init__(self) -> None:
        if self.batch_size < 2 or self.ahead < 1:
            raise ValueError(f"batch_size must be at least 2 and ahead 1, got {self.batch_size} and {self.ahead}")
        if not 0 < self.parked_share < 1:
            raise ValueError(f"parked_share must lie in (0, 1), got {self.parked_share}")


@dataclass(frozen=True, kw_only=True)
class ActorSamples:
    """What actors saw and did: features [n, f], rates [n, 2] in units of RATE_SCALE; bool [n]: parked, waits (a driver
    who stands) and starts (one who then does)."""

    features: np.ndarray
    rates: np.ndarray
    parked: np.ndarray
    waits: np.ndarray
    starts: np.ndarray

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


def _drivers(store: FrameStore, kinds: np.ndarray) -> np.ndarray:
    """Whether each object moves at any time of its episode, float64 [n, s]; kind and size identify it."""
    scenes = store.rows.scenes
    episode = np.repeat(np.arange(len(store.starts)), store.lengths)
    size = np.round(scenes.objects[..., [ObjectColumn.LENGTH, ObjectColumn.WIDTH]] * 1000).astype(np.int64)
    identity = np.stack([np.broadcast_to(episode[:, None], kinds.shape), kinds, *np.moveaxis(size, -1, 0)], axis=-1)
    _, index = np.unique(identity.reshape(-1, 4), axis=0, return_inverse=True)
    moving = np.zeros(index.max() + 1, bool)
    np.logical_or.at(moving, index.ravel(), scenes.objects[..., ObjectColumn.SPEED].ravel() > 0.5)
    return moving[index].reshape(kinds.shape).astype(np.float64)


def actor_samples(store: FrameStore, ahead: int, chunk: int = 2048) -> ActorSamples:
    """Every actor of every frame that is there again `ahead` frames later.

    Raises:
        ValueError: no episode is that long.
    """
    rows, dt = store.rows, store.dt
    positions = _pairs(store, ahead)
    if not len(positions):
        raise ValueError(f"no episode is longer than {ahead} frames: there is nothing to learn of how actors move")
    states = object_states(rows.scenes, rows.vehicles)
    kinds = _known_kinds(store)
    drives = _drivers(store, kinds)
    first = set(store.starts.tolist())
    parts = []
    for at in (positions[k : k + chunk] for k in range(0, len(positions), chunk)):
        # what actors know: their states in the ego's frame, with rates since the frame before
        scenes = rows.scenes[at]
        before = np.array([p if p in first else p - 1 for p in at])
        match = match_objects(states[before], kinds[before], states[at], kinds[at], dt, 1.0)
        in_ego_frame = with_rates(states[at], states[before], match, dt)
        in_ego_frame[..., : ActorColumn.SPEED] = scenes.objects[..., : ObjectColumn.SPEED]
        in_ego_frame[..., ActorColumn.DRIVES] = drives[at]
        pose = to_frenet(RouteFrame.from_scenes(scenes), in_ego_frame)
        inputs = actor_features(in_ego_frame, kinds[at], pose, rows.vehicles[at, VehicleColumn.SPEED])

        # what they then did
        later = at + ahead
        match = match_objects(states[at], kinds[at], states[later], kinds[later], ahead * dt, 4.0)
        n, slot = np.nonzero(match >= 0)
        slot_now = match[n, slot]
        now, then = states[at][n, slot_now], states[later][n, slot]
        rates = _mean_rates(now, then, ahead * dt) / RATE_SCALE

        # a driver at rest may start at any time, what is parked never does
        stood, stands = (state[:, ActorColumn.SPEED] < STANDING for state in (now, then))
        waits = stood & (drives[at][n, slot_now] > 0)
        parked = stood & stands & ~waits
        parts.append((inputs[n, slot_now], rates.astype(np.float32), parked, waits, waits & ~stands))
    inputs, rates, parked, waits, starts = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ActorSamples(features=inputs, rates=np.clip(rates, -6, 6), parked=parked, waits=waits, starts=starts)


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

    estimate = model(tensor(samples.features))
    moves = 1 - tensor(samples.waits)
    error = F.smooth_l1_loss(estimate[:, :2], tensor(samples.rates), beta=0.5, reduction="none")
    acceleration, yaw_rate = (error * moves[:, None]).sum(0) / moves.sum().clamp(min=1)
    wrong = F.binary_cross_entropy_with_logits(estimate[:, 2], tensor(samples.starts), reduction="none")
    start = (wrong * (1 - moves)).sum() / (1 - moves).sum().clamp(min=1)
    loss = acceleration + yaw_rate + 0.2 * start
    return {"loss": loss, "acceleration": acceleration, "yaw_rate": yaw_rate, "start": start}


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
    samples = actor_samples(store, config.ahead)
    if not len(samples.rates):
        raise ValueError("the recording shows no actor twice: record with traffic")

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return actor_losses(model, samples, config, step_rng(seed, step))

    TrainLoop(model, loss_function, config.loop, folder).run("ActorModel")
    finish_stage(model, result)
