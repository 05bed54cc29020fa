"""Shared by all tests: one thread a process, no window, public shapes checked where jaxtyping is there."""

import os

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import cv2
import pytest
import torch

torch.set_num_threads(1)
cv2.setNumThreads(1)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small world model of random weights and three start clips: all of DriveDiT-v0 but the picture."""
    from test_world_model import random_clip, random_model

    from worldsim.datatypes.starts import STARTS_NAME, save_starts

    folder = tmp_path_factory.mktemp("tiny")
    random_model().save(folder)
    save_starts([random_clip(8, seed=s) for s in range(3)], folder / STARTS_NAME)
    return folder
