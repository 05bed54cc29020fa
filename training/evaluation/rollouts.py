"""Drives in the learned world for its evaluation: beside held-out recordings, and long ones that answer to a driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from tqdm import tqdm

from policies.rule_based import LaneFollower
from training.data.frame_store import FrameStore
from training.data.starts import clip_at
from training.data.validity import Known, known_of
from worldsim.datatypes.scene import SceneState, control_from_action
from worldsim.datatypes.start_clip import StartClip
from worldsim.model_state import ModelState, Prediction
from worldsim.networks.vae3d import frames_to_float, frames_to_uint8
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollouts:
    """`n` rollouts of `t` steps beside the truth; `valid` is False past an episode's end, without a true picture, and
    from the first unknown control on. `known` tells of what else there is a truth, [n, t].

    frames, truth, repeated, reconstructed: uint8 [n, t, h, w, 3]. tracked: what the world answers with, decoded: what
    its latents alone show, true_scenes: SceneState [n, t]. decoded_ego: decoded speed and yaw rate [n, t, 2].
    collision, off_road: as the world answers; both as decoded, and the truth, and valid [n, t]. signals: FULL_SIGNALS
    of trust, or FREE_SIGNALS of a model without `full_trust` and with shuffled controls, [n, t, k].
    """

    frames: np.ndarray
    truth: np.ndarray
    repeated: np.ndarray
    reconstructed: np.ndarray
    tracked: SceneState
    decoded: SceneState
    true_scenes: SceneState
    decoded_ego: np.ndarray
    collision: np.ndarray
    decoded_collision: np.ndarray
    off_road: np.ndarray
    decoded_off_road: np.ndarray
    signals: np.ndarray
    true_collision: np.ndarray
    true_off_road: np.ndarray
    valid: np.ndarray
    known: Known


def roll_out_recorded(
    model: WorldModel, store: FrameStore, positions: np.ndarray, horizon: int, batch_size: int, shuffle: bool
) -> Rollouts:
    """Rollouts from `positions` under the recorded controls; with `shuffle` under those of another start."""
    index, valid = _compared_frames(store, positions, horizon)
    drivers = np.roll(np.arange(len(positions)), 1) if shuffle else np.arange(len(positions))
    controls = store.rows.controls[np.maximum(index[drivers] - 1, 0)]
    full_signals = model.full_trust.fitted and not shuffle

    batches = []
    title = "rollouts, shuffled controls" if shuffle else "rollouts"
    with tqdm(total=len(positions) * horizon, desc=title, unit="frame") as bar:
        for first in range(0, len(positions), batch_size):
            batch = slice(first, first + batch_size)
            clips = [clip_at(store, int(p), model.config.num_context) for p in positions[batch]]
            state = model.begin(clips, positions[batch].tolist(), full_signals=full_signals)
            batches.append(_imagine(model, state, controls[batch], bar))
    imagined = _Imagined(*(_joined(list(parts)) for parts in zip(*batches, strict=True)))

    truth = np.stack([store.frames[i] for i in index])
    return Rollouts(
        **imagined._asdict(),
        truth=truth,
        repeated=np.stack([np.repeat(store.frames[p][None], horizon, axis=0) for p in positions]),
        reconstructed=reconstruct(model, truth, store.rows.scenes[index]),
        true_scenes=store.rows.scenes[index],
        true_collision=store.rows.collision[index],
        true_off_road=store.rows.off_road[index],
        valid=valid,
        known=known_of(store.rows.valid)[index],
    )


def _compared_frames(store: FrameStore, positions: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Store positions of the frames after each of `positions`, cut off at its episode's end, and whether each has a
    true picture and was led to by known controls alone, both [n, horizon]."""
    ahead = positions[:, None] + 1 + np.arange(horizon)
    episodes = np.searchsorted(store.starts, positions, side="right") - 1
    last = (store.starts + store.lengths - 1)[episodes][:, None]
    index = np.minimum(ahead, last)
    known = known_of(store.rows.valid)
    valid = (ahead <= last) & known.picture[index] & np.logical_and.accumulate(known.motion[index - 1], axis=1)
    return index, valid


class _Imagined(NamedTuple):
    """The fields of Rollouts that a model makes."""

    frames: np.ndarray
    tracked: SceneState
    decoded: SceneState
    decoded_ego: np.ndarray
    collision: np.ndarray
    decoded_collision: np.ndarray
    off_road: np.ndarray
    decoded_off_road: np.ndarray
    signals: np.ndarray


