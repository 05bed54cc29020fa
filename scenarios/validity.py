"""Whether a drive says something about its policy: it realised its scenario, and the world could be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.world import EVENT_THRESHOLD
from policies.drive import Rollout
from scenarios.measures import ShownActors
from scenarios.metrics.collision import first_event
from scenarios.scenario import Case
from worldsim.datatypes.scene import LaneColumn

SPEED_TOLERANCE = 1.0
"""A drive begins at its scenario's speed to within this [m/s]."""

LOST_AFTER = 0.5
"""A picture that is not believed may be a flicker; one that is not for so long loses the drive [s]."""


@dataclass(frozen=True, kw_only=True)
class ValidityConfig:
    """What a drive must keep to in order to count.

    Args:
        truth: the world knows the truth, so that neither trust nor tracked state can be lost.
        pictures: the policy drives by pictures, so that these must be believed; else what is tracked must be known.
        min_trust: least trust in a picture, [0, 1].
    """

    truth: bool = True
    pictures: bool = False
    min_trust: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Realised:
    """A parameter of a scenario, as it was asked for and as it came about, in `unit`.

    A drive that is farther than `tolerance` from what was asked for did not realise its scenario.
    """

    name: str
    requested: float
    realised: float
    unit: str
    tolerance: float = 0.0

    @property
    def met(self) -> bool:
        """Whether it came about."""
        return abs(self.realised - self.requested) <= self.tolerance


def realised_parameters(case: Case, rollout: Rollout) -> tuple[Realised, ...]:
    """What a case asks for beside what the drive shows, as far as it goes: the ego's speed where the policy takes over,
    how many of the scripted road users that come within sight are shown, and what the scenario measures.
    """
    speed = float(rollout.scenes.speed[0])
    realised = [
        Realised(name="ego speed", requested=case.ego_speed, realised=speed, unit="m/s", tolerance=SPEED_TOLERANCE)
    ]
    drive = ShownActors(case.actors, rollout)
    if case.actors.scripts or case.actors.partners or case.actors.director is not None:
        requested, shown = drive.num_near, drive.num_shown
        realised.append(Realised(name="scripted road users", requested=requested, realised=shown, unit=""))
    for measure in case.measures:
        value = measure.measure(drive)
        if value is not None:
            realised.append(
                Realised(
                    name=measure.name,
                    requested=measure.requested,
                    realised=value,
                    unit=measure.unit,
                    tolerance=measure.tolerance,
                )
            )
    return tuple(realised)


def why_unusable(rollout: Rollout) -> str:
    """What of a drive is not finite, so that nothing can be said of it; "" where all is."""
    events = {name: getattr(rollout, name) for name in ("collision", "off_road", "trust", "progress", "rewards")}
    scenes = {"ego speed": rollout.scenes.speed, "tracked state": rollout.scenes.objects[rollout.scenes.object_valid]}
    for name, values in {"ego's pose": rollout.vehicles, **scenes, **events}.items():
        bad = ~np.isfinite(values)
        if bad.any():
            step = "" if name == "tracked state" else f" from step {_first(bad.reshape(len(bad), -1).any(axis=-1))}"
            return f"tracked state lost: the {name.replace('_', ' ')} is not finite{step}"
    return ""


def why_invalid(realised: Sequence[Realised], rollout: Rollout, config: ValidityConfig) -> str:
    """Why a drive says nothing about its policy; "" where it does.

    Nothing after the event that ends it, a collision or the road's edge, counts.

    Args:
        realised: `realised_parameters` of the drive.
        rollout: the drive.
        config: what it must keep to.
    """
    for parameter in realised:
        if not parameter.met:
            return (
                f"not realised: {parameter.name} {parameter.realised:.3g} {parameter.unit}".rstrip()
                + f" instead of {parameter.requested:.3g}"
            )
    if config.truth:
        return ""

    event = first_event(np.maximum(rollout.collision, rollout.off_road), EVENT_THRESHOLD)
    judged = slice(0, len(rollout.collision) if event is None else event + 1)
    if config.pictures:
        doubted = rollout.trust[judged] < config.min_trust
        doubted[0] = False  # the start clip's picture
        lost = _stays(doubted, max(round(LOST_AFTER / rollout.dt), 1))
        if lost.any():
            at = _first(lost)
            said = f"below {config.min_trust:g} for {LOST_AFTER:g} s, {rollout.trust[at]:.2f} at step {at}"
            return f"trust lost: {said}"
        return ""
    unknown = ~rollout.scenes.lane_valid[judged, LaneColumn.LATERAL_OFFSET]
    if event is not None:  # on its way off the road the ego leaves its lane just before
        unknown = _stays(unknown, max(round(LOST_AFTER / rollout.dt), 1))
    if unknown.any():
        return f"tracked state lost: the ego's place in its lane is not known from step {_first(unknown)}"
    return ""


def _stays(where: np.ndarray, num: int) -> np.ndarray:
    """Where `where` [t] has been true for `num` instants, bool [t]."""
    counts = np.convolve(where, np.ones(num, np.int64))[: len(where)]
    return counts == num


def _first(where: np.ndarray | np.bool_) -> int:
    return int(np.flatnonzero(where)[0])
