"""Private actions of OpenSCENARIO that take time: how they begin, go on and end."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from envs.idm import IDMConfig, idm
from envs.scripted_actors import DirectorState
from scenarios.openscenario.entities import EntityState
from scenarios.openscenario.motion import PEAK_CURVATURE, PEAK_RATE, progress
from scenarios.openscenario.network import Pose, neighbour_id
from scenarios.openscenario.positions import Position
from scenarios.openscenario.source import Node
from scenarios.openscenario.stage import Stage
from scenarios.openscenario.trajectories import TableColumn, Trajectory, pose_on

Axis = Literal["longitudinal", "lateral", "both"]
SOON = 1e-6
USUAL_LATERAL = 2.0
"""A lane offset whose acceleration is not limited takes this [m/s²]."""
USUAL_ACCELERATION, USUAL_DECELERATION = 4.0, 8.0
"""Limits of a distance keeper or a synchronised entity to which the file gives none [m/s²]."""
KEEPING = 0.6
"""How fast a distance keeper closes in, over what is left [1/s]."""
KEPT = 0.2
"""A distance that is right to within this is kept [m]."""
LOOKS_AHEAD, LOOKS_ASIDE = 80.0, 0.3
"""A driver minds who is at most so far away, and comes so near to its own width [m]."""
STEEPEST = 0.5
"""Sideways to forward speed of who keeps a lateral distance, at most."""
HEADWAY = 1.5
"""Time gap of a driver to whom it follows [s]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run(DirectorState):
    """An action of one entity while it goes on.

    Args:
        begun: when [s].
        start: speed, or offset to the left of the path, then [m/s or m].
        target: what it is to become.
        duration: of the transition; infinite where it is told by a distance [s].
        distance: of the transition; infinite where it is told by a time [m].
        travelled: of the entity when the action began [m].
        table: of a trajectory, TableColumn [n, 6].
    """

    begun: float
    start: float = 0.0
    target: float = 0.0
    duration: float = math.inf
    distance: float = math.inf
    travelled: float = 0.0
    table: np.ndarray | None = None

    def share(self, stage: Stage, state: EntityState) -> float:
        """How much of it has passed when the step that begins now is over; the way of the step is that at its speed."""
        if math.isfinite(self.distance):
            done = state.travelled - self.travelled + state.speed * stage.dt
            return 1.0 if self.distance <= 0 else done / self.distance
        return 1.0 if self.duration <= 0 else (stage.time + stage.dt - self.begun) / self.duration


@dataclass(frozen=True, kw_only=True)
class Step:
    """What an action wants of the step that begins now; None leaves it.

    Args:
        speeds: at its beginning and its end [m/s].
        lateral: offset to the left of the path at its end [m].
        pose: of the middle of the box at its end.
        done: whether the action ends with it.
    """

    speeds: tuple[float, float] | None = None
    lateral: float | None = None
    pose: Pose | None = None
    done: bool = False


class Action(Protocol):
    """An action that takes time."""

    @property
    def axis(self) -> Axis:
        """What it takes hold of; a later action that does too ends it."""
        ...

    def begin(self, name: str, stage: Stage) -> Run:
        """How it begins for an entity."""
        ...

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """What it wants of the step that begins now."""
        ...


@dataclass(frozen=True, kw_only=True)
class Dynamics:
    """Shape and length of a transition.

    Args:
        shape: of motion.SHAPES.
        dimension: what `value` is: "time" [s], "distance" [m] or "rate" [1/s of what changes].
        value: see there.
    """

    shape: str
    dimension: str
    value: float


