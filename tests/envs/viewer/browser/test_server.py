"""The page's server: who may reach it, what it tells, who drives, and what is let go."""

from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
import pytest
from page_servers import served
from viewer_worlds import FullThrottle, StraightEnv, session_on
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from drivedit import main
from envs.viewer.browser.server import HOLD_TIME, MAX_AHEAD
from envs.viewer.browser.state_messages import encode_frame
from envs.viewer.commands import COMMANDS


def speed(state):
    return int(state["views"][0]["speedometer"]["speed"])


def get(address, path, **headers):
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def test_page_and_socket_are_for_who_has_the_token(tmp_path):
    with served(lambda config: session_on(StraightEnv(), tmp_path), tmp_path) as server:
        path = urlsplit(server.address).path
        status, headers, text = get(server.address, path)
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "http" not in text
        assert get(server.address, path + "page.js")[0] == get(server.address, path + "colors.css")[0] == 200
        assert get(server.address, path + "other.js")[0] == 404
        for wrong in ("/", "/socket", "/page.js", path[:-2] + "/", path.upper()):
            assert get(server.address, wrong)[0] == 403
        assert get(server.address, path, Host="evil.example")[0] == 403

        socket = server.address.replace("http", "ws", 1)
        for address, origin in (
            (socket + "socket", None),
            (socket + "socket", "http://evil.example"),
            (socket + "socket", "http://localhost:1"),
            (socket.replace(path, "/wrong/") + "socket", server.origin),
        ):
            with pytest.raises(InvalidStatus, match="403"), connect(address, origin=origin):
                pass


def test_a_page_hears_the_keys_the_state_and_its_picture(tmp_path):
    session = session_on(StraightEnv(), tmp_path)
    with served(lambda config: session, tmp_path) as server, server.page() as page:
        assert {command["name"] for command in page.hello["commands"]} == {c.name for c in COMMANDS} - {"quit"}
        assert page.hear("wheel")["drives"]
        state = page.state()
        number, index, image = page.frame()
        assert (number, index, image.shape) == (state["number"], 0, (32, 48, 3))
        assert np.ptp(image) == 0  # of that one instant
        (view,) = state["views"]
        assert view["speedometer"] == {"speed": "18", "limit": "50", "over": False}
        readouts = {line["label"]: line["text"] for line in view["readouts"]}
        assert (readouts["Lane offset"], readouts["Route"]) == ("+0.00 m", "follow")
        assert view["overlay"] is None
        page.say("command", name="overlay")
        assert page.state(lambda state: state["views"][0]["overlay"])["views"][0]["overlay"]["lane"]


