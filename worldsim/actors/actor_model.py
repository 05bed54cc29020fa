"""How others move: learned acceleration, turning and starting of the actors, and who comes after those who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from worldsim.actors.actors import COLOR, STANDING, STRIDE_LENGTH, ActorColumn, Actors, TraitColumn
from worldsim.actors.clip_actors import LEAVE_BEHIND
from worldsim.actors.leads import find_leads
from worldsim.actors.nearby import with_standing
from worldsim.actors.route_frame import LANE_HALF_WIDTH, ROUTE_FRAME_ARCS, FrenetPose, RouteFrame, to_frenet
from worldsim.configs import ActorConfig
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.known_road_users import usual_heights
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.start_clip import USER_RANGE
from worldsim.datatypes.vehicle import VehicleColumn

ARRIVAL_NAMES = ("s", "lateral", "heading", "speed", "length", "width", "kind", "red", "green", "blue")
"""Who comes into range: place on the ego's route, heading relative to it; [m, m, rad, m/s, m, m], ObjectKind; RGB in
[0, 1], NaN where unknown."""


class ArrivalColumn(IntEnum):
    """Columns of ARRIVAL_NAMES."""

    S = 0
    LATERAL = 1
    HEADING = 2
    SPEED = 3
    LENGTH = 4
    WIDTH = 5
    KIND = 6
    RED = 7
    GREEN = 8
    BLUE = 9


ARRIVAL_COLOR = slice(ArrivalColumn.RED, ArrivalColumn.BLUE + 1)
"""RGB of an arrival."""
LEAVE_RANGE = 68.0
"""Actors that go away from the ego leave here [m]; those who come from farther away come on."""
ARRIVAL_GAP = 8.0
"""Nobody arrives nearer to another than this [m]."""
PARKED_GAP = 2.5
"""Nor nearer to one who is parked [m]."""
ARRIVAL_TRIES = 8
"""Draws a step for all vacant places of a world."""
START_SPEED = 0.4
"""Of who has just started [m/s]."""
START_SECONDS = 0.5
"""The network tells the probability of starting within this time [s]."""
LEAST_START = 0.08
"""That probability is at least this for drivers with 8 m of free way before them."""
NUM_FEATURES = 25
NEARNESS = 23
"""The feature that tells how near the one ahead is: 1 / (1 + gap / 4 m)."""
RATE_SCALE = np.array([1.5, 0.2])
"""Standard size of an acceleration [m/s²] and a yaw rate [rad/s]."""


def actor_features(in_ego_frame: np.ndarray, kinds: np.ndarray, pose: FrenetPose, ego_speed: np.ndarray) -> np.ndarray:
    """What actors [n, s, 10], vehicle frame, act upon: float32 [n, s, NUM_FEATURES], of about unit size."""
    x, y, yaw, speed, _, _, yaw_rate, drives, _, acceleration = np.moveaxis(in_ego_frame, -1, 0)
    cos, sin = np.cos(yaw), np.sin(yaw)
    ego_ahead = -cos * x - sin * y
    ego_aside = sin * x - cos * y
    gap, lead_speed = find_leads(in_ego_frame, kinds, pose, ego_speed)
    columns = [
        speed / 10,
        np.minimum(speed, 1.0),
        drives,
        np.sign(acceleration) * (np.abs(acceleration) > 0.2),
        kinds == ObjectKind.CAR,
        kinds == ObjectKind.TRUCK,
        kinds == ObjectKind.PEDESTRIAN,
        np.clip(yaw_rate / RATE_SCALE[1], -5, 5),
        *_route_features(pose, speed),
        np.clip(ego_ahead / 20, -3, 3),
        np.clip(ego_aside / 10, -3, 3),
        np.exp(-np.hypot(ego_ahead, ego_aside) / 10),
        cos,
        sin,
        ego_speed[:, None] / 10 + 0 * speed,
        gap / 30,
        1 / (1 + gap / 4),
        np.clip((lead_speed - speed) / 5, -3, 3),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=-1)


def _route_features(pose: FrenetPose, speed: np.ndarray) -> list[np.ndarray]:
    """Where actors are on the route and how it bends before them, each [n, s]; 0 for those beside it."""
    on = pose.on.astype(np.float64)
    return [
        on,
        on * np.clip(pose.lateral / 4, -2, 2),
        on * np.abs(np.clip(pose.lateral / 4, -2, 2)),
        on * np.cos(pose.heading),
        on * np.sin(pose.heading),
        on * pose.bend_near * speed / 8 / RATE_SCALE[1],
        on * pose.bend_far * speed / 16 / RATE_SCALE[1],
        on * np.clip(pose.s / 50, -1, 1.3),
    ]


class ActorModel(nn.Module):
    """How others move: each actor's acceleration and yaw rate from what it sees, when who stands starts, and arrivals.

    All are learned from recordings. The network is a small perceptron shared by all; arrivals are examples of actors
    that came into range, drawn from whenever one has left, so that traffic goes on as dense as it began.
    """

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        w = config.width
        self.network = nn.Sequential(nn.Linear(NUM_FEATURES, w), nn.SiLU(), nn.Linear(w, w), nn.SiLU(), nn.Linear(w, 3))
        self.arrivals: Tensor
        self.register_buffer("arrivals", torch.zeros(config.num_arrivals, len(ARRIVAL_NAMES)))

    def forward(self, features: Float[Tensor, "... f"]) -> Float[Tensor, "... 3"]:
        """Acceleration and yaw rate in units of RATE_SCALE; logit of starting within START_SECONDS."""
        return self.network(features)

    @torch.no_grad()
    def step(
        self,
        actors: Actors,
        vehicles: np.ndarray,
        route_frame: RouteFrame,
        after: np.ndarray,
        dt: float,
        draws: Sequence[Sequence[int]],
        overrides: np.ndarray | None = None,
        parked: Sequence[np.ndarray | None] | None = None,
        standing: Sequence[np.ndarray] | None = None,
    ) -> Actors:
        """The actors a step later.

        Args:
            actors: now.
            vehicles: the egos now [b, 6].
            route_frame: their routes now.
            after: the egos a step later [b, 6].
            draws: what each world's arrivals are drawn from, the entropy of a seed sequence each.
            dt: length of the step [s].
            overrides: states [b, s, 10] after the step, NaN where actors move by themselves; of those given an
                acceleration of NaN stands for the change of speed.
            parked: who is parked in each world, PARKED_NAMES [p, 7]: nobody arrives there, or to be parked himself;
                None where that is not known.
            standing: who of them stands on the road, where others have to mind him, PARKED_NAMES [w, 7].
        """
        in_ego_frame, kinds = actors.in_ego_frame(vehicles), actors.kinds
        if standing is not None:
            in_ego_frame, kinds = with_standing(in_ego_frame, kinds, standing, vehicles)
        pose, num = to_frenet(route_frame, in_ego_frame), actors.kinds.shape[1]
        inputs = actor_features(in_ego_frame, kinds, pose, vehicles[:, VehicleColumn.SPEED])[:, :num]
        pose = FrenetPose(*(value[:, :num] for value in pose))
        estimate = self(torch.from_numpy(inputs).to(self.arrivals.device)).double().cpu().numpy()

        rates = estimate[..., :2] * RATE_SCALE
        states = _started(actors, estimate[..., 2], inputs[..., NEARNESS] < 1 / 3, dt, draws)
        lanes = kept_lanes(states[..., ActorColumn.LANE], actors.kinds, pose)
        states[..., ActorColumn.LANE] = lanes
        # small errors of a learned yaw rate would add up: who follows the route is held to it
        rates[..., 1] = np.where(np.isfinite(lanes), lane_keeping(states, pose), rates[..., 1])
        states = integrate(states, rates, dt)
        states = np.where(actors.kinds[..., None] > 0, states, 0.0)

        keeps: np.ndarray = np.zeros(actors.kinds.shape, bool)
        if overrides is not None:
            keeps = np.all(np.isfinite(overrides[..., :6]), axis=-1)
        if overrides is not None and keeps.any():
            states = np.where(keeps[..., None], overrides, states)
            change = (states[..., ActorColumn.SPEED] - actors.states[..., ActorColumn.SPEED]) / dt
            rate = states[..., ActorColumn.ACCELERATION]
            states[..., ActorColumn.ACCELERATION] = np.where(np.isnan(rate), change, rate)
        traits = actors.traits.copy()
        strides = np.where(actors.kinds == ObjectKind.PEDESTRIAN, states[..., ActorColumn.SPEED], 0.0)
        traits[..., TraitColumn.PHASE] += 2 * np.pi / STRIDE_LENGTH * dt * strides
        moved_on = replace(actors, states=states, traits=traits)
        return self._renewed(moved_on, keeps, route_frame, vehicles, after, draws, parked)

    def _renewed(
        self,
        actors: Actors,
        keeps: np.ndarray,
        line: RouteFrame,
        vehicles: np.ndarray,
        after: np.ndarray,
        draws: Sequence[Sequence[int]],
        parked: Sequence[np.ndarray | None] | None,
    ) -> Actors:
        """Without those who have left, but for those that `keeps` [b, s]; others come in their place."""
        states, kinds, vacant = actors.states, actors.kinds, actors.vacant
        left = _leaving(actors, vehicles, after) & (kinds > 0) & ~keeps
        if left.any():
            states, kinds = np.where(left[..., None], 0.0, states), np.where(left, 0, kinds)
            # who was beyond the traffic around the ego from the first is nobody's place in it
            vacant = vacant | (left & (actors.traits[..., TraitColumn.RECURS] > 0))
        worlds = np.flatnonzero(vacant.any(-1) & line.known)
        if not len(worlds):
            return replace(actors, states=states, kinds=kinds, vacant=vacant)
        stock = self.arrivals.double().cpu().numpy()
        stock = stock[stock[:, ArrivalColumn.KIND] > 0]
        if not len(stock):
            return replace(actors, states=states, kinds=kinds, vacant=vacant)

        # all candidates of all worlds at once; few of them find room
        examples = np.stack(_draw_examples(stock, [draws[k] for k in worlds.tolist()]))
        candidates = _arriving(examples, line.points[worlds], vehicles[worlds])
        others = np.where(kinds[worlds, :, None] > 0, states[worlds, :, :2], np.inf)
        taken = np.concatenate([others, after[worlds, None, :2]], axis=1)
        room = _least_distance(candidates[..., :2], taken) >= ARRIVAL_GAP
        if parked is not None:
            room &= _have_room_among(candidates, examples, [parked[k] for k in worlds.tolist()])
        states, kinds, vacant, traits = states.copy(), kinds.copy(), vacant.copy(), actors.traits
        for n, k in enumerate(worlds.tolist()):
            arrived: list[np.ndarray] = []
            for state, row in zip(candidates[n, room[n]], examples[n, room[n]], strict=True):
                free = np.flatnonzero(vacant[k])
                if not len(free):
                    break
                if arrived and _least_distance(state[None, None, :2], np.stack(arrived)[None, :, :2]) < ARRIVAL_GAP:
                    continue
                states[k, free[0]], kinds[k, free[0]], vacant[k, free[0]] = state, int(row[ArrivalColumn.KIND]), False
                number = traits[k, :, TraitColumn.ID].max() + 1
                height = usual_heights(kinds[k, free[0]])
                traits[k, free[0]] = [*row[ARRIVAL_COLOR], height, np.nan, 0.0, number, 1.0]
                arrived.append(state)
        return Actors(states=states, kinds=kinds, vacant=vacant, traits=traits)

    def painted(self, actors: Actors, draws: Sequence[Sequence[int]]) -> Actors:
        """The actors, all with a colour: those of whom none is known get that of an arrival of their kind, by chance;
        free places too, for whoever a scenario puts there."""
        stock = self.arrivals.double().cpu().numpy()
        stock = stock[np.isfinite(stock).all(-1) & (stock[:, ArrivalColumn.KIND] > 0)]
        traits = actors.traits.copy()
        for k, slot in zip(*np.nonzero(np.isnan(actors.colors).any(-1)), strict=True):
            kind = actors.kinds[k, slot] or ObjectKind.CAR
            same = stock[stock[:, ArrivalColumn.KIND] == kind]
            if len(same):
                drawn = np.random.default_rng([*draws[k], int(slot)]).integers(len(same))
                traits[k, slot, COLOR] = same[drawn, ARRIVAL_COLOR]
        return replace(actors, traits=traits)


def _leaving(actors: Actors, vehicles: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Who is far from the egos [b, 6] after a step and goes away from them, bool [b, s]."""
    offset = actors.states[..., :2] - after[:, None, :2]
    yaw = after[:, None, VehicleColumn.YAW]
    ahead = np.cos(yaw) * offset[..., 0] + np.sin(yaw) * offset[..., 1]
    distance = np.hypot(offset[..., 0], offset[..., 1])
    far = distance > LEAVE_RANGE
    if far.any():
        pace = after[:, None, VehicleColumn.SPEED], actors.states[..., ActorColumn.SPEED]
        heading = yaw, actors.states[..., ActorColumn.YAW]
        apart = [
            v * (np.cos(a) * offset[..., 0] + np.sin(a) * offset[..., 1]) for v, a in zip(pace, heading, strict=True)
        ]
        far &= (apart[1] > apart[0]) | (distance > USER_RANGE)
    return far | (ahead < -LEAVE_BEHIND)


