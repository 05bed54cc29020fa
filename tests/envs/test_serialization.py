"""States as bytes, branches, copies and other processes: the same moment goes on in the same way everywhere."""

import copy
import hashlib
import json
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AsyncVectorEnv
from places import environment
from small_envs import ACTION, going_on, make
from small_worlds import SMALL, ConstantWorld, world_step
from tiny_model import random_clip

from envs.carla.carla_world import CarlaWorld
from envs.counterfactual import counterfactuals
from envs.driving_env import DrivingEnv
from envs.road.road_world import RoadWorld
from envs.scripted_actors import ScriptedActors
from envs.serialization import FORMAT, MAGIC, ArrayLike, StateCodec
from envs.world import Restorable, branch
from scenarios.actors import CrossingPedestrian
from worldsim.datatypes.scene import ObjectKind

IDS = ["DriveDiT-v0", "DriveDiT-Road-v0"]
every_id = pytest.mark.parametrize("env_id", IDS)


def started(env_id: str, tiny_checkpoint: Path, options=None) -> DrivingEnv:
    env = make(env_id, "pixels", tiny_checkpoint).unwrapped
    assert isinstance(env, DrivingEnv)
    env.reset(seed=3, options=options)
    for _ in range(2):
        env.step(ACTION)
    return env


def going_on_from(env_id: str, tiny_checkpoint: str, path: str) -> str:
    env = make(env_id, "pixels", Path(tiny_checkpoint)).unwrapped
    env.set_state(Path(path).read_bytes())
    return going_on(env)


@every_id
def test_a_state_goes_on_exactly_here_and_in_another_process(env_id, tiny_checkpoint, tmp_path):
    env = started(env_id, tiny_checkpoint)
    state = env.get_state()
    expected = going_on(env)
    assert going_on(env) != expected
    env.set_state(bytearray(state))
    assert going_on(env) == expected
    (tmp_path / "state").write_bytes(state)
    code = (
        "import one_thread, test_serialization as t;"
        f"print(t.going_on_from({env_id!r}, {str(tiny_checkpoint)!r}, {str(tmp_path / 'state')!r}))"
    )
    paths = environment(Path(__file__).parent)
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=paths)
    assert there.stdout.strip() == expected


@every_id
def test_who_looked_at_no_frame_can_still_see_them_later(env_id, tiny_checkpoint):
    """The frames of a drive that nobody watched: in a start clip, after a state's way into another env, in a branch."""
    pictures = {"pictures": True} if env_id == "DriveDiT-v0" else {}
    seen, other = (make(env_id, "pixels", tiny_checkpoint).unwrapped for _ in range(2))
    unseen = make(env_id, "state", tiny_checkpoint, **pictures).unwrapped
    for env in (seen, unseen):
        env.reset(seed=3)
        for _ in range(10):
            env.step(ACTION)
    other.reset(seed=0)
    other.set_state(unseen.get_state())
    branch = unseen.branch(1)[0]
    expected = seen.start_clip().frames
    assert len(np.unique(expected.reshape(len(expected), -1), axis=0)) == len(expected)
    for env in (other, branch, unseen):
        assert np.array_equal(env.start_clip().frames, expected)
    assert going_on(other) == going_on(seen)


