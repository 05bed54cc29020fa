"""Window and page show what the world tracks: nothing in the viewer integrates a motion of its own."""

import numpy as np
import pygame
import pytest
from viewer_worlds import StraightEnv, session_on

from envs.viewer.browser.state_messages import state_message
from envs.viewer.instruments import Instruments
from envs.viewer.layout import Box, WindowStatus
from envs.viewer.theme import Theme


@pytest.fixture
def status() -> WindowStatus:
    texts = {"world": "", "driver": None, "busy": "", "message": "", "hovered": None}
    flags = dict.fromkeys(("paused", "recording", "autopilot", "overlay", "help"), False)
    return WindowStatus(**texts, **flags, steps_per_second=10.0, pace=1.0, trust_threshold=0.0, draw_time=0.0)


def test_both_show_the_tracked_speed_however_it_came_about(tmp_path, monkeypatch, status):
    env = StraightEnv()
    session = session_on(env, tmp_path)
    env.speed = 17.0  # no action has led there, and no integration would
    session.advance(np.zeros(2, np.float32))
    assert session.leading.scene.speed == 17.0

    page = state_message(1, [session.leading], status)["views"][0]["speedometer"]["speed"]
    pygame.font.init()
    theme, written = Theme(1.0), []
    draw = theme.text
    monkeypatch.setattr(theme, "text", lambda *args, **options: written.append(args[2]) or draw(*args, **options))
    Instruments(theme).draw(pygame.Surface((600, 900)), Box(0, 0, 600, 900), [session.leading], status)
    assert page == "61"  # km/h
    assert "61" in written
    assert "18" not in written
