"""How others move: learned acceleration, turning and starting of the actors, and who comes after those who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from worldsim.actors.actors import (
    COLOR,
    HABITS,
    STANDING,
    STRIDE_LENGTH,
    ActorColumn,
    Actors,
    ParkedColumn,
    TraitColumn,
)
from worldsim.actors.arrivals import ARRIVAL_COLOR, ARRIVAL_NAMES, ArrivalColumn, renewed
from worldsim.actors.courses import BEND_NEAR, COURSE_NAMES, CourseColumn, find_courses, free_courses
from worldsim.actors.driver_habits import (
    GAP_UNIT,
    NUM_HABIT_FEATURES,
    SPEED_UNIT,
    habit_features,
    habit_noise,
    habits_of,
)
from worldsim.actors.lane_graph import LANE_STEP, Streets
from worldsim.actors.leads import FREE, find_leads
from worldsim.actors.pedestrian_steps import turns_from_vehicles
from worldsim.actors.route_frame import FrenetPose, RouteFrame, to_frenet
from worldsim.actors.speed_bound import allowed_speeds
from worldsim.configs import ActorConfig
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.route import rotate
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.vehicle import VehicleColumn

START_SPEED = 0.4
"""Of who has just started [m/s]."""
START_SECONDS = 0.5
"""The network tells the probability of starting within this time [s]."""
LEAST_START = 0.08
"""That probability is at least this for drivers with 8 m of free way before them."""
RATE_SCALE = np.array([1.5, 0.2])
"""Standard size of an acceleration [m/s²] and a yaw rate [rad/s]."""
HARDEST = 7.0
"""Braking at most [m/s²]."""
KEPT_SIDE = 0.8
"""An offset from its lane that a vehicle keeps is at most this; farther off it goes back to the middle [m]."""
LOST_LANE = 2.0
"""Who is this far from the offset that it keeps chooses anew [m]."""
TURN_AWAY = 1.5
"""Who is blocked by a vehicle turns on the spot as fast as this, to walk out of its way [rad/s]."""
STARTS = 2.0
"""A driver whose vehicle may be as fast as this has a free way [m/s]."""


_STANDING_COLUMNS = [ActorColumn.X, ActorColumn.Y, ActorColumn.YAW, ActorColumn.LENGTH, ActorColumn.WIDTH]
_FOOTPRINT = slice(ParkedColumn.X, ParkedColumn.WIDTH + 1)
"""Of PARKED_NAMES: a box."""


def actor_features(
    in_ego_frame: np.ndarray,
    kinds: np.ndarray,
    pose: FrenetPose,
    ego_speed: np.ndarray,
    courses: np.ndarray,
    speed_limit: np.ndarray,
) -> np.ndarray:
    """What actors act upon, of about unit size, float32 [n, s, NUM_FEATURES].

    Args:
        in_ego_frame: ACTOR_NAMES in the vehicle frame, [n, s, 10].
        kinds: ObjectKind, [n, s].
        pose: theirs along the egos' routes, [n, s].
        ego_speed: [n] [m/s].
        courses: COURSE_NAMES of those on lanes; of the others gap and lead are filled in, [n, s, 17].
        speed_limit: where the ego is, NaN where it is not known, [n] [m/s].
    """
    x, y, yaw, speed, _, _, yaw_rate, drives, _, acceleration = np.moveaxis(in_ego_frame, -1, 0)
    cos, sin = np.cos(yaw), np.sin(yaw)
    ego_ahead = -cos * x - sin * y
    ego_aside = sin * x - cos * y
    course: dict[str, np.ndarray] = dict(zip(COURSE_NAMES, np.moveaxis(courses, -1, 0), strict=True))
    gap, shown = course["gap"], course["signal"]
    limit = np.where(np.isfinite(speed_limit), speed_limit, 0.0)[:, None] + 0 * speed
    columns = [
        speed / SPEED_UNIT,
        np.minimum(speed, 1.0),
        drives,
        np.sign(acceleration) * (np.abs(acceleration) > 0.2),
        kinds == ObjectKind.CAR,
        kinds == ObjectKind.TRUCK,
        kinds == ObjectKind.PEDESTRIAN,
        np.clip(yaw_rate / RATE_SCALE[1], -5, 5),
        *_route_features(pose, speed, course),
        np.clip(ego_ahead / 20, -3, 3),
        np.clip(ego_aside / 10, -3, 3),
        np.exp(-np.hypot(ego_ahead, ego_aside) / 10),
        cos,
        sin,
        ego_speed[:, None] / 10 + 0 * speed,
        gap / GAP_UNIT,
        1 / (1 + gap / 4),
        np.clip((course["lead_speed"] - speed) / 5, -3, 3),
        course["on_lane"],
        np.clip((course["curve_speed"] - speed) / 5, -2, 2),
        *((shown == kind) * np.exp(-course["signal_distance"] / 20) for kind in _SIGNALS),
        *_stopping(course["stop"], speed),
        *_stopping(course["wait"], speed),
        np.exp(-course["rival_time"] / 3),
        np.exp(-course["entry"] / 10) * (course["entry"] < FREE),
        np.exp(-course["entry"] / 10) * course["turn"],
        course["minor"],
        limit / SPEED_UNIT,
        (limit > 0) * np.clip((limit - speed) / 5, -2, 2),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=-1)


_SIGNALS = (SignalKind.RED, SignalKind.YELLOW, SignalKind.GREEN, SignalKind.STOP, SignalKind.YIELD)
NUM_FEATURES = 42


def _route_features(pose: FrenetPose, speed: np.ndarray, course: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Where actors are on their course and how it bends before them, each [n, s]: on their lane, else on the ego's
    route, else nowhere and 0."""
    on_lane = course["on_lane"] > 0
    on = np.where(on_lane, 1.0, pose.on)
    lateral = np.where(on_lane, course["lateral"], pose.lateral)
    heading = np.where(on_lane, course["heading"], pose.heading)
    near = np.where(on_lane, course["bend_far"] / 12, pose.bend_near / 8)
    far = np.where(on_lane, course["bend_beyond"] / 24, pose.bend_far / 16)
    return [
        on,
        on * np.clip(lateral / 4, -2, 2),
        on * np.abs(np.clip(lateral / 4, -2, 2)),
        on * np.cos(heading),
        on * np.sin(heading),
        on * near * speed / RATE_SCALE[1],
        on * far * speed / RATE_SCALE[1],
        pose.on * np.clip(pose.s / 50, -1, 1.3),
    ]


