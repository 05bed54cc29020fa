"""PPO from camera frames: what a decision is, what is added to a planner, and that what was learned drives."""

import json
import sys

import gymnasium
import numpy as np
import pytest
import torch
from places import ROOT
from small_envs import make
from small_worlds import SMALL

from policies.drive import drive
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.pixels.vision import FRAME_SIZE, PICTURE_SIZE, Vision
from policies.registry import make_policy
from worldsim.datatypes.scene import EgoColumn, SceneState
from worldsim.datatypes.vehicle import VehicleModel

EXAMPLES = ROOT / "examples"


@pytest.fixture
def examples(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])


@pytest.fixture
def pixels(examples, monkeypatch):
    import ppo_pixels

    def make_small(seconds: float) -> gymnasium.Env:
        return make("DriveDiT-Road-v0", "pixels", ROOT, max_episode_seconds=seconds)

    monkeypatch.setattr(ppo_pixels, "make_scored_env", make_small)
    monkeypatch.setattr(ppo_pixels, "SCORED_TOWNS", (1001,))
    monkeypatch.setattr(ppo_pixels, "SCORED_SEEDS", 1)
    return ppo_pixels


@pytest.fixture
def transfer(pixels, monkeypatch):
    import ppo_transfer

    monkeypatch.setattr(ppo_transfer, "make_scored_env", pixels.make_scored_env)
    return ppo_transfer


def few(pixels, **values):
    """A config of few and short drives."""
    sizes = {"num_envs": 2, "rollout_length": 4, "num_hold": 2, "seconds": 0.5, "num_epochs": 2, "num_warmup_steps": 0}
    return pixels.PixelPPOConfig(**{"num_steps": 16, "backend": "plain", "score_every": 9, **sizes, **values})


def small_road_envs(config) -> gymnasium.vector.VectorEnv:
    options = {"obs": "pixels", "max_episode_seconds": config.seconds, "world_config": SMALL, "frame_size": (48, 48)}
    return gymnasium.make_vec("DriveDiT-Road-v0", config.num_envs, num_workers=0, **options)


def correction(agent) -> torch.Tensor:
    return agent(torch.zeros(1, agent.input_mean.numel()))[0].mean


def test_it_learns_goes_on_and_its_driver_drives(pixels, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = pixels.ppo_pixels(few(pixels, checkpoint=tiny_checkpoint))
    again, notes = pixels.load(pixels.DEFAULT_OUT)
    assert notes == {"world": "learned", "planner": "pixels_blurred", "num_steps": "16"}
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in first.state_dict().items())
    longer = pixels.ppo_pixels(few(pixels, checkpoint=tiny_checkpoint, num_steps=32))
    assert not torch.equal(correction(longer), correction(first))
    rows = [json.loads(line) for line in (pixels.DEFAULT_OUT / "curve.jsonl").read_text().splitlines()]
    assert [row["num_steps"] for row in rows] == [16, 32]
    assert all(row["learned"]["episodes"] > 0 and row["reference"]["episodes"] == 1 for row in rows)
    assert (pixels.DEFAULT_OUT / "curve.png").stat().st_size > 1000

    driver = make_policy(f"{EXAMPLES / 'ppo_pixels.py'}:Driver")
    assert drive(make("DriveDiT-v0", "pixels", tiny_checkpoint), driver, 0, max_steps=3).num_steps == 3

    with pytest.raises(ValueError, match=r"planner 'pixels_blurred', not 'pixels'"):
        pixels.ppo_pixels(few(pixels, checkpoint=tiny_checkpoint, planner="pixels"))
    with pytest.raises(ValueError, match=r"world 'learned', not 'road'"):
        pixels.ppo_pixels(few(pixels, world="road"))