def _have_room_among(candidates: np.ndarray, examples: np.ndarray, parked: Sequence[np.ndarray | None]) -> np.ndarray:
    """Which candidates [n, t, 10], ARRIVAL_NAMES [n, t, 10], may come into worlds of whose parked [p, 7] one knows all,
    bool [n, t]: none that would be parked itself, and none where one of these is."""
    fits = np.ones(candidates.shape[:2], bool)
    for n, rows in enumerate(parked):
        if rows is not None:
            speed, lateral = examples[n, :, ArrivalColumn.SPEED], examples[n, :, ArrivalColumn.LATERAL]
            kind = examples[n, :, ArrivalColumn.KIND]
            stands = (speed < STANDING) & (kind != ObjectKind.PEDESTRIAN) & (np.abs(lateral) > LANE_HALF_WIDTH)
            near = _least_distance(candidates[n : n + 1, :, :2], rows[None, :, :2])[0] < PARKED_GAP
            fits[n] = ~stands & ~near
    return fits


def _started(
    actors: Actors, logits: np.ndarray, free: np.ndarray, dt: float, draws: Sequence[Sequence[int]]
) -> np.ndarray:
    """The actors' states, some of the drivers that stand [b, s] having started, by chance; nobody waits for ever whose
    way is free."""
    states = actors.states.copy()
    waits = (actors.kinds > 0) & (states[..., ActorColumn.SPEED] < STANDING) & (states[..., ActorColumn.DRIVES] > 0)
    never = 1 / (1 + np.exp(np.clip(logits, -20, 20)))
    never = np.where(free, np.minimum(never, 1 - LEAST_START), never)
    for k in np.flatnonzero(waits.any(-1)).tolist():
        drawn = np.random.default_rng([*draws[k], 0]).random(waits.shape[1])
        starts = waits[k] & (drawn < 1 - never[k] ** (dt / START_SECONDS))
        states[k, starts, ActorColumn.SPEED] = START_SPEED
        states[k, starts, ActorColumn.ACCELERATION] = 1.0
    return states


