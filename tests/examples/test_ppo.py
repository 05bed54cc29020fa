"""The examples learn, write what they learned, and it drives. That they learn well is shown by their curves."""

import json
import sys

import numpy as np
import pytest
from places import ROOT
from small_envs import make

from policies.drive import drive
from policies.registry import make_policy

EXAMPLES = ROOT / "examples"


@pytest.fixture
def ppo(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    import ppo

    monkeypatch.setattr(ppo, "SCORED_TOWNS", (1001,))
    monkeypatch.setattr(ppo, "SCORED_SEEDS", 1)
    return ppo


def test_ppo_learns_goes_on_and_its_driver_drives(ppo, tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few = {"num_envs": 2, "rollout_length": 8, "seconds": 0.5, "num_epochs": 2, "num_minibatches": 2, "score_every": 9}
    first = ppo.ppo(ppo.PPOConfig(num_steps=16, checkpoint=tiny_checkpoint, **few))
    again, num_steps = ppo.load(ppo.DEFAULT_OUT)
    assert num_steps == 16
    scene = np.zeros((1, ppo.NUM_FEATURES), np.float32)
    assert np.array_equal(ppo.act(first, scene), ppo.act(again, scene))
    longer = ppo.ppo(ppo.PPOConfig(num_steps=32, checkpoint=tiny_checkpoint, **few))
    assert not np.array_equal(ppo.act(first, scene), ppo.act(longer, scene))
    rows = [json.loads(line) for line in (ppo.DEFAULT_OUT / ppo.CURVE_NAME).read_text().splitlines()]
    assert [row["num_steps"] for row in rows] == [16, 32]
    assert all(row["learned"]["episodes"] > 0 and row["reference"]["episodes"] == 1 for row in rows)
    assert (ppo.DEFAULT_OUT / ppo.PLOT_NAME).stat().st_size > 1000
    driver = make_policy(f"{EXAMPLES / 'ppo.py'}:Driver")
    assert drive(make("DriveDiT-v0", "pixels", tiny_checkpoint), driver, 0, max_steps=3).num_steps == 3


def test_ppos_driver_without_a_policy_says_how_to_get_one(ppo, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python examples/ppo\.py"):
        ppo.Driver(tmp_path)


def test_advantages_stop_at_ends_and_look_beyond_truncation(ppo):
    """Two steps, the second ends; then a step that only resets, which is left out."""
    config = ppo.PPOConfig(rollout_length=4, discount=0.5, gae_lambda=0.5)
    agent = ppo.Agent()
    value = float(agent(ppo.torch.zeros(1, ppo.NUM_FEATURES))[1])
    for terminated in (True, False):
        collector = ppo.Collector(EndingEnvs(terminated), config)
        batch = collector.collect(agent)
        last = 1.0 - value + (0.0 if terminated else 0.5 * value)
        first = 1.0 + 0.5 * value - value + 0.25 * last
        assert batch.advantages[:2].tolist() == pytest.approx([first, last], abs=1e-5)
        assert len(batch.actions) == 3
        assert collector.tally.read()["return"] == pytest.approx(2.0)


def test_episodes_one_after_the_other_are_tallied_each_by_itself(ppo):
    tally, info = ppo.Tally(1), info_of_one()
    no, yes = np.array([False]), np.array([True])
    for ended in (no, yes, no, yes):
        tally.add(np.array([1.0]), info, ended, no, yes)
    found = tally.read()
    assert (found["return"], found["episodes"], found["infractions"]) == (2.0, 2.0, 1.0)


def info_of_one(off_road: float = 0.0):
    zeros, no = np.zeros(1), np.array([False])
    return {"scene": np.zeros((1, 137)), "route_done": no, "collision": zeros, "off_road": zeros + off_road}


def test_an_episode_that_begins_off_the_road_is_in_no_mean(ppo):
    tally, no, yes = ppo.Tally(1), np.array([False]), np.array([True])
    tally.begin(info_of_one(off_road=1.0))
    tally.add(np.array([-9.0]), info_of_one(off_road=1.0), yes, no, yes)
    tally.add(np.array([0.0]), info_of_one(), no, no, no)  # begins anew, on the road
    tally.add(np.array([2.0]), info_of_one(), no, yes, yes)
    found = tally.read()
    assert (found["return"], found["episodes"], found["infractions"]) == (2.0, 1.0, 0.0)


class EndingEnvs:
    """One env whose episode ends with its second step; the third only resets it."""

    num_envs = 1

    def __init__(self, terminated: bool):
        self.terminated, self.k = terminated, 0

    def reset(self, *, seed):
        return np.zeros((1, 19), np.float32), info_of_one()

    def step(self, actions):
        self.k += 1
        end, reset = self.k == 2, self.k == 3
        info = info_of_one()
        flags = np.array([end and self.terminated]), np.array([end and not self.terminated])
        return np.zeros((1, 19), np.float32), np.array([0.0 if reset else 1.0]), *flags, info


def test_an_update_that_may_not_move_the_policy_learns_values_only(ppo):
    agent, torch = ppo.Agent(), ppo.torch
    observations = torch.randn(16, ppo.NUM_FEATURES)
    policy, values = agent(observations)
    actions = policy.sample()
    log_probs = policy.log_prob(actions).sum(-1).detach()
    batch = ppo.Batch(observations, actions, log_probs, torch.randn(16), torch.ones(16))
    optimizer = torch.optim.Adam(agent.parameters(), lr=1e-2)
    before = policy.mean.detach()

    def policy_after(**options) -> bool:
        ppo.update(agent, optimizer, batch, ppo.PPOConfig(max_kl=options.pop("max_kl", 1.0)), **options)
        return torch.equal(agent(observations)[0].mean, before)

    assert policy_after(policy_moves=False)
    assert (agent(observations)[1] - 1).square().mean() < (values - 1).square().mean() / 2
    assert policy_after(max_kl=-1e-6)
    assert not policy_after()


@pytest.mark.parametrize("obs", ["features", "state", "pixels"])
def test_stable_baselines3_learns_from_each_observation_and_its_driver_drives(obs, tiny_checkpoint, tmp_path):
    pytest.importorskip("stable_baselines3")
    sys.path.insert(0, str(EXAMPLES))
    try:
        import sb3_ppo
    finally:
        sys.path.remove(str(EXAMPLES))
    path = tmp_path / "policy.zip"
    config = sb3_ppo.SB3Config(
        out=path, obs=obs, num_steps=16, num_envs=2, rollout_length=8, checkpoint=tiny_checkpoint
    )
    assert sb3_ppo.learn(config).num_timesteps == 16
    driver = sb3_ppo.Driver(path)
    rollout = drive(make("DriveDiT-v0", "pixels", tiny_checkpoint), driver, 0, max_steps=3)
    assert rollout.actions.shape == (3, 2)
