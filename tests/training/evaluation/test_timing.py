"""Calls that warm up are in no time: a machine whose first calls take a hundred times as long."""

from types import SimpleNamespace

import pytest

from training import road_benchmark, speed_probe
from training.evaluation.timing import median_seconds


class Machine:
    """Its calls take a second on its own clock, the first few 100."""

    def __init__(self, num_slow: int) -> None:
        self.now, self.num_slow, self.num_calls = 0.0, num_slow, 0

    def call(self, *_: object) -> None:
        self.num_calls += 1
        self.now += 100.0 if self.num_calls <= self.num_slow else 1.0

    def clock(self) -> float:
        return self.now


def test_a_median_is_of_the_calls_after_two() -> None:
    machine = Machine(num_slow=2)
    assert median_seconds(machine.call, 1, machine.clock) == 1.0
    assert machine.num_calls == 3


def test_the_probes_median_is_of_the_steps_after_three(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(num_slow=speed_probe.WARM_UP)
    monkeypatch.setattr(speed_probe, "time", SimpleNamespace(process_time=machine.clock))
    assert speed_probe._median(machine.call, 1) == 1.0


def test_the_reference_worlds_mean_is_of_the_steps_after_those_that_warm_it() -> None:
    machine = Machine(num_slow=road_benchmark.NUM_WARMING_STEPS)
    assert road_benchmark._cpu_seconds(machine.call, machine.clock) == 1.0
    assert machine.num_calls == road_benchmark.NUM_WARMING_STEPS + road_benchmark.NUM_STEPS
