"""Light cycles, and SceneStates and start clips that tell of lights and signs or know nothing of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from worldsim.datatypes.scene import SCENE_LAYOUT, SCENE_SIZE, SceneState
from worldsim.datatypes.signals import NO_SIGNALS, SignalKind, light_states
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.starts import load_starts, save_starts

RED, YELLOW, GREEN = SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN


def clip(signals: np.ndarray | None, t: int = 3) -> StartClip:
    return StartClip(
        frames=np.zeros((t, 4, 4, 3), np.uint8),
        controls=np.zeros((t - 1, 4), np.float32),
        vehicles=np.zeros((t, 6)),
        scenes=SceneState.empty((t,)),
        route=np.stack([np.arange(50.0), np.zeros(50)], axis=-1).astype(np.float32),
        dt=0.1,
        signals=signals,
    )


@pytest.mark.parametrize(
    ("time", "shown"),
    [(4.9, RED), (5.0, GREEN), (24.9, GREEN), (25.0, YELLOW), (27.9, YELLOW), (28.0, RED), (64.9, RED), (65.0, GREEN),
     (-55.0, GREEN), (-55.1, RED)],
)  # fmt: skip
def test_a_light_is_green_then_yellow_then_red_and_so_on(time: float, shown: SignalKind) -> None:
    assert light_states([[60.0, 5.0, 20.0, 3.0]], time).tolist() == [shown]


def test_lights_take_one_time_or_one_each() -> None:
    cycles = np.array([[60.0, 0, 20, 3], [60.0, 30, 20, 3]])
    assert light_states(cycles, 31.0).tolist() == [RED, GREEN]
    assert light_states(cycles, [[0.0, 21.0], [21.0, 51.0]]).tolist() == [[GREEN, RED], [YELLOW, YELLOW]]
    assert light_states(np.zeros((0, 4)), 1.0).shape == (0,)
    assert light_states([[10.0, 0, 10, 0], [10.0, 0, 0, 0]], 7.0).tolist() == [GREEN, RED]  # always, and never
    with pytest.raises(ValueError, match=r"period, offset, green, yellow, got \(6,\)"):
        light_states(np.zeros(6), 0.0)


def test_signals_are_the_last_of_a_scenes_vector() -> None:
    assert SCENE_SIZE == 137
    assert list(SCENE_LAYOUT)[-3:] == ["signal", "signal_distance", "signal_valid"]
    scene = SceneState.empty()
    scene.signal[...], scene.signal_distance[...], scene.signal_valid[...] = SignalKind.STOP, 12.5, True
    assert scene.to_vector()[-3:].tolist() == [SignalKind.STOP, 12.5, 1.0]
    assert SceneState.from_vector(scene.to_vector()) == scene


def test_start_clips_keep_their_signals_in_a_file(tmp_path: Path) -> None:
    light = np.array([[30, RED, 60, -5, 20, 3], [70, SignalKind.STOP, 0, 0, 0, 0]], np.float32)
    save_starts([clip(light), clip(None), clip(NO_SIGNALS), clip(light[:1])], tmp_path / "starts.npz")
    loaded = [one.signals for one in load_starts(tmp_path / "starts.npz")]
    assert loaded[1] is None
    for found, expected in zip(loaded[::2] + loaded[3:], (light, NO_SIGNALS, light[:1]), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_file_from_before_signals_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "starts.npz"
    save_starts([clip(NO_SIGNALS)], path)
    with np.load(path) as file:
        old = {name: file[name] for name in file.files if "signal" not in name and "layout" not in name}
    np.savez_compressed(path, **old)
    with pytest.raises(ValueError, match=r"starts.npz: .* it lacks 'scene_signal"):
        load_starts(path)


def test_signals_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"signals must be \[k, 6\].*got \(2, 4\)"):
        replace(clip(None), signals=np.zeros((2, 4), np.float32))
    assert clip(NO_SIGNALS).last(2).signals is NO_SIGNALS
