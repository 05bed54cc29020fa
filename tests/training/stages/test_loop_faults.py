"""TrainLoop under faults: killed or interrupted anywhere, a resumed run equals an uninterrupted one to the bit."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from faults import files_of_at_most, on_linux
from torch import nn

from training.stages.loop import LoopConfig, TrainLoop
from training.stages.precision import Precision
from training.stages.randomness import seeded
from worldsim.checkpoint import load_tensors

NUM_STEPS = 12


class Network(nn.Module):
    """With all that a resumed run may forget: dropout, a buffer that changes, a layer that is used late."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 16), nn.Linear(16, 1)
        self.late = nn.Linear(4, 1)
        self.dropout, self.norm = nn.Dropout(0.3), nn.BatchNorm1d(16)

    def forward(self, x: torch.Tensor, step: int) -> torch.Tensor:
        y = self.second(self.dropout(torch.relu(self.norm(self.first(x)))))
        return y + self.late(x) if step > 7 else y


def make_loop(folder: Path, at_step=lambda step: None, precision: Precision | None = None) -> TrainLoop:
    with seeded(0):
        network = Network()
    carried = {"sum": torch.zeros(())}

    def loss_function(step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        x = torch.randn(16, 4, generator=generator)
        carried["sum"] += x.sum()
        loss = ((network(x, step)[:, 0] - x.sum(1) - 0.01 * carried["sum"]) ** 2).mean()
        at_step(step)
        return {"loss": loss}

    config = LoopConfig(num_steps=NUM_STEPS, learning_rate=0.01, warmup_steps=3, save_every=5, precision=precision)
    return TrainLoop(network, loss_function, config, folder, carried)


def result(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / "optimizer.safetensors")


def assert_equal(folder: Path, other: Path) -> None:
    assert (folder / "optimizer.safetensors").read_bytes() == (other / "optimizer.safetensors").read_bytes()


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Precision]:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    make_loop(folder, precision=request.param).run("whole")
    return folder, request.param


@pytest.mark.parametrize("killed_at", [0, 3, 5, 8, 11])
def test_killed_in_any_step_it_resumes_to_the_same_bits(tmp_path: Path, whole, killed_at: int) -> None:
    folder, precision = whole

    def die(step: int) -> None:
        if step == killed_at:
            raise SystemExit  # nothing is saved any more, as when it is killed

    with pytest.raises(SystemExit):
        make_loop(tmp_path, die, precision).run("killed")
    torch.rand(killed_at + 1)  # another process has drawn other global numbers
    make_loop(tmp_path, precision=precision).run("resumed")
    assert_equal(tmp_path, folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["in the loss", "between optimiser and step"])
def test_an_interrupt_waits_for_the_end_of_the_step(tmp_path: Path, whole, number, where, monkeypatch) -> None:
    folder, precision = whole
    steps = []

    def interrupt(step: int) -> None:
        if step == 6 and where == "in the loss":
            os.kill(os.getpid(), number)

    loop = make_loop(tmp_path, interrupt, precision)
    optimise = loop.optimizer.step

    def optimise_and_interrupt() -> None:
        optimise()
        steps.append(loop.step)
        if loop.step == 6 and where == "between optimiser and step":
            os.kill(os.getpid(), number)

    monkeypatch.setattr(loop.optimizer, "step", optimise_and_interrupt)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        loop.run("interrupted")
    assert steps[-1] == 6
    saved = result(tmp_path)
    assert saved["step"].item() == saved["step/first.weight"].item() == 7
    assert signal.getsignal(signal.SIGTERM) == before
    make_loop(tmp_path, precision=precision).run("resumed")
    assert_equal(tmp_path, folder)


def test_a_second_interrupt_ends_it_at_once_with_the_last_save(tmp_path: Path, whole) -> None:
    folder, precision = whole

    def insist(step: int) -> None:
        if step == 7:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        make_loop(tmp_path, insist, precision).run("interrupted")
    assert result(tmp_path)["step"].item() == 5
    make_loop(tmp_path, precision=precision).run("resumed")
    assert_equal(tmp_path, folder)


@on_linux
def test_a_full_disk_keeps_the_last_save_and_the_same_command_goes_on(tmp_path: Path, whole) -> None:
    folder, precision = whole

    def fill(step: int) -> None:
        if step == 7:
            limits.enter_context(files_of_at_most(1000))

    match = r"File too large: '.*optimizer\.safetensors'"
    with pytest.raises(OSError, match=match), ExitStack() as limits:
        make_loop(tmp_path, fill, precision).run("full")
    assert result(tmp_path)["step"].item() == 5
    assert not list(tmp_path.glob(".*.tmp"))
    make_loop(tmp_path, precision=precision).run("resumed")
    assert_equal(tmp_path, folder)


def test_global_generators_are_owned_and_given_back() -> None:
    import random

    import numpy as np

    def draw() -> list[float]:
        return [torch.rand(()).item(), np.random.rand(), random.random()]

    with seeded(5):
        first = draw()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    expected = draw()
    torch.manual_seed(1), np.random.seed(1), random.seed(1)
    with seeded(5):
        assert draw() == first
    assert draw() == expected
