"""How robustly a drive passes, or how badly it fails: one signed number, for a search to make small.

It is the robustness of signal temporal logic (Fainekos and Pappas 2009; Donzé and Maler 2010): the least over the
criteria of a case, of which all must hold, each in units that make them comparable. It is positive exactly where the
drive passes and negative exactly where it fails, so that a search has a slope to follow on either side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.drive import Rollout
from scenarios.case_results import CaseResult
from scenarios.metrics.collision import first_event
from worldsim.datatypes.scene import LaneColumn
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleModel

FAMILIES = ("collision", "time to collision", "encounters")
"""Of metrics, what robustness is computed from."""
INVALID = 2.0
"""Of a drive that says nothing about its policy: worse to a search than any pass, which has less than 1."""
BROKEN = -1.0
"""Of a drive in which the policy broke: as bad as can be."""
LEAST = 1e-3
"""A pass is at least so robust, a failure at least so bad, by however little."""


@dataclass(frozen=True, kw_only=True)
class RobustnessConfig:
    """Where the margins of criteria are half of the way to 1.

    Args:
        clearance: least distance between ego and road users [m].
        time: least time to collision [s].
        impact_speed: of a collision, of leaving the road, or of passing a light or sign [m/s].
        line_distance: of a front bumper that stays before a stop line which it must not cross [m].
        edge: between the ego's side and a lane's width beyond its own lane [m].
        beyond_lane: the road is taken to end so far beyond the ego's own lane, of which alone scenes tell [m].
    """

    clearance: float = 1.0
    time: float = 1.0
    impact_speed: float = 10.0
    line_distance: float = 5.0
    edge: float = 2.0
    beyond_lane: float = 3.5


@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Of a drive.

    Args:
        value: in [-1, 1), or INVALID.
        criterion: that decides, by its name in CaseResult.criteria; "" of a drive without.
    """

    value: float
    criterion: str


def measure_robustness(
    result: CaseResult, rollout: Rollout | None, config: RobustnessConfig | None = None
) -> Robustness:
    """The least margin over the criteria of a case; with g(x, h) = x / (x + h):

    - collision: min(g(d, clearance), g(t, time)), d the distance of the closest encounter and t the least time to
      collision, 1 above its horizon; after one -g(v, impact_speed), v the relative speed of the impact (NeuroNCAP's).
    - off_road: g(e, edge), e the least distance of the ego's side to where the road is taken to end; after it
      -g(v, impact_speed), v the ego's speed there.
    - red_light, stop_sign: g(s, line_distance), s the least distance of the front to a line that it must not cross;
      after it -g(v, impact_speed), v the ego's speed there.
    - left_route, no_progress: margin / threshold, within [-1, 1]; progress counts where no event ended the drive.

    Args:
        result: with metrics of FAMILIES at least.
        rollout: None of a case that was not driven.
        config: None takes the defaults.
    """
    if not result.valid:
        return Robustness(value=INVALID, criterion="")
    if result.broken or rollout is None:
        return Robustness(value=BROKEN, criterion=result.outcome)
    c = RobustnessConfig() if config is None else config
    margins = {}
    for criterion in result.criteria:
        if criterion.name == "no_progress" and result.step is not None:
            continue
        if criterion.name in ("left_route", "no_progress"):
            least = max(criterion.threshold, LEAST)
            margin = float(np.clip(criterion.margin / least, -1.0, 1.0 - LEAST))
        elif criterion.met:
            margin = _margin(criterion.name, result, rollout, c)
        else:
            margin = -_share(_event_speed(criterion.name, result, rollout), c.impact_speed)
        margins[criterion.name] = max(margin, LEAST) if criterion.met else min(margin, -LEAST)
    name = min(margins, key=lambda one: margins[one])
    return Robustness(value=margins[name], criterion=name)


def _margin(name: str, result: CaseResult, rollout: Rollout, c: RobustnessConfig) -> float:
    """Of a criterion that is met."""
    if name == "collision":
        clearance, time = result.metric("distance_of_closest_encounter"), result.min_ttc
        return min(
            1.0 if clearance is None else _share(clearance, c.clearance), 1.0 if time is None else _share(time, c.time)
        )
    scenes = rollout.scenes
    if name == "off_road":
        known = scenes.lane_valid[:, LaneColumn.LATERAL_OFFSET] & scenes.lane_valid[:, LaneColumn.HALF_WIDTH]
        reach = np.abs(scenes.lateral_offset) + VehicleModel().width / 2
        left = (scenes.half_width + c.beyond_lane - reach)[known]
        return _share(max(float(left.min()), 0.0), c.edge) if len(left) else 1.0
    kind = SignalKind.RED if name == "red_light" else SignalKind.STOP
    shown = scenes.signal_valid & (scenes.signal == kind) & (scenes.signal_distance >= 0)
    return _share(float(scenes.signal_distance[shown].min()), c.line_distance) if shown.any() else 1.0


def _event_speed(name: str, result: CaseResult, rollout: Rollout) -> float:
    """At which a criterion was broken [m/s]: relative to what was hit where that is known, else the ego's own."""
    if name == "collision" and result.impact_speed is not None:
        return result.impact_speed
    events = {
        "collision": rollout.collision,
        "off_road": rollout.off_road,
        "red_light": rollout.red_light,
        "stop_sign": rollout.stop_sign_missed,
    }
    at = first_event(events[name]) or 0
    return abs(float(rollout.scenes.speed[max(at - 1, 0)]))  # worlds stop a car that hits something


def _share(value: float, half: float) -> float:
    return value / (value + half)