def kept_lanes(lanes: np.ndarray, kinds: np.ndarray, pose: FrenetPose) -> np.ndarray:
    """Offsets [b, s] that vehicles keep which drive along the route, either way; NaN for the others."""
    vehicle = (kinds == ObjectKind.CAR) | (kinds == ObjectKind.TRUCK)
    along = pose.on & vehicle & (np.abs(np.sin(pose.heading)) < 0.5)
    chosen = np.where(np.abs(pose.lateral) < 1.0, 0.0, pose.lateral)
    return np.where(along, np.where(np.isfinite(lanes), lanes, chosen), np.nan)


def lane_keeping(states: np.ndarray, pose: FrenetPose) -> np.ndarray:
    """Yaw rates [b, s] [rad/s] that keep vehicles at their offset from the route, critically damped over about 9 m.

    With d the offset and e the heading error, d' = sin e and e' = c - k per metre; c = k + (d0 - d)/D² - 2 e/D.
    """
    damping = 4.5
    oncoming = np.cos(pose.heading) < 0
    error = np.where(oncoming, wrap_angle(pose.heading - np.pi), pose.heading)
    miss = np.where(oncoming, -1.0, 1.0) * (states[..., ActorColumn.LANE] - pose.lateral)
    curvature = pose.bend_near / 8 + np.clip(miss, -2, 2) / damping**2 - 2 * error / damping
    return states[..., ActorColumn.SPEED] * np.clip(curvature, -0.2, 0.2)


