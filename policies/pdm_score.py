"""The PDM score of many drives that are only predicted, in one pass: what planners choose by.

`scenarios.metrics.pdm` measures drives that took place, from all that is known of them; this judges forecasts from
SceneStates alone, whose slots do not say who is who from one instant to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from envs.world import EVENT_THRESHOLD
from policies.comfort import MIN_INSTANTS, comfortable_instants, smooth_motion
from worldsim.datatypes.boxes import overlap
from worldsim.datatypes.scene import EgoColumn, LaneColumn, ObjectColumn, ObjectKind, SceneState

STOPPED = 0.05
"""Who is no faster is standing, as in nuPlan [m/s]."""
MIN_TTC_SPEED = 5e-3
"""A slower ego has no time to collision, as in NAVSIM [m/s]."""
TTC_TIMES = (0.0, 0.3, 0.6, 0.9)
"""After which ego and road users are projected straight on, as in NAVSIM [s]."""
AHEAD, BEHIND = np.radians(30.0), np.radians(150.0)
"""Bearings within which road users are ahead, and beyond which they are behind [rad]."""
OUTSIDE = 0.3
"""A corner so far beyond the edge has left the drivable area, nuPlan's tolerance [m]."""
RETURN = 0.25
"""Who is outside at the start may get so much farther out: a car that turns back swings its tail out [m]."""
LEAST_PROGRESS = 5.0
"""Where no more progress can be made, none is asked for, as in NAVSIM [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PDMScores:
    """The terms of n drives of h instants, each [n] and in [0, 1], and when the first gate fails.

    Args:
        no_collision: NC: 0 after a collision at fault, 0.5 with a static object.
        drivable_area: DAC: 0 once a corner has left it.
        direction: DDC: 1, 0.5 or 0 by the way driven against the lane within a second.
        no_violation: 0 after a red light or a stop sign was run; of no score but a gate all the same.
        time_to_collision: TTC: 0 where a projection collides within 0.9 s.
        progress: EP: share of the reference's.
        comfort: C: 1 where all of nuPlan's bounds hold.
        first_failure: instant at which NC, DAC or `no_violation` fails; h where none does, int64 [n].
        first_danger: instant of the first collision at fault or TTC below 0.9 s; h without one, int64 [n].
    """

    no_collision: np.ndarray
    drivable_area: np.ndarray
    direction: np.ndarray
    no_violation: np.ndarray
    time_to_collision: np.ndarray
    progress: np.ndarray
    comfort: np.ndarray
    first_failure: np.ndarray
    first_danger: np.ndarray

    @property
    def weighted(self) -> np.ndarray:
        """(5·EP + 5·TTC + 2·C)/12."""
        return (5.0 * self.progress + 5.0 * self.time_to_collision + 2.0 * self.comfort) / 12.0

    @property
    def pdms(self) -> np.ndarray:
        """NAVSIM v1 PDMS: NC·DAC·(5·EP + 5·TTC + 2·C)/12."""
        return self.no_collision * self.drivable_area * self.weighted

    @property
    def total(self) -> np.ndarray:
        """The PDM scorer's: NC·DAC·DDC·(5·EP + 5·TTC + 2·C)/12."""
        return self.direction * self.pdms


