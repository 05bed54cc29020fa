"""Short rollouts beside held-out recordings of all kinds of driving: what is tracked and decoded, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from training.data.frame_store import FrameStore
from training.data.starts import clip_at
from training.data.validity import Known, known_of
from worldsim.datatypes.scene import SceneState
from worldsim.dynamics.trust import FULL_SIGNALS
from worldsim.model_state import ModelState
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollouts:
    """`n` rollouts of `t` steps beside the truth; `valid` is False past an episode's end, without a true picture, and
    from the first unknown control on. `known` tells of what else there is a truth, [n, t].

    errors: mean squared error of the frames in grey levels, [n, t]. tracked: what the world answers with, true_scenes:
    SceneState [n, t]. collision, off_road: as the world answers; both as decoded, and the truth, and valid [n, t].
    signals: FULL_SIGNALS of trust, [n, t, k].
    """

    errors: np.ndarray
    tracked: SceneState
    true_scenes: SceneState
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
    model: WorldModel, store: FrameStore, positions: np.ndarray, horizon: int, batch_size: int
) -> Rollouts:
    """Rollouts from `positions` under the recorded controls; nothing else is replayed."""
    index, valid = _compared_frames(store, positions, horizon)
    controls = store.rows.controls[np.maximum(index - 1, 0)]
    batches = []
    with tqdm(total=len(positions) * horizon, desc="rollouts", unit="frame") as bar:
        for first in range(0, len(positions), batch_size):
            batch = slice(first, first + batch_size)
            clips = [clip_at(store, int(p), model.config.num_context) for p in positions[batch]]
            state = model.begin(clips, positions[batch].tolist(), full_signals=True)
            batches.append(_imagine(model, state, controls[batch], store, index[batch], bar))

    joined = {name: np.concatenate([b.arrays[name] for b in batches]) for name in batches[0].arrays}
    return Rollouts(
        **joined,
        tracked=SceneState.concatenate([b.tracked for b in batches]),
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
    """What a model makes: those fields of Rollouts."""

    tracked: SceneState
    arrays: dict[str, np.ndarray]


def _imagine(
    model: WorldModel, state: ModelState, controls: np.ndarray, store: FrameStore, index: np.ndarray, bar: tqdm
) -> _Imagined:
    """From a state of `n` slots on under controls [n, t, 4], beside the store's frames at `index` [n, t]."""
    scenes: list[SceneState] = []
    steps: dict[str, list[np.ndarray]] = {}
    for t in range(controls.shape[1]):
        state, prediction = model.step(state, controls[:, t], decode_scene=True)
        assert prediction.decoded is not None
        assert prediction.frames is not None
        truth = np.stack([store.frames[k] for k in index[:, t]]).astype(np.float32)
        scenes.append(prediction.scene)
        now = {
            "errors": ((prediction.frames - truth) ** 2).mean((1, 2, 3)),
            "collision": prediction.collision,
            "decoded_collision": prediction.decoded.collision,
            "off_road": prediction.off_road,
            "decoded_off_road": prediction.decoded.off_road,
            "signals": np.stack([prediction.trust.signals[name] for name in FULL_SIGNALS], axis=-1),
        }
        for name, value in now.items():
            steps.setdefault(name, []).append(value)
        bar.update(len(controls))
    return _Imagined(over_time(scenes), {name: np.stack(values, axis=1) for name, values in steps.items()})


def over_time(steps: Sequence[SceneState]) -> SceneState:
    """Scenes [n] of `t` instants as scenes [n, t]."""
    stacked = SceneState.stack(steps)
    return SceneState(**{name: np.swapaxes(value, 0, 1) for name, value in stacked.arrays().items()})
