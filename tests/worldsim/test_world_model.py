"""WorldModel: cached step = full forward, alignment, determinism, slots, snapshots."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from layouts import layout_of, with_road
from places import environment
from tiny_model import CONFIG, CONTROL, random_clip, random_conditions, random_model

from worldsim import frame_decoder
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.dynamics.denoiser import Denoiser, shift_previous
from worldsim.dynamics.rollout import advance, prefill, select_frames
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.world_model import WorldModel


@pytest.fixture(scope="module")
def model() -> WorldModel:
    return random_model()


@pytest.mark.parametrize("clean", [True, False])
def test_advance_fills_the_cache_as_the_full_forward_over_what_it_generated(model: WorldModel, clean: bool) -> None:
    """Over the clean latents, or over the noise that each was sampled from in one step."""
    torch.manual_seed(1)
    denoiser = Denoiser(replace(CONFIG, dit=replace(CONFIG.dit, clean_cache=clean))).eval()
    denoiser.load_state_dict(model.denoiser.state_dict())
    t = 8
    context, conditions = torch.randn(1, 3, 8, 16, 16), random_conditions(1, t)
    state, clip, seen = prefill(denoiser, context, select_frames(conditions, slice(0, 3))), [context], [context]
    for frame in range(3, t):
        noise = torch.randn(1, 1, 8, 16, 16)
        state = advance(denoiser, state, select_frames(conditions, slice(frame, frame + 1)), noise, 1)
        clip.append(state.latents[:, :1])
        seen.append(clip[-1] if clean else noise)
    tau = torch.ones(1, t)
    if not clean:
        tau[:, 3:] = 0.0
    previous = shift_previous(torch.cat(clip, dim=1), 2)
    with torch.no_grad():
        full = denoiser(torch.cat(seen, dim=1), tau, previous, conditions, torch.arange(t))
    for ours, whole in zip(state.cache, full.cache, strict=True):
        torch.testing.assert_close(ours.keys[:, :, -64:], whole.keys[:, :, -64:], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(ours.values[:, :, -64:], whole.values[:, :, -64:], atol=1e-4, rtol=1e-4)


def test_a_drive_keeps_its_cache_in_half_the_memory(model: WorldModel) -> None:
    state = model.begin([random_clip()], [3])
    for _ in range(2):
        assert {part.dtype for kv in state.latent.cache for part in kv} == {torch.float16}
        assert all(part.untyped_storage().nbytes() == 2 * part.numel() for kv in state.latent.cache for part in kv)
        state, _ = model.step(state, CONTROL)


def test_network_is_causal_by_bits(model: WorldModel) -> None:
    latents, conditions = torch.randn(1, 6, 8, 16, 16), random_conditions(1, 6)
    changed = latents.clone()
    changed[:, 4:] += 1
    times, tau = torch.arange(6), torch.rand(1, 6)
    a = model.denoiser(latents, tau, shift_previous(latents, 2), conditions, times)
    b = model.denoiser(changed, tau, shift_previous(changed, 2), conditions, times)
    assert torch.equal(a.data[:, :4], b.data[:, :4])
    assert not torch.equal(a.data[:, 4], b.data[:, 4])


def test_control_changes_the_next_frame(model: WorldModel) -> None:
    state = model.begin([random_clip()], [0])
    _, left = model.step(state, np.array([[0.5, 0.5, 0, 0]], np.float32))
    _, right = model.step(state, np.array([[-0.5, 0.5, 0, 0]], np.float32))
    assert left.frames is not None
    assert right.frames is not None
    assert not np.array_equal(left.frames, right.frames)
    assert left.tracked.vehicles[0, 2] > 0 > right.tracked.vehicles[0, 2]


def test_steps_do_not_write_into_a_state_and_a_copy_continues_exactly(model: WorldModel) -> None:
    state = model.begin([random_clip()], [3])
    copy = state.copy()
    first = rollout_hash(model, state)
    assert rollout_hash(model, state) == first
    assert rollout_hash(model, copy) == first


def rollout_hash(model: WorldModel, state, num_steps: int = 4) -> str:
    digest = hashlib.sha256()
    for _ in range(num_steps):
        state, prediction = model.step(state, CONTROL)
        digest.update(prediction.frames.tobytes())
    return digest.hexdigest()


def test_same_frames_in_another_process(model: WorldModel) -> None:
    here = rollout_hash(model, model.begin([random_clip()], [5]))
    code = (
        "import torch; torch.set_num_threads(1); import test_world_model as t; m = t.random_model();"
        "print(t.rollout_hash(m, m.begin([t.random_clip()], [5])))"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment(Path(__file__).parent),
    )
    assert there.stdout.strip() == here


def town_clip(seed: int = 0) -> StartClip:
    """On a road between houses."""
    houses = (18.0, 9.0, 0.0, 0.0, 12.0, 8.0, 7.0), (30.0, -9.0, 0.0, 0.0, 9.0, 8.0, 5.0)
    return replace(random_clip(seed=seed), layout=with_road(layout_of(LayoutKind.BUILDING, *houses)))


def test_an_undecoded_step_leaves_pictures_as_they_are_and_latents_do_not_mind(model: WorldModel) -> None:
    begun = model.begin([town_clip()], [5])
    looked, blind = begun, begun
    for _ in range(3):
        looked, _ = model.step(looked, CONTROL)
        blind, prediction = model.step(blind, CONTROL, decode=False)
    assert prediction.frames is None
    assert blind.generated is not None
    assert blind.generated.picture.drives[0].frames is begun.generated.picture.drives[0].frames
    assert torch.equal(looked.latent.latents, blind.latent.latents)

    # the next picture is fetched from where it was last seen, which was longer ago
    (_, seen), (_, further) = (model.step(state, CONTROL) for state in (looked, blind))
    assert not np.array_equal(seen.frames, further.frames)
    assert further.trust.signals["uncovered"] > seen.trust.signals["uncovered"]
    with pytest.raises(ValueError, match="read off frames: step with decode=True"):
        model.step(looked, CONTROL, decode=False, decode_scene=True)


def test_what_the_camera_shows_can_be_given(model: WorldModel) -> None:
    state = model.begin([town_clip()], [5])
    _, own = model.step(state, CONTROL)
    scene = model.tracker.camera_scene(model.tracker.step(state.tracked, CONTROL), 0)
    _, given = model.step(state, CONTROL, camera_scenes=[scene])
    assert np.array_equal(own.frames, given.frames)
    nobody = replace(scene, users=RoadUsers.none(), user_ids=np.zeros(0, np.int64))
    _, empty = model.step(state, CONTROL, camera_scenes=[nobody])
    assert not np.array_equal(own.frames, empty.frames)
    assert own.scene == empty.scene
    with pytest.raises(ValueError, match="1 slots need as many camera_scenes, got 2"):
        model.step(state, CONTROL, camera_scenes=[scene, scene])


def test_a_context_can_be_given_too(model: WorldModel) -> None:
    clip, tracked = town_clip(), model.tracker.begin([town_clip()], [5])
    scenes = model.tracker.context_scenes(tracked, 0, clip.last(CONFIG.num_context))
    empty = [replace(scene, users=RoadUsers.none(), user_ids=np.zeros(0, np.int64)) for scene in scenes]
    own, given = model.begin([clip], [5]), model.begin([clip], [5], camera_scenes=[empty])
    with pytest.raises(ValueError, match="1 clips need as many lists of camera_scenes, got 2"):
        model.begin([clip], [5], camera_scenes=[empty, empty])
    assert not torch.equal(own.latent.latents, given.latent.latents)
    assert (given.generated.picture.drives[0].geometry.users == -1).all()


def test_pictures_are_shared_by_states_and_never_written_to(model: WorldModel) -> None:
    state = model.begin([town_clip(), town_clip(1)], [5, 6])
    drive = state.generated.picture.drives[0]
    taken = state.take([0, 0, 1])
    assert all(taken.generated.picture.drives[k] is drive for k in (0, 1))
    before = drive.frames[0].copy()
    after, _ = model.step(state, np.repeat(CONTROL, 2, axis=0))
    assert np.array_equal(drive.frames[0], before)
    assert after.generated.picture.drives[0].frames[1] is drive.frames[0]
    assert after.generated.picture.drives[0].frames[0].base is None  # nor does it keep its neighbours alive


def test_a_drive_remembers_pictures_of_where_it_was(model: WorldModel) -> None:
    """After 12 m there are key frames, and looking back along the road one is recalled."""
    state = model.begin([town_clip()], [5])
    for _ in range(20):
        state, _ = model.step(state, np.array([[0.0, 0.8, 0.0, 0.0]], np.float32))
    picture = state.generated.picture
    assert 2 < len(picture.drives[0].key_frames) < 8
    vehicle = model.tracker.camera_scene(state.tracked, 0)
    back = replace(vehicle, view=replace(vehicle.view, x=vehicle.view.x - 14.0))
    surfaces = model.frame_decoder.draw([model.tracker.static_world(state.tracked, 0)], [back])
    fetched = model.frame_decoder.fetch(picture, surfaces)
    assert fetched.key_frames[0] is not None
    assert fetched.references.recalled_visible.mean() > fetched.references.last_visible.mean()


def test_colours_of_a_clips_road_users_are_read_off_its_frames(model: WorldModel) -> None:
    clip = random_clip()
    clip.frames[:, 64:, 56:72] = 10, 200, 30  # where the lead is
    state = model.begin([clip], [0])
    np.testing.assert_allclose(state.tracked.actors.colors[0, 0], np.array([10, 200, 30]) / 255, atol=0.01)


def test_a_memory_of_latents_is_shown_to_a_model_that_asks_for_it() -> None:
    remembering = random_model(use_memory=True)
    state = remembering.begin([town_clip()], [5])
    drive = state.generated.picture.drives[0]
    kept = drive.key_frames.latent(0)
    assert kept is not None
    assert kept.shape == (8, 16, 16)
    _, with_memory = remembering.step(state, CONTROL)
    bare = drive.key_frames.__class__()
    without = state.generated.picture._replace(drives=(replace(drive, key_frames=bare),))
    forgetful = replace(state, generated=state.generated._replace(picture=without))
    _, lost = remembering.step(forgetful, CONTROL)
    assert with_memory.frames is not None
    assert not np.array_equal(with_memory.frames, lost.frames)


def test_slot_of_a_batch_equals_the_batch_of_one(model: WorldModel) -> None:
    clips = [random_clip(seed=s) for s in range(4)]
    batch = model.begin(clips, [10, 11, 12, 13])
    single = model.begin(clips[:1], [10])
    for _ in range(3):
        batch, many = model.step(batch, np.repeat(CONTROL, 4, axis=0))
        single, one = model.step(single, CONTROL)
    torch.testing.assert_close(batch.latent.latents[:1], single.latent.latents, atol=1e-4, rtol=1e-4)
    assert many.frames is not None
    assert one.frames is not None
    assert np.abs(many.frames[0].astype(int) - one.frames[0]).max() <= 1
    assert not np.array_equal(many.frames[0], many.frames[1])


def test_repeat_and_slots(model: WorldModel) -> None:
    state = model.begin([random_clip(seed=1), random_clip(seed=2)], [1, 2])
    doubled = state.repeat(2)
    assert doubled.tracked.seeds == (1, 1, 2, 2)
    assert torch.equal(doubled[2].latent.latents, state[1].latent.latents)


def test_noise_depends_on_seed_and_frame_alone(model: WorldModel) -> None:
    noise = model.dynamics.noise([7, 8], [5, 5])
    assert torch.equal(noise[1], model.dynamics.noise([8], [5])[0])
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise[0], model.dynamics.noise([7], [6])[0])


def test_a_latent_cannot_run_away(model: WorldModel) -> None:
    state = model.begin([random_clip()], [0])
    wild = state.latent._replace(latents=state.latent.latents * 1000)
    state = replace(state, generated=state.generated._replace(latent=wild))
    after, _ = model.step(state, CONTROL)
    assert after.latent.latents[:, 0].abs().max() <= CONFIG.dit.latent_limit


def test_cache_stays_within_the_window(model: WorldModel) -> None:
    state = model.begin([random_clip(2)], [0])
    for _ in range(6):
        state, _ = model.step(state, CONTROL)
    assert state.latent.cache[0].keys.shape[2] == 4 * 64


def test_bad_input_is_named(model: WorldModel) -> None:
    state = model.begin([random_clip()], [0])
    with pytest.raises(ValueError, match=r"\[1, 4\]"):
        model.step(state, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="nan"):
        model.step(state, np.full((1, 4), np.nan))
    with pytest.raises(ValueError, match="as many seeds"):
        model.begin([random_clip()], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        model.begin([random_clip(5), random_clip(6)], [0, 1])


def test_pictures_made_a_few_at_a_time_are_those_made_at_once(monkeypatch) -> None:
    model = random_model(use_memory=True)
    state = model.begin([random_clip(seed=seed) for seed in range(3)], [0, 1, 2], full_signals=True)
    control = CONTROL.repeat(3, axis=0)
    _, at_once = model.step(state, control)
    monkeypatch.setattr(frame_decoder, "CPU_BATCH", 2)
    _, apart = model.step(state, control)
    assert np.abs(at_once.frames.astype(int) - apart.frames).max() <= 1
    for name, values in at_once.trust.signals.items():
        np.testing.assert_allclose(apart.trust.signals[name], values, rtol=1e-3, atol=1e-5, err_msg=name)
