"""PlanT's samples: which moments count, what is hidden in them, and where objects went."""

import numpy as np
import pytest
from known_drives import turning_car

from policies.plant.tokens import TokenKind, tokenize
from policies.rule_based import LaneFollower
from training.batches.expert_plans import put_walkers
from training.batches.plant_samples import (
    UNKNOWN_CLASS,
    WALKER_SHARE,
    PlanTBatch,
    PlanTSamples,
    draw_walkers,
    follow_objects,
    hide_values,
    quantise,
    thin_out,
    usable_positions,
)
from training.data.rollouts import Rows
from worldsim.datatypes.scene import EGO_NAMES, LANE_NAMES, ROUTE_DISTANCES, ObjectKind, SceneState


def known_drive(num: int = 120) -> Rows:
    """A car that turns away from its route, at rest in every fifth moment, in which something else asks for braking."""
    rows = turning_car(num).rows
    rows.collision[:] = 0
    rows.scenes.ego[:, 0], rows.scenes.ego_valid[:] = 8.0, True
    rows.scenes.lane[:], rows.scenes.lane_valid[:] = (0, 0, 1.75, 8.33), True
    rows.vehicles[::5, 3] = rows.scenes.ego[::5, 0] = 0.0
    rows.scenes.lead[1::5], rows.scenes.lead_valid[1::5] = (4.0, 0.0), True
    return rows


def samples_of(rows: Rows) -> PlanTSamples:
    return PlanTSamples(rows, np.array([0]), np.array([len(rows)]), 0.1, LaneFollower())


def test_moments_that_ask_for_something_are_drawn_more_often() -> None:
    samples = samples_of(known_drive())
    batch = samples.sample(40, np.random.default_rng(0))
    assert batch.waypoints.shape == (40, 4, 2)
    assert len(batch.tokens) == 40
    assert set(samples.sorts) == {"a bend", "braking", "setting off", "a pedestrian"}
    first = samples.at(np.array([0, 1]))
    np.testing.assert_array_equal(first.waypoints, samples.waypoints[:2])


def test_where_nothing_is_to_be_learned_it_says_what_is_missing() -> None:
    rows = known_drive()
    rows.vehicles[:, 3] = rows.scenes.ego[:, 0] = 8.0
    with pytest.raises(ValueError, match=r"of 120 recorded moments \d+ are known .* 0 ask for setting off, "):
        samples_of(rows)


def test_usable_are_moments_that_are_known_and_go_on_for_long_enough() -> None:
    rows, starts, lengths = known_drive(60), np.array([0, 30]), np.array([30, 30])
    usable = usable_positions(rows, starts, lengths, 20)
    np.testing.assert_array_equal(usable, [*range(10), *range(30, 40)])
    rows.scenes.lane[3, 0], rows.scenes.route_valid[5, 2], rows.collision[7] = 4.0, False, 1.0
    rows.valid[35] = False  # whom the expert would meet from 30 to 35 on
    np.testing.assert_array_equal(usable_positions(rows, starts, lengths, 20), [0, 1, 2, 4, 6, 8, 9, *range(36, 40)])


def test_a_share_of_each_value_is_hidden() -> None:
    scenes = SceneState.empty((20_000,))
    scenes.ego_valid[:], scenes.lane_valid[:], scenes.signal_valid[:], scenes.signal[:] = True, True, True, 1
    scenes.lead_valid[:] = True
    hidden = hide_values(scenes, np.random.default_rng(0))
    known = np.concatenate([hidden.ego_valid, hidden.lane_valid, hidden.signal_valid[:, None]], axis=1).mean(0)
    assert known == pytest.approx(np.full(len(EGO_NAMES) + len(LANE_NAMES) + 1, 0.95), abs=0.01)
    assert hidden.lead_valid.mean() == pytest.approx(0.9, abs=0.01)
    assert not hidden.signal[~hidden.signal_valid].any()
    assert scenes.ego_valid.all()