@dataclass(frozen=True, kw_only=True)
class ChangeSpeed:
    """To an absolute speed, or one relative to that of another entity.

    Args:
        value: [m/s]; of a factor, of that speed.
        entity: whose speed it is relative to; None for an absolute one.
        is_factor: whether it is a factor of that speed, else a difference.
        continuous: the other's speed counts all the time, and the action never ends.
        dynamics: of the transition.
        holds: a step keeps the action going for its value, as CARLA's ScenarioRunner has it.
    """

    value: float
    entity: str | None
    is_factor: bool
    continuous: bool
    dynamics: Dynamics
    holds: bool
    axis: Axis = "longitudinal"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        state, target = stage.states[name], self._target(stage)
        start, shape = state.speed, self.dynamics.shape
        duration = distance = math.inf
        if shape == "step":
            duration = 0.0
            if self.holds and self.dynamics.value > 0:
                distance = self.dynamics.value if self.dynamics.dimension == "distance" else math.inf
                duration = self.dynamics.value if self.dynamics.dimension == "time" else math.inf
        elif self.dynamics.dimension == "time":
            duration = self.dynamics.value
        elif self.dynamics.dimension == "rate":
            duration = PEAK_RATE[shape] * abs(target - start) / max(self.dynamics.value, 1e-6)
        else:  # every shape has the mean of both speeds for its mean
            duration = 2.0 * self.dynamics.value / max(start + target, 1e-3)
        return Run(
            begun=stage.time,
            start=start,
            target=target,
            duration=duration,
            distance=distance,
            travelled=state.travelled,
        )

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        now = stage.states[name].speed
        if self.continuous:
            run = replace(run, target=self._target(stage))
        share = run.share(stage, replace(stage.states[name], speed=run.target if self.holds else now))
        if self.dynamics.shape == "step":
            return Step(speeds=(run.target, run.target), done=share >= 1.0 - SOON and not self.continuous)
        speed = run.start + (run.target - run.start) * progress(self.dynamics.shape, share)
        return Step(speeds=(now, speed), done=share >= 1.0 - SOON and not self.continuous)

    def _target(self, stage: Stage) -> float:
        if self.entity is None:
            return self.value
        speed = stage.states[self.entity].speed
        return self.value * speed if self.is_factor else self.value + speed


