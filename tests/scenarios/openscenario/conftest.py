"""Files put together and played."""

import pytest
from scenario_files import AHEAD, Play, file_text, place_other, write


@pytest.fixture
def play(tmp_path, monkeypatch):
    def begin(*events, ego_speed=10.0, **parts):
        parts.setdefault("init", place_other(AHEAD.format(30, 0), 5.0))
        return Play(write(tmp_path, file_text(*events, **parts)), monkeypatch, ego_speed)

    return begin
