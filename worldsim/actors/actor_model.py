"""How others move: learned acceleration, turning and starting of the actors, and who comes after those who leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from worldsim.actors.actor_features import NUM_FEATURES, YAW_RATE_UNIT, actor_features
from worldsim.actors.actor_motion import integrate, kept_lanes, lane_keeping
from worldsim.actors.actors import COLOR, HABITS, STANDING, STRIDE_LENGTH, ActorColumn, Actors, TraitColumn
from worldsim.actors.all_courses import find_all_courses, join_standing
from worldsim.actors.arrivals import ARRIVAL_COLOR, ARRIVAL_NAMES, ArrivalColumn, renewed
from worldsim.actors.driver_habits import NUM_HABIT_FEATURES, habit_features, habit_noise, habits_of
from worldsim.actors.kerb_waits import find_kerb_waits
from worldsim.actors.lane_graph import Streets
from worldsim.actors.pedestrian_steps import turns_from_vehicles
from worldsim.actors.route_frame import FrenetPose, RouteFrame, to_frenet
from worldsim.actors.speed_bound import allowed_speeds
from worldsim.configs import ActorConfig
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn

START_SPEED = 0.4
"""Of who has just started [m/s]."""
START_SECONDS = 0.5
"""The network tells the probability of starting within this time [s]."""
LEAST_START = 0.08
"""That probability is at least this for drivers with 8 m of free way before them."""
RATE_SCALE = np.array([1.5, YAW_RATE_UNIT])
"""Standard size of an acceleration [m/s²] and a yaw rate [rad/s]."""
HARDEST = 7.0
"""Braking at most [m/s²]."""
TURN_AWAY = 1.5
"""Who is blocked by a vehicle turns on the spot as fast as this, to walk out of its way; so does, walking on, who
walks along a road that bends [rad/s]."""
STARTS = 2.0
"""A driver whose vehicle may be as fast as this has a free way [m/s]."""


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
        everyone = actors if standing is None else join_standing(actors, standing)
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
        habits = torch.from_numpy(np.where(np.isnan(traits[..., HABITS]), 0.0, traits[..., HABITS])).to(seen)
        estimate = self(seen, habits).double().cpu().numpy()

        rates = estimate[..., :2] * RATE_SCALE
        allowed = allowed_speeds(courses, actors.kinds, actors.states[..., ActorColumn.SPEED], dt)
        blocked = np.isfinite(turn_away)
        waits, turn_along = _at_kerb(actors, around, vehicles)
        allowed = np.where(blocked | waits, 0.0, allowed)
        states = _started(actors, estimate[..., 2], allowed, dt, draws)
        states[..., ActorColumn.LANE] = kept_lanes(states[..., ActorColumn.LANE], actors.kinds, pose, courses)
        # small errors of a learned yaw rate would add up: who follows a course is held to it
        held = np.isfinite(states[..., ActorColumn.LANE])
        rates[..., 1] = np.where(held, lane_keeping(states, pose, courses), rates[..., 1])
        most = np.maximum((allowed - states[..., ActorColumn.SPEED]) / dt, -HARDEST)
        rates[..., 0] = np.minimum(rates[..., 0], most)
        states = integrate(states, rates, dt)
        turned = np.nan_to_num(np.where(blocked, turn_away, turn_along))
        turned = np.clip(turned, -TURN_AWAY * dt, TURN_AWAY * dt)
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


def _at_kerb(actors: Actors, streets: Sequence[Streets | None], vehicles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Who waits at the kerb, bool [b, s], and by how much others turn along it [b, s] [rad], NaN for who does not."""
    waits, turns = np.zeros(actors.kinds.shape, bool), np.full(actors.kinds.shape, np.nan)
    for k, street in enumerate(streets):
        if street is not None:
            ways = actors.traits[k, :, TraitColumn.WAY]
            ways = np.where(np.isnan(ways), 0.0, ways)
            waits[k], turns[k] = find_kerb_waits(street, actors.states[k], actors.kinds[k], ways, vehicles[k])
    return waits, turns


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
