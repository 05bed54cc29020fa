"""What windows of a recording retrieve: key frames of their episode, as if the camera had been there before."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from encoded_stores import encoded_store
from known_drives import turning_car
from tiny_model import CONFIG

from training.batches.latent_windows import NUM_DRAWS, Draw, LatentWindows
from training.batches.memory_sampler import is_near, view_distance
from worldsim.dynamics.memory import RetrievedFrames

WITH_MEMORY = replace(CONFIG, dit=replace(CONFIG.dit, use_memory=True))


def motion(*values: float) -> np.ndarray:
    """MOTION_NAMES of a motion by dx, dy, dyaw."""
    return np.array([*values, 0.0, 0.0, 0.0])


def test_how_far_views_are_from_each_other() -> None:
    assert view_distance(motion(3.0, 0.0, 0.0)) == 3.0
    assert view_distance(motion(0.0, 3.0, 0.0)) == 6.0
    assert view_distance(motion(0.0, 0.0, 0.5)) == pytest.approx(4.0)
    assert is_near(motion(20.0, 0.0, 0.0))
    assert not is_near(motion(1.0, 0.0, 2.0))
    assert not is_near(motion(np.nan, 0, 0))


def windows(copies: bool = False) -> LatentWindows:
    """Latents that tell the numbers of their frames."""
    store = turning_car(60)
    store.rows.valid[11, 0] = False
    latents = np.broadcast_to(np.arange(60, dtype=np.float16)[:, None, None, None], (60, 8, 16, 16))
    return LatentWindows(store, encoded_store(store, latents, copies), WITH_MEMORY, 9, np.array([0]))  # type: ignore[arg-type]


def retrieved_by(made: LatentWindows, memory: float, first: int = 20) -> RetrievedFrames:
    draws = np.full((1, NUM_DRAWS), 0.5)
    draws[:, Draw.MEMORY] = memory
    retrieved = made.at(np.array([first]), draws).retrieved
    assert retrieved is not None
    return retrieved


def test_windows_retrieve_frames_before_them_or_as_of_another_visit_or_nothing() -> None:
    made = windows()
    nothing, before, any_time = (retrieved_by(made, memory) for memory in (0.1, 0.5, 0.9))
    assert not nothing.visible.any()
    assert nothing.latents.shape == (1, 9, 8, 16, 16)
    chosen = before.latents[0, :, 0, 0, 0]
    assert before.visible.mean() > 0.2
    assert (chosen == chosen[0]).all()  # one key frame for the window
    assert 0 < chosen[0] < 20
    assert chosen[0] != 11  # without a picture
    later = any_time.latents[0, 0, 0, 0, 0]
    assert later < 20 or later >= 20 + 9 + 2
    assert not retrieved_by(made, 0.5, first=0).visible.any()  # nothing lies before


def test_road_users_are_neither_retrieved_nor_looked_for() -> None:
    made = windows()
    whole = retrieved_by(made, 0.5)
    now = made.encoded.depths
    now[20:29, 4:8, 4:8] *= -1
    part = retrieved_by(made, 0.5)
    assert not part.visible[0, :, 4:8, 4:8].any()
    seen = torch.ones(16, 16, dtype=torch.bool)
    seen[4:8, 4:8] = False
    assert torch.equal(part.visible[..., seen], whole.visible[..., seen])
    now[20:29] = np.abs(now[20:29])
    now[:20, 4:8, 4:8] *= -1
    assert retrieved_by(made, 0.5).visible.sum() < whole.visible.sum()


def test_where_the_layout_is_hidden_what_is_retrieved_is_encoded_so_too() -> None:
    made = windows(copies=True)
    made.encoded.latents[: made.encoded.copies.max() + 1 - len(made.encoded.copies)] = 5.0
    copies = made.encoded.copies
    made.encoded.latents[copies[copies >= 0]] = 7.0
    for layout, latent in ((0.9, 5.0), (0.0, 7.0)):
        draws = np.full((1, NUM_DRAWS), 0.5)
        draws[:, Draw.LAYOUT] = layout
        found = made.at(np.array([20]), draws).retrieved
        assert found is not None
        assert found.visible.any()
        assert (found.latents == latent).all()
