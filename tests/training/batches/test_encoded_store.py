"""EncodedStore: rows are those of the frames, copies those of a hidden layout, geometry fits; made once, resumed."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from known_drives import turning_car
from layouts import layout_of, with_road
from tiny_model import CONFIG

from training.batches import encoded_store
from training.batches.encoded_store import FULL_SCALE, EncodedStore, encode_store
from training.data.recorded_scenes import RecordedScenes
from worldsim.conditioning.latent_conditions import ConditionChannel, draw_conditions
from worldsim.datatypes.layout import LayoutKind
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.reprojection import reproject
from worldsim.networks.vae3d import VAE3D, References, Surfaces, frames_to_float
from worldsim.picture_references import refer_to_previous

C = ConditionChannel
NUM = 12
SUN = np.array([0.0, 0.6, 0.8])


def street() -> SimpleNamespace:
    """A turning car beside another that stands on a road with a house, under the sun."""
    store = turning_car(NUM)
    house = with_road(layout_of(LayoutKind.BUILDING, (30.0, 12.0, 0.0, 0.0, 20.0, 10.0, 8.0)))
    layout = dataclasses.replace(house, boxes_known=True, ground_known=True)
    store.layouts = (SimpleNamespace(read=lambda: layout),)
    store.rows.scenes.objects[:, 0, 0] -= 25
    scenes = [dataclasses.replace(scene, sun=SUN) for scene in store.camera_scenes(0)]
    store.camera_scenes = lambda episode: scenes
    return store


def tiny_vae() -> VAE3D:
    torch.manual_seed(0)
    return VAE3D(CONFIG.vae).eval()


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedStore:
    return encode_store(tiny_vae(), street(), CONFIG, tmp_path_factory.mktemp("encoded"), chunk=5)  # type: ignore[arg-type]


def test_rows_are_those_of_the_frames(encoded: EncodedStore) -> None:
    store, vae = street(), tiny_vae()
    scenes = RecordedScenes(store, Rasterizer(CONFIG.camera.with_frame_size(CONFIG.frame_size)))  # type: ignore[arg-type]
    before, now = scenes.surfaces(6), scenes.surfaces(7)
    told = store.rows.scenes
    expected = draw_conditions(now, before.geometry, scenes.view(7), told.route[7], told.route_valid[7])
    np.testing.assert_allclose(encoded.maps[7] / FULL_SCALE, expected.channels, atol=0.51 / FULL_SCALE)
    np.testing.assert_allclose(encoded.grids[7], expected.grid, atol=2e-3)
    with torch.no_grad():
        frames = frames_to_float(torch.from_numpy(store.frames[7:8]))
        cpu = torch.device("cpu")
        references = refer_to_previous(store.frames[6:8], [before.geometry, now.geometry], cpu)
        latents, first = (
            vae.encode(frames, Surfaces.stack([now], cpu), known) for known in (references, References.none(frames))
        )
    np.testing.assert_allclose(encoded.latents[7], latents[0], atol=5e-3)
    assert np.abs(encoded.latents[7] - first[0].numpy()).max() > 0.01
    assert not encoded.maps[0, C.MOVING : C.ROUTE].any()  # nothing came before
    assert encoded.maps[1:NUM, C.VISIBLE].mean() > 0.5 * FULL_SCALE


def test_the_layout_and_the_sun_are_hidden_of_copies(encoded: EncodedStore) -> None:
    assert encoded.copies.tolist() == list(range(NUM, 2 * NUM))
    assert (encoded.maps[:NUM, C.KNOWN :] == FULL_SCALE).all()
    assert not encoded.maps[NUM:, C.KNOWN :].any()
    assert encoded.maps[NUM + 1 :, C.VISIBLE].mean() > 0.5 * FULL_SCALE  # by guessed depths
    assert encoded.maps[:NUM, C.SUNLIGHT].any(axis=(1, 2)).all()
    assert not encoded.maps[NUM:, C.SUNLIGHT].any()
    assert (
        encoded.maps[NUM : NUM + 9, C.USERS : C.PAINT].max(axis=(1, 2, 3)).min() == FULL_SCALE
    )  # road users are there
    assert np.abs(encoded.latents[NUM:] - encoded.latents[:NUM]).max() > 0.01  # other surfaces, other latents


def test_kept_geometry_tells_where_surfaces_were(encoded: EncodedStore) -> None:
    """As well as that of the whole pictures does, but for edges."""
    scenes = RecordedScenes(street(), Rasterizer(CONFIG.camera.with_frame_size(CONFIG.frame_size)))  # type: ignore[arg-type]
    grid, visible = reproject(encoded.geometry(9), encoded.geometry(4, key_frame=True))
    whole, whole_visible = reproject(scenes.surfaces(9).geometry, scenes.surfaces(4).geometry, 8)
    user = encoded.geometry(9).users >= 0
    assert user.any()
    assert not visible[user].any()
    same = (visible == whole_visible) & ~user
    assert same[~user].mean() > 0.9
    near = same & (np.abs(whole) < 1).all(-1)
    np.testing.assert_allclose(grid[near], whole[near], atol=0.03)


def test_every_other_copy_shows_no_road_users_and_most_episodes_have_none(tmp_path: Path) -> None:
    store = turning_car(18)
    store.starts, store.lengths = np.arange(18), np.ones(18, np.int64)
    store.layouts = store.layouts * 18
    scenes = store.camera_scenes(0)
    store.camera_scenes = lambda episode: scenes[episode : episode + 1]
    made = encode_store(tiny_vae(), store, CONFIG, tmp_path)  # type: ignore[arg-type]
    assert np.flatnonzero(made.copies >= 0).tolist() == [0, 8, 16]
    assert made.copies[[0, 8, 16]].tolist() == [18, 19, 20]
    shown = made.maps[18:, C.USERS : C.PAINT].any(axis=(1, 2, 3))
    assert shown.tolist() == [True, False, True]


def test_what_is_there_is_read_and_an_interrupted_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoded: EncodedStore
) -> None:
    calls, put = [], encoded_store._put_conditions

    def interrupted(rows, conditions) -> None:
        calls.append(len(conditions))
        if len(calls) == 2:
            raise KeyboardInterrupt
        put(rows, conditions)

    monkeypatch.setattr(encoded_store, "_put_conditions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        encode_store(tiny_vae(), street(), CONFIG, tmp_path, chunk=NUM)  # type: ignore[arg-type]
    made = encode_store(tiny_vae(), street(), CONFIG, tmp_path, chunk=NUM)  # type: ignore[arg-type]
    assert calls == [NUM] * 3  # the first episode once, its copy again
    np.testing.assert_array_equal(made.maps, encoded.maps)
    again = encode_store(tiny_vae(), street(), CONFIG, tmp_path)  # type: ignore[arg-type]
    assert len(calls) == 3
    np.testing.assert_array_equal(again.latents, made.latents)
    other = tiny_vae()
    torch.nn.init.constant_(other.latent_mean, 1.0)
    assert not np.array_equal(encode_store(other, street(), CONFIG, tmp_path).latents, made.latents)  # type: ignore[arg-type]
