"""DriverService: our policies as drivers of the egodriver contract, one of its own for each session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from carla_driver_interface.driver import BaseDriver, DriveContext, DriveResult, SessionState
from carla_driver_interface.geometry import Pose, Trajectory

from envs.driving_env import DrivingEnv
from policies.alpasim.lookahead import PLAN_STEP, distance_driven, observed_info, plan_ahead
from policies.alpasim.observations import Observation, past_frames
from policies.alpasim.observed_world import ObservedWorld
from policies.alpasim.rig import TICKS, relative_poses, rig_poses
from policies.policy import Policy
from worldsim.datatypes.start_clip import NO_FRAME
from worldsim.datatypes.vehicle import VehicleModel

PAST_FRAMES = 16
"""Newest frames of a session that are kept."""


class DriverService(BaseDriver):
    """Answers each `drive` with the plan of a policy.

    Args:
        name: of the policy.
        make: makes one for each session.
        pictures: it drives by the pictures of the session's only camera, or of the one called `camera`.
        camera: None takes the only one.
        vehicle_model: the car that plans are for.
    """

    frame_history_length = PAST_FRAMES

    def __init__(
        self,
        name: str,
        make: Callable[[], Policy],
        *,
        pictures: bool = False,
        camera: str | None = None,
        vehicle_model: VehicleModel | None = None,
    ) -> None:
        self.name = name
        self._make, self._pictures, self._camera = make, pictures, camera
        self._model = vehicle_model or VehicleModel()
        self._drives: dict[str, _SessionDrive] = {}

    def on_session_start(self, session: SessionState) -> None:
        """Make a policy for the session.

        Raises:
            ValueError: it drives by pictures, and the session has no camera of that name, or several and no name.
        """
        camera = self._choose_camera(session) if self._pictures else None
        self._drives[session.uuid] = _SessionDrive(self._make(), camera, self._model)

    def on_session_close(self, session: SessionState) -> None:
        """Forget it."""
        self._drives.pop(session.uuid, None)

    def drive(self, ctx: DriveContext) -> DriveResult:
        """The plan; an empty one before the first egomotion."""
        if ctx.session.latest_pose() is None:
            return DriveResult(trajectory_in_rig=Trajectory.empty())
        return DriveResult(trajectory_in_rig=self._drives[ctx.session.uuid].plan(ctx))

    def _choose_camera(self, session: SessionState) -> str:
        names = sorted(session.cameras)
        if self._camera is None and len(names) == 1:
            return names[0]
        if self._camera is None or self._camera not in names:
            wanted = "one camera, or --camera NAME" if self._camera is None else f"the camera {self._camera!r}"
            raise ValueError(f"{self.name} drives by pictures and needs {wanted}; the session has {names}")
        return self._camera


class _SessionDrive:
    """A policy in a session, one question at a time."""

    def __init__(self, policy: Policy, camera: str | None, model: VehicleModel) -> None:
        self._policy, self._camera, self._model = policy, camera, model
        self._world: ObservedWorld | None = None
        self._last: Observation | None = None
        self._lock = threading.Lock()

    def plan(self, ctx: DriveContext) -> Trajectory:
        with self._lock:
            observation = Observation.read(ctx, self._model)
            if self._last is not None:
                driven = distance_driven(self._last.vehicle, observation.vehicle)
                observation = replace(observation, driven=driven)
            self._last = observation
            frames = NO_FRAME[None] if self._camera is None else past_frames(ctx.session, self._camera)
            self._observe(ctx, observation, frames)
            action = np.array(self._policy.act(frames[-1], observed_info(observation)), np.float32)
            vehicles = plan_ahead(self._policy, observation, action, hold=self._camera is not None)

        rig = rig_poses(observation.vehicle, self._model)
        poses = relative_poses(rig_poses(vehicles, self._model), rig)
        plan = Trajectory.empty()
        for k, (x, y, yaw) in enumerate(poses.tolist(), start=1):
            plan.append(ctx.time_now_us + round(k * PLAN_STEP * TICKS), Pose.from_xyz_yaw(x, y, 0.0, yaw))
        return plan

    def _observe(self, ctx: DriveContext, observation: Observation, frames: np.ndarray) -> None:
        """Show the policy's world what is known now; the policy begins with the first of it."""
        first = self._world is None
        if self._world is None:
            step = (ctx.time_query_us - ctx.time_now_us) / TICKS
            self._world = ObservedWorld(step if step > 0 else PLAN_STEP)
        self._world.observe(observation, frames)
        if first:
            self._policy.reset(DrivingEnv(self._world, obs="state"), ctx.session.seed % 2**31)
