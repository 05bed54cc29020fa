"""What a recording tells of a start's surroundings: who is parked, whom only the scene lists, the stop lines ahead."""

from pathlib import Path

import numpy as np
import pytest
from known_clips import ground, heads

from training.data.camera_scenes import CameraScenes, write_camera_scenes
from training.data.recorded_clips import recorded_signals, recorded_users
from worldsim.datatypes.layout import BOX_NAMES, BoxColumn, Layout
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.datatypes.signals import RouteSignalColumn, SignalKind, light_states
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.view import View

CYCLE = np.array([10.0, 4.0, 3.0, 1.0])


def scenes_of(path: Path, frames: list[dict[int, tuple[float, float, float]]]) -> CameraScenes:
    """Camera scenes of cars by number: x, y, and their length."""
    made = []
    for k, cars in enumerate(frames):
        boxes = np.zeros((len(cars), len(BOX_NAMES)))
        boxes[:, [BoxColumn.X, BoxColumn.Y, BoxColumn.LENGTH]] = np.array(list(cars.values())).reshape(-1, 3)
        boxes[:, BoxColumn.WIDTH], boxes[:, BoxColumn.HEIGHT] = 1.8, 1.5
        n = len(cars)
        shown = RoadUsers(
            kinds=np.full(n, int(ObjectKind.CAR)),
            boxes=boxes,
            colors=np.full((n, 3), 90.0),
            braking=np.zeros(n, bool),
            phases=np.zeros(n),
        )
        made.append(CameraScene(view=View(x=1.0 * k, y=0.0, yaw=0.0), users=shown, user_ids=np.array(list(cars))))
    write_camera_scenes(path / "scenes.npz", made, None)
    return CameraScenes(path / "scenes.npz")


def road() -> Layout:
    x = np.linspace(-100.0, 300.0, 81)
    return ground(np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=-1))


def test_who_is_parked_is_known_before_he_comes_in_sight(tmp_path: Path) -> None:
    # 5 stands beside the road, 6 in it, 7 drives, 8 comes in sight later
    first = {5: (30, -6, 4.1), 6: (20, 0, 4.2), 7: (40, 2, 4.3)}
    frames = [first, *(first | {7: (40 + k, 2, 4.3), 8: (90, 6, 4.4)} for k in (1, 2))]
    scenes = scenes_of(tmp_path, frames)
    empty = SceneState.empty()
    found = recorded_users(scenes, 0, empty, np.zeros(6), road(), 0.1)

    by_length = {round(float(box[BoxColumn.LENGTH]), 1): k for k, box in enumerate(found.boxes)}
    assert sorted(by_length) == [4.1, 4.2, 4.3, 4.4]
    assert [length for length, k in sorted(by_length.items()) if found.parked[k]] == [4.1, 4.4]
    later = recorded_users(scenes, 2, empty, np.zeros(6), road(), 0.1)
    assert later.speeds[later.boxes[:, BoxColumn.LENGTH] == 4.3] == pytest.approx(10.0)


def test_whom_only_the_scene_lists_is_known_by_his_size(tmp_path: Path) -> None:
    scenes = scenes_of(tmp_path, [{7: (8, 2, 4.3)}, {}])
    scene = SceneState.empty()
    scene.object_kinds[:2], scene.objects[0] = ObjectKind.CAR, (-12, 2, 0, 9.0, 4.3, 1.8)
    scene.objects[1] = (-20, 2, 0, 7.0, 5.0, 1.8)
    found = recorded_users(scenes, 1, scene, np.zeros(6), road(), 0.1)

    assert found.speeds.tolist() == [9.0, 7.0]
    assert found.colors[0].tolist() == [90, 90, 90]
    assert np.isnan(found.colors[1]).all()
    assert found.heights.tolist() == pytest.approx([1.5, 1.55])


def drive(line: float, num: int = 80, kind: SignalKind | None = None) -> tuple[np.ndarray, SceneState]:
    """An ego at 8 m/s along the x axis, told of a light of CYCLE, or a sign, whose stop line is at x = `line`."""
    vehicles = np.zeros((num, 6))
    vehicles[:, 0] = 0.8 * np.arange(num)
    scenes = SceneState.empty((num,))
    scenes.signal_valid[:] = True
    distance = line - vehicles[:, 0] - 2.3
    told = distance > -2.0
    shown = light_states(CYCLE, 0.1 * np.arange(num)) if kind is None else np.full(num, int(kind))
    scenes.signal[told], scenes.signal_distance[told] = shown[told], distance[told]
    return vehicles, scenes


ROUTE = np.stack([np.arange(0.0, 120.0), np.zeros(120)], axis=-1)
CYCLES = np.stack([np.array([10.0, 0.0, 3.0, 1.0]), CYCLE])


def signals(vehicles: np.ndarray, scenes: SceneState, layout: Layout, cycles: np.ndarray | None) -> np.ndarray | None:
    return recorded_signals(ROUTE, vehicles, scenes, 2.3, layout, cycles, 0.1)


def test_a_stop_line_has_the_cycle_of_the_light_that_agrees() -> None:
    lights = heads((62, -4, np.pi, 0), (75, -4, np.pi, 1), (62, -4, 0.0, 1))
    (row,) = signals(*drive(60.0), lights, CYCLES)
    assert row[RouteSignalColumn.S] == pytest.approx(60.0, abs=0.01)
    assert row[RouteSignalColumn.KIND] == SignalKind.RED
    assert row[RouteSignalColumn.PERIOD :].tolist() == CYCLE.tolist()


def test_lines_are_not_known_where_no_light_agrees_or_faces_the_ego() -> None:
    for lights, cycles in (
        (heads((62, -4, np.pi, 0)), CYCLES),
        (heads((62, -4, 0.0, 1)), CYCLES),
        (heads((162, -4, np.pi, 1)), CYCLES),
        (heads((62, -4, np.pi, 1)), None),
    ):
        assert signals(*drive(60.0), lights, cycles) is None


def test_signs_need_no_cycle_and_a_stop_sign_stays_one_after_the_stop() -> None:
    vehicles, scenes = drive(50.0, kind=SignalKind.STOP)
    scenes.signal[40:][scenes.signal[40:] == SignalKind.STOP] = SignalKind.YIELD
    (row,) = signals(vehicles, scenes, Layout.unknown(), None)
    assert (row[RouteSignalColumn.KIND], row[RouteSignalColumn.PERIOD]) == (SignalKind.STOP, 0)
    scenes.signal_valid[:] = False
    assert signals(vehicles, scenes, Layout.unknown(), None) is None
