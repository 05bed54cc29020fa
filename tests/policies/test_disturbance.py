"""A push off the lane: how far, in which direction, and who drives when."""

import math

import numpy as np
import pytest

from policies.disturbance import Disturbance, DisturbedPolicy
from policies.policy import ConstantPolicy
from worldsim.datatypes.scene import EgoColumn, LaneColumn, SceneState, control_from_action
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

HEADING = math.radians(4.0)
NO_FRAME = np.zeros((0, 0, 3), np.uint8)


class Watching(ConstantPolicy):
    """Brakes, and counts what it has seen."""

    def __init__(self) -> None:
        super().__init__((0.0, -1.0))
        self.seen = 0

    def act(self, frame, info) -> np.ndarray:
        self.seen += 1
        return super().act(frame, info)


def scene_of(vehicle: np.ndarray) -> SceneState:
    """Seen from a lane along the ground's x axis."""
    scene = SceneState.empty()
    scene.ego[EgoColumn.SPEED] = vehicle[VehicleColumn.SPEED]
    scene.lane[LaneColumn.LATERAL_OFFSET] = vehicle[VehicleColumn.Y]
    scene.lane[LaneColumn.HEADING_ERROR] = vehicle[VehicleColumn.YAW]
    return scene


@pytest.mark.parametrize("side", [-1.0, 1.0])
@pytest.mark.parametrize("speed", [5.0, 12.0])
def test_the_car_is_pushed_by_offset_and_heading_before_the_policy_drives(side: float, speed: float) -> None:
    inner = Watching()
    policy = DisturbedPolicy(inner, Disturbance(offset=0.5 * side, heading=HEADING))
    policy.reset(None, 0)  # type: ignore[arg-type]
    vehicle = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])
    for _ in range(40):
        action = policy.act(NO_FRAME, {"scene": scene_of(vehicle).to_vector()})
        if action[1] == -1.0:
            break
        vehicle = VehicleModel().step(vehicle, control_from_action(action), 0.1)
    assert inner.seen < 30
    assert 0.5 <= side * vehicle[VehicleColumn.Y] < 0.6
    assert side * vehicle[VehicleColumn.YAW] == pytest.approx(HEADING, rel=0.1)
    assert vehicle[VehicleColumn.SPEED] == pytest.approx(speed, abs=0.3)

    back = np.array([0.0, 0.0, 0.0, speed, 0.0, 0.0])  # once the policy drives, it goes on driving
    assert policy.act(NO_FRAME, {"scene": scene_of(back).to_vector()})[1] == -1.0
    policy.reset(None, 0)  # type: ignore[arg-type]
    assert policy.act(NO_FRAME, {"scene": scene_of(back).to_vector()})[1] != -1.0


def test_a_push_to_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="offset other than 0"):
        Disturbance(offset=0.0, heading=HEADING)
    with pytest.raises(ValueError, match=r"heading must lie in \(0, π/4\) rad, got -0.1"):
        Disturbance(offset=0.5, heading=-0.1)
