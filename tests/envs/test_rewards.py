"""The reward, term by term, on constructed steps."""

from dataclasses import replace

import numpy as np
import pytest
from small_worlds import world_step

from envs.rewards import RewardConfig, reward
from worldsim.datatypes.scene import SceneState

DT, CONFIG = 0.1, RewardConfig()


def step(speed: float = 7.0, yaw_rate: float = 0.0, limit: float = 14.0, **kwargs):
    """A step along a lane 3.5 m wide."""
    answer = world_step(**{"progress": speed * DT, **kwargs})
    scene = answer.scene
    return replace(
        answer, scene=replace(scene, ego=np.array([speed, 0, yaw_rate, 0]), lane=np.array([*scene.lane[:3], limit]))
    )


def earned(after, before=None):
    return reward(step() if before is None else before, after, DT, CONFIG)


def test_progress_at_the_reference_speed_earns_one_a_second_and_no_more_beyond():
    assert earned(step()).total == pytest.approx(0.5 * DT)
    assert earned(step(14.0), step(14.0)).total == pytest.approx(DT)
    assert earned(step(16.0, limit=30.0), step(16.0)).total == pytest.approx(DT)


def test_backwards_costs_and_no_factor_makes_it_cheaper():
    back = step(-7.0, offset=1.75)
    assert earned(back, back).total == pytest.approx(-0.5 * DT)


@pytest.mark.parametrize(
    ("after", "factor"),
    [
        (step(offset=0.875), 0.75),
        (step(offset=-1.75), 0.0),
        (step(offset=9.0), 0.0),
        (step(yaw_rate=4 / 7), 0.5),
        (step(limit=7.0 / 1.125), 0.5),
        (step(limit=4.0), 0.0),
        (replace(step(), wrong_way=True), 0.0),
    ],
)
def test_each_factor_by_itself(after, factor):
    assert earned(after).total == pytest.approx(factor * 0.5 * DT, abs=1e-9)


def test_braking_at_four_metres_a_second_squared_halves_what_progress_earns():
    assert earned(step(7.0), step(7.4)).smooth == pytest.approx(0.5)


def test_what_the_scene_does_not_know_costs_nothing():
    after = step(offset=1.75, limit=1.0)
    unknown = replace(after.scene, lane_valid=SceneState.empty().lane_valid)
    assert earned(replace(after, scene=unknown)).total == pytest.approx(0.5 * DT)


def test_infractions_cost_once_they_are_more_likely_than_not():
    assert earned(step(collision=0.5, off_road=0.5)).total == pytest.approx(0.5 * DT)
    assert earned(step(collision=0.6)).collision == -CONFIG.collision
    assert earned(step(off_road=0.6)).off_road == -CONFIG.off_road
    assert earned(step(collision=1.0)).total < 0


def test_values_that_make_no_reward_are_refused():
    with pytest.raises(ValueError, match="comfort must be positive, got 0"):
        RewardConfig(comfort=0.0)


def test_a_red_light_and_a_missed_stop_sign_cost_in_the_step_that_crosses_the_line():
    clean = earned(step())
    red, missed = (earned(replace(step(), **{name: True})) for name in ("red_light", "stop_sign_missed"))
    assert (red.red_light, red.stop_sign) == (-1.0, 0.0)
    assert (missed.red_light, missed.stop_sign) == (0.0, -1.0)
    assert red.total == missed.total == clean.total - 1.0
    cheap = RewardConfig(red_light=0.25, stop_sign=0.0)
    both = replace(step(), red_light=True, stop_sign_missed=True)
    assert reward(step(), both, DT, cheap).total == pytest.approx(clean.total - 0.25)
