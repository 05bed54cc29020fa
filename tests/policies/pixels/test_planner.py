"""The pixel planner: what it looks at, how it drives, and the weights that ship."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from policies.pixels.catalogue import PIXEL_PLANNERS, WEIGHTS
from policies.pixels.network import PixelNetwork
from policies.pixels.planner import PixelPlanner
from policies.pixels.vision import FRAME_AGES, PICTURE_SIZE, Vision
from policies.rule_based import LaneFollower, LaneFollowerConfig, choose_acceleration
from worldsim.datatypes.scene import ROUTE_DISTANCES, RouteCommand, SceneState

MOST_BYTES = 5e6
"""All shipped weights together may take so much."""


def network() -> PixelNetwork:
    torch.manual_seed(0)
    return PixelNetwork().eval()


def scene_with(seed: int = 0, **values) -> SceneState:
    rng = np.random.default_rng(seed)
    scene = SceneState.empty()
    scene.ego[0], scene.ego_valid[:] = 8.0, True
    angle = 0.02 * np.array(ROUTE_DISTANCES) * rng.uniform(-1, 1)
    scene.route[:] = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * np.array(ROUTE_DISTANCES)[:, None]
    scene.route_valid[:] = True
    for name, value in values.items():
        getattr(scene, name)[...] = value
    return scene


def frames(num: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (num, 128, 128, 3), dtype=np.uint8)


def env_after(past: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(start_clip=lambda: SimpleNamespace(frames=past))


@torch.no_grad()
def test_the_network_answers_each_picture_by_itself_and_by_its_command() -> None:
    pictures = torch.from_numpy(frames(6)[:, :96]).reshape(3, 2, *PICTURE_SIZE, 3)
    speed, command = torch.tensor([0.0, 5.0, 9.0]), torch.tensor([0, 1, 3])
    together = network()(pictures, speed, command)
    assert together.route.shape == (3, len(ROUTE_DISTANCES), 2)
    assert together.acceleration.shape == (3,)
    for k in range(3):
        alone = network()(pictures[k : k + 1], speed[k : k + 1], command[k : k + 1])
        torch.testing.assert_close(alone.route[0], together.route[k], rtol=1e-4, atol=1e-4)
    answers = [network()(pictures, speed, torch.full((3,), c)) for c in RouteCommand]
    assert all((answers[0].route - other.route).abs().min() > 0 for other in answers[1:])
    assert all(torch.equal(answers[0].acceleration, other.acceleration) for other in answers[1:])


@pytest.mark.parametrize("seed", range(5))
def test_with_the_experts_intention_it_drives_as_the_expert(seed: int) -> None:
    """So that what is imitated, route points and acceleration, is all that the expert's action depends on."""
    scene = scene_with(seed, lead=(12.0 + seed, 4.0), lead_valid=True)
    wanted = choose_acceleration(scene[None], LaneFollowerConfig())
    actions = PixelPlanner(network()).drive(np.array([8.0]), scene.route[None], wanted)
    np.testing.assert_allclose(actions[0], LaneFollower().action(scene), atol=1e-6)


def test_it_knows_nothing_of_the_scene_but_speed_and_command() -> None:
    planner, shown = PixelPlanner(network()), frames(3)

    def act(scene: SceneState) -> np.ndarray:
        planner.reset(env_after(shown[:2]), 0)  # type: ignore[arg-type]
        return planner.act(shown[2], {"scene": scene.to_vector()})

    known = act(scene_with())
    hidden = {"lead": (3.0, 0.0), "lead_valid": True, "lane": 1.0, "lane_valid": True, "route": 0.0, "signal": 1}
    np.testing.assert_array_equal(act(scene_with(**hidden)), known)
    assert not np.array_equal(act(scene_with(command=RouteCommand.LEFT)), known)
    faster = scene_with()
    faster.ego[0] = 12.0
    assert not np.array_equal(act(faster), known)


@pytest.mark.parametrize("delay", [0, 2])
def test_it_sees_frames_of_the_right_age_from_the_start_clip_on(delay: int) -> None:
    seen: list[np.ndarray] = []

    class Recording(Vision):
        def see(self, frames: np.ndarray) -> np.ndarray:
            seen.append(frames)
            return super().see(frames)

    shown = frames(9)
    planner = PixelPlanner(network(), Recording(delay=delay))
    planner.reset(env_after(shown[:3]), 0)  # type: ignore[arg-type]
    for frame in shown[2:]:
        planner.act(frame, {"scene": scene_with().to_vector()})
    for k, pair in enumerate(seen):
        expected = [shown[max(2 + k - delay - age, 0)] for age in FRAME_AGES]
        np.testing.assert_array_equal(pair, np.stack(expected))


def test_every_planner_of_the_catalogue_ships_and_all_of_them_are_small() -> None:
    files = {path.stem: path.stat().st_size for path in WEIGHTS.glob("*.safetensors")}
    assert set(files) == set(PIXEL_PLANNERS)
    assert sum(files.values()) < MOST_BYTES
    for entry in PIXEL_PLANNERS.values():
        planner = entry.load()
        planner.reset(env_after(frames(8)), 0)  # type: ignore[arg-type]
        action = planner.act(frames(1)[0], {"scene": scene_with().to_vector()})
        assert action.shape == (2,)
        assert np.abs(action).max() <= 1
