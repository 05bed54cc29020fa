"""SceneDecoder: pictures in, a SceneState out, in its units."""

import numpy as np
import pytest
import torch

from worldsim.actors.route_frame import find_scene_lead
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.configs import CameraGeometry, ReaderConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, SceneState
from worldsim.networks.scene_reader import SceneEstimate, SceneReader
from worldsim.scene_decoder import SceneDecoder, estimate_to_scene, newest_frames

GRID = ObjectGrid(CameraGeometry(), (64, 64))
EGO_SIZE = (4.6, 1.9)


def decoder() -> SceneDecoder:
    torch.manual_seed(0)
    config = ReaderConfig(stem_width=8, widths=(16, 16, 16), num_blocks=1, cell_width=16, overview_width=8)
    return SceneDecoder(SceneReader(config).eval(), GRID, EGO_SIZE)


def estimate(n: int = 1) -> SceneEstimate:
    cells = (n, *GRID.size)
    return SceneEstimate(
        ego=torch.zeros(n, 2),
        lane=torch.tensor([[0.4, -0.2, 0.9, 1.39]]).expand(n, -1),
        route=torch.ones(n, 10, 2),
        lead=torch.tensor([[np.log1p(12.0), 0.6]]).float().expand(n, -1),
        lead_present=torch.full((n,), -1.0),
        collision=torch.zeros(n),
        off_road=torch.zeros(n),
        present=torch.full(cells, -9.0),
        kind=torch.zeros(*cells, 4),
        values=torch.zeros(*cells, 7),
    )


def test_an_estimate_is_given_back_in_units_of_the_scene() -> None:
    ego, command = np.array([[8.0, 0.5, 0.1, 0.02]]), np.array([2])
    scene = estimate_to_scene(estimate(), ego, command, GRID)
    np.testing.assert_allclose(scene.lane[0], [0.4, -0.03, 1.8, 13.9], rtol=1e-5)
    np.testing.assert_allclose(scene.route[0, :, 0], ROUTE_DISTANCES)
    np.testing.assert_allclose(scene.ego, ego.astype(np.float32))
    assert scene.command[0] == 2
    assert not scene.lead_valid[0]
    assert not scene.lead.any()
    present = estimate()._replace(lead_present=torch.ones(1))
    np.testing.assert_allclose(estimate_to_scene(present, ego, command, GRID).lead[0], [12.0, 6.0], rtol=1e-5)


def test_the_newest_frames_are_read_and_fewer_are_repeated() -> None:
    frames = np.arange(5, dtype=np.uint8)[None, :, None, None, None] * np.ones((2, 5, 16, 32, 3), np.uint8)
    assert newest_frames(frames)[0, :, 0, 0, 0].tolist() == [2, 3, 4]
    assert newest_frames(frames[:, 3:])[1, :, 0, 0, 0].tolist() == [3, 3, 4]
    assert newest_frames(frames[:, :1])[0, :, 0, 0, 0].tolist() == [0, 0, 0]
    for wrong in (frames[:, :0], frames[0], frames[..., :2], frames[:, :, :10]):
        with pytest.raises(ValueError, match="pictures must be"):
            newest_frames(wrong)


def test_nothing_but_pictures_changes_what_is_decoded() -> None:
    frames = np.random.default_rng(0).integers(0, 255, (2, 3, 64, 64, 3), dtype=np.uint8)
    reader = decoder()
    one = reader.read(frames, np.zeros((2, 4)), np.zeros(2, np.int64))
    other = reader.read(frames, np.ones((2, 4)), np.ones(2, np.int64))
    for name in ("lane", "route", "lead", "objects", "object_kinds"):
        np.testing.assert_array_equal(getattr(one.scene, name), getattr(other.scene, name))
    np.testing.assert_array_equal(one.ego, other.ego)
    assert (other.scene.ego == 1).all()
    assert one.ego.shape == (2, 2)
    assert ((one.collision > 0) & (one.collision < 1)).all()
    again = reader.read(frames[::-1].copy(), np.zeros((2, 4)), np.zeros(2, np.int64))
    np.testing.assert_allclose(again.ego[::-1], one.ego, atol=1e-5)


def test_the_lead_is_the_object_seen_ahead() -> None:
    scene = SceneState.empty((1,))
    scene.route[..., 0], scene.route_valid[:] = ROUTE_DISTANCES, True
    scene.lane[:] = [0.0, 0.0, 1.75, 13.9]
    scene.objects[0, 0] = [14.0, 0.3, 0.1, 6.0, 4.5, 1.8]
    scene.object_kinds[0, 0] = ObjectKind.CAR
    gap, speed, ahead = find_scene_lead(scene, EGO_SIZE)
    assert ahead[0]
    assert gap[0] == pytest.approx(14.0 - 4.6, abs=0.3)
    assert speed[0] == pytest.approx(6.0, abs=0.1)
    scene.object_kinds[:] = ObjectKind.EMPTY
    assert not find_scene_lead(scene, EGO_SIZE)[2][0]
