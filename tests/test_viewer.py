"""The viewer: hands, layout, instruments, sessions on a constructed env, and a real window under Xvfb."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pygame
import pytest

from envs.viewer import PlayConfig, Window, play
from envs.viewer_layout import BUTTONS, Box, arrange, lane_outline, map_points, object_corners, readouts
from envs.viewer_panels import Painter
from envs.viewer_session import REWIND_TIME, Hands, Held, Session
from worldsim.scene import ROUTE_DISTANCES, ObjectKind, RouteCommand, SceneState
from worldsim.vehicle import VehicleModel


def straight_scene(speed: float, offset: float = 0.0) -> SceneState:
    scene = SceneState.empty()
    route = np.stack([np.array(ROUTE_DISTANCES), np.full(len(ROUTE_DISTANCES), -offset)], axis=-1)
    objects, kinds = scene.objects.copy(), scene.object_kinds.copy()
    objects[0], kinds[0] = (18, 0, 0, 6, 4.6, 1.9), ObjectKind.CAR
    return replace(
        scene,
        ego=np.array([speed, 0, 0, 0], np.float32),
        lane=np.array([offset, 0, 1.75, 13.9], np.float32),
        route=route.astype(np.float32),
        lead=np.array([13.4, 6], np.float32),
        command=np.array(RouteCommand.FOLLOW),
        objects=objects,
        object_kinds=kinds,
        ego_valid=np.ones(4, bool),
        lane_valid=np.ones(4, bool),
        route_valid=np.ones(len(ROUTE_DISTANCES), bool),
        lead_valid=np.array(True),
    )


class StraightEnv:
    """A car on an endless straight road: speed follows the pedal, the frame shows the step count. Ends at `end`."""

    def __init__(self, end: int = 10**6):
        self.world = SimpleNamespace(dt=0.1, frame_size=(32, 48))
        self.end, self.num_steps, self.speed, self.actions, self.closed = end, 0, 5.0, [], False

    def _answer(self):
        frame = np.full((32, 48, 3), min(self.num_steps, 255), np.uint8)
        info = {
            "scene": straight_scene(self.speed).to_vector(),
            "collision": float(self.num_steps >= self.end),
            "off_road": 0.0,
            "wrong_way": False,
            "route_done": False,
            "truncation_reason": 0,
            "progress": 0.0 if self.num_steps == 0 else self.speed * 0.1,
        }
        return frame, info

    def reset(self, *, seed, options):
        if options.get("start_index", 0) > 2:
            raise ValueError("start_index must be in [0, 3), got 3")
        self.num_steps, self.speed, self.reset_with = 0, 5.0, (seed, options)
        return self._answer()

    def step(self, action):
        self.actions.append(np.array(action))
        self.num_steps += 1
        self.speed = max(0.0, self.speed + float(action[1]))
        frame, info = self._answer()
        return frame, 0.0, info["collision"] > 0.5, False, info

    def snapshot(self):
        return self.num_steps, self.speed

    def restore(self, snapshot):
        self.num_steps, self.speed = snapshot

    def close(self):
        self.closed = True


class FullThrottle:
    def reset(self, env, seed):
        pass

    def act(self, frame, info):
        return np.array([0.25, 1.0], np.float32)


def session_on(env, tmp_path, driver=None):
    return Session(
        env,
        seed=7,
        options={},
        start_options=lambda digit: {"start_index": digit - 1},
        driver=driver,
        video_folder=tmp_path,
    )


def hold(hands: Hands, held: Held, speed: float, seconds: float) -> np.ndarray:
    for _ in range(round(seconds * 30)):
        hands.update(held, speed, 1 / 30)
    return hands.action


def test_left_key_steers_left_smoothly_and_centres_itself():
    hands = Hands()
    early = hold(hands, Held(left=True), 1.0, 0.1)[0]
    full = hold(hands, Held(left=True), 1.0, 2.0)[0]
    assert 0 < early < full == pytest.approx(1.0)
    assert hold(hands, Held(), 1.0, 2.0)[0] == 0
    assert hold(hands, Held(right=True), 1.0, 2.0)[0] == pytest.approx(-1.0)


def test_full_deflection_stays_within_the_lateral_acceleration():
    hands, vehicle, speed = Hands(), VehicleModel(), 15.0
    steer = float(hold(hands, Held(left=True), speed, 3.0)[0])
    curvature = np.tan(steer * vehicle.max_steer_angle) / vehicle.wheelbase
    assert curvature * speed**2 == pytest.approx(hands.config.lateral_acceleration, rel=1e-3)


def test_pedals_ramp_and_space_brakes_at_once():
    hands = Hands()
    assert 0 < hold(hands, Held(accelerate=True), 5.0, 0.2)[1] < 1
    assert hold(hands, Held(accelerate=True), 5.0, 1.0)[1] == 1
    hands.reset()
    hands.update(Held(full_brake=True), 5.0, 1 / 30)
    assert hands.action[1] == -1


def test_mouse_holds_the_steering_where_it_is():
    assert hold(Hands(), Held(steer=-0.5), 0.5, 1.0)[0] == pytest.approx(-0.5)


@pytest.mark.parametrize("window", [(1120, 780), (800, 600), (500, 400), (2560, 1440)])
def test_parts_of_the_window_lie_inside_it_and_apart(window):
    layout = arrange(window, (128, 128), clean=False)
    parts = [layout.view, layout.steer_bar, layout.footer, *layout.buttons.values()]
    parts += [layout.panel] if layout.panel else []
    rects = [pygame.Rect(part) for part in parts]
    assert all(pygame.Rect(0, 0, *window).contains(rect) for rect in rects)
    assert all(not a.colliderect(b) for i, a in enumerate(rects) for b in rects[i + 1 :])
    assert layout.view.w == layout.view.h


def test_mouse_finds_buttons_and_the_bar():
    layout = arrange((1120, 780), (128, 128), clean=False)
    for name in BUTTONS:
        box = layout.buttons[name]
        assert layout.button_at((box.x + box.w // 2, box.y + box.h // 2)) == name
    assert layout.button_at((1, 1)) is None
    assert layout.steer_at(layout.steer_bar.x) == 1
    assert layout.steer_at(layout.steer_bar.x + layout.steer_bar.w) == -1


def test_map_shows_forward_up_and_left_left():
    box = Box(100, 50, 200, 300)
    ego, ahead, left = map_points(np.array([[0, 0], [10, 0], [0, 3]]), box)
    assert ahead[0] == ego[0]
    assert ahead[1] < ego[1]
    assert left[0] < ego[0]
    assert left[1] == ego[1]


def test_object_corners_of_a_turned_car():
    corners = object_corners(np.array([10, 5, np.pi / 2, 0, 4, 2]))
    np.testing.assert_allclose(corners, [[9, 7], [11, 7], [11, 3], [9, 3]], atol=1e-9)


def test_lane_outline_is_half_a_lane_to_both_sides():
    outline = lane_outline(straight_scene(5.0, offset=0.5))
    num = len(outline) // 2
    np.testing.assert_allclose(outline[:num, 1], 1.25, atol=1e-6)
    np.testing.assert_allclose(outline[num:, 1], -2.25, atol=1e-6)


def test_readouts_say_what_is_and_admit_what_is_not_known(tmp_path):
    moment = session_on(StraightEnv(), tmp_path).moment
    told = {line.label: line for line in readouts(moment)}
    assert told["Lead"].text == "13 m, 22 km/h"
    assert told["Lane offset"].text == "+0.00 m"
    assert not told["Collision"].alarm
    told = {line.label: line for line in readouts(replace(moment, scene=SceneState.empty(), collision=0.9))}
    assert told["Lane offset"].text == told["Heading"].text == "–"
    assert told["Lead"].text == "none"
    assert told["Collision"].alarm


def test_rewind_goes_back_two_seconds_and_repeats_exactly(tmp_path):
    session = session_on(StraightEnv(), tmp_path)
    for i in range(60):
        session.advance(np.array([0, 0.01 * i], np.float32))
        if i == 34:
            before = session.moment
    session.rewind()
    assert session.moment.time == pytest.approx(6.0 - REWIND_TIME)
    session.rewind()
    session.rewind()
    assert session.moment.time == pytest.approx(0.0)
    for i in range(35):
        session.advance(np.array([0, 0.01 * i], np.float32))
    assert session.moment.scene == before.scene
    assert session.moment.distance == before.distance


def test_policy_drives_until_the_person_takes_over(tmp_path):
    env = StraightEnv()
    session = session_on(env, tmp_path, FullThrottle())
    session.advance(np.zeros(2, np.float32))
    session.toggle_autopilot()
    session.advance(np.array([0, -0.5], np.float32))
    np.testing.assert_allclose(env.actions, [[0.25, 1], [0, -0.5]])


def test_starts_seeds_and_a_start_that_is_not_there(tmp_path):
    env = StraightEnv()
    session = session_on(env, tmp_path)
    assert env.reset_with == (7, {})
    session.next_start()
    assert env.reset_with == (8, {})
    session.pick_start(2)
    assert env.reset_with == (2, {"start_index": 1})
    session.pick_start(9)
    assert "start_index" in session.message
    session.restart()
    assert env.reset_with == (2, {"start_index": 1})


def test_recording_is_a_video_of_every_frame(tmp_path):
    import av

    session = session_on(StraightEnv(), tmp_path)
    session.toggle_recording()
    for _ in range(12):
        session.advance(np.zeros(2, np.float32))
    session.close()
    (path,) = tmp_path.glob("*.mp4")
    with av.open(str(path)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 13
    assert frames[0].shape == (512, 768, 3)
    assert frames[-1].mean() > frames[0].mean() + 5


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
