"""The stage of looks: styles of unmixed weathers from drives in mixed ones, and whose weather a recording has."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import random_model

from training.data.frame_store import FrameStore
from training.data.recorded_scenes import RecordedScenes
from training.data.rollouts import RolloutDataset
from training.recording.behaviours import BehaviourMixture
from training.recording.record import RecordConfig, record
from training.stages.looks import LooksStageConfig, MeasuredDrives, fit_looks, measure_drives
from worldsim.gbuffer.rasterizer import Rasterizer


def test_what_was_mixed_is_told_apart() -> None:
    rng = np.random.default_rng(0)
    styles, elevations = rng.normal(size=(6, 4)), rng.uniform(0.1, 1.0, 6)
    shares = np.zeros((40, 6))
    shares[np.arange(40), rng.permutation(40) % 6] = 0.8
    shares[np.arange(40), rng.permutation(40) % 6] += 0.2
    looks = fit_looks(MeasuredDrives(shares, shares @ styles, shares @ elevations))
    assert list(looks) == ["noon", "evening", "overcast", "fog", "rain", "dusk"]
    for look, style, elevation in zip(looks.values(), styles, elevations, strict=True):
        assert look.style == pytest.approx(style, abs=1e-5)
        assert look.sun_elevation == pytest.approx(elevation)


def test_a_look_that_no_drive_has_is_not_made_up() -> None:
    shares = np.array([[1.0, 0, 0, 0, 0, 0], [0, 0, 0, 0.8, 0.2, 0]])
    looks = fit_looks(MeasuredDrives(shares, shares @ np.ones((6, 3)), shares.sum(1)))
    assert list(looks) == ["noon", "fog"]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> RecordedScenes:
    out = tmp_path_factory.mktemp("looks")
    few = RecordConfig(out=out, num_episodes=2, num_towns=1, seconds_per_episode=1.0, min_seconds=0.2, num_workers=0)
    record(replace(few, mixture=BehaviourMixture.only("lane_following")))
    config = random_model().config
    store = FrameStore(RolloutDataset(out))
    return RecordedScenes(store, Rasterizer(config.camera.with_frame_size(config.frame_size)))


def test_recorded_drives_are_of_the_weather_that_their_seed_draws(scenes: RecordedScenes) -> None:
    config = LooksStageConfig(num_frames=2)
    drives = measure_drives(random_model().vae, scenes, config)
    assert drives.shares.shape == (2, 6)
    assert drives.shares.sum(1) == pytest.approx(1.0)
    assert drives.styles.shape == (2, 32)
    assert (drives.styles[0] != drives.styles[1]).any()
    episode = scenes.store.episodes[1]
    scenes.store.episodes[1] = replace(episode, source=replace(episode.source, seed=episode.source.seed + 1))
    with pytest.raises(ValueError, match=r"episode 1, seed .*: its sun is at .* right would be a recording"):
        measure_drives(random_model().vae, scenes, config)
