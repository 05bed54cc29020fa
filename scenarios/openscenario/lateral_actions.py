"""Actions across the lane: lane changes, offsets, lateral distances, and trajectories."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from scenarios.openscenario.actions import SOON, Axis, Dynamics, Run, Step, begin_transition, lateral_step
from scenarios.openscenario.motion import PEAK_CURVATURE
from scenarios.openscenario.network import neighbour_id
from scenarios.openscenario.source import Node
from scenarios.openscenario.stage import Stage
from scenarios.openscenario.trajectories import TableColumn, Trajectory, pose_on

USUAL_LATERAL = 2.0
"""A lane offset whose acceleration is not limited takes this [m/s²]."""
STEEPEST = 0.5
"""Sideways to forward speed of who keeps a lateral distance, at most."""


@dataclass(frozen=True, kw_only=True)
class ChangeLane:
    """To another lane.

    Args:
        lane_id: of the lane; None where `num_lanes` says it.
        entity: relative to whose lane it is.
        num_lanes: so many lanes to the left of that.
        offset: to the left of its centre [m].
        dynamics: of the transition.
        node: for messages.
    """

    lane_id: int | None
    entity: str
    num_lanes: int
    offset: float
    dynamics: Dynamics
    node: Node
    axis: Axis = "lateral"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action.

        Raises:
            ScenarioFileError: there is no such lane, or the entity is on none.
        """
        state = stage.states[name]
        target = self._target(name, stage)
        return begin_transition(self.dynamics, state, target, stage)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        return lateral_step(self.dynamics.shape, run, name, stage)

    def _target(self, name: str, stage: Stage) -> float:
        """The lane's middle, to the left of the entity's path [m]."""
        state = stage.states[name]
        following = state.following
        found = stage.network.road_place(state.pose)
        if following is None or found is None:
            raise self.node.error(f"{name} is on no lane at x = {state.x:.1f}, y = {state.y:.1f} m")
        place, _ = found
        road = stage.network.road_of(place.road)
        lane_id = self.lane_id
        if lane_id is None:
            reference = stage.network.road_place(stage.states[self.entity].pose)
            if reference is None:
                raise self.node.error(f"{self.entity}, whose lane is asked for, is on none")
            # lanes to the left of one that is driven against s have lower ids
            sense = 1 if reference[1][2] < 0 else -1
            lane_id = neighbour_id(reference[1][2], sense * self.num_lanes) if self.num_lanes else reference[1][2]
        sense = 1.0 if lane_id < 0 else -1.0
        try:
            x, y, *_ = stage.network.at_lane(road, lane_id, place.s, sense * self.offset)
        except ValueError as error:
            raise self.node.error(str(error)) from error
        path = stage.network.path(following.lanes)
        return float(path.project(np.array([x, y]), following.s)[1])


@dataclass(frozen=True, kw_only=True)
class OffsetInLane:
    """To an offset from the centre of the lane.

    Args:
        value: to the left [m].
        entity: relative to whose offset it is; None for an absolute one.
        shape: of motion.SHAPES.
        max_acceleration: sideways [m/s²].
        continuous: never ends.
    """

    value: float
    entity: str | None
    shape: str
    max_acceleration: float
    continuous: bool
    axis: Axis = "lateral"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        state, target = stage.states[name], self.value
        if self.entity is not None:
            other = stage.following(self.entity)
            target += other.lateral if other is not None else 0.0
        # what the driver has on its left is on the right of a path that is driven against
        start, target = state.lateral, state.along * target
        length = PEAK_CURVATURE[self.shape] * abs(target - start) / max(self.max_acceleration, 1e-3)
        duration = 0.0 if self.shape == "step" else math.sqrt(length)
        return Run(begun=stage.time, start=start, target=target, duration=duration)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        shape = "cubic" if self.shape == "linear" else self.shape
        step = lateral_step(shape, run, name, stage)
        return replace(step, done=step.done and not self.continuous)


@dataclass(frozen=True, kw_only=True)
class KeepLateralDistance:
    """To a distance beside an entity.

    Args:
        entity: its name.
        distance: to the left of it [m].
        either_side: it stays on the side where it is, to the left or to the right.
        max_speed: sideways [m/s].
        continuous: keeps it.
    """

    entity: str
    distance: float
    either_side: bool
    max_speed: float
    continuous: bool
    axis: Axis = "lateral"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action; `target` is the distance to the left."""
        found, distance = stage.on_path_of(name, stage.states[self.entity].pose), self.distance
        if self.either_side and found is not None and found[1] > 0:  # the other is on its left
            distance = -distance
        return Run(begun=stage.time, start=stage.states[name].lateral, target=distance)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        state = stage.states[name]
        found = stage.on_path_of(name, stage.states[self.entity].pose)
        if found is None:
            return Step()
        left = state.along * (found[1] + run.target)
        reach = min(self.max_speed, STEEPEST * state.speed) * stage.dt  # who stands does not slide
        lateral = state.lateral + max(min(left, reach), -reach)
        return Step(lateral=lateral, done=abs(left) <= reach and not self.continuous)


@dataclass(frozen=True, kw_only=True)
class FollowTrajectory:
    """Along a trajectory, by its own times or at the entity's speed.

    Args:
        trajectory: it.
        is_timed: whether its times count.
        absolute: they are those of the scenario, else they count from the action's beginning.
        scale: of its times.
        offset: of its times, after that [s].
        first: where on it the action begins [m].
    """

    trajectory: Trajectory
    is_timed: bool
    absolute: bool
    scale: float
    offset: float
    first: float

    @property
    def axis(self) -> Axis:
        """See Action."""
        return "both" if self.is_timed else "lateral"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        table = self.trajectory.table(stage, stage.entities[name].center)
        if self.is_timed:
            times = self.scale * table[:, TableColumn.TIME] + self.offset
            table[:, TableColumn.TIME] = times if self.absolute else times + stage.time
        return Run(begun=stage.time, travelled=stage.states[name].travelled, table=table)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        assert run.table is not None, "a trajectory has vertices"
        state, table = stage.states[name], run.table
        if not self.is_timed:
            at = self.first + state.travelled - run.travelled + state.speed * stage.dt
            return Step(pose=pose_on(table, at, by_time=False), done=at >= table[-1, TableColumn.ARC] - SOON)
        then = stage.time + stage.dt
        pose, times = pose_on(table, then, by_time=True), table[:, TableColumn.TIME]
        arc = np.interp([then - stage.dt, then, then + stage.dt], times, table[:, TableColumn.ARC])
        inside = then + stage.dt <= times[-1] + SOON
        # the speed at an instant is that of the steps before and after it; at the end, of the one before
        speed = float(arc[2] - arc[0]) / (2 * stage.dt) if inside else float(arc[1] - arc[0]) / stage.dt
        return Step(speeds=(state.speed, speed), pose=pose, done=then >= times[-1] - SOON)
