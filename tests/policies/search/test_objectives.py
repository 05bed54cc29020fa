"""1 − PDMS and the predicted reward as costs: what outweighs what, and that the reward is the env's."""

from dataclasses import replace

import numpy as np
import pytest
from driving_scenes import good_scenes

from envs.rewards import RewardConfig, reward
from envs.world import WorldStep
from policies.search.objectives import (
    ImaginedDrives,
    ObjectiveConfig,
    attainable_progress,
    judge,
    predicted_reward,
)
from policies.search.plant_cost import CostConfig
from worldsim.datatypes.scene import ObjectKind, SceneState


def imagined(scenes: SceneState, **events) -> ImaginedDrives:
    n, h = scenes.batch_shape
    empty = {name: np.zeros((n, h)) for name in ("collision", "off_road")}
    return ImaginedDrives(
        now=scenes[0, 0],
        scenes=scenes,
        violation=np.zeros((n, h), bool),
        actions=np.zeros((n, h, 2)),
        previous_action=np.zeros(2),
        dt=0.1,
        **{**empty, **events},
    )


def drives_of_any_kind(rng, n, h) -> SceneState:
    """Without contacts: any speed, any shaking, in the lane or beside it."""
    scenes = good_scenes(n, h)
    scenes.ego[..., 0] = rng.uniform(0, 14, (n, h))
    scenes.ego[..., 1:3] = rng.normal(0, 5, (n, h, 2))
    return scenes


@pytest.mark.parametrize("h", [2, 12, 30])
@pytest.mark.parametrize("name", ["plant", "pdms"])
def test_one_collision_step_outweighs_any_progress_over_the_horizon(h, name):
    rng = np.random.default_rng(h)
    config = ObjectiveConfig(name=name, plant=CostConfig(progress=5.0))
    safe = judge(imagined(drives_of_any_kind(rng, 300, h)), config)
    collision = np.zeros((h, h))
    collision[np.arange(h), np.arange(h)] = 1.0
    fast = judge(imagined(good_scenes(h, h), collision=collision), config)
    assert fast.min() > safe.max()


def test_with_pdms_the_later_of_two_collisions_is_the_better_one():
    collision = np.zeros((2, 20))
    collision[0, 3], collision[1, 15] = 1.0, 1.0
    early, late = judge(imagined(good_scenes(2, 20), collision=collision), ObjectiveConfig(name="pdms"))
    assert early > late > 1.0


def test_with_pdms_a_box_in_the_way_counts_though_the_world_reports_nothing():
    scenes = good_scenes(2, 10)
    scenes.objects[1, 5, 0] = [4.0, 0.0, 0.0, 0.0, 4.5, 1.8]
    scenes.object_kinds[1, 5, 0] = ObjectKind.CAR
    free, hit = judge(imagined(scenes), ObjectiveConfig(name="pdms"))
    assert free < 1.0 < hit


def test_attainable_progress_is_that_of_a_car_which_speeds_up_to_the_limit():
    assert attainable_progress(10.0, 10.0, 30, 0.1) == pytest.approx(30.0)
    assert attainable_progress(12.0, 10.0, 10, 0.1) == pytest.approx(12.0)
    assert attainable_progress(0.0, 2.4, 20, 0.1) == pytest.approx(0.1 * (0.24 * 55 + 10 * 2.4))


def test_the_predicted_reward_is_what_the_env_pays():
    """Of drives along the lane, step by step, until they end."""
    rng, n, h = np.random.default_rng(0), 20, 15
    scenes = drives_of_any_kind(rng, n, h)
    scenes.lane[..., 0], scenes.lane[..., 1] = rng.normal(0, 0.8, (n, h)), rng.normal(0, 0.1, (n, h))
    scenes.lane_valid[..., 3] = rng.random((n, h)) < 0.5
    collision = np.where(rng.random((n, h)) < 0.03, 0.9, 0.0)
    drives = replace(imagined(scenes, collision=collision), now=good_scenes(1, 1, speed=6.0)[0, 0])
    predicted = predicted_reward(drives, RewardConfig())

    def step(scene, p=0.0, progress=0.0):
        return WorldStep(
            scene=scene,
            vehicle=np.zeros(6),
            collision=p,
            off_road=0.0,
            wrong_way=False,
            progress=progress,
            info={},
        )

    for k in range(n):
        before, total = step(drives.now), 0.0
        for t in range(h):
            scene = scenes[k, t]
            progress = float(scene.speed * np.cos(scene.heading_error)) * 0.1
            after = step(scene, float(collision[k, t]), progress)
            total += reward(before, after, 0.1, RewardConfig()).total
            before = after
            if collision[k, t] > 0.5:
                break
        assert predicted[k] == pytest.approx(total, abs=1e-5)
