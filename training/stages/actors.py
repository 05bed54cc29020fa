"""The stage of how others move: accelerations and yaw rates from recorded traffic, and examples of arrivals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.frame_store import FrameStore
from training.data.validity import known_of
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.actors.actor_model import ARRIVAL_NAMES, RATE_SCALE, ActorModel, features
from worldsim.actors.actors import STANDING, ActorColumn, match_objects, object_states, with_rates
from worldsim.actors.route_frame import LANE_HALF_WIDTH, route_frame_of_scenes, to_frenet
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectKind

ARRIVAL_RANGE = (32.0, 50.0)
"""Arrivals are taken from this far ahead on the route [m]: not before the ego's eyes, and where the route is known."""


@dataclass(frozen=True, kw_only=True)
class ActorStageConfig:
    """Batch and targets of the actors' stage.

    Args:
        batch_size: actors a step.
        ahead: frames (START_SECONDS) over which acceleration and yaw rate are averaged; the change from one frame to
            the next is told by the change before it, and learning that would teach nothing.
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
        """Indices of the parked and of the others."""
        return np.flatnonzero(self.parked), np.flatnonzero(~self.parked)


def _pairs(store: FrameStore, apart: int) -> np.ndarray:
    """Positions of all frames that have one `apart` frames later in the same episode."""
    pieces = zip(store.starts, store.lengths, strict=True)
    return np.concatenate([np.arange(start, start + max(length - apart, 0)) for start, length in pieces])


def _known_kinds(store: FrameStore) -> np.ndarray:
    """ObjectKind int64 [n, s]; EMPTY in frames of which it is not known who was around and where."""
    known = known_of(store.rows.valid).objects
    return np.where(known[:, None], store.rows.scenes.object_kinds, ObjectKind.EMPTY)


def _drivers(store: FrameStore, kinds: np.ndarray) -> np.ndarray:
    """Whether each object moves at any time of its episode, float64 [n, s]; kind and size tell who is who."""
    scenes = store.rows.scenes
    episode = np.repeat(np.arange(len(store.starts)), store.lengths)
    size = np.round(scenes.objects[..., 4:6] * 1000).astype(np.int64)
    who = np.stack([np.broadcast_to(episode[:, None], kinds.shape), kinds, *np.moveaxis(size, -1, 0)], axis=-1)
    _, index = np.unique(who.reshape(-1, 4), axis=0, return_inverse=True)
    moving = np.zeros(index.max() + 1, bool)
    np.logical_or.at(moving, index.ravel(), scenes.objects[..., 3].ravel() > 0.5)
    return moving[index].reshape(kinds.shape).astype(np.float64)


def actor_samples(store: FrameStore, ahead: int, chunk: int = 2048) -> ActorSamples:
    """Every actor of every frame that is seen again `ahead` frames later.

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
        scenes = rows.scenes[at]
        before = np.array([p if p in first else p - 1 for p in at])
        match = match_objects(states[before], kinds[before], states[at], kinds[at], dt, 1.0)
        seen = with_rates(states[at], states[before], match, dt)
        seen[..., :3] = scenes.objects[..., :3]
        seen[..., ActorColumn.DRIVES] = drives[at]
        line = route_frame_of_scenes(scenes)
        seen_features = features(seen, kinds[at], to_frenet(line, seen), rows.vehicles[at, 3])
        later = at + ahead
        back = match_objects(states[at], kinds[at], states[later], kinds[later], ahead * dt, 4.0)
        n, slot = np.nonzero(back >= 0)
        own = back[n, slot]
        change = states[later][n, slot] - states[at][n, own]
        rates = np.stack([change[:, 3], wrap_angle(change[:, 2])], axis=-1) / (ahead * dt) / RATE_SCALE
        stood, stands = (
            states[at][n, own, ActorColumn.SPEED] < STANDING,
            states[later][n, slot, ActorColumn.SPEED] < STANDING,
        )
        waits = stood & (drives[at][n, own] > 0)
        parts.append((seen_features[n, own], rates.astype(np.float32), stood & stands & ~waits, waits, waits & ~stands))
    joined = [np.concatenate(part) for part in zip(*parts, strict=True)]
    features_seen, rates, parked, waits, starts = joined
    return ActorSamples(features=features_seen, rates=np.clip(rates, -6, 6), parked=parked, waits=waits, starts=starts)


