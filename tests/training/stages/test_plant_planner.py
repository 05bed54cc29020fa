"""PlanT's stage: it learns a batch by heart, and is not trained twice."""

from pathlib import Path

import numpy as np
import pytest
import torch
from known_drives import ConstantPlans

from policies.plant.network import Plan, PlanTNetwork, TokenTensors
from training.batches.plant_samples import UNKNOWN_CLASS, PlanTBatch
from training.stages.loop import LoopConfig
from training.stages.pixel_planner import result_path
from training.stages.plant_planner import PlanTStageConfig, plan_losses, train_plant


def test_a_batch_is_learnt_by_heart() -> None:
    torch.manual_seed(0)
    network, batch = PlanTNetwork(), ConstantPlans().sample(4, np.random.default_rng(0))
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    first = plan_losses(network, batch, 0.1)
    for _ in range(150):
        losses = plan_losses(network, batch, 0.1)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["waypoints"] < 0.2 * first["waypoints"]
    assert losses["forecast"] < 0.1 * first["forecast"]


def test_objects_that_are_not_found_again_teach_nothing() -> None:
    torch.manual_seed(0)
    network, batch = PlanTNetwork(), ConstantPlans().sample(4, np.random.default_rng(0))
    alone = PlanTBatch(
        tokens=batch.tokens, waypoints=batch.waypoints, forecast=np.full_like(batch.forecast, UNKNOWN_CLASS)
    )
    losses = plan_losses(network, alone, 0.1)
    assert losses["forecast"] == 0
    assert losses["loss"] > 0


def test_near_waypoints_count_more() -> None:
    class Missing(PlanTNetwork):
        def forward(self, tokens: TokenTensors) -> Plan:
            plan = super().forward(tokens)
            return Plan(waypoints=wanted + 0.1, forecast=plan.forecast)

    batch = ConstantPlans().sample(4, np.random.default_rng(0))
    losses = []
    for k in (0, 3):  # at rest, and at 12 m/s
        one = PlanTBatch(
            tokens=batch.tokens[k : k + 1], waypoints=batch.waypoints[k : k + 1], forecast=batch.forecast[k : k + 1]
        )
        wanted = torch.from_numpy(one.waypoints)
        losses.append(plan_losses(Missing(), one, 0.0))
    assert losses[0]["loss"] > 3 * losses[1]["loss"]
    assert losses[0]["waypoints"] == pytest.approx(0.1, abs=1e-5)


def test_what_is_trained_is_not_trained_again(tmp_path: Path) -> None:
    def train(num_steps: int) -> PlanTNetwork:
        torch.manual_seed(0)
        network = PlanTNetwork()
        stage = PlanTStageConfig(loop=LoopConfig(num_steps=num_steps, warmup_steps=1))
        train_plant(network, ConstantPlans(), stage, tmp_path)  # type: ignore[arg-type]
        return network

    first = train(2)
    assert result_path(tmp_path).is_file()
    torch.testing.assert_close(train(9).step.weight, first.step.weight, rtol=0, atol=0)


def test_a_stage_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 8, got 2"):
        PlanTStageConfig(loop=LoopConfig(num_steps=1), batch_size=2)
    with pytest.raises(ValueError, match="forecast_weight must be at least 0, got -1"):
        PlanTStageConfig(loop=LoopConfig(num_steps=1), forecast_weight=-1)
