"""The stage of looks: styles of unmixed weathers from drives in mixed ones, and whose weather a recording has."""

from dataclasses import replace

import numpy as np
import pytest

from training.recipes import recipe_at
from training.recording.behaviours import BehaviourMixture
from training.stage_runs import run_looks
from training.stages.looks import LooksStageConfig, MeasuredDrives, fit_looks, measure_drives
from training.training_run import TrainingRun
from worldsim.looks import LOOKS_NAME, load_looks


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
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    """A run whose recording has two short drives."""
    folder = tmp_path_factory.mktemp("looks")
    recipe = recipe_at("debug", folder)
    few = replace(recipe.train_data, num_episodes=2, num_towns=1, seconds_per_episode=1.0, min_seconds=0.2)
    few = replace(few, num_workers=0, mixture=BehaviourMixture.only("lane_following"))
    return TrainingRun(recipe=replace(recipe, train_data=few), folder=folder, device="cpu")


def test_the_stage_leaves_looks_that_fit_the_weights(run: TrainingRun) -> None:
    run_looks(run)
    looks = load_looks(run.folder / "checkpoint" / LOOKS_NAME, run.recipe.model.vae.style_width)
    assert 1 <= len(looks) <= 2
    assert all(np.isfinite(look.style).all() and 0 < look.sun_elevation < 1.2 for look in looks.values())


def test_recorded_drives_are_of_the_weather_that_their_seed_draws(run: TrainingRun) -> None:
    config, store = LooksStageConfig(num_frames=2), run.store
    drives = measure_drives(run.model.vae, run.scenes, config)
    assert drives.shares.shape == (2, 6)
    assert drives.shares.sum(1) == pytest.approx(1.0)
    assert (drives.styles[0] != drives.styles[1]).any()
    episode = store.episodes[1]
    store.episodes[1] = replace(episode, source=replace(episode.source, seed=episode.source.seed + 1))
    with pytest.raises(ValueError, match=r"episode 1, seed .*: its sun is at .* right would be a recording"):
        measure_drives(run.model.vae, run.scenes, config)