def _stopping(distance: np.ndarray, speed: np.ndarray) -> list[np.ndarray]:
    """How near the place is where one has to stop, and the braking that this takes, each [n, s]."""
    has_to = distance < FREE
    return [has_to / (1 + distance / 4), has_to * np.clip(speed**2 / (2 * np.maximum(distance, 0.5)) / 3, 0, 2)]


def find_all_courses(
    actors: Actors,
    vehicles: np.ndarray,
    route_frame: RouteFrame,
    streets: Sequence[Streets | None],
    in_ego_frame: np.ndarray,
    pose: FrenetPose,
    goals: np.ndarray | None = None,
) -> np.ndarray:
    """COURSE_NAMES [b, s, 17] of the actors around `vehicles` [b, 6]; those on no lane have gap and lead along the
    ego's route, or straight ahead.

    Args:
        actors: in the ground frame.
        vehicles: the egos.
        route_frame: their routes.
        streets: of each world; None where nothing is known of its lanes.
        in_ego_frame: the actors, ACTOR_NAMES in the vehicle frame, [b, s, 10].
        pose: theirs along the routes.
        goals: as for `find_courses`, [b, s, 2].
    """
    courses = free_courses(actors.kinds.shape)
    routes = rotate(route_frame.points, vehicles[:, VehicleColumn.YAW, None]) + vehicles[:, None, :2]
    for k, street in enumerate(streets):
        if street is not None and len(street.lanes):
            courses[k] = find_courses(
                street.lanes,
                street.light_cycles,
                street.time,
                actors.states[k],
                actors.kinds[k],
                np.nan_to_num(actors.traits[k, :, TraitColumn.WAY]),
                vehicles[k],
                routes[k],
                None if goals is None else goals[k],
                actors.traits[k, :, TraitColumn.WAITED],
            )
    beside = courses[..., CourseColumn.ON_LANE] == 0
    if beside.any():
        gap, lead_speed = find_leads(in_ego_frame, actors.kinds, pose, vehicles[:, VehicleColumn.SPEED])
        courses[..., CourseColumn.GAP] = np.where(beside, gap, courses[..., CourseColumn.GAP])
        courses[..., CourseColumn.LEAD_SPEED] = np.where(beside, lead_speed, courses[..., CourseColumn.LEAD_SPEED])
    return courses


