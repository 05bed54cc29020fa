"""Drivers behind AlpaSim's contract for tests; run as a program, one that ends its process in its third session."""

import os
import sys
import time

import numpy as np
from carla_driver_interface.driver import BaseDriver, DriveContext, DriveResult
from carla_driver_interface.geometry import Pose, Trajectory
from carla_driver_interface.policies import load_policy
from carla_driver_interface.server import build_server


def straight_plan(time_us: int, speed: float = 5.0, num: int = 30) -> Trajectory:
    plan = Trajectory.empty()
    for k in range(1, num + 1):
        plan.append(time_us + k * 100_000, Pose.from_xyz_yaw(0.1 * k * speed, 0.0, 0.0, 0.0))
    return plan


class Straight(BaseDriver):
    """Drives straight on at 5 m/s, and remembers what it was told."""

    name = "straight"
    frame_history_length = 100

    def __init__(self):
        self.sessions, self.closed = {}, []

    def on_session_start(self, session):
        self.session = self.sessions[session.uuid] = session

    def on_session_close(self, session):
        self.closed.append(session.uuid)

    def drive(self, ctx: DriveContext) -> DriveResult:
        self.truth = ctx.renderer_data
        return DriveResult(trajectory_in_rig=self.plan(ctx))

    def plan(self, ctx: DriveContext) -> Trajectory:
        return straight_plan(ctx.time_now_us)


class Hangs(Straight):
    """Takes `seconds` for its third plan."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def plan(self, ctx):
        if ctx.session.drive_count == 2:
            time.sleep(self.seconds)
        return super().plan(ctx)


class Answers(Straight):
    """Answers with what `answer` makes of the time."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def plan(self, ctx):
        return self.answer(ctx.time_now_us)


class Leaves:
    """Ends its process at the first `drive` of its third session."""

    def __init__(self):
        self.driver, self.num = load_policy("route_follower"), 0

    def __getattr__(self, name):
        return getattr(self.driver, name)

    def on_session_start(self, session):
        self.num += 1

    def drive(self, ctx):
        if self.num == 3:
            os._exit(7)
        return self.driver.drive(ctx)


NOT_A_NUMBER = Pose(np.array([1.0, np.nan, 0.0]), np.array([0.0, 0.0, 0.0, 1.0]))

if __name__ == "__main__":
    server, port = build_server(Leaves(), port=0, host="127.0.0.1")  # type: ignore[arg-type]
    server.start()
    print(port, flush=True)
    sys.stdin.read()
