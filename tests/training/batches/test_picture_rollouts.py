"""Rollouts of pictures: what they begin and go on with, what is fetched and recalled, what is hidden, when they end."""

import numpy as np
import pytest
import torch
from painted_streets import painted_street, rollouts_of, share_of, shared_street

from training.batches.picture_rollouts import PictureBatch, PictureRollouts
from training.batches.self_rollouts import SelfRolloutClips
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.surface_map import SUN_KNOWN, SurfaceChannel
from worldsim.networks.vae3d import frames_to_float

LATENTS = torch.zeros(2, 8, 4, 4)
IN_THE_HOUSE = 23
"""Frame from which on the street's car has driven through the wall of its house."""


def go_on(rollouts: PictureRollouts, rng: np.random.Generator, steps: int = 1, picture: float | None = None):
    """Batches of so many steps; pictures are as they should be, or of one grey."""
    batches = []
    for _ in range(steps):
        batch = rollouts.batch(rollouts.choose(1.0, rng), rng)
        made = batch.frames if picture is None else torch.full_like(batch.frames, picture)
        rollouts.advance(batch, made, LATENTS)
        batches.append(batch)
    return batches


def of_cars(batch: PictureBatch) -> torch.Tensor:
    return batch.surfaces.channels[:, share_of(SemanticClass.CAR)] > 0.9


def test_rollouts_begin_with_true_frames_and_look_for_the_next() -> None:
    rollouts, rng = rollouts_of(shared_street()), np.random.default_rng(0)
    rows = rollouts.choose(0.0, rng)
    at = rollouts.carried["at"][rows].numpy()
    assert (rollouts.carried["pictures"][rows].numpy() == shared_street().frames[at]).all()
    assert (rollouts.carried["key_at"][rows, 0].numpy() == at).all()
    assert rollouts.carried["statistics"][rows].abs().sum() > 0
    batch = rollouts.batch(rows, rng)
    assert torch.equal(batch.frames, frames_to_float(torch.from_numpy(shared_street().frames[at + 1])))
    assert batch.generated is None


def test_the_last_picture_is_fetched_to_where_its_surfaces_are() -> None:
    rollouts, rng = rollouts_of(shared_street()), np.random.default_rng(0)
    for _ in range(6):
        (batch,) = go_on(rollouts, rng)
        seen = batch.references.last_visible.bool()
        outside = rollouts.carried["at"][batch.rows] < IN_THE_HOUSE
        assert seen[outside].float().mean((1, 2, 3)).min() > 0.85
        off = (batch.references.last - batch.frames).abs().mean(1, keepdim=True)
        assert off[seen].mean() < 0.06


def test_what_was_made_is_what_the_next_picture_is_made_from() -> None:
    rollouts, rng = rollouts_of(shared_street(), batch_size=3), np.random.default_rng(0)
    first = rollouts.batch(rollouts.choose(0.0, rng), rng)
    latents = torch.randn(3, 8, 4, 4)
    rollouts.advance(first, torch.full_like(first.frames, -0.5), latents)
    second = rollouts.batch(first.rows, rng)
    assert not second.past[:, 0].any()
    assert torch.equal(second.past[:, 1], latents)
    seen = second.references.last_visible.bool().expand(-1, 3, -1, -1)
    found = second.references.last[seen]
    torch.testing.assert_close(found, torch.full_like(found, -0.5), atol=5e-3, rtol=0)
    assert rollouts.carried["age"].tolist() == [1, 1, 1]


def test_key_frames_are_made_every_few_metres_and_recalled_without_road_users() -> None:
    rollouts, rng = rollouts_of(shared_street(), key_distance=2.0), np.random.default_rng(1)
    go_on(rollouts, rng, 20, picture=0.25)
    keys = rollouts.carried["key_at"].numpy()
    for row in keys:
        places = shared_street().rows.vehicles[row[row >= 0], :2]
        assert (np.hypot(*np.diff(places, axis=0).T) >= 2.0).all()
    assert (keys >= 0).sum() > 6
    recalled = 0
    for batch in go_on(rollouts, rng, 4, picture=0.25):
        seen = batch.references.recalled_visible.bool()
        assert not (seen & of_cars(batch)).any()
        found = batch.references.recalled[seen.expand(-1, 3, -1, -1)]
        torch.testing.assert_close(found, torch.full_like(found, 0.25), atol=5e-3, rtol=0)
        recalled += int(seen.sum())
    assert recalled > 100


def test_true_frames_are_recalled_as_if_from_a_lap_before() -> None:
    rollouts, rng = rollouts_of(shared_street(), true_recall=1.0), np.random.default_rng(0)
    off, seen = [], []
    for batch in go_on(rollouts, rng, 8, picture=0.9):
        seen.append(batch.references.recalled_visible.bool())
        off.append((batch.references.recalled - batch.frames).abs().mean(1, keepdim=True))
        assert not (seen[-1] & of_cars(batch)).any()
    assert torch.cat(seen).float().mean() > 0.1
    assert torch.cat(off)[torch.cat(seen)].mean() < 0.15


