"""TorchRL: drives imagined by tensordicts are those of the envs, its planners find what pays, and how it wraps envs."""

import gymnasium
import numpy as np
import pytest
from small_envs import ACTION, make

torchrl = pytest.importorskip("torchrl")
import torch  # noqa: E402
from tensordict import TensorDict  # noqa: E402
from torchrl.envs import GymWrapper  # noqa: E402
from torchrl.envs.utils import check_env_specs, step_mdp  # noqa: E402
from torchrl.modules import CEMPlanner  # noqa: E402

from envs.registration import make_learned_vector_env, make_road_vector_env  # noqa: E402
from envs.torchrl_env import ImaginedDrivingEnv  # noqa: E402
from envs.vector_env import DrivingVectorEnv  # noqa: E402


def imagined(tiny_checkpoint, num_envs: int = 2, **kwargs) -> ImaginedDrivingEnv:
    kwargs = {"obs": "state", "exact": True, **kwargs}
    return ImaginedDrivingEnv(make_learned_vector_env(num_envs, checkpoint=tiny_checkpoint, **kwargs))


def starts(env: ImaginedDrivingEnv, num: int) -> TensorDict:
    env.set_seed(3)
    return env.reset(TensorDict(batch_size=[num]))


def test_torchrls_checker_has_no_complaint(tiny_checkpoint):
    for obs in ("features", "both"):
        check_env_specs(imagined(tiny_checkpoint, obs=obs))
    road = make_road_vector_env(1, num_workers=0, obs="state", world_config={"num_vehicles": 2, "num_pedestrians": 1})
    assert isinstance(road, DrivingVectorEnv)
    check_env_specs(ImaginedDrivingEnv(road))


def test_drives_are_those_of_single_envs_however_many_there_are(tiny_checkpoint):
    env = imagined(tiny_checkpoint)
    drives = starts(env, 5)
    actions = np.random.default_rng(0).uniform(-1, 1, (3, 5, 2)).astype(np.float32)
    answers = []
    for action in actions:
        stepped = env.step(drives.set("action", torch.from_numpy(action)))
        answers.append(stepped["next"])
        drives = step_mdp(stepped)
    for k in range(5):
        single = make("DriveDiT-v0", "state", tiny_checkpoint)
        single.reset(seed=3 + k)
        for action, answer in zip(actions, answers, strict=True):
            observation, reward, *_ = single.step(action[k])
            assert np.array_equal(answer["observation"][k], observation)
            assert answer["reward"][k].item() == pytest.approx(reward)


def test_a_tensordict_can_be_stepped_again_and_in_many_ways(tiny_checkpoint):
    env = imagined(tiny_checkpoint)
    before = env.rollout(2)[-1]
    here = step_mdp(before)
    again = env.step(before.exclude("next"))
    assert torch.equal(again["next", "observation"], before["next", "observation"])
    ways = here.unsqueeze(-1).expand(3).to_tensordict()
    ways["action"] = torch.tensor([[0.0, -1.0], [0.0, 1.0], [0.0, -1.0]])
    after = env.step(ways)["next", "observation"]
    assert torch.equal(after[0], after[2])
    assert not torch.equal(after[0], after[1])
    with pytest.raises(ValueError, match=r"go on from the 'moment' of a tensordict, got one of \['action'"):
        env.step(ways.exclude("moment"))


def test_a_reset_of_some_leaves_the_others_where_they_are(tiny_checkpoint):
    env = imagined(tiny_checkpoint)
    drives = starts(env, 3)
    drives["action"] = torch.tensor([[0.0, 1.0]] * 3)
    later = step_mdp(env.step(drives))
    later["_reset"] = torch.tensor([[False], [True], [False]])
    begun = env.reset(later.clone())
    assert torch.equal(begun["observation"][0], later["observation"][0])
    assert not torch.equal(begun["observation"][1], later["observation"][1])
    begun["action"] = later["action"] = torch.tensor([[0.0, 1.0]] * 3)
    ahead, alone = (env.step(some)["next", "observation"] for some in (begun, later.exclude("_reset")))
    assert torch.equal(ahead[2], alone[2])
    with pytest.raises(ValueError, match=r"one drive at least, got a tensordict of batch size \(0,\)"):
        env.reset(later[:0])


def test_an_ended_drive_stays_where_it_ended(tiny_checkpoint):
    env = imagined(tiny_checkpoint, max_episode_seconds=0.2)
    drives = env.rollout(4, tensordict=starts(env, 1), auto_reset=False, break_when_any_done=False)[0]["next"]
    assert drives["truncated"].flatten().tolist() == [False, True, True, True]
    assert torch.equal(drives["observation"][3], drives["observation"][1])
    assert drives["reward"][1] != 0
    assert drives["reward"][2:].flatten().tolist() == [0, 0]


def test_it_goes_on_from_an_env_with_pictures_and_makes_none(tiny_checkpoint):
    seen = make("DriveDiT-v0", "both", tiny_checkpoint)
    seen.reset(seed=1)
    observation = seen.step(ACTION)[0]
    here = imagined(tiny_checkpoint).reset(options={"start_clip": seen.unwrapped.start_clip(pictures=False)})
    ego = slice(0, 4)
    np.testing.assert_allclose(here["observation"][ego], observation["state"][ego], atol=1e-4)
    assert here["moment"].snapshot.world.state.generated is None


def test_torchrls_planner_finds_that_driving_pays(tiny_checkpoint):
    env = imagined(tiny_checkpoint, num_envs=16, exact=False)
    here = starts(env, 2)
    torch.manual_seed(0)
    planner = CEMPlanner(env, planning_horizon=5, optim_steps=3, num_candidates=16, top_k=4)
    action = planner(here.clone())["action"]
    assert action.shape == (2, 2)

    def gain(choice: torch.Tensor) -> float:
        held = env.rollout(5, lambda td: td.set("action", choice), tensordict=here.clone(), auto_reset=False)
        return held["next", "reward"].sum().item()

    assert gain(action) > gain(torch.tensor([[0.0, -1.0]] * 2))


def test_torchrl_wraps_vector_envs_but_for_the_next_step_mode(tiny_checkpoint):
    def vector(mode):
        return gymnasium.make_vec(
            "DriveDiT-v0", num_envs=2, checkpoint=tiny_checkpoint, obs="features", autoreset_mode=mode
        )

    with pytest.raises(RuntimeError, match="must be one of SAME_STEP or DISABLED"):
        GymWrapper(vector("NextStep"))
    for mode in ("SameStep", "Disabled"):
        assert GymWrapper(vector(mode)).rollout(2).batch_size == (2, 2)


def test_torchrls_set_seed_throws_the_seeded_start_away(tiny_checkpoint):
    """What it does with Gymnasium's own envs too: `set_seed` resets by the seed, and the next reset draws another."""
    single = make("DriveDiT-v0", "state", tiny_checkpoint)
    single.reset(seed=5)
    wanted = single.unwrapped.get_state()
    env = GymWrapper(make("DriveDiT-v0", "state", tiny_checkpoint))
    env.set_seed(5)
    env.reset()
    assert env.unwrapped.get_state() != wanted
    env.reset(seed=5)
    assert env.unwrapped.get_state() == wanted
