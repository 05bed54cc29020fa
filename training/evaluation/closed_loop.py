"""The lane follower in the learned world: drives that answer to a driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from policies.fair_start import is_fair_start
from policies.rule_based import LaneFollower
from training.evaluation.rollouts import over_time
from worldsim.datatypes.scene import SceneState, control_from_action
from worldsim.datatypes.start_clip import StartClip
from worldsim.model_state import ModelState, Prediction
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True, eq=False)
class ClosedLoopDrives:
    """`n` closed-loop drives of `t` steps.

    scenes: what the driver was shown, SceneState [n, t]. red_light, stop_sign_missed: whether it happened in the step,
    bool [n, t].
    """

    scenes: SceneState
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


def fair_clips(model: WorldModel, clips: Sequence[StartClip]) -> list[StartClip]:
    """Those of the clips that begin on the road and in contact with nothing."""
    answers = (model.read(model.begin([clip], [0], pictures=False)) for clip in clips)
    return [
        clip
        for clip, answer in zip(clips, answers, strict=True)
        if is_fair_start(answer.collision, answer.off_road).all()
    ]


def drive_closed_loop(model: WorldModel, clips: Sequence[StartClip], num_steps: int) -> ClosedLoopDrives:
    """State-only drives of the lane follower."""
    state = model.begin(clips, list(range(len(clips))), pictures=False)
    steps = [prediction for _, prediction in follow_lane(model, state, num_steps, "closed loop")]
    return ClosedLoopDrives(
        scenes=over_time([step.scene for step in steps]),
        red_light=np.stack([step.tracked.red_light for step in steps], axis=1),
        stop_sign_missed=np.stack([step.tracked.stop_sign_missed for step in steps], axis=1),
    )


def violation_scores(drives: ClosedLoopDrives, dt: float) -> dict:
    """Red lights run and stop signs missed, and how often; empty where lights and signs are unknown."""
    known = drives.scenes.signal_valid
    if not known.any():
        return {}
    km = float((drives.scenes.speed * known).sum()) * dt / 1000.0
    counts = {"red_lights_run": drives.red_light, "stop_signs_missed": drives.stop_sign_missed}
    scores: dict = {"drives": len(known), "known_km": km}
    for name, happened in counts.items():
        count = int(happened.sum())
        scores[name] = {"count": count, "per_km": count / km if km > 0 else 0.0}
    return scores
