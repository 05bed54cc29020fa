"""The page in a real browser: real keys drive the reference world, the planner takes over, the layout holds."""

import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from headless_chromium import CHROMIUM, Chromium, Tab
from page_servers import served
from places import ROOT
from viewer_worlds import StraightEnv, session_on

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
SPEED = "parseFloat(document.querySelector('.speed b')?.textContent)"
BRIGHTNESS = """(() => {
  const canvas = document.querySelector('.view canvas');
  return canvas.getContext('2d').getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data[0];
})()"""


@dataclass
class Watched:
    env: StraightEnv
    server: object
    browser: Chromium
    tab: Tab


@pytest.fixture(scope="module")
def browser():
    with Chromium() as browser:
        yield browser


@pytest.fixture
def watched(tmp_path, browser):
    """A straight road in a page: its frames get brighter with each step."""
    env = StraightEnv()
    with (
        served(lambda config: session_on(env, tmp_path), tmp_path) as server,
        browser.open(server.address) as tab,
    ):
        tab.wait_for(f"{SPEED} >= 0")
        yield Watched(env, server, browser, tab)


def throttle(env):
    return float(env.actions[-1][1])


def wait_until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_pictures_arrive_keys_drive_and_lost_keys_are_let_go(watched):
    tab, env = watched.tab, watched.env
    before = tab.evaluate(BRIGHTNESS)
    tab.wait_for(f"{BRIGHTNESS} > {before} + 5")
    before = tab.evaluate(SPEED)
    tab.key_down("ArrowUp")
    tab.wait_for(f"{SPEED} > {before} + 10")
    assert throttle(env) > 0.5
    tab.key_up("ArrowUp")
    wait_until(lambda: throttle(env) == 0)
    tab.key_down("w")
    wait_until(lambda: throttle(env) == 1)
    tab.evaluate("window.dispatchEvent(new Event('blur'))")  # as when another window comes to the front
    wait_until(lambda: throttle(env) == 0)
    tab.key_up("w")


def test_a_page_that_hangs_lets_go(watched):
    watched.tab.key_down("ArrowUp")
    wait_until(lambda: throttle(watched.env) == 1)
    watched.tab.evaluate("(() => { const end = Date.now() + 4000; while (Date.now() < end); })()")
    assert 0 in [float(action[1]) for action in watched.env.actions[-120:]]


def test_the_mouse_steers_buttons_command_and_help_shows(watched):
    tab, env = watched.tab, watched.env
    box = "document.querySelector('.view canvas').getBoundingClientRect()"
    x, y, width, height = (tab.evaluate(f"{box}.{name}") for name in ("x", "y", "width", "height"))
    tab.mouse("mousePressed", x + width / 2, y + height / 2)
    tab.mouse("mouseMoved", x + width / 10, y + height / 2)
    wait_until(lambda: env.actions[-1][0] > 0.05)
    tab.mouse("mouseReleased", x + width / 10, y + height / 2)
    wait_until(lambda: env.actions[-1][0] == 0)
    tab.press("p")
    tab.wait_for("!document.querySelector('.banner').hidden")
    assert tab.evaluate("document.querySelector('.banner').textContent") == "Paused   P go on   N one step"
    tab.evaluate("document.querySelector('[data-name=pause]').click()")
    tab.wait_for("document.querySelector('.banner').hidden")
    tab.press("h")
    assert "Arrows or WASD" in tab.evaluate("document.getElementById('help').innerText")


def test_a_second_tab_watches_until_it_is_asked_to_drive(watched):
    with watched.browser.open(watched.server.address) as second:
        second.wait_for(f"{SPEED} >= 0 && !document.getElementById('watching').hidden")
        second.evaluate("document.getElementById('take').click()")
        second.wait_for("document.getElementById('watching').hidden")
        watched.tab.wait_for("!document.getElementById('watching').hidden")


def test_a_phone_shows_everything_below_each_other(watched):
    watched.tab.resize(390, 844, phone=True)
    watched.tab.wait_for("document.documentElement.scrollWidth <= 390")
    picture, panel = (
        watched.tab.evaluate(f"document.querySelector('{name}').getBoundingClientRect().width")
        for name in (".view canvas", "aside")
    )
    assert picture > 350
    assert panel > 350


def test_the_command_drives_hands_over_and_ends(tmp_path, browser):
    command = [sys.executable, "-m", "drivedit", "play", "--browser", "--world", "road", "--policy", "lane_follower"]
    program = subprocess.Popen(
        [*command, "--output", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/\S{22}/", program.stdout.readline()).group()
        with browser.open(address) as tab:
            who = "document.getElementById('who')?.textContent"
            tab.wait_for(f"{who} === 'lane_follower driving' && {SPEED} >= 0", 200)
            tab.press("m")
            tab.wait_for(f"{who} === 'you driving'")
            tab.key_down(" ")
            tab.wait_for(f"{SPEED} < 5")
            tab.key_up(" ")
            tab.key_down("ArrowUp")
            tab.wait_for(f"{SPEED} > 10")
            tab.key_up("ArrowUp")
            tab.press("m")
            tab.wait_for(f"{who} === 'lane_follower driving'")
            tab.screenshot(tmp_path / "page.png")
            image = cv2.imread(str(tmp_path / "page.png"))
            assert image.std() > 25
            assert len(np.unique(image.reshape(-1, 3), axis=0)) > 2000
            program.send_signal(signal.SIGINT)
            assert program.wait(60) == 0, program.stderr.read()
            tab.wait_for("document.getElementById('lost').textContent.startsWith('drivedit play has ended')")
    finally:
        if program.poll() is None:
            program.kill()
            program.wait()
