"""What PlanT learns from: the tokens of recorded states, where the lane follower would go, and where objects went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.plant.network import POSITION_BITS, SPEED_BITS, WAYPOINT_TIMES, YAW_BITS
from policies.plant.tokens import TokenColumn, TokenKind, Tokens, tokenize
from policies.rule_based import LaneFollower
from training.batches.expert_plans import plan_expert, put_walkers
from training.data.rollouts import RolloutDataset, Rows
from training.data.validity import known_of
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import (
    ROUTE_DISTANCES,
    EgoColumn,
    LaneColumn,
    ObjectColumn,
    ObjectKind,
    SceneState,
)
from worldsim.datatypes.vehicle import motion_between

LARGEST_OFFSET, LARGEST_ERROR = 3.5, 1.0
"""Farther from its lane [m], or turned more against it [rad], a car is not one that drives."""
NEAREST_ROUTE = 20.0
"""The route must be known up to here [m]."""
STRIDE = 2
"""Every so many recorded frames are learned from: neighbours are alike."""
WALKER_SHARE = 0.15
"""Share of moments into which a pedestrian is put who crosses the route: recordings have few whom a driver meets."""
WALKER_SPEEDS, WALKER_PLACES, WALKER_TIMES = (0.5, 3.0), (5.0, 45.0), (-1.0, 5.0)
"""How fast that pedestrian walks [m/s], where on the route [m], and when it is crossed [s]."""
WALKER_SIZE = (0.5, 0.6)
"""Length and width [m]."""
BEND_OFFSET, BRAKING, SETTING_OFF = 0.7, -1.0, 1.0
"""A plan asks for something that ends so far beside the ego's axis [m], that slows down by more than this [m/s²], or by
which a car at rest gets so far [m]."""
HIDDEN_SHARE = 0.05
"""Share of moments in which a value is hidden, each by itself, so that the network knows what not to know is like."""
HIDDEN_LEAD_SHARE = 0.1
"""Share of leads that PlanT is not told of, and the expert is: so it looks for them among the objects."""
POSITION_RANGE, HIGHEST_SPEED = 64.0, 24.0
"""Positions of objects are told within ± this [m], speeds up to this [m/s]."""
SAME_SIZE, SAME_PLACE = 0.05, 2.5
"""An object of a later frame is the same if its size [m], and its place at constant velocity [m], are this alike."""
UNKNOWN_CLASS = -1
"""Of an object that is not found again."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanTBatch:
    """`b` moments and what is wanted in them.

    Args:
        tokens: of the scenes, [b].
        waypoints: of the expert, in the vehicle frame at WAYPOINT_TIMES, float32 [b, 4, 2] [m].
        forecast: classes of x, y, yaw and speed of each object at the first of WAYPOINT_TIMES, int64
            [b, NUM_OBJECTS, 4]; UNKNOWN_CLASS where it is not known.
    """

    tokens: Tokens
    waypoints: np.ndarray
    forecast: np.ndarray


