"""Features: units, what is unknown, bounds, and the same numbers from a state's vector."""

import numpy as np
import pytest
from viewer_worlds import straight_scene

from envs.features import EGO_UNITS, FEATURE_BOUND, FEATURE_NAMES, features, features_of_state
from worldsim.datatypes.scene import SceneState


def named(scene: SceneState) -> dict[str, float]:
    return dict(zip(FEATURE_NAMES, features(scene).tolist(), strict=True))


def test_values_by_their_units():
    found = named(straight_scene(speed=7.0, offset=1.0))
    assert found["speed"] == pytest.approx(7.0 / EGO_UNITS[0])
    assert found["lateral_offset"] == pytest.approx(0.5)
    assert found["below_limit"] == pytest.approx(6.9 / 7.0)
    assert found["lead_nearness"] == pytest.approx(15 / (15 + 13.4))
    assert found["lead_closing"] == pytest.approx(1 / 7.0)
    bearings = [value for name, value in found.items() if name.startswith("bearing")]
    assert all(b < 0 for b in bearings)  # to the left of its lane, the route lies to the right
    assert bearings == sorted(bearings)


def test_what_is_unknown_is_zero_and_nothing_leaves_the_bounds():
    assert not features(SceneState.empty((3,))).any()
    wild = straight_scene(speed=1e6, offset=-1e6)
    assert np.abs(features(wild)).max() == FEATURE_BOUND
    assert np.isfinite(features(wild)).all()


def test_the_same_from_a_states_vector_one_by_one_or_together():
    scenes = SceneState.stack([straight_scene(speed) for speed in (0.0, 5.0)])
    together = features_of_state(scenes.to_vector())
    assert together.dtype == np.float32
    for scene, row in zip((scenes[0], scenes[1]), together, strict=True):
        assert np.array_equal(features(scene), row)
