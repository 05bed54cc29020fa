"""The viewer's session: starts, drivers, rewind, kept moments, films, one world and two."""

import numpy as np
import pytest
from viewer_worlds import FullThrottle, StraightEnv, session_on

from envs.viewer.session import REWIND_TIME, Session


def drive(session: Session, pedal: float, num_steps: int) -> None:
    for _ in range(num_steps):
        session.advance(np.array([0, pedal], np.float32))


def test_rewind_goes_back_two_seconds_and_repeats_exactly(tmp_path):
    session = session_on(StraightEnv(), tmp_path)
    for i in range(60):
        session.advance(np.array([0, 0.01 * i], np.float32))
        if i == 34:
            before = session.leading
    session.rewind()
    assert session.leading.time == pytest.approx(6.0 - REWIND_TIME)
    session.rewind()
    session.rewind()
    assert session.leading.time == pytest.approx(0.0)
    for i in range(35):
        session.advance(np.array([0, 0.01 * i], np.float32))
    assert session.leading.scene == before.scene
    assert session.leading.distance == before.distance


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


def test_kept_moment_is_returned_to_again_and_again_and_from_another_start(tmp_path):
    env = StraightEnv()
    session = session_on(env, tmp_path)
    session.return_to_kept()
    assert "K keeps one" in session.message
    drive(session, 0.0, 30)
    session.keep()
    drive(session, -0.1, 30)
    assert session.leading.scene.speed < 4
    session.return_to_kept()
    assert session.leading.time == pytest.approx(3.0)
    assert session.leading.scene.speed == env.speed == 5
    drive(session, 0.1, 10)
    session.pick_start(2)
    session.return_to_kept()
    assert (session.leading.seed, session.leading.time) == (7, pytest.approx(3.0))
    session.rewind()
    assert session.leading.time == pytest.approx(1.0)
    session.restart()
    assert env.reset_with == (7, {})


def test_second_world_goes_on_from_the_first_ones_start_under_the_same_actions(tmp_path):
    first, second = StraightEnv(), StraightEnv()
    session = session_on(first, tmp_path, FullThrottle(), beside=[second])
    assert second.reset_with == (7, {"start_clip": "clip at 0"})
    drive(session, 0.0, 25)
    session.toggle_autopilot()
    drive(session, -0.1, 25)
    np.testing.assert_array_equal(first.actions, second.actions)
    assert len(first.actions) == 50
    session.rewind()
    assert first.num_steps == second.num_steps == 30
    assert [moment.world for moment in session.moments] == ["World 0", "World 1"]
    session.pick_start(2)
    assert first.reset_with == (2, {"start_index": 1})
    assert second.reset_with == (2, {"start_clip": "clip at 0"})
    session.close()
    assert first.closed
    assert second.closed


def test_film_of_two_worlds_shows_them_beside_each_other(tmp_path):
    import av

    session = session_on(StraightEnv(), tmp_path, beside=[StraightEnv()])
    session.toggle_recording()
    drive(session, 0.0, 3)
    session.close()
    (path,) = tmp_path.glob("*.mp4")
    with av.open(str(path)) as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (2 * 768, 512)


def test_an_end_in_either_world_is_an_end(tmp_path):
    session = session_on(StraightEnv(), tmp_path, beside=[StraightEnv(end=2)])
    drive(session, 0.0, 1)
    assert not session.ended
    drive(session, 0.0, 1)
    assert session.ended
    assert [moment.ended for moment in session.moments] == ["", "collision"]


def test_worlds_of_different_steps_are_refused(tmp_path):
    slow = StraightEnv()
    slow.world.dt = 0.2
    with pytest.raises(ValueError, match=r"one frame size and time step.*0\.2"):
        session_on(StraightEnv(), tmp_path, beside=[slow])
