"""What a recording does not know is neither told to the model nor learned from nor scored."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from tiny_model import CONFIG, random_model

from training.batches.encoded_store import encode_store
from training.batches.latent_windows import LatentWindows
from training.batches.picture_rollouts import PictureRollouts, PictureRolloutsConfig
from training.data.frame_store import FrameWindows, picture_runs
from training.data.lerobot_layout import VALID_NAMES
from training.data.object_colors import read_object_colors
from training.data.reconstructed_scenes import integrate_unknown_poses, reconstruct_scenes
from training.data.recorded_scenes import RecordedScenes
from training.data.starts import choose_starts, clip_at
from training.data.validity import known_of
from training.evaluation.metrics import event_scores, tracked_scores
from training.evaluation.rollouts import roll_out_recorded
from training.stages.actors import ActorStageConfig, actor_samples, find_arrivals, train_actors
from training.stages.loop import LoopConfig
from training.stages.trust import TrustStageConfig, rollout_signals
from worldsim.actors.actor_model import ActorModel
from worldsim.configs import ActorConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, UNKNOWN_COMMAND
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.networks.vae3d import VAE3D

NUM = 60
ROLLOUTS = PictureRolloutsConfig(num=3, batch_size=2)
SHOWN = np.array([[0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 0.5]])
"""Hides nothing; the style is taken from the middle of the episode."""


def drive(**unknown: slice | int) -> SimpleNamespace:
    """A turning car (see there), of which some of VALID_NAMES are unknown in some rows."""
    store = turning_car(NUM)
    for name, rows in unknown.items():
        store.rows.valid[rows, VALID_NAMES.index(name)] = False
    return store


def scenes_of(store: SimpleNamespace) -> RecordedScenes:
    return RecordedScenes(store, Rasterizer(CONFIG.camera.with_frame_size((128, 128))))  # type: ignore[arg-type]


def windows_of(store: SimpleNamespace, num_frames: int = 5) -> LatentWindows:
    latents = np.random.default_rng(0).standard_normal((NUM, 8, 16, 16)).astype(np.float16)
    return LatentWindows(store, encoded_store(store, latents), CONFIG, num_frames, np.array([0]))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["steer", "throttle", "brake", "speed", "acceleration", "steer_angle"])
def test_without_control_or_motion_the_step_is_not_known(name: str) -> None:
    conditions = windows_of(drive(**{name: 12})).at(np.array([10]), SHOWN).conditions
    assert conditions.known[0].tolist() == [False, True, True, False, True]
    assert not conditions.controls[0, 3].any()
    assert not conditions.motions[0, 3].any()


def test_where_reverse_is_unknown_driving_is_forward() -> None:
    assert windows_of(drive(reverse=slice(None))).at(np.array([10]), SHOWN).conditions.known[0, 1:].all()


def test_road_users_are_not_drawn_where_objects_are_unknown() -> None:
    store = drive(objects=12)
    shown = [len(scene.user_ids) for scene in reconstruct_scenes(store.rows, 0.1)]
    assert shown == [1] * 12 + [0] + [1] * 47


def test_unknown_poses_are_integrated_and_stand_still_where_motion_is_unknown_too() -> None:
    known, unknown = drive(), drive(x=slice(None), y=slice(None), yaw=slice(None), steer=slice(10, 12))
    vehicles = unknown.rows.vehicles
    unknown.rows.scenes.ego_valid[:] = True
    unknown.rows.scenes.ego[:-1, 2] = np.diff(vehicles[:, 2]) / 0.1
    placed = integrate_unknown_poses(unknown.rows, 0.1)
    assert np.array_equal(placed[:, 3:], vehicles[:, 3:])
    assert np.array_equal(integrate_unknown_poses(known.rows, 0.1), vehicles)
    assert np.array_equal(placed[12, :3], placed[10, :3])
    np.testing.assert_allclose(placed[:11, :3], vehicles[:11, :3] - vehicles[0, :3], atol=0.15)


def test_a_command_without_a_route_is_unknown() -> None:
    commands = windows_of(drive(progress=12)).at(np.array([10]), SHOWN).conditions.commands
    assert (commands[0] == UNKNOWN_COMMAND).tolist() == [False, False, True, False, False]


def test_frames_without_a_picture_are_in_no_window_and_give_no_look() -> None:
    windows = windows_of(drive(frame=30))
    assert windows.firsts.tolist() == [*range(26), *range(31, 56)]
    style = windows.at(np.array([3]), SHOWN).conditions.style
    assert (style == np.mean([3, 28, 26, 24])).all()  # the window's first frame stands in for the missing one
    with pytest.raises(ValueError, match="no episode shows 5 pictures in a row"):
        FrameWindows(drive(frame=slice(None, None, 5)), 5)  # type: ignore[arg-type]


def test_latents_and_colours_know_nothing_of_missing_pictures(tmp_path: Path) -> None:
    vae = VAE3D(CONFIG.vae).eval()
    store, gap = drive(frame=30), drive(frame=30)
    gap.frames[30] = 0
    encoded, other = (encode_store(vae, one, CONFIG, tmp_path / name) for one, name in ((store, "a"), (gap, "b")))  # type: ignore[arg-type]
    np.testing.assert_array_equal(encoded.latents, other.latents)
    assert not encoded.latents[30].any()
    assert not encoded.styles[30].any()
    assert encoded.latents[31].any()

    store.rows.scenes.objects[:, 0, :3] = 12, 0, 0
    store.frames[:] = 200
    store.frames[30] = 0
    nowhere, somewhere = np.array([30, 31]), np.zeros(2, np.int64)
    colors = read_object_colors(scenes_of(store), nowhere, somewhere)
    np.testing.assert_allclose(colors, 200 / 255, atol=1e-6)
    store.rows.valid[:] &= np.arange(len(VALID_NAMES)) != VALID_NAMES.index("frame")
    assert np.isnan(read_object_colors(scenes_of(store), nowhere, somewhere)).all()


def test_no_picture_run_holds_a_missing_picture() -> None:
    firsts, lengths = picture_runs(drive(frame=slice(10, 13)))  # type: ignore[arg-type]
    assert (firsts.tolist(), lengths.tolist()) == ([0, 13], [10, NUM - 13])
    scenes = scenes_of(drive(frame=slice(20, NUM)))
    rollouts = PictureRollouts(scenes, scenes, (2, 8, 16, 16), ROLLOUTS, torch.device("cpu"))
    rng = np.random.default_rng(0)
    for _ in range(30):
        batch = rollouts.batch(rollouts.choose(1.0, rng), rng)
        rollouts.advance(batch, batch.frames, torch.zeros(2, 8, 16, 16))
    assert rollouts.carried["at"].max() < 20
    scenes = scenes_of(drive(frame=slice(None, None, 10)))
    with pytest.raises(ValueError, match="more than 14 pictures in a row, the recording has 9"):
        PictureRollouts(scenes, scenes, (2, 8, 16, 16), ROLLOUTS, torch.device("cpu"))


def test_nothing_is_learned_of_actors_where_they_are_unknown(tmp_path: Path) -> None:
    store = drive(objects=slice(20, None))
    config = ActorStageConfig(loop=LoopConfig(num_steps=1), every=1)
    assert len(actor_samples(store, config).rates) == 15  # type: ignore[arg-type]
    assert len(actor_samples(drive(), config).rates) == NUM - 5  # type: ignore[arg-type]

    def arrivals(store: SimpleNamespace) -> np.ndarray:
        store.rows.scenes.lane_valid[:] = True
        store.rows.scenes.object_kinds[:30] = 0  # comes into range at frame 30
        store.rows.scenes.objects[30:, 0, :4] = 40, 3.5, 0, 5
        store.rows.scenes.route[:] = np.stack([ROUTE_DISTANCES, np.zeros(10)], axis=-1)
        return find_arrivals(scenes_of(store), 4, np.random.default_rng(0))

    assert arrivals(drive())[:, 6].sum() == 1
    for unknown in ("objects", "progress"):
        assert not arrivals(drive(**{unknown: slice(29, 31)})).any(), unknown
    model = ActorModel(ActorConfig())
    train_actors(model, scenes_of(drive(objects=slice(None))), config, tmp_path)
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
    r = roll_out_recorded(model, store, positions, 6, 1)  # type: ignore[arg-type]
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
    r = roll_out_recorded(random_model(), store, np.array([10, 20]), 6, 2)  # type: ignore[arg-type]
    at = tracked_scores(r, 0.1)["0.5"]
    unknown = ("lateral_offset_m", "lead_gap_relative", "lead_presence_accuracy", "objects_found", "objects_right")
    assert all(np.isnan(at[name]) for name in unknown)
    assert set(event_scores(r, 0.1)) == {"off_road", "decoded_off_road"}
    assert known_of(store.rows.valid).off_road.all()