def test_agents_of_both_worlds_are_compared_and_no_drive_is_driven_twice(transfer, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "make_envs", small_road_envs)
    for world in ("learned", "road"):
        pixels.ppo_pixels(few(pixels, world=world, out=tmp_path / world))
    config = transfer.TransferConfig(
        learned=tmp_path / "learned", road=tmp_path / "road", out=tmp_path, num_towns=1, num_seeds=1, seconds=0.5
    )
    report = transfer.compare(config)
    assert report["num_drives"] == 1
    assert list(report["policies"]) == [transfer.EXPERT, transfer.START, transfer.LEARNED, transfer.ROAD]
    assert report["policies"][transfer.EXPERT]["share_of_lane_follower"]["estimate"] == 1.0
    assert (tmp_path / transfer.PLOT_NAME).stat().st_size > 1000

    def no_more_drives(*args):
        raise AssertionError("driven twice")

    monkeypatch.setattr(transfer, "score_drive", no_more_drives)
    assert transfer.compare(config) == report

    pixels.ppo_pixels(few(pixels, world="road", out=tmp_path / "road", num_steps=32))
    with pytest.raises(ValueError, match=r"num_steps 16, .* 32"):
        transfer.compare(config)


def test_infractions_and_shares_of_a_report(transfer, pixels):
    def drives(returns, **faults):
        none = dict.fromkeys(transfer.INFRACTIONS, 0) | faults
        return [
            pixels.DriveScore(town=1, seed=k, seconds=1.0, episode_return=r, offset=0.1, speed=5.0, **none)
            for k, r in enumerate(returns)
        ]

    report = transfer.summarize(
        {
            transfer.EXPERT: drives([8.0, 4.0]),
            transfer.START: drives([0.0, 0.0]),
            transfer.LEARNED: drives([8.0, 3.0], red_lights=1),
            transfer.ROAD: drives([7.0, 4.0], collisions=1, off_road=1),
        }
    )
    learned, difference = report["policies"][transfer.LEARNED], report["learned_minus_road"]
    assert learned["share_of_lane_follower"]["estimate"] == pytest.approx(11 / 12)
    assert (learned["infractions"], learned["red_lights"], learned["collisions"]) == (2, 2, 0)
    assert difference["return"]["estimate"] == 0.0
    assert difference["infractions"]["estimate"] == -1.0


def test_an_agent_that_has_learned_nothing_drives_as_its_planner(pixels):
    planner = PIXEL_PLANNERS["pixels_blurred"].load()
    improved = pixels.ImprovedPlanner(pixels.Agent(planner.network), planner.vision)
    env = make("DriveDiT-Road-v0", "pixels", ROOT)
    actions = [drive(env, policy, 3, max_steps=5).actions for policy in (planner, improved)]
    np.testing.assert_array_equal(*actions)


def test_corrections_are_of_steer_and_of_acceleration(pixels):
    planner = PIXEL_PLANNERS["pixels"].load()
    route = torch.stack([torch.arange(1.0, 11.0), torch.zeros(10)], dim=-1)[None]
    wanted = pixels.Intention(route, torch.zeros(1), torch.zeros(1))
    speed = np.array([8.0], np.float32)
    plain, turned, faster, most = (
        pixels.correct(planner, speed, wanted, np.array([c], np.float32))[0] for c in ((0, 0), (0.1, 0), (0, 1), (3, 0))
    )
    assert turned - plain == pytest.approx([0.1, 0.0])
    assert faster[0] == plain[0]
    assert faster[1] == pytest.approx(planner.vehicle_model.acceleration_command(1.0, 8.0))
    assert most[0] == 1.0


def test_eyes_see_frames_of_the_right_age_and_none_of_an_earlier_episode(pixels):
    eyes = pixels.Eyes(2, Vision())

    def look(number: int, *begun: bool) -> list:
        pictures = eyes.look(np.full((2, *FRAME_SIZE, 3), number, np.uint8), np.array(begun))
        assert pictures.shape == (2, 2, *PICTURE_SIZE, 3)
        return pictures[:, :, 0, 0, 0].tolist()

    assert look(1, True, True) == [[1, 1], [1, 1]]
    look(2, False, False)
    look(3, False, False)
    assert look(4, False, False) == [[4, 1], [4, 1]]
    assert look(5, False, True) == [[5, 2], [5, 5]]
    assert look(6, False, False) == [[6, 3], [6, 5]]


