"""What a recording does not know is neither told to the model nor learned from nor scored."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from known_drives import turning_car
from tiny_model import CONFIG, random_model
from worldsim.conditioning.style import style_statistics

from training.batches.decoder_windows import TruePictures
from training.batches.latent_windows import NUM_DRAWS, LatentWindows, encode_store
from training.data.frame_store import FrameWindows, store_colours
from training.data.lerobot_layout import VALID_NAMES
from training.data.starts import choose_starts, clip_at
from training.data.validity import known_of
from training.evaluation.metrics import control_scores, event_scores, scene_scores
from training.evaluation.rollouts import roll_out_recorded
from training.stages.actors import ActorStageConfig, actor_samples, find_arrivals, train_actors
from training.stages.loop import LoopConfig
from training.stages.trust import TrustStageConfig, rollout_signals
from worldsim.actors.actor_model import ActorModel
from worldsim.conditioning.actor_map import ActorMap
from worldsim.configs import ActorConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, UNKNOWN_COMMAND
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.networks.vae3d import ACTOR_STRIDE, VAE3D, frames_to_float

NUM = 60
SHOWN = np.array([[0.9, 0.9, 0.9, 0.5]])
"""Hides nothing; the look is taken from the middle of the episode."""


def drive(**unknown: slice | int) -> SimpleNamespace:
    """A turning car (see there), of which some of VALID_NAMES are unknown in some rows."""
    store = turning_car(NUM)
    for name, rows in unknown.items():
        store.rows.valid[rows, VALID_NAMES.index(name)] = False
    return store


def windows_of(store: SimpleNamespace, num_frames: int = 5) -> LatentWindows:
    latents = np.random.default_rng(0).standard_normal((NUM, 8, 16, 16)).astype(np.float16)
    return LatentWindows(store, latents, CONFIG, num_frames, np.array([0]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["steer", "throttle", "brake", "speed", "acceleration", "steer_angle"])
def test_without_control_or_motion_the_step_is_not_known(name: str) -> None:
    conditions = windows_of(drive(**{name: 12})).at(np.array([10]), SHOWN).conditions
    assert conditions.known[0].tolist() == [False, True, True, False, True]
    assert not conditions.controls[0, 3].any()
    assert not conditions.motions[0, 3].any()
    # route and actors are told from where the control meant to bring the ego
    assert conditions.routes_valid[0].bool().all(-1).tolist() == [True, True, True, False, True]
    shown = conditions.actor_kinds[0, :, 0].bool().tolist()
    assert shown == [True, True, name != "speed", False, True]  # objects are of no use without the ego's speed


def test_where_reverse_is_unknown_driving_is_forward() -> None:
    assert windows_of(drive(reverse=slice(None))).at(np.array([10]), SHOWN).conditions.known[0, 1:].all()


def test_actors_are_hidden_where_objects_or_pose_are_unknown() -> None:
    for name in ("objects", "x", "yaw"):
        kinds = windows_of(drive(**{name: 12})).at(np.array([10]), SHOWN).conditions.actor_kinds
        assert kinds[0, :, 0].bool().tolist() == [True, True, False, name == "objects", True], name


def test_nothing_is_recalled_from_or_to_an_unknown_place() -> None:
    config = replace(CONFIG, dit=replace(CONFIG.dit, num_retrieved=2, memory_capacity=6))
    latents = np.broadcast_to(np.arange(NUM, dtype=np.float16)[:, None, None, None], (NUM, 8, 16, 16))
    draws = np.full((1, NUM_DRAWS), 0.5)

    def retrieved(**unknown: slice | int) -> RetrievedFrames:
        found = LatentWindows(drive(**unknown), latents, config, 5, np.array([0])).at(np.array([27]), draws).retrieved  # type: ignore[arg-type]
        assert found is not None
        return found

    assert retrieved().valid.all()
    assert not retrieved(x=slice(None)).valid.any()
    assert retrieved(y=29).valid[0].all(-1).tolist() == [True, True, True, False, True]
    assert retrieved(brake=29).valid[0].all(-1).tolist() == [True, True, True, False, True]
    for name in ("yaw", "frame"):
        kept = retrieved(**{name: slice(16, 27)})
        assert kept.valid.any()
        assert (kept.latents[kept.valid][:, 0, 0, 0] < 16).all(), name


def test_a_command_without_a_route_is_unknown() -> None:
    commands = windows_of(drive(progress=12)).at(np.array([10]), SHOWN).conditions.commands
    assert (commands[0] == UNKNOWN_COMMAND).tolist() == [False, False, True, False, False]


def test_frames_without_a_picture_are_in_no_window_and_give_no_look() -> None:
    windows = windows_of(drive(frame=30))
    assert windows.firsts.tolist() == [*range(26), *range(31, 56)]
    style = windows.at(np.array([3]), SHOWN).conditions.style
    torch.testing.assert_close(style[0, 0], style_statistics(torch.from_numpy(windows.latents[3].astype(np.float32))))
    with pytest.raises(ValueError, match="no episode shows 5 pictures in a row"):
        FrameWindows(drive(frame=slice(None, None, 5)), 5)  # type: ignore[arg-type]


def test_latents_and_colours_know_nothing_of_missing_pictures(tmp_path: Path) -> None:
    vae = VAE3D(CONFIG.vae).eval()
    store, gap = drive(frame=30), drive(frame=30)
    gap.frames[30] = 0
    latents = encode_store(vae, store, tmp_path / "a.npy")  # type: ignore[arg-type]
    np.testing.assert_array_equal(latents, encode_store(vae, gap, tmp_path / "b.npy"))  # type: ignore[arg-type]
    assert not latents[30].any()
    frames = frames_to_float(torch.from_numpy(store.frames[31:35]))[None]
    with torch.no_grad():
        expected = vae.encode(frames)[0][0].numpy()
    np.testing.assert_allclose(latents[31:35], expected, atol=2e-3)
    store.rows.scenes.object_kinds[:, 1:] = 0
    store.rows.scenes.objects[:, 0, :3] = 12, 0, 0
    store.frames[:] = 200
    store.frames[30] = 0
    colours = store_colours(store, CONFIG.camera, tmp_path / "colours.npy")  # type: ignore[arg-type]
    np.testing.assert_allclose(np.delete(colours[:, 0], 30, axis=0), 200 / 255, atol=1e-6)
    assert np.isnan(colours[30]).all()


def test_the_decoder_is_told_of_no_actors_where_they_are_unknown() -> None:
    actor_map = ActorMap(CONFIG.camera, (128, 128), 0.1, ACTOR_STRIDE)
    colours = np.full((NUM, 12, 3), np.nan, np.float32)
    pictures = TruePictures(drive(objects=12), colours, actor_map, actor_dropout=0.0)  # type: ignore[arg-type]
    drawn = pictures.at(np.array([10]), 5, np.random.default_rng(0)).actors[0]
    assert drawn.flatten(1).any(1).tolist() == [True, True, False, True, True]


def test_nothing_is_learned_of_actors_where_they_are_unknown(tmp_path: Path) -> None:
    store = drive(objects=slice(20, None))
    assert len(actor_samples(store, 5).rates) == 15  # type: ignore[arg-type]
    assert len(actor_samples(drive(), 5).rates) == NUM - 5  # type: ignore[arg-type]

    def arrivals(store: SimpleNamespace) -> np.ndarray:
        store.rows.scenes.lane_valid[:] = True
        store.rows.scenes.object_kinds[:30] = 0  # comes into range at frame 30
        store.rows.scenes.objects[30:, 0, :4] = 40, 3.5, 0, 5
        store.rows.scenes.route[:] = np.stack([ROUTE_DISTANCES, np.zeros(10)], axis=-1)
        return find_arrivals(store, np.zeros((NUM, 12, 3)), 4, np.random.default_rng(0))  # type: ignore[arg-type]

    assert arrivals(drive())[:, 6].sum() == 1
    for unknown in ("objects", "progress"):
        assert not arrivals(drive(**{unknown: slice(29, 31)})).any(), unknown
    model, config = ActorModel(ActorConfig()), ActorStageConfig(loop=LoopConfig(num_steps=1))
    train_actors(model, drive(objects=slice(None)), np.zeros((NUM, 12, 3)), config, tmp_path)  # type: ignore[arg-type]
    assert not model.arrivals.any()
    assert (tmp_path / "actors.safetensors").is_file()


def test_starts_lie_where_all_that_the_model_needs_is_known() -> None:
    store = drive(frame=20, steer=35)
    starts = choose_starts(store, 60, 8, 10, np.random.default_rng(0))  # type: ignore[arg-type]
    context = starts[:, None] - np.arange(8)
    assert not np.isin([20, 35], context).any()
    assert {bool(start > 20) for start in starts} == {False, True}
    with pytest.raises(ValueError, match="in no long enough episode are picture, control and motion of 8 frames known"):
        choose_starts(drive(steer=slice(None)), 3, 8, 10, np.random.default_rng(0))  # type: ignore[arg-type]


def test_a_start_without_a_route_has_none() -> None:
    store = drive()
    store.rows.scenes.route_valid[:] = False
    clip = clip_at(store, 10, 8)  # type: ignore[arg-type]
    assert clip.route.shape == (0, 2)
    random_model().begin([clip], [0])


def test_rollouts_and_trust_end_where_the_control_is_unknown_and_skip_missing_pictures() -> None:
    store = drive(throttle=15, frame=12)
    model, positions = random_model(), np.array([10])
    r = roll_out_recorded(model, store, positions, 6, 1, shuffle=False)  # type: ignore[arg-type]
    assert r.valid.tolist() == [[True, False, True, True, True, False]]
    stage, store = TrustStageConfig(num_starts=6, seconds=0.6, batch_size=6), drive(throttle=slice(10, None))
    _, errors = rollout_signals(model, store, stage)  # type: ignore[arg-type]
    num_context = model.config.num_context
    starts = choose_starts(store, 6, num_context, 6, np.random.default_rng(stage.seed))  # type: ignore[arg-type]
    assert len(errors) == (10 - starts).sum()


def test_scores_leave_out_what_is_unknown() -> None:
    store = drive(objects=slice(None), collision=slice(None), progress=slice(None))
    store.rows.scenes.ego_valid[:, :2] = True
    store.rows.scenes.ego[:, 0] = store.rows.vehicles[:, 3]
    r = roll_out_recorded(random_model(), store, np.array([10, 20]), 6, 2, shuffle=False)  # type: ignore[arg-type]
    at = scene_scores(r.tracked, r, 0.1)["0.5"]
    unknown = ("lateral_offset_m", "lead_gap_relative", "lead_presence_accuracy", "objects_found", "objects_right")
    assert all(np.isnan(at[name]) for name in unknown)
    assert set(control_scores(r, r, 0.1)) == {"speed"}
    assert set(event_scores(r, 0.1)) == {"off_road", "decoded_off_road"}
    assert known_of(store.rows.valid).off_road.all()
