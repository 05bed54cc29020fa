"""The loop below the viewer's faces: another world, kept where it cannot be; what a command is for."""

import time

import pytest
from viewer_worlds import StraightEnv, session_on

from envs.viewer.config import PLAY_WORLDS, PlayConfig
from envs.viewer.drive_loop import DriveLoop
from envs.viewer.held import Held


def run_until(drive, condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        drive.forward(Held(), 0.01)


@pytest.fixture
def opened():
    return []


@pytest.fixture
def drive(opened, tmp_path):
    """A loop whose reference world cannot be opened a second time."""

    def open_session(config):
        if config.world == "road":
            raise ValueError("the map is broken")
        opened.append((config.world, config.seed, StraightEnv()))
        return session_on(opened[-1][2], tmp_path)

    drive = DriveLoop(PlayConfig(output=tmp_path, pace=4), open_session)
    run_until(drive, lambda: drive.num_steps > 2)
    yield drive
    drive.close()


def test_another_world_goes_on_with_the_seed_and_the_one_before_is_closed(drive, opened):
    first = drive.session
    drive.command("pause")
    drive.choose_world("both")
    assert drive.status().busy == "Opening both worlds …"
    run_until(drive, lambda: drive.session is not first)
    assert [entry[:2] for entry in opened] == [("learned", 0), ("both", 7)]
    assert opened[0][2].closed
    assert not opened[1][2].closed
    assert (drive.status().world, drive.paused) == ("both", False)


def test_where_a_world_cannot_be_opened_the_drive_goes_on_and_says_so(drive, opened):
    steps = drive.num_steps
    drive.choose_world("road")
    run_until(drive, lambda: drive.num_steps > steps + 1 and not drive.status().busy)
    assert drive.status().message == "the map is broken"
    assert drive.status().world == "learned"
    assert not opened[0][2].closed


def test_options_of_a_world_refuse_another_and_the_key_goes_through_all(drive, tmp_path):
    endless = DriveLoop(PlayConfig(endless=True), lambda config: session_on(StraightEnv(), tmp_path))
    run_until(endless, lambda: endless.session is not None)
    endless.choose_world("road")
    assert "endless drives are the learned world's alone" in endless.status().message
    endless.close()
    assert drive.command("world")
    assert drive.status().busy.startswith("Opening the reference")
    assert PLAY_WORLDS == ("learned", "road", "both")


def test_what_concerns_the_face_is_left_to_it(drive):
    assert [
        name for name in ("clean", "help", "screenshot", "quit", "fly", "0", "12", "²") if drive.command(name)
    ] == []
    assert drive.command("overlay")
    assert drive.status().overlay
