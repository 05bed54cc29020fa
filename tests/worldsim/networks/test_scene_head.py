"""Scene targets and their inverse on constructed scenes."""

import numpy as np
import pytest
import torch

from worldsim.actors.route_frame import find_scene_lead
from worldsim.conditioning.object_grid import ObjectGrid
from worldsim.configs import CameraGeometry, HeadConfig
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, SceneState
from worldsim.networks.scene_head import SceneHead, scene_loss, scene_to_targets, targets_to_scene

CAMERA = CameraGeometry()
GRID = ObjectGrid(CAMERA, (128, 128))


def scene_with_objects() -> SceneState:
    scene = SceneState.empty((1,))
    scene.ego[:] = [8.0, 0.5, 0.1, 0.02]
    scene.lane[:] = [0.4, -0.05, 1.75, 13.9]
    scene.route[:, :, 0] = np.arange(10) * 4.0
    scene.route[:, :, 1] = 0.5
    scene.lead[:] = [12.0, 6.0]
    scene.objects[0, 0] = [14.0, 0.3, 0.1, 6.0, 4.5, 1.8]
    scene.objects[0, 1] = [20.0, -9.0, -1.0, 1.0, 0.6, 0.6]
    scene.objects[0, 2] = [-10.0, 0.0, 0.0, 9.0, 4.5, 1.8]
    scene.object_kinds[0, :3] = [ObjectKind.CAR, ObjectKind.PEDESTRIAN, ObjectKind.CAR]
    for name in ("ego_valid", "lane_valid", "route_valid", "lead_valid"):
        getattr(scene, name)[:] = True
    return scene


def test_an_object_is_asked_for_in_the_cell_of_its_picture() -> None:
    """One straight ahead, one to the left, one behind the ego, and one hidden by the first."""
    objects = torch.zeros(1, 12, 6)
    objects[0, :4] = torch.tensor(
        [
            [12.0, 0.0, 0.0, 5.0, 4.5, 1.9],
            [12.0, 6.0, 0.0, 0.0, 4.5, 1.9],
            [-9.0, 0.0, 0.0, 5.0, 4.5, 1.9],
            [25.0, 0.0, 0.0, 5.0, 4.5, 1.9],
        ]
    )
    kinds = torch.zeros(1, 12, dtype=torch.long)
    kinds[0, :4] = int(ObjectKind.CAR)
    targets = GRID.make_targets(objects, kinds)
    rows, columns = torch.nonzero(targets.present[0], as_tuple=True)
    assert len(rows) == 2
    assert columns.min() < 5
    assert columns.max() in (7, 8)
    assert (rows > 7).all()
    ahead = targets.values[0, rows[columns.argmax()], columns.max()]
    assert ahead[0].exp().item() == pytest.approx(12.0 - CAMERA.mount_x)
    assert targets.counted[0][targets.present[0] > 0].all()
    assert targets.counted[0].sum() < 16 * 16 - 8
    assert targets.counted[0, 0].all()


def test_of_neighbouring_cells_the_surest_is_taken() -> None:
    present = torch.full((1, 16, 16), -10.0)
    present[0, 9, 7], present[0, 9, 8], present[0, 9, 12] = 2.0, 3.0, 1.0
    values = torch.zeros(1, 16, 16, 7)
    values[..., 0] = float(np.log(10.0))
    objects, kinds = GRID.decode_objects(present, torch.zeros(1, 16, 16, 3), values)
    assert (kinds > 0).sum() == 2
    assert objects[0, 0, 1] < 0 < 12.0 - objects[0, 0, 0]
    _, none = GRID.decode_objects(present, torch.zeros(1, 16, 16, 3), values, threshold=0.99)
    assert not none.any()


def test_targets_round_trip() -> None:
    scene = scene_with_objects()
    targets = scene_to_targets(scene, np.zeros(1), np.zeros(1), GRID)
    logits = {"lead_present": 2 * targets.lead_present - 1, "present": 20 * targets.present - 10}
    estimate = type(targets)(**{**targets.__dict__, **logits})
    back = targets_to_scene(estimate, scene.ego, scene.command, GRID)
    np.testing.assert_allclose(back.lane, scene.lane, rtol=1e-5)
    np.testing.assert_allclose(back.route, scene.route, rtol=1e-5)
    np.testing.assert_allclose(back.lead, scene.lead, rtol=1e-5)
    np.testing.assert_allclose(back.objects[0, :2], scene.objects[0, :2], rtol=1e-4, atol=1e-5)
    assert list(back.object_kinds[0, :3]) == [ObjectKind.CAR, ObjectKind.PEDESTRIAN, ObjectKind.EMPTY]


def test_loss_is_zero_at_the_truth_and_ignores_invalid_values() -> None:
    scene = scene_with_objects()
    targets = scene_to_targets(scene, np.zeros(1), np.ones(1), GRID)
    sure = {n: 40 * getattr(targets, n) - 20 for n in ("lead_present", "present", "kind", "collision", "off_road")}
    estimate = type(targets)(**{**targets.__dict__, **sure})
    assert float(sum(scene_loss(estimate, targets, torch.ones(1)).values())) == pytest.approx(0, abs=1e-5)
    scene.lane_valid[:] = False
    wrong = type(targets)(**{**estimate.__dict__, "lane": estimate.lane + 5})
    masked = scene_to_targets(scene, np.zeros(1), np.ones(1), GRID)
    assert scene_loss(wrong, masked, torch.ones(1))["lane"].item() == 0
    assert scene_loss(wrong, targets, torch.ones(1))["lane"].item() > 1
    assert scene_loss(wrong, targets, torch.zeros(1))["lane"].item() == 0


def test_of_two_equal_neighbours_one_is_taken() -> None:
    present = torch.full((1, 16, 16), -10.0)
    present[0, 9, 7:9] = 3.0
    _, kinds = GRID.decode_objects(present, torch.zeros(1, 16, 16, 3), torch.ones(1, 16, 16, 7))
    assert (kinds > 0).sum() == 1


def test_the_lead_is_the_object_seen_ahead() -> None:
    scene = scene_with_objects()
    scene.lane[:, :2], scene.route[..., 0], scene.route[..., 1] = 0.0, ROUTE_DISTANCES, 0.0
    gap, speed, ahead = find_scene_lead(scene, (4.6, 1.9))
    assert ahead[0]
    assert gap[0] == pytest.approx(14.0 - 4.6, abs=0.3)
    assert speed[0] == pytest.approx(6.0, abs=0.1)
    scene.object_kinds[:] = ObjectKind.EMPTY
    assert not find_scene_lead(scene, (4.6, 1.9))[2][0]


def test_what_the_head_tells_depends_on_every_latent_it_reads() -> None:
    torch.manual_seed(0)
    head = SceneHead(HeadConfig(width=32), 8, (16, 16)).eval()
    latents = torch.randn(1, 1, 3, 8, 16, 16)
    for k in range(3):
        changed = latents.clone()
        changed[:, :, k] += 1
        assert not torch.equal(head(latents).ego, head(changed).ego)
