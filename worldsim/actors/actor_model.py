"""How others move: learned acceleration, turning and starting of the actors, and who comes after those who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from worldsim.actors.actors import STANDING, ActorColumn, Actors
from worldsim.actors.route_frame import ROUTE_FRAME_ARCS, FrenetPose, RouteFrame, to_frenet
from worldsim.configs import ActorConfig
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel

ARRIVAL_NAMES = ("s", "lateral", "heading", "speed", "length", "width", "kind", "red", "green", "blue")
"""Who comes into range: place on the ego's route, heading relative to it; [m, m, rad, m/s, m, m], ObjectKind; RGB in
[0, 1], NaN where unknown."""
LEAVE_RANGE = 68.0
"""Actors farther from the ego leave [m]."""
LEAVE_BEHIND = 25.0
"""Actors farther behind the ego leave [m]."""
ARRIVAL_GAP = 8.0
"""Nobody arrives nearer to another than this [m]."""
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
EGO_LENGTH = VehicleModel().length
"""What others take for the ego's length [m]."""
RATE_SCALE = np.array([1.5, 0.2])
"""Standard size of an acceleration [m/s²] and a yaw rate [rad/s]."""


def features(seen: np.ndarray, kinds: np.ndarray, place: FrenetPose, ego_speed: np.ndarray) -> np.ndarray:
    """What actors [n, s, 10], vehicle frame, act upon: float32 [n, s, NUM_FEATURES], of about unit size."""
    n, num = kinds.shape
    c, s = np.cos(seen[..., 2]), np.sin(seen[..., 2])
    to_ego = np.stack([-c * seen[..., 0] - s * seen[..., 1], s * seen[..., 0] - c * seen[..., 1]], axis=-1)
    on = place.on.astype(np.float64)
    # everyone else and the ego, as seen from each: [n, s, s + 1]
    others = np.concatenate([seen[..., :2], np.zeros((n, 1, 2))], axis=1)
    d = others[:, None] - seen[:, :, None, :2]
    ahead = c[..., None] * d[..., 0] + s[..., None] * d[..., 1]
    aside = c[..., None] * d[..., 1] - s[..., None] * d[..., 0]
    speed = np.concatenate([seen[..., ActorColumn.SPEED], ego_speed[:, None]], axis=1)
    yaw = np.concatenate([seen[..., 2], np.zeros((n, 1))], axis=1)
    length = np.concatenate([seen[..., ActorColumn.LENGTH], np.full((n, 1), EGO_LENGTH)], axis=1)
    there = np.concatenate([kinds > 0, np.ones((n, 1), bool)], axis=1)
    arc = np.concatenate([place.s, np.zeros((n, 1))], axis=1)
    lateral = np.concatenate([place.lateral, np.zeros((n, 1))], axis=1)
    with_line = np.concatenate([place.on, np.ones((n, 1), bool)], axis=1)
    way = np.where(np.cos(place.heading) < 0, -1.0, 1.0)
    along = way[..., None] * (arc[:, None] - arc[:, :num, None])
    same_lane = place.on[..., None] & with_line[:, None] & (np.abs(lateral[:, None] - lateral[:, :num, None]) < 1.6)
    in_way = np.where(place.on[..., None], same_lane, np.abs(aside) < 1.6)
    distance = np.where(place.on[..., None] & with_line[:, None], along, ahead)
    gap = distance - (length[:, None] + length[:, :num, None]) / 2
    candidate = there[:, None] & in_way & (gap > 0) & ~np.eye(num, num + 1, dtype=bool)  # who is beside is not ahead
    gap = np.where(candidate, gap, np.inf)
    at = gap.argmin(-1)
    rows = np.arange(n)[:, None]
    turn = yaw[rows, at] - seen[..., 2]
    lead_speed = np.where(candidate.any(-1), speed[rows, at] * np.cos(turn), seen[..., ActorColumn.SPEED])
    gap = np.clip(gap.min(-1), 0.0, 60.0)
    v = seen[..., ActorColumn.SPEED]
    columns = [
        v / 10,
        np.minimum(v, 1.0),
        seen[..., ActorColumn.DRIVES],
        np.sign(seen[..., ActorColumn.ACCELERATION]) * (np.abs(seen[..., ActorColumn.ACCELERATION]) > 0.2),
        kinds == ObjectKind.CAR,
        kinds == ObjectKind.TRUCK,
        kinds == ObjectKind.PEDESTRIAN,
        np.clip(seen[..., ActorColumn.YAW_RATE] / RATE_SCALE[1], -5, 5),
        on,
        on * np.clip(place.lateral / 4, -2, 2),
        on * np.abs(np.clip(place.lateral / 4, -2, 2)),
        on * np.cos(place.heading),
        on * np.sin(place.heading),
        on * place.bend_near * v / 8 / RATE_SCALE[1],
        on * place.bend_far * v / 16 / RATE_SCALE[1],
        on * np.clip(place.s / 50, -1, 1.3),
        np.clip(to_ego[..., 0] / 20, -3, 3),
        np.clip(to_ego[..., 1] / 10, -3, 3),
        np.exp(-np.hypot(to_ego[..., 0], to_ego[..., 1]) / 10),
        c,
        s,
        ego_speed[:, None] / 10 + 0 * v,
        gap / 30,
        1 / (1 + gap / 4),
        np.clip((lead_speed - v) / 5, -3, 3),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=-1)


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
        line: RouteFrame,
        after: np.ndarray,
        dt: float,
        draws: Sequence[Sequence[int]],
        overrides: np.ndarray | None = None,
    ) -> Actors:
        """The actors a step later.

        Args:
            vehicles: the egos now [b, 6].
            line: their routes now.
            after: the egos a step later [b, 6].
            draws: what each world's arrivals are drawn from, the entropy of a seed sequence each.
            overrides: states [b, s, 10] after the step, NaN where actors move by themselves.
        """
        seen = actors.in_ego_frame(vehicles)
        place = to_frenet(line, seen)
        seen_features = torch.from_numpy(features(seen, actors.kinds, place, vehicles[:, 3]))
        estimate = self(seen_features.to(self.arrivals.device)).double().cpu().numpy()
        rates = estimate[..., :2] * RATE_SCALE
        states = _started(actors, estimate[..., 2], seen_features[..., NEARNESS].numpy() < 1 / 3, dt, draws)
        states[..., ActorColumn.LANE] = kept_lanes(states[..., ActorColumn.LANE], actors.kinds, place)
        rates[..., 1] = np.where(np.isfinite(states[..., ActorColumn.LANE]), lane_keeping(states, place), rates[..., 1])
        states = integrate(states, rates, dt)
        states = np.where(actors.kinds[..., None] > 0, states, 0.0)
        keeps: np.ndarray = np.zeros(actors.kinds.shape, bool)
        if overrides is not None:
            keeps = np.all(np.isfinite(overrides[..., :6]), axis=-1)
            states = np.where(keeps[..., None], overrides, states)
        moved_on = replace(actors, states=states)
        return self._renewed(moved_on, keeps, line, vehicles, after, draws)

    def _renewed(
        self,
        actors: Actors,
        keeps: np.ndarray,
        line: RouteFrame,
        vehicles: np.ndarray,
        after: np.ndarray,
        draws: Sequence[Sequence[int]],
    ) -> Actors:
        """Without those who have left, but for those that `keeps` [b, s]; others come in their place."""
        seen = actors.in_ego_frame(after)
        far = (np.hypot(seen[..., 0], seen[..., 1]) > LEAVE_RANGE) | (seen[..., 0] < -LEAVE_BEHIND)
        left = far & (actors.kinds > 0) & ~keeps
        states, kinds = np.where(left[..., None], 0.0, actors.states), np.where(left, 0, actors.kinds)
        vacant, colours = actors.vacant | left, actors.colours.copy()
        stock = self.arrivals.double().cpu().numpy()
        stock = stock[stock[:, 6] > 0]
        worlds = np.flatnonzero(vacant.any(-1) & line.known)
        if not len(stock) or not len(worlds):
            return Actors(states=states, kinds=kinds, vacant=vacant, colours=colours)

        # all candidates of all worlds at once; few of them find room
        examples = np.stack(_draw_examples(stock, [draws[k] for k in worlds.tolist()]))
        candidates = _arriving(examples, line.points[worlds], vehicles[worlds])
        others = np.where(kinds[worlds, :, None] > 0, states[worlds, :, :2], np.inf)
        taken = np.concatenate([others, after[worlds, None, :2]], axis=1)
        room = _least_distance(candidates[..., :2], taken) >= ARRIVAL_GAP
        for n, k in enumerate(worlds.tolist()):
            arrived: list[np.ndarray] = []
            for state, row in zip(candidates[n, room[n]], examples[n, room[n]], strict=True):
                free = np.flatnonzero(vacant[k])
                if not len(free):
                    break
                if arrived and _least_distance(state[None, None, :2], np.stack(arrived)[None, :, :2]) < ARRIVAL_GAP:
                    continue
                states[k, free[0]], kinds[k, free[0]], vacant[k, free[0]] = state, int(row[6]), False
                colours[k, free[0]] = row[7:]
                arrived.append(state)
        return Actors(states=states, kinds=kinds, vacant=vacant, colours=colours)

    def painted(self, actors: Actors, draws: Sequence[Sequence[int]]) -> Actors:
        """The actors, all with a colour: those of whom none is known get that of an arrival of their kind, by chance;
        free places too, for whoever a scenario puts there."""
        stock = self.arrivals.double().cpu().numpy()
        stock = stock[np.isfinite(stock).all(-1) & (stock[:, 6] > 0)]
        colours = actors.colours.copy()
        for k, slot in zip(*np.nonzero(np.isnan(colours).any(-1)), strict=True):
            kind = actors.kinds[k, slot] or ObjectKind.CAR
            same = stock[stock[:, 6] == kind]
            if len(same):
                colours[k, slot] = same[np.random.default_rng([*draws[k], int(slot)]).integers(len(same)), 7:]
        return replace(actors, colours=colours)


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


