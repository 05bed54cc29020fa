"""Pictures with what the reader is taught of them: whose, where, what is masked; spoilt ones."""

from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car

from training.batches.scene_pictures import ScenePictures, SpoilConfig, spoil
from training.data.lerobot_layout import VALID_NAMES
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.route import rotate
from worldsim.networks.scene_reader import NUM_READ
from worldsim.scene_decoder import EGO_SCALE, LANE_SCALE

CONFIG = WorldModelConfig()
NUM = 40


def pictures_of(folder: Path, **unknown: slice) -> ScenePictures:
    store = turning_car(NUM)
    store.rows.collision[30:] = 1
    store.rows.scenes.lane[:, 0] = np.linspace(-1, 1, NUM)
    store.rows.scenes.ego[:, 0] = np.arange(NUM)
    for name, rows in unknown.items():
        store.rows.valid[rows, VALID_NAMES.index(name)] = False
    return ScenePictures(store, CONFIG, folder, stride=4)  # type: ignore[arg-type]


def test_every_fourth_frame_is_a_picture_with_the_two_before_it(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path)
    assert pictures.positions.tolist() == list(range(3, NUM, 4))
    batch = pictures.at(np.array([0, 4]))
    assert batch.frames.shape == (2, NUM_READ, 128, 128, 3)
    np.testing.assert_array_equal(batch.frames[1], pictures.store.frames[17:20])
    scenes = pictures.store.rows.scenes[[3, 19]]
    np.testing.assert_allclose(batch.targets.ego[:, 0].numpy() * EGO_SCALE[0], scenes.ego[:, 0], rtol=1e-5)
    np.testing.assert_allclose(batch.targets.lane.numpy() * LANE_SCALE, scenes.lane, rtol=1e-5)


def test_the_car_that_stands_there_is_asked_for_where_it_can_be_seen(tmp_path: Path) -> None:
    """It is 40 m ahead at first, where it covers some ten pixels, and larger later."""
    pictures = pictures_of(tmp_path)
    chosen = np.arange(len(pictures))
    visible = pictures.objects(chosen)
    near, far = visible.pixels[-1], visible.pixels[0]
    assert far < near
    for k in range(len(visible)):
        vehicle = pictures.store.rows.vehicles[pictures.positions[visible.pictures[k]]]
        place = rotate(np.array([40.0, 3.0]) - vehicle[:2], -vehicle[2])
        np.testing.assert_allclose(visible.objects[k, :2], place, atol=1e-3)
    targets = pictures.targets(chosen)
    asked = targets.near.flatten(1).max(1).values.numpy() == 1
    expected = np.zeros(len(chosen), bool)
    expected[visible.pictures[visible.pixels >= 12]] = True
    np.testing.assert_array_equal(asked, expected)
    assert asked.any()
    again = ScenePictures(pictures.store, CONFIG, tmp_path, stride=4)
    np.testing.assert_array_equal(again.visible.objects, pictures.visible.objects)
    with pytest.raises(ValueError, match="holds the road users of other frames; delete it"):
        ScenePictures(pictures.store, CONFIG, tmp_path, stride=2)


def test_crashes_are_drawn_as_often_as_asked(tmp_path: Path) -> None:
    pictures = pictures_of(tmp_path)
    pictures.event_fraction = 1.0
    chosen = pictures.draw(50, np.random.default_rng(0))
    assert (pictures.positions[chosen] >= 30).all()
    pictures.event_fraction = 0.0
    assert (pictures.positions[pictures.draw(50, np.random.default_rng(0))] < 30).any()


def test_what_is_unknown_is_masked(tmp_path: Path) -> None:
    everything = slice(None)
    targets = pictures_of(tmp_path / "a").targets(np.arange(10))
    for name in ("objects_valid", "lead_valid", "collision_valid", "off_road_valid"):
        assert getattr(targets, name).all()
    masked = pictures_of(tmp_path / "b", objects=everything).targets(np.arange(10))
    assert not masked.objects_valid.any()
    assert not masked.lead_valid.any()
    assert not masked.near.any()
    assert masked.collision_valid.all()
    masked = pictures_of(tmp_path / "c", collision=everything).targets(np.arange(10))
    assert not masked.collision_valid.any()
    assert masked.objects_valid.all()


def test_spoilt_pictures_are_the_same_ones_in_other_light_some_of_them_soft_and_noisy() -> None:
    frames = torch.rand(8, 3, 3, 32, 32) - 0.5
    nothing = SpoilConfig(fraction=0, light=0)
    torch.testing.assert_close(spoil(frames, nothing, torch.Generator().manual_seed(0)), frames)

    lit = spoil(frames, SpoilConfig(fraction=0), torch.Generator().manual_seed(0))
    for n in range(8):  # a line through all pixels of a colour, the same in all frames
        for c in range(3):
            a, b = frames[n, :, c].flatten(), lit[n, :, c].flatten()
            assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.9999
    assert (lit - frames).abs().max() > 0.05

    soft = spoil(frames, SpoilConfig(fraction=1, light=0, noise=0), torch.Generator().manual_seed(0))
    assert (soft.diff(dim=-1).std((1, 2, 3, 4)) < frames.diff(dim=-1).std((1, 2, 3, 4))).all()
    torch.testing.assert_close(soft.mean((1, 2, 3, 4)), frames.mean((1, 2, 3, 4)), atol=0.02, rtol=0)
    noisy = spoil(frames, SpoilConfig(fraction=1, light=0, blur=1e-3), torch.Generator().manual_seed(0))
    assert ((noisy - frames).std((1, 2, 3, 4)) > 0).all()
    assert torch.equal(
        noisy, spoil(frames, SpoilConfig(fraction=1, light=0, blur=1e-3), torch.Generator().manual_seed(0))
    )
    some = spoil(frames, SpoilConfig(fraction=0.5, light=0), torch.Generator().manual_seed(0))
    changed = (some != frames).flatten(1).any(1)
    assert 0 < changed.sum() < 8
    with pytest.raises(ValueError, match=r"fraction must lie in \[0, 1\], light in \[0, 1\), got 2, 0\.15"):
        SpoilConfig(fraction=2)
    with pytest.raises(ValueError, match=r"blur and noise must not be negative, got -1, 0\.12"):
        SpoilConfig(blur=-1)
