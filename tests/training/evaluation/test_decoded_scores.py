"""What is read off pictures, scored on constructed scenes with known answers."""

import numpy as np
import pytest
from layouts import layout_of, users_of

from training.evaluation.decoded_scores import (
    ReadingColumn,
    UsersInSight,
    compare,
    num_matched,
    read_drive,
    reading_scores,
    reading_steps,
    users_in_sight,
)
from worldsim.datatypes.camera import PinholeCamera
from worldsim.datatypes.layout import LayoutKind
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.view import View
from worldsim.scene_decoder import DecodedScene


def decoded_at(*places: tuple[float, float], num: int = 1) -> DecodedScene:
    """Cars at the same places in each of `num` pictures, the ego 0.3 m left of its lane's middle."""
    scene = SceneState.empty((num,))
    scene.lane[:, 0] = 0.3
    for slot, place in enumerate(places):
        scene.object_kinds[:, slot], scene.objects[:, slot, :2] = ObjectKind.CAR, place
    ego = np.stack([np.arange(num), 0.1 * np.arange(num)], axis=-1).astype(np.float32)
    return DecodedScene(scene=scene, ego=ego, collision=np.zeros(num), off_road=np.zeros(num))


def test_each_road_user_is_found_by_another_decoded_one() -> None:
    true = np.array([[10.0, 0.0], [25.0, 0.0]])
    assert num_matched(np.array([[11.9, 0.0], [27.4, 0.0]]), true) == 2  # a tenth of 25 m
    assert num_matched(np.array([[12.1, 0.0], [27.6, 0.0]]), true) == 0
    assert num_matched(np.array([[10.5, 0.0]]), np.array([[10.0, 0.0], [11.0, 0.0]])) == 1
    # the only assignment that finds both gives the nearest to the other one
    assert num_matched(np.array([[10.9, 0.0], [8.6, 0.0]]), np.array([[10.0, 0.0], [12.8, 0.0]])) == 2
    assert num_matched(np.zeros((0, 2)), true) == 0


def test_only_what_the_frame_shows_well_and_near_is_looked_for() -> None:
    truth = SceneState.empty((2,))
    truth.lane[:, 0], truth.lane_valid[0, 0] = -0.1, True
    truth.ego[:, 0], truth.ego_valid[:, 0] = (3.0, 5.0), True
    places = np.array([[10.0, 0.0], [20.0, 4.0], [40.0, 0.0], [12.0, 5.0]])
    users = UsersInSight(places, np.array([100, 30, 400, 29]))
    readings = compare(decoded_at((10.5, 0.0), (12.0, 5.0), (5.0, -5.0), num=2), truth, [users, None])
    first = dict(zip(ReadingColumn, readings[0].tolist(), strict=True))
    assert (first[ReadingColumn.WANTED], first[ReadingColumn.FOUND]) == (2, 1)
    assert (first[ReadingColumn.DECODED], first[ReadingColumn.RIGHT]) == (3, 2)  # the faint one is there
    assert first[ReadingColumn.LANE_ERROR] == pytest.approx(0.4)
    assert np.isnan(readings[1, [ReadingColumn.WANTED, ReadingColumn.LANE_ERROR]]).all()

    scores = reading_scores(readings)
    assert (scores["found"], scores["right"]) == (0.5, pytest.approx(2 / 3))
    assert scores["lane_error_m"] == pytest.approx(0.4)
    assert scores["speed_r"] == pytest.approx(1.0)  # 0, 1 beside 3, 5
    assert np.isnan(scores["yaw_rate_r"])  # the truth is not known


def test_road_users_behind_a_house_or_out_of_the_frame_are_not_in_sight() -> None:
    users = users_of(
        (ObjectKind.CAR, (12.0, 0.0, 0.0, 0.0, 4.5, 1.8, 1.5)),
        (ObjectKind.CAR, (30.0, 8.0, 0.0, 0.0, 4.5, 1.8, 1.5)),
        (ObjectKind.CAR, (-10.0, 0.0, 0.0, 0.0, 4.5, 1.8, 1.5)),
    )
    house = layout_of(LayoutKind.BUILDING, (20.0, 6.0, 0.0, 0.0, 6.0, 8.0, 9.0))
    scene = CameraScene(view=View(x=1.0, y=0.0, yaw=0.0), users=users, user_ids=np.arange(3))
    seen = users_in_sight(Rasterizer(PinholeCamera()), StaticWorld(house), scene)
    assert seen.places == pytest.approx(np.array([[11.0, 0.0]]))
    assert 50 < seen.pixels[0] < 1000


def test_windows_of_frames_are_read_in_the_order_of_the_drive() -> None:
    steps = reading_steps(40, 3, 0.1)
    assert steps.tolist() == [9, 14, 19, 24, 29, 34, 39]
    assert reading_steps(40, 15, 0.1)[0] == 14
    frames = np.zeros((40, 2, 2, 3), np.uint8)
    frames[:] = np.arange(40)[:, None, None, None]
    shown: list[list[int]] = []

    def reader(windows: np.ndarray) -> DecodedScene:
        shown.extend(windows[:, :, 0, 0, 0].tolist())
        return decoded_at(num=len(windows))

    many = np.repeat(steps, 3)  # more than are read at a time
    readings = read_drive(reader, frames, many, 3, SceneState.empty((40,)), [None] * len(many))
    assert readings.shape == (21, len(ReadingColumn))
    assert shown[0] == [7, 8, 9]
    assert shown[-1] == [37, 38, 39]