@pytest.mark.parametrize("end", ["crash", "time", "route"])
def test_a_decision_earns_until_the_episode_ends_and_only_a_crash_has_no_future(pixels, end):
    """Decisions of two steps; the episode ends with the third, so that the second decision is cut short."""
    config = few(pixels, num_envs=1, rollout_length=3, discount=0.5, gae_lambda=0.5)
    planner = PIXEL_PLANNERS["pixels"].load()
    agent = pixels.Agent(planner.network)
    torch.nn.init.constant_(agent.critic[-1].bias, 4.0)
    envs = EndingEnvs(end)
    batch = pixels.PixelCollector(envs, planner, config).collect(agent)
    last = 1.0 + (0.0 if end == "crash" else 0.5 * 4.0) - 4.0
    first = 2.0 + 0.5 * 4.0 - 4.0 + 0.25 * last
    assert batch.advantages[:2].tolist() == pytest.approx([first, last], abs=1e-5)
    assert len(batch.actions) == 3  # the third decision is of the next episode
    assert envs.k == 6
    assert agent.input_mean.any()


def test_a_decision_that_only_resets_is_left_out(pixels):
    config = few(pixels, num_envs=1, rollout_length=2, num_hold=3)
    planner = PIXEL_PLANNERS["pixels"].load()
    collector = pixels.PixelCollector(EndingEnvs("crash"), planner, config)
    assert len(collector.collect(pixels.Agent(planner.network)).actions) == 1
    assert collector.tally.read()["return"] == pytest.approx(3.0)


def test_it_learns_what_pays(pixels):
    """Steering left by 0.04 and as much acceleration as the planner wants pay best, in drives that never end."""
    import ppo

    config = few(pixels, num_envs=16, rollout_length=20, num_epochs=8)
    planner = PIXEL_PLANNERS["pixels"].load()
    agent = pixels.Agent(planner.network)
    torch.manual_seed(0)
    straight = torch.stack([torch.arange(1.0, 11.0), torch.zeros(10)], dim=-1).expand(16, 10, 2)
    wanted = pixels.Intention(straight, torch.zeros(16), torch.zeros(16))
    agent.see = lambda pictures, scenes: (torch.zeros(16, agent.input_mean.numel()), wanted)
    collector = pixels.PixelCollector(SteeredEnvs(), planner, config)
    optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3)
    for _ in range(12):
        ppo.update(agent, optimizer, collector.collect(agent), config)
    steer, acceleration = correction(agent)[0].tolist()
    assert steer > 0.015
    assert abs(acceleration) < 0.4


class SteeredEnvs:
    """Sixteen envs that pay for an action near (0.04, what holds 5 m/s)."""

    num_envs = 16

    def _answer(self):
        scene = SceneState.empty((16,))
        scene.ego[:, EgoColumn.SPEED] = 5.0
        zeros = np.zeros(16)
        info = {"scene": scene.to_vector(), "route_done": zeros > 0, "collision": zeros, "off_road": zeros}
        return np.zeros((16, *FRAME_SIZE, 3), np.uint8), info

    def reset(self, *, seed):
        return self._answer()

    def step(self, actions):
        frames, info = self._answer()
        pedal = VehicleModel().acceleration_command(0.0, 5.0)
        reward = -20 * np.abs(actions[:, 0] - 0.04) - np.abs(actions[:, 1] - pedal)
        return frames, reward, np.zeros(16, bool), np.zeros(16, bool), info


class EndingEnvs:
    """One env whose episode ends with its third step; the fourth only resets it."""

    num_envs = 1

    def __init__(self, end: str):
        self.end, self.k = end, 0

    def _answer(self):
        scene = SceneState.empty()
        scene.ego[EgoColumn.SPEED] = 5.0
        at_end = np.array([self.k == 3 and self.end == "route"])
        zeros = np.zeros(1)
        info = {"scene": scene.to_vector()[None], "route_done": at_end, "collision": zeros, "off_road": zeros}
        return np.full((1, *FRAME_SIZE, 3), 40 * self.k, np.uint8), info

    def reset(self, *, seed):
        return self._answer()

    def step(self, actions):
        self.k += 1
        frames, info = self._answer()
        ends = np.array([self.k == 3])
        terminated = ends & (self.end != "time")
        return frames, np.array([0.0 if self.k == 4 else 1.0]), terminated, ends & ~terminated, info


def test_a_planner_or_a_policy_that_is_not_there_is_named(pixels, tmp_path):
    with pytest.raises(ValueError, match="'pixel'; there are pixels, "):
        pixels.PixelPPOConfig(planner="pixel")
    with pytest.raises(FileNotFoundError, match=r"python examples/ppo_pixels\.py"):
        pixels.Driver(tmp_path)