@dataclass(frozen=True, kw_only=True)
class KeepDistance:
    """To a distance behind an entity, or before it.

    Args:
        entity: its name.
        distance: [m]; None where a time says it.
        time_gap: [s].
        freespace: between boxes.
        leads: it is to be before the other; None leaves it on the side where it is.
        continuous: keeps it.
        max_speed: [m/s].
        acceleration: at most [m/s²].
        deceleration: at most [m/s²].
    """

    entity: str
    distance: float | None
    time_gap: float
    freespace: bool
    leads: bool | None
    continuous: bool
    max_speed: float = math.inf
    acceleration: float = USUAL_ACCELERATION
    deceleration: float = USUAL_DECELERATION
    axis: Axis = "longitudinal"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action; `target` is -1 where it is to be before the other."""
        leads = self._ahead(name, stage) < 0 if self.leads is None else self.leads
        return Run(begun=stage.time, target=-1.0 if leads else 1.0)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        own, other = stage.states[name], stage.states[self.entity]
        wanted = self.time_gap * own.speed if self.distance is None else self.distance
        if self.freespace:
            wanted += stage.half_extents(name, own.yaw)[0] + stage.half_extents(self.entity, own.yaw)[0]
        too_far = self._ahead(name, stage) - run.target * wanted
        speed = other.speed * math.cos(other.yaw - own.yaw) + KEEPING * too_far
        low, high = own.speed - self.deceleration * stage.dt, own.speed + self.acceleration * stage.dt
        speed = max(min(speed, high, self.max_speed), low, 0.0)
        kept = abs(too_far) < KEPT and abs(speed - other.speed) < KEPT
        return Step(speeds=(own.speed, speed), done=kept and not self.continuous)

    def _ahead(self, name: str, stage: Stage) -> float:
        place = stage.states[self.entity].pose
        found = stage.on_path_of(name, place)
        return (found or stage.in_frame_of(name, place))[0]


@dataclass(frozen=True, kw_only=True)
class Synchronise:
    """To be at a position when another entity is at one.

    Args:
        master: the other.
        master_target: where that one will be.
        target: where it is to be then.
        final_speed: there [m/s]; None does not ask.
        relative: `final_speed` is a difference from the other's speed, or with "factor" a factor of it; "" for none.
    """

    master: str
    master_target: Position
    target: Position
    final_speed: float | None
    relative: Literal["", "delta", "factor"] = ""
    axis: Axis = "longitudinal"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        return Run(begun=stage.time, start=stage.states[name].speed)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        own, master = stage.states[name], stage.states[self.master]
        left = _way_to(name, self.target.pose(stage), stage)
        others = _way_to(self.master, self.master_target.pose(stage), stage)
        final = self._final_speed(master)
        done = left <= max(own.speed * stage.dt, 0.3) or others <= 0.0
        if done:
            return Step(speeds=(own.speed, own.speed if final is None else max(final, 0.0)), done=True)
        # who comes at the speed of now is there then; until then the mean of both speeds covers the way
        time = others / max(master.speed, 0.3)
        speed = left / time if final is None else 2.0 * left / time - final
        low, high = own.speed - USUAL_DECELERATION * stage.dt, own.speed + USUAL_ACCELERATION * stage.dt
        return Step(speeds=(own.speed, max(min(speed, high), low, 0.0)))

    def _final_speed(self, master: EntityState) -> float | None:
        if self.final_speed is None or not self.relative:
            return self.final_speed
        return self.final_speed * master.speed if self.relative == "factor" else self.final_speed + master.speed


def _way_to(name: str, place: Pose, stage: Stage) -> float:
    """How far an entity has to go to a place: along its path, or as the crow flies [m]; negative behind it."""
    found = stage.on_path_of(name, place)
    if found is not None:
        return found[0]
    ahead, left = stage.in_frame_of(name, place)
    return math.copysign(math.hypot(ahead, left), ahead)


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
        return _transition(self.dynamics, state, target, stage)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        return _lateral_step(self.dynamics.shape, run, name, stage)

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
        step = _lateral_step(shape, run, name, stage)
        return replace(step, done=step.done and not self.continuous)


@dataclass(frozen=True, kw_only=True)
class KeepLateralDistance:
    """To a distance beside an entity.

    Args:
        entity: its name.
        distance: to the left of it [m].
        max_speed: sideways [m/s].
        continuous: keeps it.
    """

    entity: str
    distance: float
    max_speed: float
    continuous: bool
    axis: Axis = "lateral"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        return Run(begun=stage.time, start=stage.states[name].lateral)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        state = stage.states[name]
        found = stage.on_path_of(name, stage.states[self.entity].pose)
        if found is None:
            return Step()
        left = state.along * (found[1] + self.distance)
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


@dataclass(frozen=True, kw_only=True)
class Autopilot:
    """Drives on by itself: at the speed limit, and behind whoever is ahead (IDM)."""

    axis: Axis = "longitudinal"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        return Run(begun=stage.time)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action; it never ends."""
        own = stage.states[name]
        following = own.following
        if following is None:
            return Step(speeds=(own.speed, own.speed))
        path = stage.network.path(following.lanes)
        limit = float(path.speed_limit[min(max(int(own.s), 0), len(path.speed_limit) - 1)])
        gap, lead_speed = self._lead(name, stage)
        acceleration = float(idm(own.speed, limit, gap, lead_speed, HEADWAY, IDMConfig()))
        return Step(speeds=(own.speed, max(own.speed + acceleration * stage.dt, 0.0)))

    def _lead(self, name: str, stage: Stage) -> tuple[float, float]:
        """Gap [m] and speed [m/s] of whoever is ahead; infinite and 0 for nobody."""
        own, entity = stage.states[name], stage.entities[name]
        nearest, speed = math.inf, 0.0
        for other, state in stage.states.items():
            if other == name or not state.present or math.hypot(state.x - own.x, state.y - own.y) > LOOKS_AHEAD:
                continue
            found = stage.on_path_of(name, state.pose)
            if found is None or found[0] <= 0:
                continue
            half_length, half_width = stage.half_extents(other, own.yaw)
            gap = found[0] - half_length - entity.length / 2
            if abs(found[1]) < half_width + entity.width / 2 + LOOKS_ASIDE and gap < nearest:
                nearest, speed = gap, max(state.speed * math.cos(state.yaw - own.yaw), 0.0)
        return max(nearest, 0.1), speed


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Goes on at the speed that it has."""

    axis: Axis = "longitudinal"

    def begin(self, name: str, stage: Stage) -> Run:
        """See Action."""
        return Run(begun=stage.time)

    def step(self, run: Run, name: str, stage: Stage) -> Step:
        """See Action."""
        speed = stage.states[name].speed
        return Step(speeds=(speed, speed), done=True)


def _transition(dynamics: Dynamics, state: EntityState, target: float, stage: Stage) -> Run:
    duration = distance = math.inf
    if dynamics.shape == "step":
        duration = 0.0
    elif dynamics.dimension == "distance":
        distance = dynamics.value
    elif dynamics.dimension == "rate":
        duration = PEAK_RATE[dynamics.shape] * abs(target - state.lateral) / max(dynamics.value, 1e-6)
    else:
        duration = dynamics.value
    return Run(
        begun=stage.time,
        start=state.lateral,
        target=target,
        duration=duration,
        distance=distance,
        travelled=state.travelled,
    )


def _lateral_step(shape: str, run: Run, name: str, stage: Stage) -> Step:
    share = run.share(stage, stage.states[name])
    lateral = run.start + (run.target - run.start) * progress(shape, share)
    return Step(lateral=lateral, done=share >= 1.0 - SOON)
