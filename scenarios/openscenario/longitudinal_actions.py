"""Actions along the lane: speeds, distances, meetings, and driving on by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from envs.idm import IDMConfig, idm
from scenarios.openscenario.actions import SOON, Axis, Dynamics, Run, Step
from scenarios.openscenario.entities import EntityState
from scenarios.openscenario.motion import PEAK_RATE, progress
from scenarios.openscenario.network import Pose
from scenarios.openscenario.positions import Position
from scenarios.openscenario.stage import Stage

USUAL_ACCELERATION, USUAL_DECELERATION = 4.0, 8.0
"""Limits of a distance keeper or a synchronised entity to which the file gives none [m/s²]."""
KEEPING = 0.6
"""How fast a distance keeper closes in, over what is left [1/s]."""
KEPT = 0.2
"""A distance that is right to within this is kept [m]."""
LOOKS_AHEAD, LOOKS_ASIDE = 80.0, 0.3
"""A driver minds who is at most so far away, and comes so near to its own width [m]."""
HEADWAY = 1.5
"""Time gap of a driver to whom it follows [s]."""


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
        place = stage.states[self.entity].pose if self.freespace else stage.reference_pose(self.entity)
        ahead, _ = stage.on_path_of(name, place) or stage.in_frame_of(name, place)
        return ahead if self.freespace else ahead + stage.entities[name].center


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
    """How far the point of an entity that positions refer to has to go to a place: along its path, or as the crow flies
    [m]; negative behind it."""
    center = stage.entities[name].center
    found = stage.on_path_of(name, place)
    if found is not None:
        return found[0] + center
    ahead, left = stage.in_frame_of(name, place)
    return math.copysign(math.hypot(ahead + center, left), ahead + center)


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
