"""The viewer's window: commands from keys, mouse and gamepad, pictures, and a real window under Xvfb."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pygame
import pytest
from viewer_worlds import FullThrottle, StraightEnv, session_on

from envs.viewer import PlayConfig, Window, play, screen_scale
from envs.viewer_layout import Status, arrange
from envs.viewer_painter import Painter
from envs.viewer_pen import ALARM, BACKGROUND


@pytest.fixture
def surface():
    pygame.display.init()
    pygame.font.init()
    yield pygame.display.set_mode((1120, 780))
    pygame.quit()


def press(key):
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=key))


def test_window_steps_pauses_at_the_end_and_shoots(surface, tmp_path):
    env = StraightEnv(end=5)
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=100)
    Window(surface, config, lambda: session_on(env, tmp_path)).run()
    assert env.num_steps == 5
    assert env.closed
    image = pygame.surfarray.array3d(pygame.image.load(tmp_path / "shot.png"))
    assert image.shape == (1120, 780, 3)
    assert image.std() > 10


def test_window_pauses_and_single_steps(surface, tmp_path):
    env = StraightEnv()
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=3)
    for key in (pygame.K_p, pygame.K_n, pygame.K_n, pygame.K_n):
        press(key)
    began = time.perf_counter()
    Window(surface, config, lambda: session_on(env, tmp_path)).run()
    assert env.num_steps == 3
    assert time.perf_counter() - began < 5


def test_error_of_the_world_reaches_the_caller(surface, tmp_path):
    def broken():
        raise ValueError("no checkpoint")

    with pytest.raises(ValueError, match="no checkpoint"):
        Window(surface, PlayConfig(), broken).run()


def test_no_display_is_said(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    if not sys.platform.startswith("linux"):
        pytest.skip("other systems always have a display")
    with pytest.raises(OSError, match="no display"):
        play(PlayConfig(), lambda name: FullThrottle())


def test_painter_draws_before_there_is_a_world(surface):
    from envs.viewer_panels import BACKGROUND, Status

    status = Status(
        world="Learned",
        paused=False,
        recording=False,
        driver=None,
        autopilot=False,
        busy="Opening …",
        message="",
        frames_per_second=0.0,
        hovered=None,
    )
    Painter().draw(surface, arrange((1120, 780), (1, 1), clean=False), None, status)
    assert surface.get_at((1, 1))[:3] == BACKGROUND


@pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool")
def test_real_window_answers_real_keys(tmp_path):
    """Under a real X server the up arrow accelerates the reference world and Escape ends the program."""
    number = "".join(c for c in str(hash(tmp_path)) if c.isdigit())[:2].rjust(2, "7")
    display = f":{number}"
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", "1280x900x24"], stderr=subprocess.DEVNULL)
    root = Path(__file__).parents[1]
    environment = {"DISPLAY": display, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def xdotool(*words):
        return subprocess.run(["xdotool", *words], env=environment, capture_output=True, text=True, check=False)

    def wait_for(condition, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.2)
        return False

    program = None
    try:
        command = [sys.executable, "drivedit.py", "play", "--world", "road", "--output", str(tmp_path)]
        program = subprocess.Popen(command, cwd=root, env=environment, stderr=subprocess.PIPE, text=True)
        assert wait_for(lambda: xdotool("search", "--class", "drivedit").stdout, 90)
        time.sleep(4)
        xdotool("key", "v")
        xdotool("keydown", "Up")
        time.sleep(2)
        xdotool("keyup", "Up")
        xdotool("key", "v")
        assert wait_for(lambda: list(tmp_path.glob("*.mp4")), 60)
        xdotool("key", "Escape")
        assert program.wait(60) == 0, program.stderr.read()
    finally:
        for process in (program, server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
