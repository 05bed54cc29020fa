"""The viewer's window: commands from keys, mouse and gamepad, pictures, and a real window under Xvfb."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygame
import pytest
from places import ROOT
from viewer_worlds import FullThrottle, StraightEnv, session_on

from envs.viewer.colors import ALARM, BACKGROUND
from envs.viewer.config import PlayConfig
from envs.viewer.drive_loop import next_pace
from envs.viewer.layout import WindowStatus, arrange
from envs.viewer.open_session import make_session
from envs.viewer.window import Window, play, screen_scale
from envs.viewer.window_renderer import WindowRenderer


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
    Window(surface, config, lambda config: session_on(env, tmp_path)).run()
    assert env.num_steps == 5
    assert env.closed
    image = pygame.surfarray.array3d(pygame.image.load(tmp_path / "shot.png"))
    assert image.shape == (1120, 780, 3)
    assert image.std() > 10


def test_an_endless_drive_is_asked_for_at_every_start(tmp_path, monkeypatch):
    env = StraightEnv()
    monkeypatch.setattr(
        "envs.viewer.open_session._learned_view", lambda config: (session_on(env, tmp_path).views[0], None)
    )
    session = make_session(pytest.fail, PlayConfig(endless=True, output=tmp_path))
    assert env.reset_with[1] == {"endless": True}
    session.pick_start(3)
    assert env.reset_with[1] == {"endless": True, "start_index": 2}


def test_the_reference_world_is_not_endless():
    with pytest.raises(ValueError, match="endless drives are the learned world's alone: leave out --world road"):
        PlayConfig(endless=True, world="road")


def test_window_pauses_and_single_steps(surface, tmp_path):
    env = StraightEnv()
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=3)
    for key in (pygame.K_p, pygame.K_n, pygame.K_n, pygame.K_n):
        press(key)
    began = time.perf_counter()
    Window(surface, config, lambda config: session_on(env, tmp_path)).run()
    assert env.num_steps == 3
    assert time.perf_counter() - began < 5


def test_in_slow_motion_steps_take_their_time(surface, tmp_path):
    env, stepped = StraightEnv(), []
    step, env.step = env.step, lambda action: stepped.append(time.perf_counter()) or step(action)
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=5, pace=0.5)
    Window(surface, config, lambda config: session_on(env, tmp_path)).run()
    assert np.diff(stepped).mean() >= 0.9 * env.world.dt / 0.5


def test_hands_have_no_more_time_than_a_world_that_is_slower_than_the_pace(surface, tmp_path):
    env, moved = StraightEnv(), []
    step, env.step = env.step, lambda action: time.sleep(0.15) or step(action)
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=5, pace=4)
    window = Window(surface, config, lambda config: session_on(env, tmp_path))
    window._drive._smoother.update = lambda held, speed, seconds: moved.append(seconds)
    window.run()
    assert 0 < sum(moved) <= 6 * env.world.dt + 1e-6


def test_keys_change_the_pace(surface, tmp_path):
    env = StraightEnv(end=2)
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=2)
    window = Window(surface, config, lambda config: session_on(env, tmp_path))
    for key in (pygame.K_EQUALS, pygame.K_EQUALS, pygame.K_EQUALS, pygame.K_MINUS):
        press(key)
    window.run()
    status = window._status(window._layout())
    assert (status.pace, status.message) == (2.0, "2 times as fast as time")
    assert [next_pace(p, d) for p, d in ((0.3, -1), (0.3, 1), (4.0, 1), (0.25, -1))] == [0.25, 0.5, 4.0, 0.25]
    with pytest.raises(ValueError, match="pace must be positive, got -1"):
        PlayConfig(pace=-1)


def test_keys_keep_a_moment_return_to_it_and_take_a_screenshot(surface, tmp_path):
    env = StraightEnv()
    config = PlayConfig(screenshot=tmp_path / "shot.png", output=tmp_path / "out", steps=6)
    steps = (pygame.K_n, pygame.K_n)
    keys = (pygame.K_p, *steps, pygame.K_k, *steps, pygame.K_c, pygame.K_j, *steps)
    for key in keys:
        press(key)
    Window(surface, config, lambda config: session_on(env, tmp_path)).run()
    assert len(env.actions) == 6
    assert env.num_steps == 4
    (path,) = (tmp_path / "out").iterdir()
    assert path.suffix == ".png"
    assert pygame.image.load(path).get_size() == (1120, 780)


def test_window_pauses_when_either_world_ends(surface, tmp_path):
    first, second = StraightEnv(end=6), StraightEnv(end=3)
    config = PlayConfig(screenshot=tmp_path / "shot.png", steps=100)
    Window(surface, config, lambda config: session_on(first, tmp_path, beside=[second])).run()
    assert first.num_steps == second.num_steps == 3


def test_learned_world_goes_on_from_the_reference_worlds_start():
    session = make_session(lambda name: FullThrottle(), PlayConfig(world="both", seed=3))
    road, learned = session.moments
    assert (road.world, learned.world) == ("Reference", "Learned")
    np.testing.assert_array_equal(road.frame, learned.frame)
    np.testing.assert_array_equal(road.scene.ego, learned.scene.ego)
    for _ in range(3):
        session.advance(np.array([0.0, 0.5], np.float32))
    road, learned = session.moments
    assert (road.frame != learned.frame).any()
    assert float(learned.scene.speed) == pytest.approx(float(road.scene.speed), abs=0.3)
    session.close()


def test_error_of_the_world_reaches_the_caller(surface, tmp_path):
    def broken(config):
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


STATUS = WindowStatus(
    world="learned",
    paused=False,
    recording=False,
    driver=None,
    autopilot=False,
    busy="Opening …",
    message="",
    steps_per_second=0.0,
    pace=1.0,
    draw_time=0.0,
    hovered=None,
    trust_threshold=0.5,
    overlay=False,
    help=False,
)


def test_painter_draws_before_there_is_a_world(surface):
    WindowRenderer(1.0).draw(surface, arrange((1120, 780), (1, 1)), (), STATUS)
    assert surface.get_at((1, 1))[:3] == BACKGROUND


def test_only_the_picture_that_is_not_trusted_gets_a_red_border(surface, tmp_path):
    session = session_on(StraightEnv(), tmp_path, beside=[StraightEnv(trust=0.4)])
    layout = arrange((1120, 780), session.frame_size, num_views=2)

    def edges(status):
        WindowRenderer(1.0).draw(surface, layout, session.moments, status)
        return [surface.get_at((box.x + 1, box.y + box.h // 2))[:3] for box in layout.views]

    assert edges(STATUS) == [(0, 0, 0), ALARM]
    assert edges(replace(STATUS, trust_threshold=0.3)) == [(0, 0, 0), (0, 0, 0)]


def test_overlay_draws_in_the_picture_and_help_over_all(surface, tmp_path):
    session = session_on(StraightEnv(), tmp_path)
    layout = arrange((1120, 780), session.frame_size)

    def picture(status):
        WindowRenderer(1.0).draw(surface, layout, session.moments, status)
        return pygame.surfarray.array3d(surface)

    plain, overlay = picture(STATUS), picture(replace(STATUS, overlay=True))
    columns, rows = np.nonzero((plain != overlay).any(axis=2))
    assert len(columns) > 1000
    view = pygame.Rect(layout.views[0])
    assert view.contains(pygame.Rect(columns.min(), rows.min(), np.ptp(columns), np.ptp(rows)))
    assert (plain != picture(replace(STATUS, help=True))).any(axis=2).mean() > 0.5


@pytest.mark.parametrize("size", [(1, 1), (60, 300), (300, 60), (200, 200), (3000, 400)])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_painter_draws_into_any_window(surface, tmp_path, size, scale):
    session = session_on(StraightEnv(), tmp_path, beside=[StraightEnv(trust=0.1)])
    layout = arrange(size, session.frame_size, num_views=2, scale=scale)
    status = replace(STATUS, paused=True, recording=True, overlay=True, help=True, message="saved")
    WindowRenderer(scale).draw(pygame.Surface(size), layout, session.moments, status)


def test_large_screens_get_a_larger_scale():
    sizes = [(1024, 768), (1920, 1080), (2560, 1440), (3840, 2160), (7680, 4320)]
    assert [screen_scale(size) for size in sizes] == [1, 1, 1, 2, 4]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trust_threshold": 1.5}, r"trust_threshold must be in \[0, 1\], got 1.5"),
        ({"scale": 0.0}, r"scale must be in \[0.5, 4\], got 0.0"),
        ({"maps": (Path("a.xodr"),)}, "a map is for the reference world"),
        ({"world": "road", "checkpoint": Path("a")}, "a checkpoint is for the learned world"),
        ({"world": "road", "num_sampling_steps": 1}, "sampling steps are for the learned world"),
        ({"browser": True, "port": 70000}, r"port must be in \[0, 65535\], got 70000"),
        ({"port": 8000}, "a port is for the page: add --browser"),
        ({"browser": True, "scale": 1.0}, "screenshot and scale are for the window: leave out --browser"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PlayConfig(**options)


@pytest.mark.skipif(not (shutil.which("Xvfb") and shutil.which("xdotool")), reason="needs Xvfb and xdotool")
def test_real_window_answers_real_keys(tmp_path):
    """Under a real X server keys drive and film the reference world, a resize is drawn, and Escape ends the program."""
    number = "".join(c for c in str(hash(tmp_path)) if c.isdigit())[:2].rjust(2, "7")
    display = f":{number}"
    server = subprocess.Popen(["Xvfb", display, "-screen", "0", "1280x900x24"], stderr=subprocess.DEVNULL)
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
        command = [sys.executable, "-m", "drivedit", "play", "--world", "road", "--output", str(tmp_path)]
        program = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        assert wait_for(lambda: xdotool("search", "--class", "drivedit").stdout, 90)
        (window,) = xdotool("search", "--class", "drivedit").stdout.split()
        time.sleep(4)
        xdotool("key", "v")
        xdotool("keydown", "Up")
        time.sleep(2)
        xdotool("keyup", "Up")
        xdotool("key", "v")
        assert wait_for(lambda: list(tmp_path.glob("*.mp4")), 60)
        xdotool("windowsize", "--sync", window, "900", "600")
        xdotool("key", "o")
        time.sleep(1)
        xdotool("key", "c")
        assert wait_for(lambda: list(tmp_path.glob("window-*.png")), 30)
        (screenshot,) = tmp_path.glob("window-*.png")
        assert pygame.image.load(screenshot).get_size() == (900, 600)
        xdotool("key", "Escape")
        assert program.wait(60) == 0, program.stderr.read()
    finally:
        for process in (program, server):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
