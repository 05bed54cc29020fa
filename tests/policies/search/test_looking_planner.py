"""The sampling planner that judges by values decoded from imagined pictures."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_model import random_clip, random_model

from policies.policy import ConstantPolicy
from policies.registry import make_policy, uses_pictures
from policies.search.sampling_planner import SamplingPlanner, SamplingPlannerConfig

CONFIG = SamplingPlannerConfig(
    values="decoded", num_samples=4, num_elites=2, num_iterations=1, num_knots=2, horizon=4, replan_interval=1
)


@pytest.fixture(scope="module")
def model():
    return random_model()


def search(model, config: SamplingPlannerConfig, clip=None):
    clip = random_clip() if clip is None else clip
    planner = SamplingPlanner(model, config)
    planner.reset(SimpleNamespace(start_clip=lambda pictures: clip), seed=0)
    return planner.search(clip)


def test_what_the_pictures_show_is_what_counts(model, monkeypatch) -> None:
    """The reader says of all pictures that they show a collision; nothing that is tracked touches the ego."""
    read = model.scene_decoder.read

    def alarmed(*args):
        return replace(read(*args), collision=np.full(len(args[0]), 0.75), off_road=np.full(len(args[0]), 0.25))

    monkeypatch.setattr(model.scene_decoder, "read", alarmed)
    looks, tracks = search(model, CONFIG), search(model, replace(CONFIG, values="tracked"))
    assert looks.collision.tolist() == [0.75] * 4
    assert looks.off_road.tolist() == [0.25] * 4
    assert tracks.collision.max() < 0.1


def test_pictures_are_read_as_often_as_asked_for_and_at_the_end(model, monkeypatch) -> None:
    read, sizes = model.scene_decoder.read, []

    def counted(frames, *args):
        sizes.append(len(frames))
        return replace(read(frames, *args), collision=np.full(len(frames), 0.01 * len(sizes)))

    monkeypatch.setattr(model.scene_decoder, "read", counted)
    plan = search(model, replace(CONFIG, read_interval=3))
    assert sizes == [1, 4, 4]  # the start once for all sequences, then the third and the fourth step
    assert plan.collision.tolist() == pytest.approx([0.01, 0.01, 0.02, 0.03])
    assert np.ptp(plan.vehicles[:, 0]) > 0  # the ego moves all the same


def test_a_planner_says_whether_it_drives_by_pictures(model) -> None:
    planners = [SamplingPlanner(model, replace(CONFIG, values=values)) for values in ("decoded", "tracked")]
    assert [uses_pictures("planner", planner) for planner in planners] == [True, False]
    assert uses_pictures("pixels", make_policy("pixels"))
    assert not uses_pictures("lane_follower", make_policy("lane_follower"))
    assert uses_pictures("mine.py:Mine", ConstantPolicy())  # of which nothing is said


def test_an_env_without_pictures_is_refused(model) -> None:
    with pytest.raises(ValueError, match=r"values='decoded' needs an env with frames of .*it makes no pictures"):
        search(model, CONFIG, replace(random_clip(), frames=np.zeros((6, 0, 0, 3), np.uint8)))
    with pytest.raises(ValueError, match="its frames are"):
        search(model, CONFIG, replace(random_clip(), frames=np.zeros((6, 64, 64, 3), np.uint8)))
    with pytest.raises(ValueError, match="values must be one of tracked, decoded, got 'seen'"):
        SamplingPlannerConfig(values="seen")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="read_interval must be at least 1, got 0"):
        SamplingPlannerConfig(read_interval=0)