@every_id
def test_branches_and_copies_go_on_alike_and_apart(env_id, tiny_checkpoint):
    env = started(env_id, tiny_checkpoint)
    others = [*env.branch(2), pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    snapshot = env.snapshot()
    others[0].step(-ACTION)  # must not concern the others
    expected = going_on(env)
    assert [going_on(other) for other in others[1:]] == [expected] * 3
    assert going_on(others[0]) != expected
    env.restore(snapshot)
    assert going_on(env) == expected
    with pytest.raises(ValueError, match="at least 1 env, got 0"):
        env.branch(0)


@every_id
def test_a_scenarios_actors_go_on_from_a_state(env_id, tiny_checkpoint):
    walker = CrossingPedestrian(distance=20.0, offset=-4.0, start_at=-0.3, speed=1.4)
    env = started(env_id, tiny_checkpoint, {"scripted_actors": ScriptedActors(scripts=(walker,))})
    state = env.get_state()
    expected = going_on(env)
    env.set_state(state)
    assert going_on(env) == expected


def test_damaged_and_foreign_states_are_refused_and_change_nothing(tiny_checkpoint):
    learned, road = (started(env_id, tiny_checkpoint) for env_id in IDS)
    state = learned.get_state()
    broken = bytearray(state)
    broken[-5] ^= 1
    for bad, why in ((b"PK\3\4 what", "no state: it should begin"), (state[:-9], "damaged"), (broken, "damaged")):
        with pytest.raises(ValueError, match=why):
            learned.set_state(bad)
    with pytest.raises(ValueError, match=r"of RoadWorld .* this is LearnedWorld"):
        learned.set_state(road.get_state())
    with pytest.raises(ValueError, match=r"of LearnedWorld .* this is RoadWorld"):
        road.set_state(state)
    with pytest.raises(ValueError, match="no env's"):
        learned.set_state(StateCodec().pack({"a": 1}))
    other = DrivingEnv(replace_world(road))
    with pytest.raises(ValueError, match="num_pedestrians=0"):
        other.set_state(road.get_state())
    with pytest.raises(ValueError, match="call reset"):
        other.get_state()
    expected = going_on(learned)
    learned.set_state(state)
    assert going_on(learned) == expected


def test_states_of_another_format_are_refused_by_their_number(tiny_checkpoint):
    env = started("DriveDiT-Road-v0", tiny_checkpoint)
    old = env.get_state().replace(MAGIC, b"DriveDiT state 4\n", 1)
    with pytest.raises(ValueError, match=f"state of format 4, this version of DriveDiT reads format {FORMAT}"):
        env.set_state(old)


def test_np_random_of_another_kind_is_refused_before_anything_changes(tiny_checkpoint):
    env, other = (make("DriveDiT-v0", "state", tiny_checkpoint).unwrapped for _ in range(2))
    for seed, one in enumerate((env, other)):
        one.reset(seed=seed)
    env.np_random = np.random.Generator(np.random.MT19937(0))
    with pytest.raises(ValueError, match="holds generators of PCG64, got one of MT19937"):
        env.get_state()
    before = other.get_state()
    with pytest.raises(ValueError, match=r"np_random of the snapshot is a MT19937, .* got a PCG64"):
        other.restore(env.snapshot())
    assert other.get_state() == before
    env.restore(env.snapshot())


def test_a_world_that_cannot_be_set_back_says_so():
    class Present(ConstantWorld):
        snapshot = restore = None  # type: ignore[assignment]

    for world in (Present(world_step()), CarlaWorld()):
        assert not isinstance(world, Restorable)
        env = DrivingEnv(world)
        for call in (env.snapshot, env.get_state, lambda env=env: env.branch(1), lambda env=env: env.set_state(b"")):
            with pytest.raises(ValueError, match=f"{type(world).__name__} cannot be set back .* start_clip"):
                call()
    assert isinstance(RoadWorld(SMALL), Restorable)


def test_a_branch_shares_what_never_changes(tiny_checkpoint):
    road, learned = (started(env_id, tiny_checkpoint).world for env_id in ("DriveDiT-Road-v0", "DriveDiT-v0"))
    assert branch(road)._camera is road._camera
    assert branch(learned).model is learned.model
    with pytest.raises(ValueError, match="call reset first"):
        branch(RoadWorld(SMALL))


def replace_world(env: DrivingEnv):
    world = env.world
    return type(world)(replace(world.config, num_pedestrians=0))  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Known:
    a: float
    b: tuple


class Unknown:
    pass


def test_the_codec_gives_back_what_it_was_given():
    codec = StateCodec(
        types=(Known, ObjectKind),
        array_types=(ArrayLike(type=torch.Tensor, to_array=lambda t: t.numpy(), from_array=torch.from_numpy),),
    )
    shared = object()
    tree = {
        "numbers": [1, -0.1, float("inf"), True, None, "ä", b"\0\xff", np.float32(0.5)],
        "known": Known(a=1e-300, b=(ObjectKind.TRUCK, ())),
        "empty": {},
        "shared": shared,
        "arrays": [np.zeros((0, 2)), np.array(3), np.arange(6).reshape(2, 3).T, np.array([True])],
    }
    back = codec.unpack(codec.pack(tree, {"it": shared}), {"it": shared})
    assert {k: back[k] for k in ("numbers", "known", "empty", "shared")} == {k: tree[k] for k in back if k != "arrays"}
    for ours, theirs in zip(back["arrays"], tree["arrays"], strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.array_equal(ours, theirs)
    generator = np.random.default_rng(3)
    tensor, same = codec.unpack(codec.pack((torch.ones(2), generator)))
    assert torch.equal(tensor, torch.ones(2))
    assert same.random() == generator.random()


@pytest.mark.parametrize("value", [Unknown(), lambda: 0, np.array(["text"]), {1: 2}, Known(a=1, b=())])
def test_the_codec_refuses_what_it_does_not_know(value):
    with pytest.raises(ValueError, match="a state"):
        StateCodec().pack([value])


def test_a_state_neither_runs_nor_imports_anything():
    codec = StateCodec(types=(Known,))
    data = codec.pack(Known(a=1.0, b=()))
    for name, why in (("os:system", "not known here"), ("Unknown", "not known here")):
        with pytest.raises(ValueError, match=why):
            codec.unpack(renamed(data, "Known", name))
    from envs.scripted_actors import ActorScript

    codec = StateCodec(types=(Known,), open_types=(ActorScript,))
    for name, why in (("os:system", "no dataclass"), ("antigravity:X", "import that module first")):
        with pytest.raises(ValueError, match=why):
            codec.unpack(renamed(data, "Known", name))
    assert "antigravity" not in sys.modules


def renamed(data: bytes, old: str, new: str) -> bytes:
    """The state with another name in its tree, whole again."""
    from safetensors.numpy import load, save

    arrays = load(data[len(MAGIC) + 32 :])
    tree = json.dumps(json.loads(arrays["tree"].tobytes())).replace(f'"{old}"', f'"{new}"')
    payload = save({**arrays, "tree": np.frombuffer(tree.encode(), np.uint8)})
    return MAGIC + hashlib.sha256(payload).digest() + payload


@every_id
def test_counterfactuals_share_start_and_noise(env_id, tiny_checkpoint):
    env = started(env_id, tiny_checkpoint)
    state = env.get_state()
    actions = np.zeros((3, 4, 2), np.float32)
    actions[2, :, 0] = 0.5
    what_if = counterfactuals(env, actions)
    assert what_if.frames.shape[:2] == (3, 5)
    assert np.array_equal(what_if.frames[0], what_if.frames[1])
    assert np.array_equal(what_if.frames[0, 0], what_if.frames[2, 0])
    assert not np.array_equal(what_if.frames[0, 4], what_if.frames[2, 4])
    assert what_if.side_by_side().shape == (5, what_if.frames.shape[2], 3 * what_if.frames.shape[3], 3)
    assert what_if.scenes.batch_shape == (3, 5)
    assert env.get_state() == state
    frames = [env.step(np.zeros(2, np.float32))[0] for _ in range(4)]
    assert np.array_equal(np.stack(frames), what_if.frames[1, 1:])
    with pytest.raises(ValueError, match=r"\[k, T, 2\]"):
        counterfactuals(env, np.zeros((4, 2)))


def test_counterfactuals_stand_still_after_an_end(tiny_checkpoint):
    env = make("DriveDiT-v0", "pixels", tiny_checkpoint, max_episode_seconds=0.2).unwrapped
    env.reset(seed=0, options={"start_clip": random_clip(8)})
    what_if = counterfactuals(env, np.zeros((1, 4, 2)))
    assert what_if.num_steps.tolist() == [2]
    assert np.array_equal(what_if.frames[0, 2], what_if.frames[0, 4])
    assert not np.array_equal(what_if.frames[0, 1], what_if.frames[0, 2])
    assert (what_if.rewards[0, 2:] == 0).all()


def test_counterfactuals_of_a_state_only_env_have_scenes_and_no_film(tiny_checkpoint):
    env = make("DriveDiT-v0", "state", tiny_checkpoint).unwrapped
    env.reset(seed=0)
    what_if = counterfactuals(env, np.array([[[0.0, 1.0]] * 5, [[0.0, -1.0]] * 5]))
    assert what_if.scenes.speed[0, -1] > what_if.scenes.speed[1, -1]
    with pytest.raises(ValueError, match="pictures=True"):
        what_if.side_by_side()


def test_spawned_envs_answer_as_single_ones(tiny_checkpoint):
    def spawned():
        import gymnasium
        import one_thread  # noqa: F401  one thread

        import drivedit  # noqa: F401  registers the ids

        return gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint)

    envs = AsyncVectorEnv([spawned] * 2, context="spawn")
    try:
        frames, infos = envs.reset(seed=4)
        stepped = envs.step(np.stack([ACTION] * 2))
    finally:
        envs.close()
    single = gymnasium.make("DriveDiT-v0", checkpoint=tiny_checkpoint)
    frame, info = single.reset(seed=5)
    assert np.array_equal(frames[1], frame)
    assert np.array_equal(infos["scene"][1], info["scene"])
    frame, reward, *_ = single.step(ACTION)
    assert np.array_equal(stepped[0][1], frame)
    assert stepped[1][1] == reward


def test_record_video(tiny_checkpoint, tmp_path):
    pytest.importorskip("moviepy")
    env = make("DriveDiT-v0", "state", tiny_checkpoint, render_mode="rgb_array")
    env = gymnasium.wrappers.RecordVideo(env, str(tmp_path), video_length=4)
    env.reset(seed=0)
    for _ in range(5):
        env.step(ACTION)
    env.close()
    assert [path.suffix for path in tmp_path.iterdir()] == [".mp4"]