class PlanTSamples:
    """Moments of a recording that PlanT can learn from, those in which something is to be done more often.

    Args:
        rows: the recording, [n].
        starts: first row of each episode, int64 [e].
        lengths: rows of each episode, int64 [e].
        dt: of the recording [s].
        expert: whom PlanT imitates.
        seed: of what is hidden.
        bend_share: of a batch, moments with a bend ahead.
        braking_share: of a batch, moments that ask for braking.
        start_share: of a batch, moments in which a car at rest is to set off.
        walker_share: of a batch, moments into which a pedestrian was put.

    Raises:
        ValueError: there is no moment that is known well enough, or none of one of these sorts.
    """

    def __init__(
        self,
        rows: Rows,
        starts: np.ndarray,
        lengths: np.ndarray,
        dt: float,
        expert: LaneFollower,
        *,
        seed: int = 0,
        bend_share: float = 0.2,
        braking_share: float = 0.25,
        start_share: float = 0.1,
        walker_share: float = 0.15,
    ) -> None:
        self.shares = {
            "a bend": bend_share,
            "braking": braking_share,
            "setting off": start_share,
            "a pedestrian": walker_share,
        }
        positions = usable_positions(rows, starts, lengths, round(WAYPOINT_TIMES[-1] / dt))[::STRIDE]
        scenes = hide_values(rows.scenes[positions], np.random.default_rng(seed))
        self.lead_hidden = rows.scenes.lead_valid[positions] & ~scenes.lead_valid
        walkers = draw_walkers(scenes, np.random.default_rng(seed + 1))
        put_walkers(scenes, walkers, 0.0)
        self.tokens = tokenize(scenes)
        self.waypoints = plan_expert(rows, scenes, positions, WAYPOINT_TIMES, dt, expert, walkers)
        self.forecast = follow_objects(rows, positions, round(WAYPOINT_TIMES[0] / dt), dt)
        crossed = ~np.isnan(walkers).any(axis=1)
        self.forecast[crossed, -1] = UNKNOWN_CLASS

        speed = rows.scenes.speed[positions].astype(np.float64)
        time, (x, y) = WAYPOINT_TIMES[-1], self.waypoints[:, -1].T
        slowing = 2 * (np.hypot(x, y) - speed * time) / time**2
        setting_off = (speed < SETTING_OFF) & (x > SETTING_OFF)
        sorts = zip(self.shares, (np.abs(y) > BEND_OFFSET, slowing < BRAKING, setting_off, crossed), strict=True)
        self.sorts = {name: np.flatnonzero(wanted) for name, wanted in sorts}
        if any(not len(found) for found in self.sorts.values()):
            found = ", ".join(f"{len(found)} ask for {name}" for name, found in self.sorts.items())
            raise ValueError(
                f"of {len(rows)} recorded moments {len(self)} are known well enough to imitate an expert in; of these "
                f"{found}: it takes all four"
            )

    @staticmethod
    def of(dataset: RolloutDataset, expert: LaneFollower) -> PlanTSamples:
        """Those of a recording, of which no picture is read.

        Raises:
            ValueError: it is empty or damaged, or as above.
        """
        if not len(dataset):
            raise ValueError(f"{dataset.root} has no complete episodes")
        rows = Rows.concatenate([dataset[k].rows for k in range(len(dataset))])
        starts = np.cumsum(dataset.lengths) - dataset.lengths
        return PlanTSamples(rows, starts, dataset.lengths, 1.0 / dataset.fps, expert)

    def __len__(self) -> int:
        return len(self.waypoints)

    def sample(self, batch_size: int, rng: np.random.Generator) -> PlanTBatch:
        """A random batch, drawn with replacement."""
        counts = {name: round(share * batch_size) for name, share in self.shares.items()}
        drawn = [rng.choice(self.sorts[name], num) for name, num in counts.items()]
        others = rng.integers(0, len(self), batch_size - sum(counts.values()))
        index = np.concatenate([*drawn, others])
        return thin_out(self.at(index), self.lead_hidden[index], rng)

    def at(self, index: np.ndarray) -> PlanTBatch:
        """The moments of these numbers, int64 [b]."""
        return PlanTBatch(tokens=self.tokens[index], waypoints=self.waypoints[index], forecast=self.forecast[index])


def thin_out(batch: PlanTBatch, lead_hidden: np.ndarray, rng: np.random.Generator) -> PlanTBatch:
    """The batch with fewer road users: a quarter of its moments loses all but pedestrians, another one some.

    What the expert does in them follows from lead and pedestrians alone. Where the lead is hidden, bool [b], objects
    ahead stay: it is one of them.
    """
    kinds, boxes = batch.tokens.kinds.copy(), batch.tokens.boxes.copy()
    fate = rng.random(len(kinds))
    share = np.select([fate < 0.25, fate < 0.5], [np.ones(len(kinds)), rng.random(len(kinds))], 0.0)
    gone = rng.random(kinds.shape) < share[:, None]
    gone &= ~np.isin(kinds, (TokenKind.PEDESTRIAN, TokenKind.ROUTE))
    gone &= ~(lead_hidden[:, None] & (boxes[..., TokenColumn.X] > 0))
    kinds[gone], boxes[gone] = TokenKind.EMPTY, 0.0

    forecast = batch.forecast.copy()
    forecast[gone[:, : forecast.shape[1]]] = UNKNOWN_CLASS
    tokens = Tokens(**(batch.tokens.arrays() | {"kinds": kinds, "boxes": boxes}))
    return PlanTBatch(tokens=tokens, waypoints=batch.waypoints, forecast=forecast)


def usable_positions(rows: Rows, starts: np.ndarray, lengths: np.ndarray, horizon: int) -> np.ndarray:
    """Rows, int64 [p], from which the expert can be asked to drive for `horizon` steps: ego, lane and the nearer route
    are known, the ego is about in its lane and untouched, and the recording goes on for long enough."""
    scenes, known = rows.scenes, known_of(rows.valid)
    near = scenes.route_valid[:, : ROUTE_DISTANCES.index(NEAREST_ROUTE) + 1].all(axis=-1)
    usable = near & scenes.ego_valid.all(axis=-1) & scenes.lane_valid.all(axis=-1) & (rows.collision <= 0.5)
    usable &= np.abs(scenes.lateral_offset) <= LARGEST_OFFSET
    usable &= np.abs(scenes.heading_error) <= LARGEST_ERROR
    usable &= np.arange(len(rows)) + horizon < np.repeat(starts + lengths, lengths)

    # whom the expert meets must be known all the way
    missing = np.concatenate([[0], np.cumsum(~(known.objects & known.lead))])
    ends = np.minimum(np.arange(len(rows)) + horizon + 1, len(rows))
    return np.flatnonzero(usable & (missing[ends] == missing[:-1]))


