"""A pixel planner's stage: what its loss is zero at, and that it learns a batch by heart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import turning_car

from policies.pixels.network import PixelNetwork
from policies.pixels.vision import Vision
from policies.rule_based import LaneFollowerConfig
from training.batches.pixel_samples import PixelSamples, label_scenes
from training.stages.loop import LoopConfig
from training.stages.pixel_planner import CloneStageConfig, imitation_losses, result_path, train_pixel_planner


def known_samples() -> PixelSamples:
    store = turning_car(40)
    scenes = store.rows.scenes
    scenes.ego[:, 0], scenes.ego_valid[:], scenes.lane_valid[:] = 8.0, True, True
    scenes.lane[:] = 0, 0, 1.75, 8.33
    scenes.lead[3], scenes.lead_valid[3] = (4.0, 0.0), True
    return PixelSamples(store, label_scenes(scenes, LaneFollowerConfig()), Vision())  # type: ignore[arg-type]


def test_a_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    network, batch = PixelNetwork(), known_samples().at(np.array([2, 9, 15, 22]))
    pictures = torch.from_numpy(batch.pictures)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    first = imitation_losses(network, batch, pictures)["loss"].item()
    for _ in range(150):
        loss = imitation_losses(network, batch, pictures)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1 * first
    intention = network(pictures, torch.from_numpy(batch.speed), torch.from_numpy(batch.command))
    np.testing.assert_allclose(intention.route.detach().numpy()[:, 2, 1], batch.route[:, 2, 1], atol=0.3)


def test_what_is_trained_is_not_trained_again(tmp_path: Path) -> None:
    def train(num_steps: int) -> PixelNetwork:
        torch.manual_seed(0)
        network = PixelNetwork()
        loop = LoopConfig(num_steps=num_steps, warmup_steps=1)
        train_pixel_planner(network, known_samples(), CloneStageConfig(loop=loop, batch_size=4), tmp_path)
        return network

    first = train(2)
    assert result_path(tmp_path).is_file()
    torch.manual_seed(0)
    assert not torch.equal(first.stem.weight, PixelNetwork().stem.weight)
    torch.testing.assert_close(train(9).stem.weight, first.stem.weight, rtol=0, atol=0)


def test_a_stage_that_makes_no_sense_is_refused() -> None:
    loop = LoopConfig(num_steps=1)
    for changes, message in (
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"num_episodes": 0}, "num_episodes must be at least 1, got 0"),
        ({"exposure": 1.0}, r"exposure must lie in \[0, 1\), got 1.0"),
    ):
        with pytest.raises(ValueError, match=message):
            CloneStageConfig(loop=loop, **changes)
