"""The planner's cost: what outweighs what, and that unknown values cost nothing."""

import numpy as np
import pytest
from driving_scenes import good_scenes

from policies.search.plant_cost import CostConfig, driving_cost, missing_progress, overlaps_object, proximity
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind

CONFIG = CostConfig()


def random_scenes(rng, n, h) -> SceneState:
    """Anything the heads could say, sensible or not."""
    scenes = SceneState.empty((n, h))
    for values in (scenes.ego, scenes.lane, scenes.lead, scenes.route):
        values[:] = rng.normal(0, 10, values.shape)
    for mask in (scenes.ego_valid, scenes.lane_valid, scenes.route_valid, scenes.lead_valid):
        mask[:] = rng.random(mask.shape) < 0.7
    return scenes


def cost(scenes, collision=0.0, off_road=0.0, violation=0.0, actions=None, config=CONFIG):
    shape = scenes.batch_shape
    actions = np.zeros((*shape, 2)) if actions is None else actions
    events = (np.zeros(shape) + event for event in (collision, off_road, violation))
    return driving_cost(scenes, *events, actions, np.zeros(2), config).total()


@pytest.mark.parametrize("h", [1, 12, 50])
def test_one_collision_step_outweighs_all_else_over_the_horizon(h):
    rng = np.random.default_rng(h)
    config = CostConfig(progress=rng.uniform(0.1, 100), comfort=rng.uniform(0.1, 10))
    horrible = cost(random_scenes(rng, 200, h), actions=rng.uniform(-1, 1, (200, h, 2)), config=config)
    collision = np.zeros((1, h))
    collision[0, rng.integers(h)] = 1.0
    perfect_but_colliding = cost(good_scenes(1, h), collision=collision, config=config)
    assert perfect_but_colliding[0] > horrible.max()
    assert cost(good_scenes(1, h), config=config)[0] == pytest.approx(0.0)


def test_one_box_overlap_counts_as_a_collision():
    scenes = good_scenes(2, 5)
    scenes.objects[1, 3, 0] = [4.0, 0.5, 0.3, 0.0, 4.5, 1.8]
    scenes.object_kinds[1, 3, 0] = ObjectKind.CAR
    np.testing.assert_array_equal(overlaps_object(scenes, CONFIG).sum(axis=-1), [0, 1])
    clear, hit = cost(scenes)
    assert hit > clear + CONFIG.soft_bound * 5


def test_faster_is_better_up_to_the_limit():
    costs = [cost(good_scenes(1, 4, speed=v))[0] for v in (0, 4, 8, 10, 12, 14)]
    assert costs[0] > costs[1] > costs[2] > costs[3]
    assert costs[3] < costs[4] < costs[5]
    assert missing_progress(good_scenes(1, 1, speed=2.5), CONFIG)[0, 0] == pytest.approx(0.75)


def test_proximity_grows_as_the_gap_closes_and_needs_a_valid_lead():
    scenes = good_scenes(1, 5)
    scenes.lead[0, :, 0] = [40.0, 12.0, 8.0, 4.0, 0.0]
    scenes.lead[0, :, 1] = 10.0
    assert not proximity(scenes, CONFIG).any()
    scenes.lead_valid[:] = True
    p = proximity(scenes, CONFIG)[0]
    assert p[0] == 0.0
    assert (np.diff(p) > 0).sum() == 4 - (p[1] == 0)
    assert p[-1] == 1.0


def test_a_line_to_stop_at_is_as_the_bumper_of_a_standing_car():
    scenes = good_scenes(1, 4, speed=8.0)
    scenes.signal[:], scenes.signal_distance[0] = SignalKind.RED, [40.0, 12.0, 6.0, 0.0]
    assert not proximity(scenes, CONFIG).any()  # not known
    scenes.signal_valid[:] = True
    p = proximity(scenes, CONFIG)[0]
    assert p[0] == 0.0
    assert (np.diff(p[1:]) > 0).all()
    scenes.signal[:] = SignalKind.GREEN
    assert not proximity(scenes, CONFIG).any()
    waiting = good_scenes(1, 1, speed=0.0)
    waiting.signal[:], waiting.signal_distance[:], waiting.signal_valid[:] = SignalKind.RED, 1.0, True
    assert not proximity(waiting, CONFIG).any()  # it costs no more to wait than to stand elsewhere


def test_a_red_light_run_outweighs_the_progress_of_the_horizon():
    for h in (1, 30):
        waiting, running = good_scenes(1, h, speed=0.0), good_scenes(1, h)
        violation = np.zeros((1, h))
        violation[0, h // 2] = 1.0
        assert cost(running, violation=violation)[0] > cost(waiting)[0]


def test_leaving_the_centre_costs_and_swerving_costs():
    centred, off = good_scenes(1, 6), good_scenes(1, 6)
    off.lane[..., 0] = 1.0
    assert cost(off)[0] > cost(centred)[0]
    swerve = np.zeros((1, 6, 2))
    swerve[0, ::2, 0] = 0.5
    assert cost(centred, actions=swerve)[0] > cost(centred)[0]


def test_shapes_are_checked():
    fits, actions = np.zeros((2, 3)), np.zeros((2, 3, 2))
    with pytest.raises(ValueError, match=r"collision \(2, 4\).* must share leading dims"):
        driving_cost(good_scenes(2, 3), np.zeros((2, 4)), fits, fits, actions, np.zeros(2), CONFIG)


def test_config_refuses_a_collision_that_progress_could_buy():
    with pytest.raises(ValueError, match=r"collision must be above 1 .* got 0\.5"):
        CostConfig(collision=0.5)
