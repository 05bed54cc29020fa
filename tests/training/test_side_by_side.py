"""What envs cost, here and in another checkout."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from training import side_by_side, speed_probe
from training.benchmark import BenchmarkConfig


def test_memory_is_counted_once_and_whole() -> None:
    """Views count as what they keep alive; what two share is the same memory."""
    array, tensor = np.zeros((10, 100)), torch.zeros(50)
    held = speed_probe._memory([SimpleNamespace(a=array[0], b=(array, {"c": tensor[:2]}), d=torch.nn.Linear(9, 9))])
    assert sum(held.values()) == array.nbytes + tensor.numel() * tensor.element_size()
    assert held.keys() == speed_probe._memory([array]).keys() | speed_probe._memory([tensor]).keys()


def test_the_probe_measures_envs_by_their_id(tiny_checkpoint) -> None:
    request = {"num_steps": 3, "options": {"checkpoint": str(tiny_checkpoint)}}
    found = speed_probe.measure(request["num_steps"], request["options"], num_driven=2, min_distance=0.0)
    assert set(found) == {"step_seconds", "vector_seconds", "imagine_seconds", "env_bytes"}
    assert all(value > 0 for value in found.values())


def test_costs_are_ratios_of_the_best_of_two_rounds(monkeypatch, tmp_path) -> None:
    costs = {tmp_path: iter([4.0, 5.0]), side_by_side.ROOT: iter([2.0, 3.0, 1.0, 1.0])}

    def probe(root, num_steps, options=None, names=speed_probe.NAMES):
        cost = next(costs[root])
        seconds = {"step_seconds": cost, "vector_seconds": cost / 10, "imagine_seconds": cost / 20}
        return seconds | {"env_bytes": 1e6 * cost}

    monkeypatch.setattr(side_by_side, "probe", probe)
    monkeypatch.setattr(side_by_side, "cold_start_seconds", lambda root=side_by_side.ROOT: (9.0, 3.0))
    rows = side_by_side.compare(tmp_path, 3, bfloat16=True)
    assert rows["step_over_beside"] == pytest.approx(1.0 / 4.0)
    assert rows["step_over_beside_bf16"] == pytest.approx(1.0 / 4.0)
    assert rows["vector_over_beside"] == pytest.approx(4.0)
    assert rows["imagined_over_beside"] == pytest.approx(4.0)
    assert rows["imagined_over_beside_bf16"] == pytest.approx(4.0)
    assert rows["env_megabytes"] == 1.0
    assert rows["cold_start_over_beside"] == 1.0


def test_rows_are_measured_alone_when_they_are_named(monkeypatch, tmp_path) -> None:
    asked = []

    def probe(root, num_steps, options=None, names=speed_probe.NAMES):
        asked.append(list(names))
        return dict.fromkeys(names, 2.0)

    monkeypatch.setattr(side_by_side, "probe", probe)
    monkeypatch.setattr(side_by_side, "cold_start_seconds", lambda root: (9.0, 3.0))
    assert side_by_side.compare(tmp_path, 3, bfloat16=True, names=["env_bytes"]).keys() == {
        "env_megabytes", "env_memory_over_beside"
    }  # fmt: skip
    assert asked == [["env_bytes"]] * 4
    assert side_by_side.compare(tmp_path, 3, bfloat16=True, names=["cold_start"]) == {"cold_start_over_beside": 1.0}
    assert len(asked) == 4


def test_a_row_against_another_checkout_needs_one() -> None:
    with pytest.raises(ValueError, match="only=beside-step compares with another checkout"):
        BenchmarkConfig(only=("cache", "beside-step"))
    config = BenchmarkConfig(only=("cache",))
    assert config.wants("cache")
    assert not config.wants("step")
    assert BenchmarkConfig().wants("step")
    assert not BenchmarkConfig().wants("beside-step")


def test_a_checkout_that_cannot_run_is_named(monkeypatch, tmp_path) -> None:
    done = subprocess.CompletedProcess([sys.executable], 1, stdout="", stderr="No module named 'drivedit'")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(ValueError, match=r"does not run there: No module named 'drivedit'"):
        side_by_side.probe(tmp_path, 3)
    good = subprocess.CompletedProcess([sys.executable], 0, stdout='a warning\n{"step_seconds": 1.0}\n', stderr="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: good)
    assert side_by_side.probe(tmp_path, 3) == json.loads('{"step_seconds": 1.0}')