def _imagine(model: WorldModel, state: ModelState, controls: np.ndarray, bar: tqdm) -> _Imagined:
    """What the model makes from a state of `n` slots on under controls [n, t, 4]."""
    steps, decoded, signals = [], [], []
    for t in range(controls.shape[1]):
        state, prediction = model.step(state, controls[:, t])
        assert prediction.decoded is not None
        steps.append(prediction)
        decoded.append(prediction.decoded)
        signals.append(state.latent.signals.cpu().numpy())
        bar.update(len(controls))
    return _Imagined(
        frames=np.stack([step.frames for step in steps], axis=1),
        tracked=_over_time([step.scene for step in steps]),
        decoded=_over_time([d.scene for d in decoded]),
        decoded_ego=np.stack([d.ego for d in decoded], axis=1),
        collision=np.stack([step.collision for step in steps], axis=1),
        decoded_collision=np.stack([d.collision for d in decoded], axis=1),
        off_road=np.stack([step.off_road for step in steps], axis=1),
        decoded_off_road=np.stack([d.off_road for d in decoded], axis=1),
        signals=np.stack(signals, axis=1),
    )


def _joined(parts: list[Any]) -> Any:
    """Arrays, or SceneStates, one after the other."""
    if not isinstance(parts[0], SceneState):
        return np.concatenate(parts)
    return SceneState(**{name: np.concatenate([s.arrays()[name] for s in parts]) for name in parts[0].arrays()})


def _over_time(steps: list[SceneState]) -> SceneState:
    stacked = SceneState.stack(steps)
    return SceneState(**{name: np.swapaxes(value, 0, 1) for name, value in stacked.arrays().items()})


@torch.no_grad()
def reconstruct(model: WorldModel, frames: np.ndarray, scenes: SceneState) -> np.ndarray:
    """What the tokenizer keeps of clips uint8 [n, t, h, w, 3] with scenes [n, t]; of the same shape."""
    out = []
    for n, clip in enumerate(frames):
        latents, _ = model.vae.encode(frames_to_float(torch.from_numpy(clip).to(model.device))[None])
        colours = model.frame_decoder.colours(clip, scenes[n])
        pictures, _ = model.frame_decoder.decode(
            latents, scenes.objects[n][None], scenes.object_kinds[n][None], colours[None]
        )
        out.append(frames_to_uint8(pictures[0]).cpu().numpy())
    return np.stack(out)


@dataclass(frozen=True, kw_only=True, eq=False)
class LongDrives:
    """`n` closed-loop drives of `t` steps.

    frames: uint8 [n, t, h, w, 3]. scenes: what the driver was shown, decoded: what the latents show, SceneState [n, t].
    off_road: probability [n, t]. red_light, stop_sign_missed: whether it happened in the step, bool [n, t].
    """

    frames: np.ndarray
    scenes: SceneState
    decoded: SceneState
    off_road: np.ndarray
    red_light: np.ndarray
    stop_sign_missed: np.ndarray


def follow_lane(
    model: WorldModel, state: ModelState, num_steps: int, title: str
) -> Iterator[tuple[ModelState, Prediction]]:
    """The lane follower drives on the SceneState that the world tells; each state and what it shows."""
    driver, scene = LaneFollower(), model.read(state).scene
    for _ in tqdm(range(num_steps), desc=title, unit="step"):
        state, prediction = model.step(state, control_from_action(driver.actions(scene)))
        scene = prediction.scene
        yield state, prediction


def long_drives(model: WorldModel, clips: list[StartClip], num_steps: int) -> LongDrives:
    """The lane follower drives on the SceneState that the world tells."""
    state = model.begin(clips, list(range(len(clips))))
    steps = [prediction for _, prediction in follow_lane(model, state, num_steps, "long drives")]
    return LongDrives(
        frames=np.stack([np.asarray(s.frames) for s in steps], axis=1),
        scenes=_over_time([s.scene for s in steps]),
        decoded=_over_time([s.decoded.scene for s in steps if s.decoded is not None]),
        off_road=np.stack([s.off_road for s in steps], axis=1),
        red_light=np.stack([s.tracked.red_light for s in steps], axis=1),
        stop_sign_missed=np.stack([s.tracked.stop_sign_missed for s in steps], axis=1),
    )
