"""Shared by all tests: one thread a process, no window, public shapes checked where jaxtyping is there."""

import one_thread  # noqa: F401, I001  before all else

from pathlib import Path

import pytest

pytest.register_assert_rewrite("assertions")


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small world model of random weights and three start clips: all of DriveDiT-v0 but the picture."""
    from tiny_model import random_clip, random_model

    from worldsim.datatypes.starts import STARTS_NAME, save_starts

    folder = tmp_path_factory.mktemp("tiny")
    random_model().save(folder)
    save_starts([random_clip(8, seed=s) for s in range(3)], folder / STARTS_NAME)
    return folder
