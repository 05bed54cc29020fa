"""The colour of actors as frames show it: of the right one, unhidden, kept over a clip."""

import numpy as np
import pytest
import torch
from tiny_model import CONFIG

from worldsim.conditioning.actor_map import ActorMap
from worldsim.conditioning.appearance import colours_in, tracked_colours

MAP = ActorMap(CONFIG.camera, (128, 128), 0.1)
RED, GREEN = (200, 20, 10), (10, 180, 30)


def scene(*objects: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Cars (x, y, length, width) heading as the ego does."""
    actors, kinds = np.zeros((1, 4, 6)), np.zeros((1, 4), np.int64)
    for k, (x, y, length, width) in enumerate(objects):
        actors[0, k], kinds[0, k] = (x, y, 0, 5, length, width), 1
    return actors, kinds


def painted(actors: np.ndarray, kinds: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    """A grey frame with the rectangles of the actors, far before near."""
    frame = np.full((1, 128, 128, 3), 90, np.uint8)
    boxes = MAP.rectangles(torch.from_numpy(actors).float(), torch.from_numpy(kinds))[0][0].numpy()
    for k in np.argsort(-actors[0, : len(colours), 0]):
        left, right, top, bottom = np.clip(np.round(boxes[k]), 0, 128).astype(int)
        frame[0, top:bottom, left:right] = colours[k]
    return frame


def test_each_actor_has_its_own_colour() -> None:
    actors, kinds = scene((12, -2, 4.5, 1.8), (14, 3, 4.2, 1.8))
    colours, sure = colours_in(painted(actors, kinds, [RED, GREEN]), actors, kinds, MAP)
    assert colours[0, :2] * 255 == pytest.approx(np.array([RED, GREEN]), abs=1)
    assert (sure[0, :2] > 0.2).all()
    assert (sure[0, 2:] == 0).all()


def test_who_is_hidden_or_behind_has_none() -> None:
    actors, kinds = scene((8, 0, 4.5, 1.8), (20, 0, 4.2, 1.7), (-10, 0, 4.3, 1.8))
    colours = tracked_colours(painted(actors, kinds, [RED, GREEN, GREEN]), actors, kinds, MAP)
    assert colours[0, 0] * 255 == pytest.approx(np.array(RED), abs=1)
    assert np.isnan(colours[0, 1:]).all()


def test_a_colour_once_seen_is_known_in_all_frames_of_a_clip_whatever_the_order() -> None:
    seen, hidden = scene((12, -2, 4.5, 1.8), (14, 3, 4.2, 1.8)), scene((-9, 3, 4.2, 1.8), (10, -2, 4.5, 1.8))
    frames = np.concatenate([painted(*seen, [RED, GREEN]), painted(*hidden, [GREEN, RED])])
    actors, kinds = (np.concatenate(pair) for pair in zip(seen, hidden, strict=True))
    colours = tracked_colours(frames, actors, kinds, MAP)
    assert colours[1, 0] == pytest.approx(colours[0, 1])  # behind now, green as it was
    assert colours[1, 0] * 255 == pytest.approx(np.array(GREEN), abs=1)
    assert colours[1, 1] == pytest.approx(colours[0, 0])
