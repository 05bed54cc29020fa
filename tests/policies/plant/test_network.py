"""PlanT's network: what it answers depends on what it is shown, and on nothing else."""

import numpy as np
import pytest
import torch

from policies.plant.network import FORECAST_CLASSES, WAYPOINT_TIMES, PlanTNetwork, TokenTensors
from policies.plant.tokens import NUM_OBJECTS, TokenKind, Tokens, tokenize
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, SceneState


def network() -> PlanTNetwork:
    torch.manual_seed(0)
    return PlanTNetwork().eval()


def some_tokens() -> Tokens:
    rng = np.random.default_rng(0)
    scenes = SceneState.empty((3,))
    scenes.ego[:, 0], scenes.ego_valid[:] = (0.0, 5.0, 9.0), True
    scenes.route[..., 0], scenes.route_valid[:] = ROUTE_DISTANCES, True
    scenes.objects[:, :4] = rng.uniform(-1, 1, (3, 4, 6)) * [40, 10, 3, 8, 0, 0] + [0, 0, 0, 0, 4.5, 1.8]
    scenes.object_kinds[:, :4] = ObjectKind.CAR
    return tokenize(scenes)


@torch.no_grad()
def test_each_scene_is_answered_by_itself() -> None:
    tokens = some_tokens()
    together = network()(TokenTensors.of(tokens))
    assert together.waypoints.shape == (3, len(WAYPOINT_TIMES), 2)
    assert tuple(x.shape for x in together.forecast) == tuple((3, NUM_OBJECTS, k) for k in FORECAST_CLASSES)
    for k in range(3):
        alone = network()(TokenTensors.of(tokens[k : k + 1]))
        torch.testing.assert_close(alone.waypoints[0], together.waypoints[k], rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_empty_slots_are_not_attended_to_and_the_order_of_objects_does_not_matter() -> None:
    tokens = some_tokens()
    plan = network()(TokenTensors.of(tokens)).waypoints

    filled = tokens.boxes.copy()
    filled[tokens.kinds == TokenKind.EMPTY] = 9.0
    rubbish = Tokens(**(tokens.arrays() | {"boxes": filled}))
    torch.testing.assert_close(network()(TokenTensors.of(rubbish)).waypoints, plan)

    order = [3, 1, 0, 2, *range(4, tokens.kinds.shape[1])]
    shuffled = Tokens(**(tokens.arrays() | {"boxes": tokens.boxes[:, order], "kinds": tokens.kinds[:, order]}))
    torch.testing.assert_close(network()(TokenTensors.of(shuffled)).waypoints, plan, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["boxes", "state", "target", "light"])
@torch.no_grad()
def test_all_that_is_shown_counts(name: str) -> None:
    tokens = some_tokens()
    changed = Tokens(**(tokens.arrays() | {name: tokens.arrays()[name] + 0.3}))
    plans = [network()(TokenTensors.of(x)).waypoints for x in (tokens, changed)]
    assert (plans[0] - plans[1]).abs().amax(dim=(1, 2)).min() > 1e-3
