"""The parts of WorldModel, each by itself: tracker, dynamics, frame decoder, scene decoder, trust scorer."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_model import CONTROL, random_clip, random_model

from worldsim.scene_tracker import SceneTracker
from worldsim.world_model import WorldModel


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return random_model()


def test_the_tracker_needs_no_other_part(model: WorldModel) -> None:
    tracker = SceneTracker(model.config, model.actors)
    state = tracker.begin([random_clip(8), random_clip(8)], [1, 2])
    for _ in range(3):
        state = tracker.step(state, np.repeat(CONTROL, 2, axis=0))
    scene = tracker.read(state)
    assert state.frames == (10, 10)
    assert scene.scene.lane_valid[:, :2].all()
    assert (scene.ego[:, 0] == state.vehicles[:, 3]).all()
    again = tracker.step(state.take([1]), CONTROL)
    together = tracker.step(state, np.repeat(CONTROL, 2, axis=0))
    np.testing.assert_array_equal(again.vehicles[0], together.vehicles[1])


def test_a_tracked_scene_without_a_route_says_what_is_unknown(model: WorldModel) -> None:
    clip = replace(random_clip(8), route=np.zeros((0, 2), np.float32), lanes=np.zeros((0, 4), np.float32))
    scene = model.tracker.read(model.tracker.begin([clip], [0]))
    assert not scene.scene.lane_valid.any()
    assert not scene.scene.route_valid.any()
    assert np.isnan(scene.off_road).all()
    assert not scene.off_lane.any()


def test_the_dynamics_draw_noise_by_seed_and_frame_whatever_else_is_in_the_batch(model: WorldModel) -> None:
    many = model.dynamics.noise([5, 6, 7], [3, 3, 9])
    assert torch.equal(many[1], model.dynamics.noise([6], [3])[0])
    assert not torch.equal(many[0], many[1])


def test_frames_are_made_of_their_inputs_alone(model: WorldModel) -> None:
    state = model.begin([random_clip(8), random_clip(8, seed=3)], [1, 2])
    inputs = model.frame_decoder.gather_inputs(state.latent, state.tracked)
    both = model.frame_decoder.render(inputs)
    second = model.frame_decoder.render(type(inputs)(*(value[1:] for value in inputs)))
    assert np.abs(both[1].astype(int) - second[0]).max() <= 1
    assert not np.array_equal(both[0], both[1])


def test_what_is_decoded_depends_on_latents_and_hands_ego_and_command_on(model: WorldModel) -> None:
    latents = torch.randn(2, 3, 8, 16, 16, generator=torch.Generator().manual_seed(0))
    ego = np.array([[4.0, 0.5, 0.1, 0.02], [4.0, 0.5, 0.1, 0.02]])
    decoded = model.scene_decoder.read(latents, ego, np.array([1, 1]))
    np.testing.assert_allclose(decoded.scene.ego, ego, rtol=1e-6)
    assert decoded.scene.command.tolist() == [1, 1]
    assert not np.array_equal(decoded.scene.lane[0], decoded.scene.lane[1])
    assert ((decoded.off_road > 0) & (decoded.off_road < 1)).all()


def test_neutral_trust_has_the_signals_of_a_scored_one(model: WorldModel) -> None:
    _, prediction = model.step(model.begin([random_clip(8)], [0]), CONTROL)
    neutral = model.trust_scorer.neutral(2)
    assert list(neutral.signals) == list(prediction.trust.signals)
    assert neutral.trust.tolist() == [1.0, 1.0]
    assert all((values == 0).all() for values in neutral.signals.values())
    assert 0 < prediction.trust.trust[0] < 1
