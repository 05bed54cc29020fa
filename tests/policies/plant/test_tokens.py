"""PlanT's tokens of scenes whose every number is known, and that what is not known is never a number."""

import numpy as np
import pytest

from policies.plant.tokens import (
    LIGHT_NAMES,
    NUM_ROUTE_TOKENS,
    STATE_NAMES,
    STATE_UNITS,
    TARGET_UNIT,
    TOKEN_UNITS,
    TokenColumn,
    TokenKind,
    Tokens,
    tokenize,
)
from worldsim.datatypes.scene import EGO_NAMES, LANE_NAMES, NUM_OBJECTS, ROUTE_DISTANCES, ObjectKind, SceneState
from worldsim.datatypes.signals import SignalKind


def straight_scene() -> SceneState:
    """A car 20 m ahead that comes towards the ego, a pedestrian on the left, a route straight on, a red light."""
    scene = SceneState.empty()
    scene.ego[:], scene.ego_valid[:] = (8.0, 0.5, 0.1, 0.02), True
    scene.lane[:], scene.lane_valid[:] = (0.3, -0.05, 1.6, 8.33), True
    scene.route[:, 0], scene.route_valid[:] = ROUTE_DISTANCES, True
    scene.objects[0] = 20.0, 3.5, np.pi, 7.0, 4.5, 1.8
    scene.objects[1] = 6.0, 5.0, -np.pi / 2, 1.4, 0.5, 0.6
    scene.object_kinds[:2] = ObjectKind.CAR, ObjectKind.PEDESTRIAN
    scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = SignalKind.RED, 15.0, True
    scene.lead[:], scene.lead_valid[...] = (12.0, 6.0), True
    return scene


def tokens_of(scene: SceneState) -> Tokens:
    return tokenize(scene[None])


def light_of(tokens: Tokens) -> dict[str, float]:
    return dict(zip(LIGHT_NAMES, tokens.light[0].tolist(), strict=True))


def test_objects_and_route_are_boxes_in_the_vehicle_frame() -> None:
    tokens = tokens_of(straight_scene())
    boxes = tokens.boxes[0] * TOKEN_UNITS
    np.testing.assert_allclose(boxes[0], [20.0, 3.5, -1.0, 0.0, 7.0, 4.5, 1.8], atol=1e-5)
    np.testing.assert_allclose(boxes[1], [6.0, 5.0, 0.0, -1.0, 1.4, 0.5, 0.6], atol=1e-5)
    assert tokens.kinds[0, :3].tolist() == [TokenKind.CAR, TokenKind.PEDESTRIAN, TokenKind.EMPTY]

    # from 3 m to 9, 16, 30 and 50 m, each numbered, as wide as the lane
    route = boxes[NUM_OBJECTS:]
    np.testing.assert_allclose(route[:, TokenColumn.X], [6.0, 12.5, 23.0, 40.0], atol=1e-5)
    np.testing.assert_allclose(route[:, TokenColumn.LENGTH], [6.0, 7.0, 14.0, 20.0], atol=1e-5)
    np.testing.assert_allclose(route[:, TokenColumn.WIDTH], 3.2, atol=1e-5)
    np.testing.assert_allclose(tokens.boxes[0, NUM_OBJECTS:, TokenColumn.SPEED], range(NUM_ROUTE_TOKENS))
    assert (tokens.kinds[0, NUM_OBJECTS:] == TokenKind.ROUTE).all()
    np.testing.assert_allclose(tokens.target[0] * TARGET_UNIT, [50.0, 0.0])


def test_a_piece_of_the_route_points_where_it_leads() -> None:
    scene = straight_scene()
    angle = np.array(ROUTE_DISTANCES) / 30.0  # a left bend of radius 30 m
    scene.route[:] = 30.0 * np.stack([np.sin(angle), 1 - np.cos(angle)], axis=-1)
    boxes = tokens_of(scene).boxes[0, NUM_OBJECTS:]
    yaw = np.arctan2(boxes[:, TokenColumn.SIN_YAW], boxes[:, TokenColumn.COS_YAW])
    np.testing.assert_allclose(yaw, np.array([6.0, 12.5, 23.0, 40.0]) / 30.0, atol=1e-3)


def test_the_light_is_told_near_and_far() -> None:
    light = light_of(tokens_of(straight_scene()))
    assert light == pytest.approx(dict.fromkeys(LIGHT_NAMES, 0.0) | {"known": 1, "red": 1, "near": 1, "far": 0.25})
    scene = straight_scene()
    scene.signal[...], scene.signal_distance[...] = SignalKind.NONE, 0.0
    assert light_of(tokens_of(scene)) == dict.fromkeys(LIGHT_NAMES, 0.0) | {"known": 1.0}


def hide(scene: SceneState, name: str, value: float) -> None:
    """Make one of STATE_NAMES unknown, and write `value` where it stood."""
    if name.startswith("lead_"):
        scene.lead[:], scene.lead_valid[...] = value, False
        return
    values, valid, names = (
        (scene.ego, scene.ego_valid, EGO_NAMES) if name in EGO_NAMES else (scene.lane, scene.lane_valid, LANE_NAMES)
    )
    values[names.index(name)], valid[names.index(name)] = value, False


def test_the_state_is_the_scenes() -> None:
    tokens = tokens_of(straight_scene())
    expected = [8.0, 0.5, 0.1, 0.02, 0.3, -0.05, 1.6, 8.33, 12.0, 6.0]
    np.testing.assert_allclose(tokens.state[0] * STATE_UNITS, expected, rtol=1e-5)
    assert tokens.state_valid.all()


@pytest.mark.parametrize("name", STATE_NAMES)
def test_an_unknown_value_is_masked_whatever_stands_there(name: str) -> None:
    scene, other = straight_scene(), straight_scene()
    hide(scene, name, 0.0)
    hide(other, name, 5.0)
    tokens = tokens_of(scene)
    assert not tokens.state_valid[0, STATE_NAMES.index(name)]
    assert tokens.state_valid[0].sum() == len(STATE_NAMES) - (2 if name.startswith("lead_") else 1)
    for known, hidden in zip(tokens.arrays().values(), tokens_of(other).arrays().values(), strict=True):
        np.testing.assert_array_equal(known, hidden)


def test_unknown_objects_route_and_lights_are_no_tokens() -> None:
    scene = straight_scene()
    scene.object_kinds[1] = ObjectKind.EMPTY
    scene.route_valid[6:] = False  # known up to 20 m
    scene.signal_valid[...] = False
    tokens = tokens_of(scene)
    assert tokens.kinds[0, 1] == TokenKind.EMPTY
    assert tokens.kinds[0, NUM_OBJECTS:].tolist() == [TokenKind.ROUTE] * 2 + [TokenKind.EMPTY] * 2
    assert not tokens.boxes[0][tokens.kinds[0] == TokenKind.EMPTY].any()
    np.testing.assert_allclose(tokens.target[0] * TARGET_UNIT, [20.0, 0.0])
    assert set(light_of(tokens).values()) == {0.0}

    scene.route_valid[:] = False
    blind = tokens_of(scene)
    assert not blind.target_valid[0]
    assert not blind.target.any()
