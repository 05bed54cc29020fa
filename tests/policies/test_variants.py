"""Planners of many a quality: each drives, and each handicap does what it says."""

from types import SimpleNamespace

import numpy as np
import pytest

from policies.rule_based import LaneFollower, LaneFollowerConfig
from policies.variants import REFERENCE_PLANNER, VARIANTS, Handicap, HandicappedFollower
from worldsim.datatypes.scene import ObjectKind, SceneState

ENV = SimpleNamespace()
FRAME = np.zeros((0, 0, 3), np.uint8)


def scene(gap: float = 15.0, offset: float = 0.0) -> SceneState:
    one = SceneState.empty()
    one.ego[0] = 8.0
    one.route[:, 0], one.route[:, 1] = np.arange(1, 11) * 5.0, -offset
    one.lead[:] = [gap, 0.0]
    one.objects[0] = [gap + 4.6, 0.0, 0.0, 0.0, 4.6, 1.9]
    one.object_kinds[0] = ObjectKind.CAR
    one.lead_valid[...] = True
    for name in ("ego_valid", "lane_valid", "route_valid"):
        getattr(one, name)[:] = True
    one.lane[:] = [offset, 0.0, 1.75, 13.9]
    return one


def act(driver, *scenes: SceneState) -> np.ndarray:
    driver.reset(ENV, 3)
    return np.stack([driver.act(FRAME, {"scene": one.to_vector()}) for one in scenes])


def with_handicap(**handicap) -> HandicappedFollower:
    return HandicappedFollower(LaneFollowerConfig(), Handicap(**handicap))


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_planner_acts_and_repeats_itself(name: str) -> None:
    first, again = (act(VARIANTS[name](), *[scene()] * 12) for _ in range(2))
    assert first.shape == (12, 2)
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1
    assert np.array_equal(first, again)


def test_the_reference_planner_is_the_lane_follower() -> None:
    assert isinstance(VARIANTS[REFERENCE_PLANNER](), LaneFollower)
    assert np.array_equal(act(with_handicap(), scene()), act(LaneFollower(), scene()))


def test_a_delayed_driver_acts_on_the_past() -> None:
    late = act(with_handicap(delay=2), scene(40.0), scene(40.0), scene(3.0), scene(3.0), scene(3.0))
    prompt = act(LaneFollower(), scene(40.0), scene(3.0))
    assert np.array_equal(late[:4], np.repeat(prompt[:1], 4, axis=0))
    assert np.array_equal(late[4], prompt[1])


def test_a_short_sighted_driver_brakes_late() -> None:
    far, near = act(with_handicap(sight=12.0), scene(14.0), scene(5.0))[:, 1]
    assert far > 0 > near
    assert act(LaneFollower(), scene(14.0))[0, 1] < 0


def test_one_who_keeps_left_is_content_there() -> None:
    assert act(VARIANTS["left_of_lane"](), scene(offset=1.2))[0, 0] == pytest.approx(0.0, abs=0.01)
    assert act(VARIANTS["left_of_lane"](), scene())[0, 0] > 0.05


def test_a_wobble_lasts_and_changes() -> None:
    steer = act(with_handicap(wobble=0.2), *[scene()] * 15)[:, 0]
    assert len(np.unique(steer)) == 3


@pytest.mark.parametrize("name", ["delay", "sight", "wobble"])
def test_impossible_handicaps_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must not be negative, got -1"):
        Handicap(**{name: -1})
