"""Loop closure: laps around blocks of real towns, the same views of them, and scores with known answers."""

import numpy as np
import pytest

from envs.road.static_scene import load_town_scene
from training.evaluation.loop_closure import (
    LAP_RANGE,
    LoopDrives,
    find_lap,
    loop_closure_scores,
    make_loop,
    same_views,
    true_frames,
    view_rows,
)
from worldsim.gbuffer.view import View


@pytest.mark.timeout(900)  # the camera of the town is compiled first
def test_a_lap_comes_back_to_where_it_began_and_the_clip_is_on_it() -> None:
    lap = find_lap(load_town_scene(3).road_map)
    assert lap is not None
    route = load_town_scene(3).road_map.route_along(lap)
    assert LAP_RANGE[0] <= route.length <= LAP_RANGE[1]
    assert np.linalg.norm(route.points[-1] - route.points[0]) < 2.0

    loop = make_loop(3, (32, 32), 4, seed=0)
    assert loop is not None
    assert loop.clip.frames.shape == (4, 32, 32, 3)
    assert loop.length == pytest.approx(route.length)
    assert np.linalg.norm(loop.clip.route[0]) < 1.0
    around = loop.clip.route[round(loop.length)] - loop.clip.route[0]
    assert np.linalg.norm(around) < 2.0
    assert loop.clip.layout.ground_known
    assert len(loop.clip.layout.boxes)

    # the camera of the town sees there what the clip shows: nobody is on the road
    x, y, yaw = loop.clip.vehicles[-1, :3].tolist()
    again = true_frames(loop, [View(x=x, y=y, yaw=yaw)], (32, 32))[0]
    assert np.abs(again.astype(int) - loop.clip.frames[-1]).mean() < 2.0


def views_there_and_back() -> list[View]:
    """Four places a metre and a half apart, visited twice, and once more looking elsewhere."""
    return [View(x=x, y=0.0, yaw=yaw) for x, yaw in zip([0, 3, 6, 9, 6, 3, 0.1, 3], [0.0] * 7 + [0.1], strict=True)]


def test_the_same_views_are_paired_and_compared(monkeypatch) -> None:
    views = views_there_and_back()
    assert same_views(views, 6.0).tolist() == [[4, 2], [5, 1], [6, 0]]
    frames = np.zeros((8, 4, 4, 3), np.uint8)
    frames[:] = np.array([10, 20, 30, 40, 30, 20, 10, 20])[:, None, None, None]
    loop = make_loop(3, (32, 32), 4, seed=0)
    assert loop is not None
    monkeypatch.setattr("training.evaluation.loop_closure.LEAST_TRAVELLED", 6.0 / loop.length)
    first, later = view_rows(loop, frames, views)
    assert first[:, 0, 0, 0].tolist() == later[:, 0, 0, 0].tolist() == [30, 20, 10]
    scores = loop_closure_scores([loop], LoopDrives(frames=frames[None], views=[views]), np.random.default_rng(0))
    assert (scores["loops"], scores["pairs"]) == (1, 3)
    assert scores["same_view_db"] == 60.0
    assert scores["other_view_db"] < 40
    assert scores["truth_db"] < 20

    monkeypatch.setattr("training.evaluation.loop_closure.LEAST_TRAVELLED", 1.0)
    assert view_rows(loop, frames, views) == []
    assert loop_closure_scores([loop], LoopDrives(frames=frames[None], views=[views]), np.random.default_rng(0)) == {
        "loops": 0,
        "pairs": 0,
    }