def kept_lanes(lanes: np.ndarray, kinds: np.ndarray, place: FrenetPose) -> np.ndarray:
    """Offsets [b, s] that vehicles keep which drive along the route, either way; NaN for the others."""
    vehicle = (kinds == ObjectKind.CAR) | (kinds == ObjectKind.TRUCK)
    along = place.on & vehicle & (np.abs(np.sin(place.heading)) < 0.5)
    chosen = np.where(np.abs(place.lateral) < 1.0, 0.0, place.lateral)
    return np.where(along, np.where(np.isfinite(lanes), lanes, chosen), np.nan)


def lane_keeping(states: np.ndarray, place: FrenetPose) -> np.ndarray:
    """Yaw rates [b, s] [rad/s] that keep vehicles at their offset from the route, critically damped over about 9 m.

    With d the offset and e the heading error, d' = sin e and e' = c - k per metre; c = k + (d0 - d)/D² - 2 e/D.
    """
    damping = 4.5
    oncoming = np.cos(place.heading) < 0
    error = np.where(oncoming, wrap_angle(place.heading - np.pi), place.heading)
    miss = np.where(oncoming, -1.0, 1.0) * (states[..., ActorColumn.LANE] - place.lateral)
    curvature = place.bend_near / 8 + np.clip(miss, -2, 2) / damping**2 - 2 * error / damping
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
    s, lateral, heading, speed, length, width = np.moveaxis(rows[..., :6], -1, 0)
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