def test_jpeg_keeps_a_picture():
    y, x = np.mgrid[:128, :128]
    frame = np.stack([x + y, 2 * x, 255 - y - x // 2], axis=-1).clip(0, 255).astype(np.uint8)
    import cv2

    again = cv2.cvtColor(cv2.imdecode(np.frombuffer(encode_frame(frame), np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert np.abs(again.astype(int) - frame).mean() < 2


def test_a_held_key_drives_and_is_let_go_when_the_page_falls_silent(tmp_path):
    env = StraightEnv()
    with served(lambda config: session_on(env, tmp_path), tmp_path) as server, server.page() as page:
        first = speed(page.state())
        page.hold("accelerate")
        page.state(lambda state: speed(state) > first + 10)
        throttle = lambda state: float(state["views"][0]["readouts"][1]["text"].rstrip("%"))  # noqa: E731
        page.state(lambda state: throttle(state) == 0)
        assert env.num_steps * 0.1 / 4 > HOLD_TIME / 2


def test_a_page_that_does_not_draw_gets_two_states_and_then_the_newest(tmp_path):
    env = StraightEnv()
    with served(lambda config: session_on(env, tmp_path), tmp_path) as server, server.page() as page:
        page.state()
        page.draws = False
        numbers = [page.hear("state")["number"] for _ in range(MAX_AHEAD)]
        while env.num_steps < 60:
            pass
        page.say("drawn", number=numbers[-1])
        newest = page.hear("state")
        assert newest["number"] > numbers[-1] + 20


def test_the_first_page_drives_the_others_watch_and_may_take_over(tmp_path):
    env = StraightEnv()
    with served(lambda config: session_on(env, tmp_path), tmp_path) as server, server.page() as first:
        first.state()
        with server.page() as second:
            assert not second.hear("wheel")["drives"]
            second.say("command", name="pause")
            second.hold("accelerate")
            second.say("take_wheel")
            assert second.hear("wheel")["drives"]
            assert not first.hear("wheel")["drives"]
            assert not second.state()["status"]["paused"]
            assert max(action[1] for action in env.actions) == 0
        assert first.hear("wheel")["drives"]


def test_the_planner_takes_and_gives_the_wheel(tmp_path):
    env = StraightEnv()
    make = lambda config: session_on(env, tmp_path, FullThrottle())  # noqa: E731
    with served(make, tmp_path) as server, server.page() as page:
        page.state(lambda state: state["status"]["autopilot"] and speed(state) > 30)
        page.say("command", name="autopilot")
        page.state(lambda state: not state["status"]["autopilot"] and state["views"][0]["readouts"][1]["text"] == "0%")


def test_a_hidden_page_pauses_and_no_page_stands_still(tmp_path):
    env = StraightEnv()
    with served(lambda config: session_on(env, tmp_path), tmp_path) as server:
        with server.page() as page:
            page.state()
            page.say("hidden")
            assert "hidden" in page.state(lambda state: state["status"]["paused"])["status"]["message"]
            page.say("command", name="pause")
            page.state(lambda state: not state["status"]["paused"])
        with server.page() as page:
            state = page.state()
            assert not state["status"]["paused"]


def test_another_world_is_gone_on_in(tmp_path):
    opened = []

    def make(config):
        opened.append(config.world)
        return session_on(StraightEnv(), tmp_path, beside=[StraightEnv()] if config.world == "both" else ())

    with served(make, tmp_path) as server, server.page() as page:
        assert page.state()["status"]["world"] == "learned"
        page.say("world", name="both")
        state = page.state(lambda state: state["status"]["world"] == "both")
        assert [view["world"] for view in state["views"]] == ["World 0", "World 1"]
        page.say("world", name="moon")
        page.state(lambda state: "no world 'moon'" in state["status"]["message"])
    assert opened == ["learned", "both"]


def test_what_is_no_message_ends_the_connection_by_name(tmp_path):
    with served(lambda config: session_on(StraightEnv(), tmp_path), tmp_path) as server, server.page() as page:
        page.say("held", keys=["up"], pointer=None, pads=[])
        with pytest.raises(ConnectionClosedError, match="held key 'up'"):
            page.hear("nothing")


def test_an_error_of_the_world_is_told_to_the_page_and_raised(tmp_path):
    env = StraightEnv()

    def broken(action):
        raise RuntimeError("the road is gone")

    env.step = broken
    with (
        served(lambda config: session_on(env, tmp_path), tmp_path, error=RuntimeError) as server,
        server.page() as page,
        pytest.raises(ConnectionClosedError, match="the road is gone"),
    ):
        page.hear("nothing")


def test_the_extra_that_is_missing_and_the_port_that_is_taken_are_told(tmp_path, monkeypatch, capsys):
    with served(lambda config: session_on(StraightEnv(), tmp_path), tmp_path) as server:
        port = urlsplit(server.address).port
        assert main(["play", "--browser", "--world", "road", "--port", str(port)]) == 2
        assert str(port) in capsys.readouterr().err
    monkeypatch.setattr("envs.viewer.browser.play_page.find_spec", lambda name: None)
    assert main(["play", "--browser"]) == 2
    assert "pip install 'drivedit[browser]'" in capsys.readouterr().err
