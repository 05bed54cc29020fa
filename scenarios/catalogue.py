"""The scenarios there are, each a function from a seed to a case.

Ranges follow the ASAM OSC-ALKS reading of UN R157 annex 5, within what the towns' streets allow.
"""

from __future__ import annotations

import zlib

import numpy as np

from envs.scripted_actors import ScriptedActors
from scenarios.actors import BrakingLead, CrossingPedestrian, CutIn
from scenarios.scenario import Case, Scenario

CONTEXT = 0.7
"""The worlds drive this long before the policy takes over at time 0, so that a start clip shows motion [s]."""
NOTICE = 0.5
"""The event begins this long before time 0, so that the start shows it [s]."""
HELD_OUT_TOWNS = tuple(range(200_000, 200_004))
"""Seeds of the towns that cases are set in; no model is trained on them."""
KMH = 1 / 3.6


def lead_braking(seed: int) -> Case:
    """A lead car brakes to a standstill: R157 headways for the speed, 3 to 6 m/s²."""
    rng = _generator("lead_braking", seed)
    speed = rng.uniform(20, 50) * KMH
    headway = float(np.interp(speed, np.array([20, 30, 40, 50]) * KMH, [1.2, 1.3, 1.4, 1.5])) * rng.uniform(1.0, 1.4)
    deceleration, gap = rng.uniform(3.0, 6.0), speed * headway
    lead = BrakingLead(gap=gap, speed=speed, brake_at=-NOTICE, deceleration=deceleration)
    return _case(
        "lead_braking",
        seed,
        speed,
        lead,
        duration=6.0,
        min_progress=0.4 * (gap + speed**2 / (2 * deceleration)),
        parameters={"ego speed [km/h]": speed / KMH, "headway [s]": headway, "lead braking [m/s²]": deceleration},
    )


def cut_in(seed: int) -> Case:
    """A slower car changes into the ego's lane ahead; only draws that R157 holds to be avoidable."""
    rng = _generator("cut_in", seed)
    while True:
        speed, slower = rng.uniform(25, 50) * KMH, rng.uniform(5, 25) * KMH
        gap, lateral_speed, side = rng.uniform(5, 30), rng.uniform(0.8, 1.8), rng.choice([-1.0, 1.0])
        if cut_in_is_avoidable(gap=gap, closing_speed=slower, lateral_speed=lateral_speed) and slower < 0.7 * speed:
            break
    car = CutIn(
        gap=gap + slower * (CONTEXT - NOTICE),
        speed=speed - slower,
        offset=side * 3.5,
        start_at=-NOTICE,
        lateral_speed=lateral_speed,
    )
    parameters = {
        "ego speed [km/h]": speed / KMH,
        "closing speed [km/h]": slower / KMH,
        "gap [m]": gap,
        "lateral speed [m/s]": lateral_speed,
        "from the left": float(side > 0),
    }
    return _case("cut_in", seed, speed, car, duration=6.0, min_progress=0.5 * car.speed * 6.0, parameters=parameters)


def pedestrian_crossing(seed: int) -> Case:
    """A pedestrian at 5 km/h walks onto the road so as to meet an ego that does not brake."""
    rng = _generator("pedestrian_crossing", seed)
    speed, arrival, side = rng.uniform(15, 40) * KMH, rng.uniform(2.5, 3.5), rng.choice([-1.0, 1.0])
    walk = 5.0 * KMH
    distance = speed * (CONTEXT - NOTICE + arrival)
    walker = CrossingPedestrian(distance=distance, offset=side * walk * arrival, start_at=-NOTICE, speed=walk)
    return _case(
        "pedestrian_crossing",
        seed,
        speed,
        walker,
        duration=6.0,
        min_progress=0.3 * (distance - speed * CONTEXT),
        parameters={"ego speed [km/h]": speed / KMH, "time to arrival [s]": arrival, "from the left": float(side > 0)},
    )


def traffic(seed: int) -> Case:
    """Ten seconds among the town's own traffic, along whatever route there is; nobody is scripted."""
    rng = _generator("traffic", seed)
    speed = rng.uniform(0, 36) * KMH
    return Case(
        scenario="traffic",
        seed=seed,
        parameters={"ego speed [km/h]": round(speed / KMH, 3), "town": float(_town(seed))},
        town=_town(seed),
        actors=ScriptedActors(scripts=(), ego_speed=float(speed), ambient_traffic=True),
        ego_speed=float(speed),
        duration=10.0,
        min_progress=0.0,
    )


def cut_in_is_avoidable(
    *, gap: float, closing_speed: float, lateral_speed: float, start_offset: float = 3.5, half_lane: float = 1.75
) -> bool:
    """Whether UN R157 holds that the cut-in must be avoided: TTC at intrusion > v_rel / (2·6 m/s²) + 0.35 s.

    Args:
        gap: bumper to bumper when the lane change begins [m].
        closing_speed: [m/s].
        lateral_speed: [m/s].
        start_offset: lateral distance of the two cars' centres when it begins [m].
        half_lane: the marking's distance from the ego's lane centre [m].
    """
    half_car, intrusion = 0.95, 0.3
    until_intrusion = max(start_offset - half_car - half_lane + intrusion, 0.0) / lateral_speed
    ttc = (gap - closing_speed * until_intrusion) / max(closing_speed, 1e-6)
    return ttc > closing_speed / 12.0 + 0.35


SCENARIOS: dict[str, Scenario] = {
    s.name: s
    for s in (
        Scenario(
            name="lead_braking",
            title="Lead car brakes",
            description="The car ahead brakes at 3 to 6 m/s² to a standstill; ego 20 to 50 km/h, headway 1.0 to 1.4 "
            "times that of UN R157.",
            draw=lead_braking,
        ),
        Scenario(
            name="cut_in",
            title="Cut-in",
            description="A car 5 to 25 km/h slower changes into the ego's lane 5 to 30 m ahead at 0.8 to 1.8 m/s; "
            "only draws that UN R157 holds to be avoidable.",
            draw=cut_in,
        ),
        Scenario(
            name="pedestrian_crossing",
            title="Pedestrian crosses",
            description="A pedestrian walks onto the road at 5 km/h, 2.5 to 3.5 s before the ego would arrive.",
            draw=pedestrian_crossing,
        ),
        Scenario(
            name="traffic",
            title="Ordinary traffic",
            description="Ten seconds from 0 to 36 km/h among the traffic of a town, with its bends and crossings; "
            "nobody is scripted, standing still is no failure.",
            draw=traffic,
        ),
    )
}
"""Name to scenario, in the report's order."""


def _generator(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([zlib.crc32(name.encode()), seed])


def _town(seed: int) -> int:
    return HELD_OUT_TOWNS[seed % len(HELD_OUT_TOWNS)]


def _case(
    name: str, seed: int, speed: float, actor, *, duration: float, min_progress: float, parameters: dict[str, float]
) -> Case:
    straight = speed * (CONTEXT + duration) + 20.0
    return Case(
        scenario=name,
        seed=seed,
        parameters={key: round(float(value), 3) for key, value in parameters.items()},
        town=_town(seed),
        actors=ScriptedActors(scripts=(actor,), ego_speed=float(speed), straight=straight),
        ego_speed=float(speed),
        duration=duration,
        min_progress=float(min_progress),
    )
