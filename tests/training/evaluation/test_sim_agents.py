"""Road users rolled out from recorded starts: constant velocity, the learned world and the reference world."""

from copy import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import random_model

from training.data.frame_store import FrameStore
from training.data.rollouts import RolloutDataset
from training.evaluation.report import table
from training.evaluation.sim_agents import (
    RealismStart,
    choose_realism_starts,
    find_start,
    roll_out_constant_velocity,
    roll_out_learned,
    roll_out_reference,
    score_realism,
    score_start,
)
from training.recording.record import RecordConfig, record
from worldsim.datatypes.scene import ObjectKind

NUM_STEPS = 40


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """A drive of the reference world."""
    out = tmp_path_factory.mktemp("recording")
    config = RecordConfig(
        out=out, num_episodes=1, seconds_per_episode=11.0, frame_size=(32, 32), num_workers=0, min_seconds=10.0, seed=3
    )
    record(config)
    return FrameStore(RolloutDataset(Path(out)))


@pytest.fixture(scope="module")
def start(store: FrameStore) -> RealismStart:
    found = find_start(store, 20, random_model().tracker, 8, NUM_STEPS)
    assert found is not None
    return found


def test_the_recorded_future_is_that_of_those_who_are_tracked(store: FrameStore, start: RealismStart) -> None:
    scenes = store.camera_scenes(0)
    for row, number in enumerate(start.ids.tolist()):
        for step in (0, NUM_STEPS - 1):
            scene = scenes[21 + step]
            if start.recorded.seen[0, row, step]:
                at = scene.user_ids.tolist().index(number)
                assert start.recorded.boxes[0, row, step, :2] == pytest.approx(scene.users.boxes[at, :2])
    assert (start.kinds != ObjectKind.STATIC).all()
    assert start.recorded.others[:, 0, :2] == pytest.approx(start.vehicles[:, :2])  # the ego
    assert start.controls == pytest.approx(store.rows.controls[20 : 20 + NUM_STEPS])


def test_the_reference_world_goes_on_from_the_recorded_state(start: RealismStart) -> None:
    made = roll_out_reference(start, 2)
    assert made is not None
    seen = start.recorded.seen[0, :, 0]
    apart = np.hypot(*np.moveaxis(made.boxes[:, :, 0, :2] - start.recorded.boxes[:, :, 0, :2], -1, 0))
    assert apart[:, seen].max() < 0.01  # nothing random has come to bear a step later
    again = roll_out_reference(start, 2)
    assert again is not None
    assert np.array_equal(again.boxes, made.boxes)


def test_a_drive_of_another_seed_is_not_taken_for_the_recorded_one(start: RealismStart) -> None:
    source = start.store.episodes[0].source
    for other in (replace(source, seed=source.seed + 1), replace(source, town=-1)):
        store = copy(start.store)
        store.episodes = [SimpleNamespace(source=other)]  # type: ignore[list-item]
        assert roll_out_reference(replace(start, store=store), 1) is None


def test_constant_velocity_goes_straight_on(start: RealismStart) -> None:
    made = roll_out_constant_velocity(start, 3).boxes
    steps = np.diff(made[..., :2], axis=2)
    assert steps == pytest.approx(np.broadcast_to(steps[:1, :, :1], steps.shape), abs=1e-9)
    assert made.shape[:3] == (3, len(start.ids), NUM_STEPS)


def test_the_learned_world_moves_the_same_road_users(start: RealismStart) -> None:
    made = roll_out_learned(random_model().tracker)(start, 2)
    gone = np.hypot(*np.moveaxis(made.boxes[:, :, 0, :2] - start.recorded.boxes[:, :, 0, :2], -1, 0))
    assert gone[made.seen[:, :, 0] & start.recorded.seen[:, :, 0]].max() < 0.5


def test_the_recording_itself_scores_best_and_scores_are_reported(store: FrameStore, start: RealismStart) -> None:
    recorded = start.features(start.recorded)
    own = score_start(start, recorded, start.recorded)
    other = score_start(start, recorded, roll_out_constant_velocity(start, 2))
    assert own["collision"] > 0.99
    assert own["min_ade_m"] == 0.0
    assert own["linear_speed"] > other["linear_speed"]

    report = score_realism(random_model(), store, 2, 2, seed=0)
    scores = report["realism"]
    assert scores["reference"]["meta"] > scores["constant_velocity"]["meta"]
    assert "realism of road users" in table(report)
    assert "reference world" in table(report)


def test_starts_leave_room_and_hit_nothing(store: FrameStore) -> None:
    chosen = choose_realism_starts(store, 3, 8, NUM_STEPS, 0)
    assert len(set(chosen)) == len(chosen) > 0
    assert max(chosen) + NUM_STEPS < len(store)
    for events in (store.rows.collision, store.rows.off_road):
        before = events.copy()
        try:
            events[:] = 1.0
            assert choose_realism_starts(store, 3, 8, NUM_STEPS, 0) == []
        finally:
            events[:] = before