def test_pedestrians_are_put_on_a_way_across_the_route() -> None:
    scenes = SceneState.empty((4000,))
    scenes.route[..., 1], scenes.route_valid[:] = ROUTE_DISTANCES, True  # to the left
    walkers = draw_walkers(scenes, np.random.default_rng(0))
    there = walkers[~np.isnan(walkers).any(axis=1)]
    assert len(there) / 4000 == pytest.approx(WALKER_SHARE, abs=0.03)
    x, y, yaw, speed = there.T[:4]
    np.testing.assert_allclose(np.abs(np.cos(yaw)), 1.0, atol=1e-5)
    reached = -x / (speed * np.cos(yaw))  # the route's line, when they walk on
    assert (y >= 5.0).all()
    assert (y <= 45.0).all()
    assert reached.min() >= -1.01
    assert reached.max() <= 5.01
    assert set(np.sign(np.cos(yaw))) == {-1.0, 1.0}

    put_walkers(scenes, walkers, 2.0)
    crossed = ~np.isnan(walkers).any(axis=1)
    assert (scenes.object_kinds[:, -1] == np.where(crossed, ObjectKind.PEDESTRIAN, ObjectKind.EMPTY)).all()
    np.testing.assert_allclose(scenes.objects[crossed, -1, 0], x + 2 * speed * np.cos(yaw), atol=1e-4)

    scenes.route_valid[:, 5:] = False
    assert np.nanmax(draw_walkers(scenes, np.random.default_rng(0))[:, 1]) <= 16.0


def test_streets_are_thinned_out_but_for_whom_the_expert_brakes() -> None:
    scenes = SceneState.empty((400,))
    scenes.route[..., 0], scenes.route_valid[:] = ROUTE_DISTANCES, True
    scenes.objects[:, :, 0] = np.where(np.arange(12) < 6, 10.0, -10.0)
    scenes.object_kinds[:], scenes.object_kinds[:, 0] = ObjectKind.CAR, ObjectKind.PEDESTRIAN
    forecast = np.ones((400, 12, 4), np.int64)
    full = PlanTBatch(tokens=tokenize(scenes), waypoints=np.zeros((400, 4, 2), np.float32), forecast=forecast)
    hidden = np.arange(400) < 200
    thinned = thin_out(full, hidden, np.random.default_rng(0))
    left = thinned.tokens.kinds != TokenKind.EMPTY
    assert left[:, [0, *range(12, left.shape[1])]].all()  # pedestrian and route
    assert left[:200, 1:6].all()  # one of them is the lead
    counts = left[200:, 1:12].sum(axis=1)
    assert (counts == 0).mean() == pytest.approx(0.25, abs=0.1)
    assert (counts == 11).mean() == pytest.approx(0.5, abs=0.1)
    assert not thinned.tokens.boxes[~left].any()
    np.testing.assert_array_equal(thinned.forecast[..., 0] == UNKNOWN_CLASS, ~left[:, :12])
    assert (full.tokens.kinds != TokenKind.EMPTY).all()


def test_objects_are_found_again_in_the_frame_of_before() -> None:
    rows = turning_car(20).rows  # beside it another stands at (40, 3), turned by 0.3
    classes = follow_objects(rows, np.array([0, 4]), 5, 0.1)
    np.testing.assert_array_equal(classes[0, 0], quantise(np.array([40.0, 3.0, 0.3, 0.0])))
    assert (classes[:, 1:] == UNKNOWN_CLASS).all()

    rows.scenes.objects[5, 0, 4] = 7.0  # another car stands there then
    assert (follow_objects(rows, np.array([0]), 5, 0.1) == UNKNOWN_CLASS).all()


def test_classes_are_told_as_finely_as_their_bits() -> None:
    assert quantise(np.array([-64.0, 63.99, -np.pi, 0.0])).tolist() == [0, 127, 0, 0]
    assert quantise(np.array([0.0, 1.0, 0.0, 23.9])).tolist() == [64, 65, 16, 15]
    assert quantise(np.array([99.0, -99.0, np.pi - 1e-6, 60.0])).tolist() == [127, 0, 31, 15]