def test_what_is_to_be_hidden_is_hidden() -> None:
    rng = np.random.default_rng(0)
    known = [SurfaceChannel.KNOWN, SurfaceChannel.KNOWN + 1]
    (batch,) = go_on(rollouts_of(shared_street(), last_dropout=1.0), rng)
    assert not batch.references.last_visible.any()
    assert batch.surfaces.channels[:, known].all()
    (batch,) = go_on(rollouts_of(shared_street(), recall_dropout=1.0, true_recall=1.0), rng)
    assert not batch.references.recalled_visible.any()
    (batch,) = go_on(rollouts_of(shared_street(), layout_dropout=1.0, last_dropout=0.0), rng)
    assert not batch.surfaces.channels[:, [*known, SUN_KNOWN, SurfaceChannel.SUNLIGHT]].any()
    assert batch.references.last_visible.float().mean() > 0.5  # by guessed depths


def test_where_the_sun_stands_is_hidden_of_whole_rollouts() -> None:
    def told(sun_dropout: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Which frames know the sun, and what is known of light and weather."""
        rng, rollouts = np.random.default_rng(0), rollouts_of(shared_street(), sun_dropout=sun_dropout)
        batches = go_on(rollouts, rng, 6)
        for batch in batches:
            channels = batch.surfaces.channels
            known = channels[:, SUN_KNOWN].flatten(1).all(1)
            assert torch.equal(known, channels[:, SurfaceChannel.SUNLIGHT].flatten(1).any(1))
            assert torch.equal(~known, rollouts.carried["sunless"][batch.rows])
            assert channels[:, SurfaceChannel.KNOWN].all()
        known = torch.cat([batch.surfaces.channels[:, SUN_KNOWN].flatten(1).all(1) for batch in batches])
        lit = rollouts.carried["statistics"].unflatten(-1, (4, -1))[..., 2, :]
        return known, lit

    known, lit = told(0.0)
    assert known.all()
    assert lit.any()
    known, lit = told(1.0)
    assert not known.any()
    assert not lit.any()


def test_rollouts_end_when_they_are_old_and_grow_older_as_training_goes_on() -> None:
    def oldest(progress: float) -> int:
        rollouts, rng, ages = (
            rollouts_of(shared_street(), oldest=(2, 8), ripening=0.5, num_frames=1),
            np.random.default_rng(0),
            [],
        )
        for _ in range(40):
            batch = rollouts.batch(rollouts.choose(progress, rng), rng)
            rollouts.advance(batch, batch.frames, LATENTS)
            ages.append(int(rollouts.carried["age"].max()))
            assert (rollouts.carried["at"] <= rollouts.carried["end"]).all()
        return max(ages)

    assert [oldest(progress) for progress in (0.0, 0.25, 0.5, 1.0)] == [2, 5, 8, 8]


def test_clips_are_followed_to_their_end() -> None:
    latents = np.arange(6, dtype=np.float16)[None, :, None, None, None] * np.ones((2, 1, 8, 4, 4), np.float16)
    clips = SelfRolloutClips(np.array([4, 20]), latents, 3, np.array([False, True]))
    rollouts, rng = rollouts_of(shared_street(), clips, num_frames=1), np.random.default_rng(0)
    for _ in range(12):
        batch = rollouts.batch(rollouts.choose(1.0, rng), rng)
        at, clip = (rollouts.carried[name][batch.rows].numpy() for name in ("at", "clip"))
        hidden = rollouts.carried["hidden"][batch.rows].numpy()
        assert (hidden == clips.hidden[clip]).all()  # what the model knew, the pictures are told
        number = at + 1 - clips.firsts[clip]
        assert ((number >= 3) & (number < 6)).all()
        assert batch.generated is not None
        assert batch.generated[:, 0, 0, 0].tolist() == number.tolist()
        rollouts.advance(batch, batch.frames, LATENTS)


def test_what_is_carried_is_all_that_the_next_steps_depend_on() -> None:
    going = {"oldest": (3, 3), "restart": 0.3, "true_recall": 0.3, "layout_dropout": 0.3, "sun_dropout": 0.3}
    store = painted_street(60)
    store.starts, store.lengths = np.array([0, 20, 40]), np.array([20, 20, 20])
    store.layouts, scenes = store.layouts * 3, store.camera_scenes(0)
    store.camera_scenes = lambda episode: scenes[20 * episode : 20 * episode + 20]
    rollouts = rollouts_of(store, **going)
    go_on(rollouts, np.random.default_rng(0), 10)
    resumed = rollouts_of(store, **going)
    for name, value in resumed.carried.items():
        value.copy_(rollouts.carried[name])
    ours, theirs = (go_on(one, np.random.default_rng(1), 10) for one in (rollouts, resumed))
    for a, b in zip(ours, theirs, strict=True):
        assert a.rows.tolist() == b.rows.tolist()
        assert torch.equal(a.frames, b.frames)
        for x, y in zip((*a.surfaces, *a.references), (*b.surfaces, *b.references), strict=True):
            assert torch.equal(x, y)
    for name, value in resumed.carried.items():
        assert torch.equal(value, rollouts.carried[name]), name


def test_too_short_a_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="rollouts need more than 14 pictures in a row, the recording has 14"):
        rollouts_of(painted_street(14))
