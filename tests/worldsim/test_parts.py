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


def test_frames_are_made_of_their_own_drive_alone(model: WorldModel) -> None:
    state = model.begin([random_clip(8), random_clip(8, seed=3)], [1, 2])
    decoder, latent, picture = model.frame_decoder, *state.generated
    scenes = [model.tracker.camera_scene(state.tracked, slot) for slot in (0, 1)]
    surfaces = decoder.draw([model.tracker.static_world(state.tracked, slot) for slot in (0, 1)], scenes)
    both = decoder.step(picture, latent.latents, surfaces, decoder.fetch(picture, surfaces))
    second = picture.take([1])
    alone = decoder.step(second, latent.latents[1:], surfaces[1:], decoder.fetch(second, surfaces[1:]))
    assert np.abs(both.newest[1].astype(int) - alone.newest[0]).max() <= 1
    assert not np.array_equal(both.newest[0], both.newest[1])


def test_a_clip_of_frames_is_made_up_with_the_first(model: WorldModel) -> None:
    clip = random_clip(2)
    frames = model.begin([clip], [0]).generated.picture.clip()
    assert frames.shape == (1, 3, 128, 128, 3)
    np.testing.assert_array_equal(frames[0, [0, 1, 2]], clip.frames[[0, 0, 1]])


def test_neutral_trust_has_the_signals_of_a_scored_one(model: WorldModel) -> None:
    _, prediction = model.step(model.begin([random_clip(8)], [0]), CONTROL)
    neutral = model.trust_scorer.neutral(2)
    assert list(neutral.signals) == list(prediction.trust.signals)
    assert neutral.trust.tolist() == [1.0, 1.0]
    assert all((values == 0).all() for values in neutral.signals.values())
    assert 0 < prediction.trust.trust[0] < 1
