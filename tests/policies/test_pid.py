"""The PID controller against its formula."""

import pytest

from policies.pid import PID


def test_it_is_the_sum_of_its_parts_and_does_not_wind_up() -> None:
    pid = PID(proportional=2.0, integral=0.5, derivative=0.1, max_integral=0.3)
    assert pid.correct(1.0, 0.1) == pytest.approx(2.0 + 0.05)
    assert pid.correct(0.5, 0.1) == pytest.approx(1.0 + 0.075 + 0.1 * -5.0)
    for _ in range(100):
        last = pid.correct(0.5, 0.1)
    assert last == pytest.approx(1.0 + 0.3)
    pid.reset()
    assert pid.correct(1.0, 0.1) == pytest.approx(2.05)
