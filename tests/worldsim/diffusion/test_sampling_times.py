"""Where samplers ask: spacings by their formulas, their ends, and what is refused."""

import pytest
import torch

from worldsim.diffusion.paths import KarrasPath, RectifiedFlow, VariancePreserving
from worldsim.diffusion.sampling_times import karras_times, log_snr_times, uniform_times

LINEAR, KARRAS, FLOW = VariancePreserving.linear(), KarrasPath(), RectifiedFlow()


def test_uniform_times_of_each_path() -> None:
    assert uniform_times(FLOW, 4) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert uniform_times(KARRAS, 2) == [80.0, 40.0, 0.0]
    assert uniform_times(LINEAR, 4) == [999.0, 749.0, 499.0, 249.0, -1.0]
    assert uniform_times(LINEAR, 1000) == [float(t) for t in range(999, -2, -1)]


def test_a_start_leaves_out_what_is_noisier() -> None:
    assert uniform_times(FLOW, 2, start=0.5) == [0.5, 0.75, 1.0]
    assert uniform_times(LINEAR, 3, start=299.0) == [299.0, 199.0, 99.0, -1.0]
    assert karras_times(KARRAS, 5, start=10.0)[0] == pytest.approx(10.0)


def test_karras_times_are_equation_5() -> None:
    most, least = 80 ** (1 / 7), 0.002 ** (1 / 7)
    expected = [(most + i / 9 * (least - most)) ** 7 for i in range(10)] + [0.0]
    assert karras_times(KARRAS, 10) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("path", [LINEAR, KARRAS], ids=["linear", "karras"])
def test_log_snr_times_are_uniform_in_log_snr(path: VariancePreserving | KarrasPath) -> None:
    *times, last = log_snr_times(path, 12)
    assert last == path.data_time
    assert times[0] == pytest.approx(path.noise_time)
    steps = path.log_snr(torch.tensor(times, dtype=torch.float64)).diff()
    torch.testing.assert_close(steps, steps.mean().expand_as(steps), rtol=1e-6, atol=0)


def test_a_flow_has_log_snr_times_between_named_ends() -> None:
    *times, last = log_snr_times(FLOW, 3, start=0.1, end=0.9)
    assert times == pytest.approx([0.1, 0.5, 0.9])
    assert last == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: uniform_times(FLOW, 0), "num_steps must be at least 1, got 0"),
        (lambda: uniform_times(FLOW, 2, start=1.0), "start must be before the data's time, got 1"),
        (lambda: uniform_times(FLOW, 2, start=-0.5), "t must lie between noise at 0 and data at 1, got -0.5"),
        (lambda: uniform_times(LINEAR, 200, start=99.0), "num_steps must be at most 100, .* got 200"),
        (lambda: log_snr_times(FLOW, 3), "start: the log-SNR at t = 0 is infinite"),
        (lambda: log_snr_times(FLOW, 3, start=0.1), "end: the log-SNR at t = 1 is infinite"),
        (lambda: karras_times(KARRAS, 3, start=0.1, end=1.0), "end must be cleaner than start: got 1 after 0.1"),
        (lambda: karras_times(KARRAS, 3, rho=0.0), "rho must be positive, got 0"),
    ],
)
def test_wrong_times_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
