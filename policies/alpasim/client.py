"""AlpaSimDriver: a policy that asks a driver behind AlpaSim's egodriver contract, and follows the plan it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from carla_driver_interface import protocol

from policies.alpasim.address import DriverAddress
from policies.alpasim.connection import DriverConnection
from policies.alpasim.messages import (
    available_camera,
    motion_message,
    picture_message,
    route_message,
    truth_payload,
)
from policies.alpasim.plan import Plan
from policies.alpasim.rig import TICKS
from policies.plant.controller import ControllerConfig, WaypointController
from policies.policy_error import PolicyError
from policies.stop import Stop
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

if TYPE_CHECKING:
    from envs.driving_env import DrivingEnv

PLAN_TIMES = (0.2, 0.6, 1.0, 1.5, 2.0)
"""Ahead, at which the controller's waypoints are taken from a plan [s]."""
FOLLOWING = ControllerConfig(lookahead_time=0.6, min_lookahead=2.5, proportional=2.5)
"""Close to the plan, which has looked ahead already. The speed between the first two waypoints is that of 0.4 s ahead:
times the inverse of that, what it is too little is the plan's acceleration."""
BEGIN = 100.0
"""The contract's clock at the start of a drive [s]: it cannot be negative, and there is a past."""
PATIENCE = 3.0
"""Empty plans for longer than this are a fault [s]: a driver may gather a past before it plans."""


class AlpaSimDriver:
    """Drives as a driver elsewhere plans. Told are the ego's motion, the route and, unless `camera=none`, the front
    camera's pictures, the past of the start first; beyond the contract, in its CARLA extension, speed limit, the next
    light and road users.

    A plan is followed by the WaypointController. While plans are empty the last one is followed, and without any the
    car brakes along its route.

    Args:
        address: of the driver.
        config: how plans are followed; None takes FOLLOWING.
        vehicle_model: the car that is steered, and where its rear axle is.
    """

    def __init__(
        self,
        address: DriverAddress,
        config: ControllerConfig | None = None,
        vehicle_model: VehicleModel | None = None,
    ) -> None:
        self.address = address
        self.vehicle_model = vehicle_model or VehicleModel()
        self.controller = WaypointController(PLAN_TIMES, config or FOLLOWING, self.vehicle_model)
        self._stop = Stop(vehicle_model=self.vehicle_model)
        self._connection: DriverConnection | None = None

    @property
    def uses_pictures(self) -> bool:
        """Whether pictures are sent."""
        return self.address.camera is not None

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Begin a session of the driver, and tell it the past of the start.

        Raises:
            PolicyError: the driver fails.
            ValueError: there are no pictures to send.
        """
        camera, model = self.address.camera, self.vehicle_model
        if camera is not None and env.obs != "pixels":
            raise ValueError(f"the driver at {self.address} sees pictures, of which there are none: give camera=none")
        clip = env.start_clip(pictures=camera is not None)
        self.controller.reset()
        self._dt, self._step, self._plan, self._idle = float(env.world.dt), 0, None, 0.0

        if self._connection is None:
            self._connection = DriverConnection(self.address)
        cameras = [] if camera is None else [available_camera(camera, clip.frames.shape[1:3], model)]
        self._connection.begin(seed, f"drivedit:{seed}", cameras)

        # of the newest instant it is told in `act`
        past = range(1 - len(clip.vehicles), 0)
        if past:
            ticks = [self._tick(k) for k in past]
            self._tell("submit_egomotion_observation", motion_message(self._session, clip.vehicles[:-1], ticks, model))
            for frame, tick in zip(clip.frames[:-1], ticks, strict=True):
                self._show(frame, tick)

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action float32 [2].

        Raises:
            PolicyError: the driver fails, gives up, or its plan cannot be followed.
        """
        scene, vehicle = SceneState.from_vector(info["scene"]), np.asarray(info["vehicle"])
        model, tick = self.vehicle_model, self._tick(self._step)

        self._tell("submit_egomotion_observation", motion_message(self._session, vehicle[None], [tick], model))
        self._tell("submit_route", route_message(self._session, scene, tick, model))
        self._show(frame, tick)
        request = protocol.DriveRequest(
            session_uuid=self._session,
            time_now_us=tick,
            time_query_us=self._tick(self._step + 1),
            renderer_data=truth_payload(scene, vehicle, tick, model),
        )
        self._take(self._tell("drive", request), vehicle, tick / TICKS)

        self._step += 1
        if self._plan is None or not self._plan.goes_beyond(tick / TICKS):
            return self._stop.act(frame, info)
        waypoints = self._plan.waypoints(vehicle, tick / TICKS + np.array(PLAN_TIMES))
        return self.controller.act(waypoints, float(vehicle[VehicleColumn.SPEED]), self._dt)

    def _take(self, answer: protocol.DriveResponse, vehicle: np.ndarray, time: float) -> None:
        """Keep the plan of an answer. Its debug fields may hold pickles, and are never read.

        Raises:
            PolicyError: the driver gives up, or this is no plan.
        """
        if answer.terminate_session:
            raise PolicyError(f"gave up: its driver at {self.address} ended the session", self._step)
        try:
            plan = Plan.read(answer.trajectory, self.vehicle_model)
            if plan is not None:
                plan.check_covers(time, vehicle[: VehicleColumn.YAW])
        except ValueError as error:
            reason = f"cannot follow the plan of its driver at {self.address}: it {error}"
            raise PolicyError(reason, self._step) from error
        if plan is not None and plan.goes_beyond(time):
            self._plan, self._idle = plan, 0.0
            return
        self._idle += self._dt
        if self._idle > PATIENCE + 1e-9:
            reason = f"had nothing but empty plans of its driver at {self.address} for {PATIENCE:g} s"
            raise PolicyError(reason, self._step)

    @property
    def _session(self) -> str:
        assert self._connection is not None
        return self._connection.session

    def _tell(self, name: str, request: Any) -> Any:
        assert self._connection is not None
        return self._connection.call(name, request, self._step)

    def _show(self, frame: np.ndarray, tick: int) -> None:
        if self.address.camera is not None:
            message = picture_message(self._session, self.address.camera, frame, tick)
            self._tell("submit_image_observation", message)

    def _tick(self, step: int) -> int:
        """The contract's clock after `step` steps [µs]."""
        return round((BEGIN + step * self._dt) * TICKS)


def make_alpasim_driver(argument: str) -> AlpaSimDriver:
    """The policy of what follows `alpasim:`, once something listens there.

    Raises:
        ValueError, PolicyError: as DriverAddress.parse and DriverAddress.check.
    """
    address = DriverAddress.parse(argument)
    address.check()
    return AlpaSimDriver(address)