def score_drives(
    scenes: SceneState,
    dt: float,
    *,
    progress: np.ndarray,
    reference_progress: float | None,
    size: tuple[float, float],
    collision: np.ndarray | None = None,
    off_road: np.ndarray | None = None,
    edges: np.ndarray | None = None,
    violation: np.ndarray | None = None,
) -> PDMScores:
    """The scores of n predicted drives.

    Args:
        scenes: at each instant, leading dims [n, h].
        dt: between instants [s].
        progress: of each drive, [n] [m].
        reference_progress: what EP is relative to [m]; None takes the most that a drive makes whose gates hold.
        size: length and width of the ego [m].
        collision: probability, reported by the world that predicts, [n, h]: where it is likely and no listed road user
            is touched, something is hit that is not listed, which counts as the ego's fault. None: nothing is reported.
        off_road: probability, likewise; None: by the edges.
        edges: how far the drivable area reaches to the left and to the right of the lane's centre, [n, h, 2] [m]; where
            that is NaN, and without any, it ends with the lane, which is all that a SceneState knows of the road.
        violation: a red light or a stop sign was run, bool [n, h].
    """
    n, h = scenes.batch_shape
    several = _in_several_lanes(scenes, size)
    scored, onset, danger = _find_contacts(scenes, several, size)
    if collision is not None:
        unlisted = (collision > EVENT_THRESHOLD) & ~onset
        scored = np.where(unlisted, 0.0, scored)
    off = off_road > EVENT_THRESHOLD if off_road is not None else _leaves_road(scenes, size, edges)
    ran = np.zeros((n, h), bool) if violation is None else violation

    no_collision, drivable_area = scored.min(axis=1), _share(~off.any(axis=1))
    direction = _score_direction(scenes, dt)
    gates = no_collision * drivable_area * direction
    if reference_progress is None:
        reference_progress = float((progress * gates).max(initial=0.0))
    share = np.clip(progress / max(reference_progress, 1e-9), 0.0, 1.0)
    return PDMScores(
        no_collision=no_collision,
        drivable_area=drivable_area,
        direction=direction,
        no_violation=_share(~ran.any(axis=1)),
        time_to_collision=_share(~danger.any(axis=1)),
        progress=np.ones(n) if reference_progress <= LEAST_PROGRESS else share,
        comfort=_score_comfort(scenes, dt),
        first_failure=_first((scored < 1.0) | off | ran),
        first_danger=_first((scored < 1.0) | danger),
    )


