"""The planner that ships: it keeps its lane and its distance, stops at red, and says when its weights are wrong."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from policies.pixels.network import PixelNetwork
from policies.plant.network import PlanTNetwork
from policies.plant.planner import WEIGHTS, PlanTPlanner
from policies.registry import make_policy, uses_pictures
from worldsim.checkpoint import save_weights
from worldsim.datatypes.scene import ROUTE_DISTANCES, ObjectKind, SceneState, control_from_action
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

MOST_BYTES = 1.5e6
LIMIT = 30 / 3.6
ENV = SimpleNamespace(world=SimpleNamespace(dt=0.1))
NO_FRAME = np.zeros((0, 0, 3), np.uint8)
MODEL = VehicleModel()


def scene_of(state: np.ndarray, *, car_at: float | None = None, red_at: float | None = None) -> SceneState:
    """What an ego [6] sees on a straight road along the ground's x axis whose limit is 30 km/h."""
    x, y, yaw, speed, acceleration, steer_angle = state
    scene = SceneState.empty()
    scene.ego[:] = speed, acceleration, MODEL.yaw_rate(state), steer_angle
    scene.lane[:] = y, yaw, 1.75, LIMIT
    scene.ego_valid[:], scene.lane_valid[:], scene.route_valid[:] = True, True, True
    turn = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]])
    scene.route[:] = np.stack([ROUTE_DISTANCES, np.full(len(ROUTE_DISTANCES), -y)], axis=-1) @ turn
    scene.signal_valid[...] = True
    if car_at is not None and car_at - x < 60:
        scene.objects[0] = *(np.array([car_at - x, -y]) @ turn), -yaw, 0.0, 4.5, 1.8
        scene.object_kinds[0] = ObjectKind.CAR
        scene.lead[:], scene.lead_valid[...] = (car_at - x - (MODEL.length + 4.5) / 2, 0.0), True
    front = x + MODEL.length / 2
    if red_at is not None and red_at - front > -2:
        scene.signal[...], scene.signal_distance[...] = SignalKind.RED, red_at - front
    return scene


def drive(begin: tuple[float, ...], seconds: float, **ahead: float) -> np.ndarray:
    """States [t, 6] of the shipped planner's drive from x, y, yaw and speed."""
    planner = make_policy("plant")
    planner.reset(ENV, 0)  # type: ignore[arg-type]
    states = [np.array([*begin, 0.0, 0.0])]
    for _ in range(round(10 * seconds)):
        action = planner.act(NO_FRAME, {"scene": scene_of(states[-1], **ahead).to_vector()})
        assert (action.shape, action.dtype) == ((2,), np.float32)
        states.append(MODEL.step(states[-1], control_from_action(action), 0.1))
    return np.array(states)


def test_on_a_straight_road_it_drives_straight_on_at_the_limit() -> None:
    states = drive((0.0, 0.0, 0.0, 5.0), 12.0)
    assert np.abs(states[:, VehicleColumn.Y]).max() < 0.5
    assert states[-20:, VehicleColumn.SPEED].mean() == pytest.approx(LIMIT, abs=0.5)


def test_from_rest_beside_its_lane_it_comes_back() -> None:
    states = drive((0.0, 0.6, 0.05, 0.0), 12.0)
    assert np.abs(states[-20:, VehicleColumn.Y]).max() < 0.3
    assert states[-1, VehicleColumn.X] > 50.0


def test_it_stops_behind_a_standing_car() -> None:
    states = drive((0.0, 0.0, 0.0, 8.0), 20.0, car_at=60.0)
    gap = 60.0 - states[-1, VehicleColumn.X] - (MODEL.length + 4.5) / 2
    assert states[-1, VehicleColumn.SPEED] < 0.3
    assert 0.5 < gap < 8.0


def test_it_stops_at_a_red_light() -> None:
    states = drive((0.0, 0.0, 0.0, 8.0), 20.0, red_at=60.0)
    before_line = 60.0 - states[-1, VehicleColumn.X] - MODEL.length / 2
    assert states[-1, VehicleColumn.SPEED] < 0.3
    assert 0.0 < before_line < 6.0


def test_without_speed_and_lane_it_still_plans() -> None:
    planner = make_policy("plant")
    planner.reset(ENV, 0)  # type: ignore[arg-type]
    scene = scene_of(np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.0]))
    scene.ego_valid[:], scene.lane_valid[:], scene.signal_valid[...] = False, False, False
    other = scene.copy()
    other.ego[:], other.lane[:], other.lead[:] = 3.0, 3.0, 3.0  # what is not known does not count
    action = planner.act(NO_FRAME, {"scene": scene.to_vector()})
    planner.reset(ENV, 0)  # type: ignore[arg-type]
    np.testing.assert_array_equal(planner.act(NO_FRAME, {"scene": other.to_vector()}), action)
    assert np.isfinite(action).all()


def test_its_weights_ship_and_are_small() -> None:
    assert WEIGHTS.stat().st_size < MOST_BYTES
    assert not uses_pictures("plant", make_policy("plant"))


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no weights at .*missing\.safetensors"):
        PlanTPlanner.load(tmp_path / "missing.safetensors")
    save_weights(PixelNetwork(), tmp_path / "pixels.safetensors")
    with pytest.raises(ValueError, match=r"pixels\.safetensors does not fit .* is missing"):
        PlanTPlanner.load(tmp_path / "pixels.safetensors")
    wider = PlanTNetwork()
    wider.step = torch.nn.Linear(wider.step.in_features, 3)
    save_weights(wider, tmp_path / "wider.safetensors")
    with pytest.raises(ValueError, match=r"step\.weight has shape \(3, 64\)"):
        PlanTPlanner.load(tmp_path / "wider.safetensors")
    (tmp_path / "cut.safetensors").write_bytes(WEIGHTS.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        PlanTPlanner.load(tmp_path / "cut.safetensors")


def test_the_registry_does_without_torch() -> None:
    code = "import sys, policies.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
