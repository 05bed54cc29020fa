"""For tests that need the world that is shipped."""

import pytest

from worldsim.world_model import DEFAULT_CHECKPOINT

shipped = pytest.mark.skipif(
    not (DEFAULT_CHECKPOINT / "weights.safetensors").is_file(), reason="the default checkpoint is not there"
)