def _find_contacts(
    scenes: SceneState, several: np.ndarray, size: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What contacts score at each instant, float [n, h]; where the ego touches anybody; where a projection collides.

    Only where a contact begins is it judged, and after the first contact no projection counts any more.
    """
    n, h = scenes.batch_shape
    objects, speed = scenes.objects.astype(np.float64), scenes.speed.astype(np.float64)
    x, y = objects[..., ObjectColumn.X], objects[..., ObjectColumn.Y]
    other, half = objects[..., ObjectColumn.SPEED], objects[..., ObjectColumn.LENGTH] / 2

    # of all pairs, those that can meet within the projection
    reach = np.hypot(*size) / 2 + np.hypot(half, objects[..., ObjectColumn.WIDTH] / 2)
    reach = reach + (np.abs(speed)[..., None] + np.abs(other)) * TTC_TIMES[-1]
    pair = np.nonzero(scenes.object_valid & (np.hypot(x, y) <= reach))
    drive, instant, _ = pair
    scored, touching, danger = np.ones((n, h)), np.zeros((n, h), bool), np.zeros((n, h), bool)
    if not len(drive):
        return scored, touching, danger

    boxes = scenes.object_boxes[pair].astype(np.float64)
    ego = np.array([0.0, 0.0, 0.0, *size])
    hits = overlap(ego, boxes)
    touching[drive[hits], instant[hits]] = True
    before = np.concatenate([np.zeros((n, 1), bool), touching[:, :-1]], axis=1)

    bearing = np.abs(np.arctan2(boxes[:, 1], boxes[:, 0]))
    ego_speed = np.maximum(speed, np.concatenate([speed[:, :1], speed[:, :-1]], axis=1))[drive, instant]
    bumper = np.array([size[0] / 2, 0.0, 0.0, 0.0, size[1]])
    frontal = (np.abs(other[pair]) <= STOPPED) | ((bearing <= BEHIND) & overlap(bumper, boxes))
    sideways = (bearing <= BEHIND) & several[drive, instant]
    at_fault = hits & ~before[drive, instant] & (np.abs(ego_speed) > STOPPED) & (frontal | sideways)
    static = scenes.object_kinds[pair] == ObjectKind.STATIC
    np.minimum.at(scored, (drive[at_fault], instant[at_fault]), np.where(static, 0.5, 0.0)[at_fault])

    counted = (bearing < AHEAD) | (several[drive, instant] & (bearing <= BEHIND))
    hit_before = np.cumsum(touching, axis=1) - touching > 0
    counted &= (speed[drive, instant] > MIN_TTC_SPEED) & ~hit_before[drive, instant]
    k = np.flatnonzero(counted)
    near = _collides_soon(boxes[k], other[pair][k], speed[drive[k], instant[k]], size)
    danger[drive[k[near]], instant[k[near]]] = True
    return scored, touching, danger


def _collides_soon(boxes: np.ndarray, other: np.ndarray, speed: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Whether boxes [m, 5] at speeds `other` [m] overlap the ego's, at `speed` [m], after one of TTC_TIMES."""
    times = np.array(TTC_TIMES)
    moved = np.repeat(boxes[:, None], len(times), axis=1)
    way = other[:, None] * times
    moved[..., 0] += way * np.cos(moved[..., 2]) - speed[:, None] * times
    moved[..., 1] += way * np.sin(moved[..., 2])
    return np.asarray(overlap(np.array([0.0, 0.0, 0.0, *size]), moved).any(axis=1))


def _lane_reach(scenes: SceneState, size: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """How far corners of the ego reach to the left and right of its lane's centre, [n, h, 2] [m]; and whether that
    is known, bool [n, h]."""
    turned, offset = scenes.heading_error.astype(np.float64), scenes.lateral_offset.astype(np.float64)
    half = size[0] / 2 * np.abs(np.sin(turned)) + size[1] / 2 * np.abs(np.cos(turned))
    needed = [LaneColumn.LATERAL_OFFSET, LaneColumn.HEADING_ERROR, LaneColumn.HALF_WIDTH]
    known = np.asarray(scenes.lane_valid[..., needed].all(axis=-1))
    return np.stack([half + offset, half - offset], axis=-1), known


def _in_several_lanes(scenes: SceneState, size: tuple[float, float]) -> np.ndarray:
    reach, known = _lane_reach(scenes, size)
    return ~known | (reach.max(axis=-1) > scenes.half_width)


def _leaves_road(scenes: SceneState, size: tuple[float, float], edges: np.ndarray | None) -> np.ndarray:
    """Whether a corner is too far beyond an edge, bool [n, h]. Who is outside at the first instant, as after a push,
    must be able to come back."""
    reach, known = _lane_reach(scenes, size)
    ends = np.repeat(scenes.half_width[..., None].astype(np.float64), 2, axis=-1)
    if edges is not None:
        ends = np.where(np.isfinite(edges), edges, ends)
    excess = reach - ends
    allowed = np.where(excess[:, :1] > 0, np.maximum(OUTSIDE, excess[:, :1] + RETURN), OUTSIDE)
    return np.asarray(known & (excess > allowed).any(axis=-1))


def _score_direction(scenes: SceneState, dt: float) -> np.ndarray:
    """nuPlan's: by the most metres that are driven against the lane within a second."""
    known = scenes.lane_valid[..., LaneColumn.HEADING_ERROR]
    along = scenes.speed * np.where(known, np.cos(scenes.heading_error), 1.0) * dt
    against = np.where(along < 0, -along, 0.0)
    window = max(1, round(1.0 / dt))
    total = np.concatenate([np.zeros((len(against), 1)), np.cumsum(against, axis=1)], axis=1)
    steps = np.arange(1, total.shape[1])
    worst = (total[:, steps] - total[:, np.maximum(steps - window, 0)]).max(axis=1)
    return np.where(worst < 2.0, 1.0, np.where(worst < 6.0, 0.5, 0.0))


def _score_comfort(scenes: SceneState, dt: float) -> np.ndarray:
    if scenes.batch_shape[1] < MIN_INSTANTS:
        return np.ones(scenes.batch_shape[0])
    ego = scenes.ego.astype(np.float64)
    acceleration, yaw_rate = ego[..., EgoColumn.ACCELERATION], ego[..., EgoColumn.YAW_RATE]
    signals = smooth_motion(acceleration, ego[..., EgoColumn.SPEED], yaw_rate, dt)
    return _share(comfortable_instants(signals).all(axis=1))


def _share(holds: np.ndarray | np.bool_) -> np.ndarray:
    """1 where something holds, else 0."""
    return np.asarray(holds, np.float64)


def _first(happens: np.ndarray) -> np.ndarray:
    """Index of the first True in each row of [n, h]; h without one."""
    return np.where(happens.any(axis=1), happens.argmax(axis=1), happens.shape[1])
