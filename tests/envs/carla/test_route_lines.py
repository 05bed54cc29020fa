"""Stop lines along a route, on constructed places."""

import numpy as np
import pytest

from envs.carla.messages import MapSignals
from envs.carla.route_lines import RouteLines, RouteSigns
from envs.maps.route import route_through
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.signals import SignalKind

RED, YELLOW, GREEN, STOP, NONE = (
    SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN, SignalKind.STOP, SignalKind.NONE
)  # fmt: skip
ROUTE = route_through(np.stack([np.arange(0.0, 201.0), np.zeros(201)], axis=1))


def signals(*rows):
    """x, y, yaw, kind, light of each."""
    table = np.array(rows, np.float64).reshape(-1, 5)
    num_lights = int(table[:, 4].max(initial=-1)) + 1
    return MapSignals(
        poses=table[:, :3],
        kinds=table[:, 3].astype(np.int64),
        lights=table[:, 4].astype(np.int64),
        greens=np.full(num_lights, 10.0),
        yellows=np.full(num_lights, 3.0),
    )


def test_only_lines_on_the_route_in_its_direction_count():
    lines = RouteLines.of(
        ROUTE, signals((60.3, 0.2, 0.1, RED, 1), (80, 3.5, 0, RED, 0), (90, 0, np.pi, RED, 0), (30, -0.5, 0, STOP, -1))
    )
    np.testing.assert_allclose(lines.s, [30.0, 60.3])
    assert lines.kinds.tolist() == [STOP, RED]
    assert lines.lights.tolist() == [-1, 1]


def test_a_place_that_is_passed_twice_counts_twice():
    angle = np.linspace(0, 4 * np.pi, 800)
    circle = route_through(np.stack([30 * np.cos(angle), 30 * np.sin(angle)], axis=1))
    lines = RouteLines.of(circle, signals((0, 30, np.pi, RED, 0)))
    np.testing.assert_allclose(lines.s, [15 * np.pi, 75 * np.pi], atol=0.2)


def test_a_sign_beside_a_light_is_for_when_it_is_off():
    lines = RouteLines.of(ROUTE, signals((60, 0, 0, RED, 0), (57, 0, 0, STOP, -1), (100, 0, 0, STOP, -1)))
    np.testing.assert_allclose(lines.s, [60.0, 100.0])


def test_lights_show_what_the_server_says():
    signs = RouteSigns(signals((60, 0, 0, RED, 1)), 4.0, ROUTE, 20.0, 10.0, np.array([RED, GREEN]))
    scene = SceneState.empty()
    signs.fill(scene)
    assert (scene.signal, scene.signal_valid) == (GREEN, True)
    assert scene.signal_distance == pytest.approx(60 - 22)

    signs.step(21.0, 0.0, 10.0, np.array([GREEN, RED]))
    scene = SceneState.empty()
    signs.fill(scene)
    assert scene.signal == RED

    signs.step(22.0, 0.0, 10.0, np.array([GREEN, NONE]))
    scene = SceneState.empty()
    signs.fill(scene)
    assert (scene.signal, float(scene.signal_distance), scene.signal_valid) == (NONE, 0.0, True)


@pytest.mark.parametrize(("before", "run"), [(RED, True), (YELLOW, False), (GREEN, False), (NONE, False)])
def test_a_line_is_crossed_on_what_its_light_showed_before(before, run):
    signs = RouteSigns(signals((60, 0, 0, RED, 0)), 4.0, ROUTE, 57.5, 10.0, np.array([before]))
    signs.step(58.5, 0.0, 10.0, np.array([RED]))
    assert signs.now.red_light == run
    signs.step(59.5, 0.0, 10.0, np.array([RED]))
    assert not signs.now.red_light


@pytest.mark.parametrize(("speed", "missed"), [(5.0, True), (0.0, False)])
def test_a_stop_sign_asks_for_a_stop(speed, missed):
    signs = RouteSigns(signals((60, 0, 0, STOP, -1)), 4.0, ROUTE, 50.0, 5.0, np.zeros(0, np.int64))
    signs.step(56.0, 0.0, speed, np.zeros(0, np.int64))
    signs.step(58.5, 0.0, 5.0, np.zeros(0, np.int64))
    assert signs.now.stop_sign_missed == missed


def test_start_clips_know_signs_but_no_cycles():
    signs = RouteLines.of(ROUTE, signals((60, 0, 0, STOP, -1)))
    np.testing.assert_allclose(signs.ahead(20.0, None), [[40.0, STOP, 0, 0, 0, 0]])
    assert len(signs.ahead(70.0, None)) == 0
    light = RouteLines.of(ROUTE, signals((60, 0, 0, RED, 0)))
    assert light.ahead(20.0, None) is None
    cycles = np.array([[30.0, 2.0, 10.0, 3.0]])
    np.testing.assert_allclose(light.ahead(20.0, cycles), [[40.0, RED, 30.0, 2.0, 10.0, 3.0]])
