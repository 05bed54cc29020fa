"""Criteria: what a value must not exceed, or reach, with the margin that is left; and those of a scenario's pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.world import EVENT_THRESHOLD
from policies.drive import Rollout
from scenarios.measures import route_offsets
from scenarios.metrics.signal_violations import describe_red_lights

Bound = Literal["at most", "at least"]


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A value and what it must keep to.

    Args:
        name: what the value is.
        value: in `unit`.
        bound: whether the threshold is the most or the least that is good.
        threshold: in `unit`; a value of just that is good.
        unit: "" for a probability or a share.
        detail: how it came about that it is not met, where there is more to say.
    """

    name: str
    value: float
    bound: Bound
    threshold: float
    unit: str = ""
    detail: str = ""

    @property
    def margin(self) -> float:
        """How far the value is on the good side, in `unit`; negative where it is not."""
        return self.threshold - self.value if self.bound == "at most" else self.value - self.threshold

    @property
    def met(self) -> bool:
        """Whether the value keeps to it."""
        return self.margin >= 0

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        detail = f": {self.detail}" if self.detail else ""
        return (
            f"{self.name} {self.value:.3g}{unit}, {self.bound} {self.threshold:.3g}{unit} (margin {self.margin:.3g})"
            + detail
        )


@dataclass(frozen=True, kw_only=True)
class PassCriteria:
    """What a drive must keep to for a pass. No scenario does without the bounds on collisions and on leaving the road.

    Args:
        min_progress: least distance along the route, so that standing still is no way to pass [m].
        max_collision: greatest probability of touching something, [0, 1].
        max_off_road: greatest probability of being off the road, [0, 1].
        max_red_lights: stop lines crossed on red; None does not ask.
        max_stop_signs: stop signs passed without a stop; None does not ask.
        max_route_offset: greatest distance from the route that the ego had at the start; None does not ask [m].
    """

    min_progress: float
    max_collision: float = EVENT_THRESHOLD
    max_off_road: float = EVENT_THRESHOLD
    max_red_lights: int | None = None
    max_stop_signs: int | None = None
    max_route_offset: float | None = None

    def judge(self, rollout: Rollout) -> tuple[Criterion, ...]:
        """Each of them with what the drive did; the first that is not met is the reason of a failure."""
        offset = 0.0 if self.max_route_offset is None else float(np.abs(route_offsets(rollout)).max())
        bounds = (
            ("collision", float(rollout.collision.max()), self.max_collision, "", ""),
            ("off_road", float(rollout.off_road.max()), self.max_off_road, "", ""),
            ("red_light", float(rollout.red_light.sum()), self.max_red_lights, "", describe_red_lights(rollout)),
            ("stop_sign", float(rollout.stop_sign_missed.sum()), self.max_stop_signs, "", ""),
            ("left_route", offset, self.max_route_offset, "m", ""),
        )
        upper = [
            Criterion(name=name, value=value, bound="at most", threshold=bound, unit=unit, detail=detail)
            for name, value, bound, unit, detail in bounds
            if bound is not None
        ]
        progress = Criterion(
            name="no_progress",
            value=float(rollout.progress.sum()),
            bound="at least",
            threshold=self.min_progress,
            unit="m",
        )
        return (*upper, progress)
