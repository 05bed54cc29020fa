"""State-only drives of the learned world: the same tracked half, no network of pictures, and clear refusals."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from tiny_model import CONTROL, random_clip, random_model

import drivedit  # noqa: F401 (registers the ids)
from envs.learned.config import LearnedWorldConfig
from envs.learned.learned_world import LearnedWorld
from policies.rule_based import LaneFollower
from worldsim.datatypes.route import RouteLaneColumn

ACTION = np.array([0.05, 0.4], np.float32)
LANE = [1.7, 12.0, 5.2, 1.9]


def clip_with_lanes(lane=LANE):
    clip = random_clip(8)
    return replace(clip, lanes=np.tile(np.array(lane, np.float32), (len(clip.route), 1)))


def make(checkpoint: Path | None = None, **options) -> gymnasium.Env:
    return gymnasium.make("DriveDiT-v0", checkpoint=checkpoint, **options).unwrapped


def test_a_state_only_step_runs_no_network_of_pictures(tiny_checkpoint: Path) -> None:
    env = make(tiny_checkpoint, obs="state")
    model = env.world.model
    for network in (model.vae, model.denoiser, model.reader, model.trust):
        network.forward = network.encode = network.decode = None  # any use of them fails
    env.reset(seed=0)
    for _ in range(5):
        env.step(ACTION)


@pytest.mark.parametrize(
    ("options", "pictures"),
    [
        ({"obs": "state"}, False),
        ({"obs": "features"}, False),
        ({"obs": "state", "pictures": True}, True),
        ({"obs": "state", "render_mode": "rgb_array"}, True),
        ({"obs": "state", "trust_threshold": 0.5}, True),
        ({"obs": "both"}, True),
        ({"obs": "latent"}, True),
        ({}, True),
    ],
)
def test_pictures_are_made_where_something_needs_them(options, pictures, tiny_checkpoint: Path) -> None:
    env = make(tiny_checkpoint, **options)
    _, info = env.reset(seed=0)
    assert env.world.config.pictures == bool(info["pictures"]) == pictures


def test_info_has_the_same_keys_and_neutral_values_without_pictures(tiny_checkpoint: Path) -> None:
    infos = []
    for pictures in (True, False):
        env = make(tiny_checkpoint, obs="state", pictures=pictures)
        env.reset(seed=0)
        infos.append(env.step(ACTION)[-1])
    full, neutral = infos
    assert list(full) == list(neutral)
    assert neutral["trust"] == 1.0
    signals = ("flow_instability", "surprise", "style_drift", "speed_disagreement", "lateral_disagreement")
    assert all(neutral[name] == 0.0 for name in signals)
    assert any(full[name] != 0.0 for name in signals)
    assert all(np.isfinite(value).all() for value in neutral.values())


@pytest.mark.slow
def test_the_shipped_world_drives_the_same_with_and_without_pictures() -> None:
    """Over 60 steps of two starts on the route: what is tracked does not depend on pictures."""
    with_pictures, without = (make(obs="state", pictures=pictures) for pictures in (True, False))
    driver = LaneFollower()
    for seed in (0, 5):
        (a, info), (b, _) = (env.reset(seed=seed) for env in (with_pictures, without))
        for _ in range(60):
            np.testing.assert_array_equal(a, b)
            action = driver.act(np.zeros((0, 0, 3), np.uint8), info)
            a, *ours, info = with_pictures.step(action)
            b, *theirs, _ = without.step(action)
            assert ours == theirs  # reward and ends


def test_tracked_values_are_the_same_with_and_without_pictures(tiny_checkpoint: Path) -> None:
    worlds = [LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=p)) for p in (True, False)]
    answers = [world.reset(3, {"start_clip": clip_with_lanes()}) for world in worlds]
    for _ in range(8):
        answers = [world.step(np.array([0.02, 0.5, 0.0, 0.0], np.float32)) for world in worlds]
        assert answers[0].scene == answers[1].scene
        assert answers[0].off_road == answers[1].off_road
        assert answers[0].collision == answers[1].collision
        np.testing.assert_array_equal(answers[0].vehicle, answers[1].vehicle)


def test_lane_width_and_speed_limit_are_the_routes(tiny_checkpoint: Path) -> None:
    world = LearnedWorld(LearnedWorldConfig(checkpoint=tiny_checkpoint, pictures=False))
    clip = clip_with_lanes()
    clip.lanes[4:, RouteLaneColumn.SPEED_LIMIT] = 20.0  # a sign 4 m ahead
    world.reset(0, {"start_clip": clip})
    before = world.step(CONTROL[0]).scene
    for _ in range(10):
        after = world.step(CONTROL[0]).scene
    assert before.half_width == pytest.approx(1.7)
    assert (before.speed_limit, after.speed_limit) == (pytest.approx(12.0), pytest.approx(20.0))
    world.reset(0, {"start_clip": random_clip(8)})
    unknown = world.step(CONTROL[0]).scene
    assert unknown.lane_valid.tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("shift", "lane", "off_road"),
    [
        (0.0, LANE, 0.0),
        (3.0, LANE, 1.0),  # to the right of the route, where the road ends at 1.9 m
        (-3.0, LANE, 0.0),  # to its left, where it ends at 5.2 m
        (-6.0, LANE, 1.0),
        (1.0, [1.7, 12.0, np.nan, np.nan], 0.0),  # edges unknown: the ego's centre is in its lane
        (-3.0, [1.7, 12.0, np.nan, np.nan], 1.0),  # and here it is beside it
    ],
)
def test_off_road_is_told_by_the_tracked_edges(shift, lane, off_road) -> None:
    model, clip = random_model(), clip_with_lanes(lane)
    clip = replace(clip, route=clip.route + np.array([0.0, shift], np.float32))
    state = model.begin([clip], [0], pictures=False)
    _, prediction = model.step(state, np.zeros((1, 4), np.float32))
    assert prediction.off_road[0] == off_road


def test_states_go_on_exactly_and_are_not_those_of_drives_with_pictures(tiny_checkpoint: Path) -> None:
    env, other = (make(tiny_checkpoint, obs="state") for _ in range(2))
    env.reset(seed=1)
    env.step(ACTION)
    other.set_state(env.get_state())
    for _ in range(4):
        ours, theirs = env.step(ACTION)[0], other.step(ACTION)[0]
        np.testing.assert_array_equal(ours, theirs)
    with_pictures = make(tiny_checkpoint)
    with pytest.raises(ValueError, match="state of another world"):
        with_pictures.set_state(env.get_state())
    with pytest.raises(ValueError, match="without pictures, this one is with"):
        with_pictures.restore(env.snapshot())


def test_what_cannot_be_shown_is_refused_by_name(tiny_checkpoint: Path) -> None:
    env = make(tiny_checkpoint, obs="state")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="pictures=True"):
        env.world.frame()
    with pytest.raises(ValueError, match="obs='pixels'"):
        make(tiny_checkpoint, obs="pixels", pictures=False)
    with pytest.raises(ValueError, match=r"trust_threshold=0\.3"):
        make(tiny_checkpoint, obs="state", trust_threshold=0.3, pictures=False)
    with pytest.raises(ValueError, match="need pictures=True"):
        LearnedWorldConfig(trust_signals="full", pictures=False)
    clip = env.start_clip()
    assert not clip.has_frames
    with pytest.raises(ValueError, match="without frames"):
        make(tiny_checkpoint).reset(options={"start_clip": clip})
    env.reset(options={"start_clip": clip})  # but a state-only drive goes on from it
    env.step(ACTION)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused_by_name(tiny_checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="device 'cuda' cannot be had"):
        make(tiny_checkpoint, device="cuda")


def test_a_vector_env_is_as_many_single_ones(tiny_checkpoint: Path) -> None:
    many = gymnasium.make_vec("DriveDiT-v0", num_envs=3, obs="state", checkpoint=tiny_checkpoint)
    singles = [make(tiny_checkpoint, obs="state") for _ in range(3)]
    states, _ = many.reset(seed=4)
    expected = [env.reset(seed=4 + k)[0] for k, env in enumerate(singles)]
    for _ in range(6):
        np.testing.assert_allclose(states, np.stack(expected), rtol=1e-5, atol=1e-5)
        states, *_ = many.step(np.tile(ACTION, (3, 1)))
        expected = [env.step(ACTION)[0] for env in singles]


def test_slots_are_taken_repeated_and_joined() -> None:
    model = random_model()
    one = model.begin([clip_with_lanes()], [1], pictures=False)
    two = model.begin([random_clip(8)], [2], pictures=False)
    joined = type(one).concat([one, two])
    assert joined.batch_size == 2
    assert joined.cache_length == 0
    step = model.step(joined, np.zeros((2, 4), np.float32))[1]
    alone = model.step(two, np.zeros((1, 4), np.float32))[1]
    assert step.scene[1] == alone.scene[0]
    with pytest.raises(ValueError, match="pictures=True"):
        _ = joined.latent


def test_shipped_starts_bring_their_lanes() -> None:
    clips = LearnedWorld(LearnedWorldConfig(pictures=False)).starts
    lanes = np.concatenate([clip.lanes for clip in clips])
    assert np.isfinite(lanes).all()
    assert (lanes[:, RouteLaneColumn.HALF_WIDTH] > 1.4).all()
    assert ((lanes[:, RouteLaneColumn.SPEED_LIMIT] * 3.6).round() >= 30).all()