class ActorModel(nn.Module):
    """How others move: each actor's acceleration and yaw rate from what it sees, when who stands starts, and arrivals.

    All are learned from recordings. The network is a small perceptron shared by all drivers and pedestrians; what
    drivers differ in are habits, drawn by another one when they are first met. Arrivals are examples of actors that
    came into range; densities are those of drivers and pedestrians per metre of lane.
    """

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        w, num = config.width, NUM_FEATURES + NUM_HABIT_FEATURES
        self.network = nn.Sequential(nn.Linear(num, w), nn.SiLU(), nn.Linear(w, w), nn.SiLU(), nn.Linear(w, 3))
        self.habits = nn.Sequential(nn.Linear(NUM_FEATURES, w // 2), nn.SiLU(), nn.Linear(w // 2, 4))
        self.arrivals: Tensor
        self.densities: Tensor
        self.register_buffer("arrivals", torch.zeros(config.num_arrivals, len(ARRIVAL_NAMES)))
        self.register_buffer("densities", torch.zeros(2))

    def forward(self, seen: Float[Tensor, "... f"], habits: Float[Tensor, "... 2"]) -> Float[Tensor, "... 3"]:
        """Acceleration and yaw rate in units of RATE_SCALE; logit of starting within START_SECONDS.

        Args:
            seen: what each actor acts upon, `actor_features`.
            habits: columns as of HabitColumn.
        """
        return self.network(torch.cat([seen, habit_features(seen, habits)], dim=-1))

    def _with_habits(self, actors: Actors, seen: Tensor, draws: Sequence[Sequence[int]]) -> np.ndarray:
        """The actors' traits, all with habits: those who are met for the first time get theirs by how they drive, and
        by chance."""
        unknown = np.isnan(actors.traits[..., HABITS]).any(-1) & (actors.kinds > 0)
        if not unknown.any():
            return actors.traits
        noise = torch.from_numpy(habit_noise(actors.kinds.shape, draws)).to(seen)
        drawn = habits_of(self.habits(seen), noise).double().cpu().numpy()
        traits = actors.traits.copy()
        traits[..., HABITS] = np.where(unknown[..., None], drawn, traits[..., HABITS])
        return traits

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
        streets: Sequence[Streets | None] | None = None,
        speed_limit: np.ndarray | None = None,
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
            streets: the lanes and lights of each world; None where they are not known: then vehicles follow the egos'
                routes where they are on them, and go straight on elsewhere.
            speed_limit: where the egos are, NaN where it is not known, [b] [m/s].
        """
        b, num = actors.kinds.shape
        actors = _with_ways(actors, draws)
        limits = np.full(b, np.nan) if speed_limit is None else speed_limit
        everyone = actors if standing is None else _joined_by(actors, standing)
        in_ego_frame = everyone.in_ego_frame(vehicles)
        pose = to_frenet(route_frame, in_ego_frame)
        around: Sequence[Streets | None] = [None] * b if streets is None else streets
        courses = find_all_courses(everyone, vehicles, route_frame, around, in_ego_frame, pose)[:, :num]
        speeds = vehicles[:, VehicleColumn.SPEED]
        turn_away = turns_from_vehicles(in_ego_frame, everyone.kinds, speeds)[:, :num]
        in_ego_frame, pose = in_ego_frame[:, :num], FrenetPose(*(value[:, :num] for value in pose))
        inputs = actor_features(in_ego_frame, actors.kinds, pose, speeds, courses, limits)
        seen = torch.from_numpy(inputs).to(self.arrivals.device)
        traits = self._with_habits(actors, seen, draws)
        habits = torch.from_numpy(np.nan_to_num(traits[..., HABITS])).to(seen)
        estimate = self(seen, habits).double().cpu().numpy()

        rates = estimate[..., :2] * RATE_SCALE
        allowed = allowed_speeds(courses, actors.kinds, actors.states[..., ActorColumn.SPEED], dt)
        blocked = np.isfinite(turn_away)
        allowed = np.where(blocked, 0.0, allowed)
        states = _started(actors, estimate[..., 2], allowed, dt, draws)
        states[..., ActorColumn.LANE] = kept_lanes(states[..., ActorColumn.LANE], actors.kinds, pose, courses)
        # small errors of a learned yaw rate would add up: who follows a course is held to it
        held = np.isfinite(states[..., ActorColumn.LANE])
        rates[..., 1] = np.where(held, lane_keeping(states, pose, courses), rates[..., 1])
        most = np.maximum((allowed - states[..., ActorColumn.SPEED]) / dt, -HARDEST)
        rates[..., 0] = np.minimum(rates[..., 0], most)
        states = integrate(states, rates, dt)
        turned = np.clip(np.where(blocked, turn_away, 0.0), -TURN_AWAY * dt, TURN_AWAY * dt)
        states[..., ActorColumn.YAW] = wrap_angle(states[..., ActorColumn.YAW] + turned)
        states = np.where(actors.kinds[..., None] > 0, states, 0.0)

        keeps: np.ndarray = np.zeros(actors.kinds.shape, bool)
        if overrides is not None:
            keeps = np.all(np.isfinite(overrides[..., :6]), axis=-1)
        if overrides is not None and keeps.any():
            states = np.where(keeps[..., None], overrides, states)
            change = (states[..., ActorColumn.SPEED] - actors.states[..., ActorColumn.SPEED]) / dt
            rate = states[..., ActorColumn.ACCELERATION]
            states[..., ActorColumn.ACCELERATION] = np.where(np.isnan(rate), change, rate)
        traits = traits.copy()
        strides = np.where(actors.kinds == ObjectKind.PEDESTRIAN, states[..., ActorColumn.SPEED], 0.0)
        traits[..., TraitColumn.PHASE] += 2 * np.pi / STRIDE_LENGTH * dt * strides
        waits = states[..., ActorColumn.SPEED] < START_SPEED
        traits[..., TraitColumn.WAITED] = np.where(waits, traits[..., TraitColumn.WAITED] + dt, 0.0)
        moved_on = replace(actors, states=states, traits=traits)
        stock = self.arrivals.double().cpu().numpy()
        stock = stock[stock[:, ArrivalColumn.KIND] > 0]
        densities = self.densities.double().cpu().numpy()
        return renewed(
            moved_on, keeps, route_frame, vehicles, after, draws, parked, around, stock, densities, dt
        )  # fmt: skip

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


def _with_ways(actors: Actors, draws: Sequence[Sequence[int]]) -> Actors:
    """The actors, all with a number by which they choose their way: drives of other seeds go on otherwise."""
    unknown = np.isnan(actors.traits[..., TraitColumn.WAY]) & (actors.kinds > 0)
    if not unknown.any():
        return actors
    traits = actors.traits.copy()
    for k in np.flatnonzero(unknown.any(-1)).tolist():
        drawn = np.random.default_rng([*draws[k], 4]).integers(2**31, size=unknown.shape[1])
        traits[k, :, TraitColumn.WAY] = np.where(unknown[k], drawn, traits[k, :, TraitColumn.WAY])
    return replace(actors, traits=traits)


def _joined_by(actors: Actors, standing: Sequence[np.ndarray]) -> Actors:
    """The actors, and after them those who stand on the road, PARKED_NAMES [w, 7] in each world."""
    most = max(len(rows) for rows in standing)
    if most == 0:
        return actors
    b = len(actors.kinds)
    added = Actors(
        states=np.zeros((b, most, len(ActorColumn))),
        kinds=np.zeros((b, most), np.int64),
        vacant=np.zeros((b, most), bool),
        traits=np.zeros((b, most, len(TraitColumn))),
    )
    for k, rows in enumerate(standing):
        added.states[k][: len(rows), _STANDING_COLUMNS] = rows[:, _FOOTPRINT]
        # whatever it is, it waits for nobody and comes to no junction
        added.kinds[k, : len(rows)] = ObjectKind.STATIC
    names = ("states", "kinds", "vacant", "traits")
    return Actors(**{name: np.concatenate([getattr(actors, name), getattr(added, name)], axis=1) for name in names})


def _started(
    actors: Actors, logits: np.ndarray, allowed: np.ndarray, dt: float, draws: Sequence[Sequence[int]]
) -> np.ndarray:
    """The actors' states, some of the drivers that stand [b, s] having started, by chance: none that may not move, and
    nobody waits for ever whose way is free."""
    states = actors.states.copy()
    waits = (actors.kinds > 0) & (states[..., ActorColumn.SPEED] < STANDING) & (states[..., ActorColumn.DRIVES] > 0)
    waits &= allowed > START_SPEED
    never = 1 / (1 + np.exp(np.clip(logits, -20, 20)))
    never = np.where(allowed > STARTS, np.minimum(never, 1 - LEAST_START), never)
    for k in np.flatnonzero(waits.any(-1)).tolist():
        drawn = np.random.default_rng([*draws[k], 0]).random(waits.shape[1])
        starts = waits[k] & (drawn < 1 - never[k] ** (dt / START_SECONDS))
        states[k, starts, ActorColumn.SPEED] = START_SPEED
        states[k, starts, ActorColumn.ACCELERATION] = 1.0
    return states


def kept_lanes(lanes: np.ndarray, kinds: np.ndarray, pose: FrenetPose, courses: np.ndarray) -> np.ndarray:
    """Offsets [b, s] that vehicles keep which follow a lane, or drive along the route, either way; NaN for the
    others."""
    vehicle = (kinds == ObjectKind.CAR) | (kinds == ObjectKind.TRUCK)
    on_lane = vehicle & (courses[..., CourseColumn.ON_LANE] > 0)
    along = pose.on & vehicle & (np.abs(np.sin(pose.heading)) < 0.5)
    aside = courses[..., CourseColumn.LATERAL]
    lateral = np.where(on_lane, aside, pose.lateral)
    on_route = np.where(np.abs(pose.lateral) < 1.0, 0.0, pose.lateral)
    chosen = np.where(on_lane, np.where(np.abs(aside) < KEPT_SIDE, aside, 0.0), on_route)
    keeps = np.isfinite(lanes) & (np.abs(lanes - lateral) < LOST_LANE)
    return np.where(on_lane | along, np.where(keeps, lanes, chosen), np.nan)


def lane_keeping(states: np.ndarray, pose: FrenetPose, courses: np.ndarray) -> np.ndarray:
    """Yaw rates [b, s] [rad/s] that keep vehicles at their offset from their course, critically damped over about 9 m.

    With d the offset and e the heading error, d' = sin e and e' = c - k per metre; c = k + (d0 - d)/D² - 2 e/D.
    """
    damping = 4.5
    on_lane = courses[..., CourseColumn.ON_LANE] > 0
    oncoming = ~on_lane & (np.cos(pose.heading) < 0)
    heading = np.where(on_lane, courses[..., CourseColumn.HEADING], pose.heading)
    lateral = np.where(on_lane, courses[..., CourseColumn.LATERAL], pose.lateral)
    bend = np.where(on_lane, courses[..., CourseColumn.BEND_NEAR] / (BEND_NEAR * LANE_STEP), pose.bend_near / 8)
    error = np.where(oncoming, wrap_angle(heading - np.pi), heading)
    miss = np.where(oncoming, -1.0, 1.0) * (states[..., ActorColumn.LANE] - lateral)
    curvature = bend + np.clip(miss, -2, 2) / damping**2 - 2 * error / damping
    return states[..., ActorColumn.SPEED] * np.clip(curvature, -0.25, 0.25)


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
