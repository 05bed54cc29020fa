"""Minari: a recording without JPEG comes back to the bit, and the env that it makes of a dataset drives the same."""

import numpy as np
import pytest
from assertions import assert_equal
from small_envs import make

minari = pytest.importorskip("minari")
pytest.importorskip("jax", reason="recording takes minari[create,hdf5]")
NUM_STEPS = 4


def recorded(env, folder, monkeypatch, **kwargs):
    """The dataset of two drives of an env, and what the env answered in each."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    collector = minari.DataCollector(env, record_infos=True, data_format="hdf5", **kwargs)
    rng, drives = np.random.default_rng(0), []
    for seed in (3, 4):
        answers = [collector.reset(seed=seed)]
        for _ in range(NUM_STEPS):
            action = rng.uniform(-1, 1, 2).astype(np.float32)
            answers.append((action, *collector.step(action)))
        drives.append(answers)
    return collector.create_dataset(f"drivedit/{folder.name}-v0"), drives


@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0"])
def test_a_recording_without_jpeg_is_what_was_driven(env_id, tiny_checkpoint, tmp_path, monkeypatch):
    env = make(env_id, "both", tiny_checkpoint, max_episode_seconds=0.1 * NUM_STEPS)
    dataset, drives = recorded(env, tmp_path, monkeypatch, jpeg_encoding=False)
    loaded = minari.load_dataset(dataset.spec.dataset_id)
    again = loaded.recover_environment()
    for episode, (first, *steps), seed in zip(loaded, drives, (3, 4), strict=True):
        actions, observations, rewards, terminations, truncations, infos = zip(*steps, strict=True)
        shown = [first[0], *observations]
        for key in ("pixels", "state"):
            assert_equal(episode.observations[key], np.stack([one[key] for one in shown]), 0.0)
        assert_equal(episode.actions, np.stack(actions), 0.0)
        assert episode.rewards.tolist() == list(rewards)
        assert (episode.terminations.tolist(), episode.truncations.tolist()) == (list(terminations), list(truncations))
        for key, value in first[1].items():
            assert_equal(episode.infos[key], np.stack([value, *(info[key] for info in infos)]), 0.0)
        assert_equal(again.reset(seed=seed)[0], first[0], 0.0)
        for action, observation in zip(actions, observations, strict=True):
            assert_equal(again.step(action)[0], observation, 0.0)


def test_its_default_changes_pictures(tiny_checkpoint, tmp_path, monkeypatch):
    dataset, drives = recorded(make("DriveDiT-v0", "pixels", tiny_checkpoint), tmp_path, monkeypatch)
    stored = next(iter(dataset)).observations
    assert not np.array_equal(stored, np.stack([drives[0][0][0], *(step[1] for step in drives[0][1:])]))