def arrivals_of(store: FrameStore, colours: np.ndarray, num: int, rng: np.random.Generator) -> np.ndarray:
    """ARRIVAL_NAMES [num, 10]: actors near the route who were not told of in the frame before, and far enough.

    Rows of 0 where there are not as many. Who stands in the ego's lane or drives across it is left out: two that wait
    for each other would wait for ever.

    Args:
        colours: of all objects of the store, [n, s, 3].
    """
    rows = store.rows
    states = object_states(rows.scenes, rows.vehicles)
    kinds = _known_kinds(store)
    known = known_of(rows.valid)
    found = [np.zeros((0, len(ARRIVAL_NAMES)))]
    positions = _pairs(store, 1)
    positions = positions[known.objects[positions] & (known.objects & known.route)[positions + 1]]
    for at in (positions[k : k + 2048] for k in range(0, len(positions), 2048)):
        later = at + 1
        scenes = rows.scenes[later]
        match = match_objects(states[at], kinds[at], states[later], kinds[later], store.dt, 2.0)
        seen = scenes.objects.astype(np.float64)
        place = to_frenet(route_frame_of_scenes(scenes), seen)
        in_lane = np.abs(place.lateral) < LANE_HALF_WIDTH
        moves = seen[..., ActorColumn.SPEED] >= 0.5
        blocks = in_lane & (~moves | (np.cos(place.heading) < 0.5))
        crosses = (np.abs(np.sin(place.heading)) > 0.5) & (kinds[later] != ObjectKind.PEDESTRIAN) & moves
        new = (
            (match < 0)
            & (kinds[later] > 0)
            & place.on
            & (place.s > ARRIVAL_RANGE[0])
            & (place.s < ARRIVAL_RANGE[1])
            & ~blocks
            & ~crosses
        )
        n, slot = np.nonzero(new)
        of_place = [place.s[n, slot], place.lateral[n, slot], place.heading[n, slot]]
        looks = colours[later][n, slot].T
        found.append(np.stack([*of_place, *seen[n, slot, 3:6].T, kinds[later][n, slot], *looks], axis=-1))
    all_found = np.concatenate(found)
    arrivals = np.zeros((num, len(ARRIVAL_NAMES)), np.float32)
    kept = all_found[rng.permutation(len(all_found))[:num]]
    arrivals[: len(kept)] = kept
    return arrivals


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


def train_actors(
    model: ActorModel, store: FrameStore, colours: np.ndarray, config: ActorStageConfig, folder: Path
) -> None:
    """Train the model in place, or load the finished stage; resumable.

    Of a recording that does not know who was around nothing is learned: nobody will arrive in its world.

    Args:
        colours: of all objects of the store, [n, s, 3].

    Raises:
        ValueError: the recording shows no actors, or too short episodes.
    """
    result = folder / "actors.safetensors"
    if stage_done(model, result):
        return
    if not known_of(store.rows.valid).objects.any():
        finish_stage(model, result)
        return
    seed = config.loop.seed
    arrivals = arrivals_of(store, colours, model.config.num_arrivals, np.random.default_rng([seed, 10**6]))
    model.arrivals.copy_(torch.from_numpy(arrivals))
    samples = actor_samples(store, config.ahead)
    if not len(samples.rates):
        raise ValueError("the recording shows no actor twice: record with traffic")

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return actor_losses(model, samples, config, step_rng(seed, step))

    TrainLoop(model, loss_function, config.loop, folder).run("ActorModel")
    finish_stage(model, result)