def hide_values(scenes: SceneState, rng: np.random.Generator) -> SceneState:
    """The scenes [p] with HIDDEN_SHARE of each of the values hidden that a world may not know."""
    hidden = scenes.copy()
    count = len(hidden.speed)
    for column in (EgoColumn.SPEED, EgoColumn.ACCELERATION, EgoColumn.YAW_RATE, EgoColumn.STEER_ANGLE):
        hidden.ego_valid[:, column] &= rng.random(count) >= HIDDEN_SHARE
    for column in LaneColumn:
        hidden.lane_valid[:, column] &= rng.random(count) >= HIDDEN_SHARE
    hidden.signal_valid[:] &= rng.random(count) >= HIDDEN_SHARE
    hidden.signal[~hidden.signal_valid] = 0
    hidden.lead_valid[:] &= rng.random(count) >= HIDDEN_LEAD_SHARE
    return hidden


def draw_walkers(scenes: SceneState, rng: np.random.Generator) -> np.ndarray:
    """A pedestrian who crosses the route in WALKER_SHARE of the scenes [p]: OBJECT_NAMES float32 [p, 6], NaN for none.

    They cross at right angles to the way there, from either side, somewhere and sometime within the bounds above."""
    count = len(scenes.speed)
    speed, arc, time = (rng.uniform(*bounds, count) for bounds in (WALKER_SPEEDS, WALKER_PLACES, WALKER_TIMES))
    side = np.where(rng.random(count) < 0.5, 1.0, -1.0)

    # the two points of the route between which it is crossed
    distances = np.asarray(ROUTE_DISTANCES)
    after = np.searchsorted(distances, arc)
    rows = np.arange(count)
    begin, end = scenes.route[rows, after - 1].astype(np.float64), scenes.route[rows, after].astype(np.float64)
    share = (arc - distances[after - 1]) / (distances[after] - distances[after - 1])
    along = end - begin
    yaw = np.arctan2(along[:, 1], along[:, 0]) + side * np.pi / 2
    place = begin + share[:, None] * along - (speed * time)[:, None] * np.stack([np.cos(yaw), np.sin(yaw)], axis=-1)

    length, width = (np.full(count, size) for size in WALKER_SIZE)
    walkers = np.stack([*place.T, wrap_angle(yaw), speed, length, width], axis=-1)
    none = (rng.random(count) >= WALKER_SHARE) | ~scenes.route_valid[rows, after]
    return np.where(none[:, None], np.nan, walkers).astype(np.float32)


def follow_objects(rows: Rows, positions: np.ndarray, steps: int, dt: float) -> np.ndarray:
    """Classes of x, y, yaw and speed, in the vehicle frame at `positions` [p], of each object `steps` later, int64
    [p, NUM_OBJECTS, 4]; UNKNOWN_CLASS where it is not found again."""
    before, after = (rows.scenes[positions + k] for k in (0, steps))
    moved = motion_between(rows.vehicles[positions], rows.vehicles[positions + steps])
    later = after.objects.astype(np.float64)
    later[..., : ObjectColumn.YAW] = rotate(later[..., : ObjectColumn.YAW], moved[:, None, 2]) + moved[:, None, :2]
    later[..., ObjectColumn.YAW] += moved[:, None, 2]

    # slots are sorted by distance, so objects are told by kind, size and where they should be
    now = before.objects.astype(np.float64)
    ahead = (now[..., ObjectColumn.SPEED] * steps * dt)[..., None]
    heading = np.stack([np.cos(now[..., ObjectColumn.YAW]), np.sin(now[..., ObjectColumn.YAW])], axis=-1)
    expected = now[..., : ObjectColumn.YAW] + ahead * heading
    apart = np.linalg.norm(expected[:, :, None] - later[:, None, :, : ObjectColumn.YAW], axis=-1)
    size = slice(ObjectColumn.LENGTH, ObjectColumn.WIDTH + 1)
    alike = np.abs(now[:, :, None, size] - later[:, None, :, size]).max(-1) < SAME_SIZE
    alike &= before.object_kinds[:, :, None] == after.object_kinds[:, None]
    alike &= (before.object_kinds != ObjectKind.EMPTY)[:, :, None] & (apart < SAME_PLACE)
    match = np.argmin(np.where(alike, apart, np.inf), axis=2)
    found = np.take_along_axis(later, match[..., None], axis=1)
    return np.where(alike.any(axis=2)[..., None], quantise(found), UNKNOWN_CLASS)


def quantise(objects: np.ndarray) -> np.ndarray:
    """Classes of x, y, yaw and speed, int64 [..., 4], of objects [..., 6] (OBJECT_NAMES)."""
    x, y, yaw, speed = (objects[..., column] for column in list(ObjectColumn)[:4])
    shares = [
        ((x + POSITION_RANGE) / (2 * POSITION_RANGE), POSITION_BITS),
        ((y + POSITION_RANGE) / (2 * POSITION_RANGE), POSITION_BITS),
        (np.mod(yaw + np.pi, 2 * np.pi) / (2 * np.pi), YAW_BITS),
        (speed / HIGHEST_SPEED, SPEED_BITS),
    ]
    classes = [np.clip(np.floor(share * 2**bits), 0, 2**bits - 1) for share, bits in shares]
    return np.stack(classes, axis=-1).astype(np.int64)
