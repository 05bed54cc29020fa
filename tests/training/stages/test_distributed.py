"""Several processes at one training: the same weights in all, the mean of their gradients, one that writes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from places import environment
from torch import nn

from training.stages.distributed import average_gradients, is_first, process_device, step_rng, step_seed
from training.stages.loop import LoopConfig, TrainLoop

CONFIG = LoopConfig(num_steps=3, learning_rate=0.01, warmup_steps=1, clip_norm=1e9, ema_decay=0.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def joint_batch(step: int, num_parts: int) -> torch.Tensor:
    """What the parts of a step's batch are together."""
    parts = []
    for index in range(num_parts):
        rng = np.random.default_rng([CONFIG.seed, step, index] if index else [CONFIG.seed, step])
        parts.append(rng.standard_normal((6, 4)))
    return torch.from_numpy(np.concatenate(parts)).float()


def loss_of(module: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"loss": (module(x)[:, 0] - x.sum(1)).square().mean()}


def work(folder: Path) -> None:
    """What each process does; run by the launcher below."""
    module = network()

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return loss_of(module, torch.from_numpy(step_rng(CONFIG.seed, step).standard_normal((6, 4))).float())

    TrainLoop(module, loss_function, CONFIG, folder / "run").run("parts")
    weights = torch.cat([p.detach().flatten() for p in module.parameters()])
    (folder / f"{os.environ['RANK']}.json").write_text(json.dumps({"weights": weights.tolist(), "writes": is_first()}))


def test_alone_nothing_changes() -> None:
    assert is_first()
    assert process_device() in ("cpu", "cuda")
    assert step_seed(2, 5) == 2 * 1_000_003 + 5
    assert step_rng(2, 5).random() == np.random.default_rng([2, 5]).random()
    p = nn.Parameter(torch.ones(2))
    p.grad = torch.tensor([1.0, 2.0])
    average_gradients([p, nn.Parameter(torch.ones(1))])
    assert p.grad.tolist() == [1.0, 2.0]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_two_processes_train_as_one_with_both_their_batches(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*command, __file__, str(tmp_path)], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert first["weights"] == second["weights"]
    assert (first["writes"], second["writes"]) == (True, False)
    assert (tmp_path / "run" / "optimizer.safetensors").is_file()
    module = network()
    TrainLoop(module, lambda step, _: loss_of(module, joint_batch(step, 2)), CONFIG, tmp_path / "one").run("one")
    alone = torch.cat([p.detach().flatten() for p in module.parameters()])
    torch.testing.assert_close(torch.tensor(first["weights"]), alone, atol=1e-6, rtol=1e-5)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