def integrate(states: np.ndarray, rates: np.ndarray, dt: float) -> np.ndarray:
    """ACTOR_NAMES [..., 10] after `dt` seconds of acceleration and yaw rate [..., 2]; who stands does not turn."""
    x, y, yaw, speed, length, width, _, drives, lane, _ = np.moveaxis(states, -1, 0)
    new_speed = np.maximum(speed + dt * rates[..., 0], 0.0)
    new_speed = np.where(speed < STANDING, 0.0, new_speed)
    mean_speed = (speed + new_speed) / 2
    turn = np.where(mean_speed > STANDING, rates[..., 1], 0.0)
    middle = yaw + turn * dt / 2
    return np.stack(
        [
            x + dt * mean_speed * np.cos(middle),
            y + dt * mean_speed * np.sin(middle),
            wrap_angle(yaw + turn * dt),
            new_speed,
            length,
            width,
            turn,
            np.maximum(drives, new_speed > STANDING),
            lane,
            (new_speed - speed) / dt,
        ],
        axis=-1,
    )


def _draw_examples(stock: np.ndarray, draws: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """ARRIVAL_TRIES examples of the stock for each of `draws`; worlds with the same one share the generator's work."""
    drawn: dict[tuple[int, ...], np.ndarray] = {}
    for draw in map(tuple, draws):
        if draw not in drawn:
            drawn[draw] = stock[np.random.default_rng(list(draw)).integers(len(stock), size=ARRIVAL_TRIES)]
    return [drawn[tuple(draw)] for draw in draws]


def _least_distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """From each of points [n, p, 2] to the nearest of `others` [n, s, 2], [n, p] [m]; inf for those at infinity."""
    apart = others[:, None] - points[:, :, None]
    return np.hypot(apart[..., 0], apart[..., 1]).min(-1)


def _arriving(rows: np.ndarray, points: np.ndarray, vehicles: np.ndarray) -> np.ndarray:
    """ACTOR_NAMES [n, t, 10] of arrivals ARRIVAL_NAMES [n, t, 10] at their places on the routes [n, p, 2] in front of
    `vehicles` [n, 6]."""
    s, lateral, heading, speed, length, width = np.moveaxis(rows[..., : ArrivalColumn.KIND], -1, 0)
    at = np.clip(np.searchsorted(ROUTE_FRAME_ARCS, s, side="right") - 1, 0, points.shape[1] - 2)
    n = np.arange(len(points))[:, None]
    d = points[n, at + 1] - points[n, at]
    yaw = np.arctan2(d[..., 1], d[..., 0])
    local = points[n, at] + rotate(np.stack([s - ROUTE_FRAME_ARCS[at], lateral], axis=-1), yaw)
    ego_yaw = vehicles[:, None, VehicleColumn.YAW]
    ground = vehicles[:, None, :2] + rotate(local, ego_yaw)

    zero = np.zeros_like(speed)
    moves = (speed > STANDING).astype(np.float64)
    columns = (
        wrap_angle(yaw + heading + ego_yaw),
        speed,
        length,
        width,
        zero,
        moves,
        np.full_like(speed, np.nan),
        zero,
    )
    return np.concatenate([ground, np.stack(columns, axis=-1)], axis=-1)
