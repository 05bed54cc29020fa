"""The catalogue of scenarios: each is one decorated function from a generator to a traffic situation.

To add one, write its function here. Commands, reports and tests read SCENARIOS. Ranges follow the ASAM OSC-ALKS reading
of UN R157 annex 5, within what the towns' streets allow.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from policies.disturbance import Disturbance
from scenarios.actors import EGO_HALF_LENGTH, BrakingLead, CrossingPedestrian, CutIn
from scenarios.metrics.r157 import must_be_avoided
from scenarios.scenario import CONTEXT, Scenario, Situation, SituationFactory
from worldsim.editing.edits import AlongRoute, Put

NOTICE = 0.5
"""The event begins this long before time 0, so that the start shows it [s]."""
HELD_OUT_TOWNS = tuple(range(200_000, 200_004))
"""Seeds of the towns that cases are set in; no model is trained on them."""
LANE_WIDTH = 3.5
"""Between the centres of neighbouring lanes [m]."""
KMH = 1 / 3.6
VAN = (6.5, 2.2, 2.8)
"""Length, width and height of the truck that hides somebody [m]."""
STEP_OUT, KERB_GAP = 1.0, 0.15
"""A pedestrian steps out so far before a parked truck, which stands so far beside the lane [m]."""

SCENARIOS: dict[str, Scenario] = {}
"""Name to scenario, in the report's order."""


def scenario(
    *, title: str, tags: tuple[str, ...], samples: Mapping[str, str], towns: Sequence[int] = HELD_OUT_TOWNS
) -> Callable[[SituationFactory], Scenario]:
    """Register the decorated function as a scenario: its name and docstring are those of the scenario.

    Args:
        title: for reports.
        tags: what it belongs to; "benchmark" makes it one of those that `drivedit validate` runs by default.
        samples: each sampled parameter, name with unit, to its range in words, for reports; the same keys as
            the situation's parameters.
        towns: seeds of the towns that its cases take turns in.

    Raises:
        ValueError: the name is taken.
    """

    def register(factory: SituationFactory) -> Scenario:
        name = factory.__name__
        if name in SCENARIOS:
            raise ValueError(f"there is already a scenario named {name!r}; give this function another name")
        SCENARIOS[name] = Scenario(
            name=name,
            title=title,
            description=" ".join((inspect.getdoc(factory) or "").split()),
            tags=tags,
            samples=samples,
            towns=towns,
            factory=factory,
        )
        return SCENARIOS[name]

    return register


def scenarios_tagged(tag: str) -> tuple[str, ...]:
    """Names of the scenarios with a tag."""
    return tuple(name for name, entry in SCENARIOS.items() if tag in entry.tags)


@scenario(
    title="Lead car brakes",
    tags=("benchmark", "scripted", "UN R157"),
    samples={
        "ego speed [km/h]": "20 to 50 km/h",
        "headway [s]": "1.0 to 1.4 times that of UN R157",
        "lead braking [m/s²]": "3 to 6 m/s²",
    },
)
def lead_braking(rng: np.random.Generator, town: int) -> Situation:
    """The car ahead brakes to a standstill."""
    speed = rng.uniform(20, 50) * KMH
    headway = float(np.interp(speed, np.array([20, 30, 40, 50]) * KMH, [1.2, 1.3, 1.4, 1.5])) * rng.uniform(1.0, 1.4)
    deceleration = rng.uniform(3.0, 6.0)
    gap = speed * headway
    return Situation(
        ego_speed=speed,
        scripts=(BrakingLead(gap=gap, speed=speed, brake_at=-NOTICE, deceleration=deceleration),),
        duration=6.0,
        min_progress=0.4 * (gap + speed**2 / (2 * deceleration)),
        parameters={"ego speed [km/h]": speed / KMH, "headway [s]": headway, "lead braking [m/s²]": deceleration},
    )


@scenario(
    title="Cut-in",
    tags=("benchmark", "scripted", "UN R157"),
    samples={
        "ego speed [km/h]": "25 to 50 km/h",
        "closing speed [km/h]": "5 to 25 km/h",
        "gap [m]": "5 to 30 m",
        "lateral speed [m/s]": "0.8 to 1.8 m/s",
        "from the left": "yes or no",
    },
)
def cut_in(rng: np.random.Generator, town: int) -> Situation:
    """A slower car changes into the ego's lane ahead; only draws that are avoidable by UN R157."""
    while True:
        speed, slower = rng.uniform(25, 50) * KMH, rng.uniform(5, 25) * KMH
        gap, lateral_speed, side = rng.uniform(5, 30), rng.uniform(0.8, 1.8), rng.choice([-1.0, 1.0])
        if cut_in_is_avoidable(gap=gap, closing_speed=slower, lateral_speed=lateral_speed) and slower < 0.7 * speed:
            break

    car = CutIn(
        gap=gap + slower * (CONTEXT - NOTICE),
        speed=speed - slower,
        offset=side * LANE_WIDTH,
        start_at=-NOTICE,
        lateral_speed=lateral_speed,
    )
    return Situation(
        ego_speed=speed,
        scripts=(car,),
        duration=6.0,
        min_progress=0.5 * car.speed * 6.0,
        parameters={
            "ego speed [km/h]": speed / KMH,
            "closing speed [km/h]": slower / KMH,
            "gap [m]": gap,
            "lateral speed [m/s]": lateral_speed,
            "from the left": float(side > 0),
        },
    )


@scenario(
    title="Pedestrian crosses",
    tags=("benchmark", "scripted"),
    samples={"ego speed [km/h]": "15 to 40 km/h", "time to arrival [s]": "2.5 to 3.5 s", "from the left": "yes or no"},
)
def pedestrian_crossing(rng: np.random.Generator, town: int) -> Situation:
    """A pedestrian walks onto the road at 5 km/h, timed to meet an ego that does not brake."""
    speed, arrival, side = rng.uniform(15, 40) * KMH, rng.uniform(2.5, 3.5), rng.choice([-1.0, 1.0])
    walk = 5.0 * KMH
    distance = speed * (CONTEXT - NOTICE + arrival)
    return Situation(
        ego_speed=speed,
        scripts=(CrossingPedestrian(distance=distance, offset=side * walk * arrival, start_at=-NOTICE, speed=walk),),
        duration=6.0,
        min_progress=0.3 * (distance - speed * CONTEXT),
        parameters={"ego speed [km/h]": speed / KMH, "time to arrival [s]": arrival, "from the left": float(side > 0)},
    )


@scenario(
    title="Pedestrian steps out from behind a truck",
    tags=("scripted", "occlusion"),
    samples={"ego speed [km/h]": "30 to 50 km/h", "time to arrival [s]": "2.0 to 2.5 s"},
)
def occluded_crossing(rng: np.random.Generator, town: int) -> Situation:
    """A pedestrian runs onto the road at 8 km/h from behind a truck that is parked on the right, timed to meet an ego
    that does not brake. Its pair is the same crossing without the truck."""
    speed, arrival = rng.uniform(30, 50) * KMH, rng.uniform(2.0, 2.5)
    run = 8.0 * KMH
    distance = speed * (CONTEXT - NOTICE + arrival)
    crossing = EGO_HALF_LENGTH + distance - speed * CONTEXT  # ahead of where the policy takes over
    length, width, _ = VAN
    truck = Put(
        thing="truck",
        size=VAN,
        place=AlongRoute(ahead=crossing - STEP_OUT - length / 2, left=-(LANE_WIDTH / 2 + KERB_GAP + width / 2)),
    )
    return Situation(
        ego_speed=speed,
        scripts=(CrossingPedestrian(distance=distance, offset=-run * arrival, start_at=-NOTICE, speed=run),),
        duration=6.0,
        min_progress=0.3 * (distance - speed * CONTEXT),
        parameters={"ego speed [km/h]": speed / KMH, "time to arrival [s]": arrival},
        edits=(truck,),
    )


@scenario(
    title="Ordinary traffic",
    tags=("ambient",),
    samples={"ego speed [km/h]": "0 to 36 km/h", "town": "held out from training"},
)
def traffic(rng: np.random.Generator, town: int) -> Situation:
    """Ten seconds in a town's own traffic, with its bends and junctions. No actor is scripted, and standing still is no
    failure."""
    speed = rng.uniform(0, 36) * KMH
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=10.0,
        min_progress=0.0,
        parameters={"ego speed [km/h]": speed / KMH, "town": float(town)},
        ambient_traffic=True,
    )


@scenario(
    title="Pushed off the lane's centre",
    tags=("recovery",),
    samples={"ego speed [km/h]": "20 to 40 km/h", "to the left": "yes or no"},
)
def lane_recovery(rng: np.random.Generator, town: int) -> Situation:
    """On an empty straight road the car is pushed 0.5 m and 4° off its lane before the policy takes over."""
    speed, side = rng.uniform(20, 40) * KMH, rng.choice([-1.0, 1.0])
    return Situation(
        ego_speed=speed,
        scripts=(),
        duration=7.0,
        min_progress=0.5 * speed * 7.0,
        parameters={"ego speed [km/h]": speed / KMH, "to the left": float(side > 0)},
        disturbance=Disturbance(offset=0.5 * side, heading=math.radians(4.0)),
    )


def cut_in_is_avoidable(
    *, gap: float, closing_speed: float, lateral_speed: float, start_offset: float = LANE_WIDTH, half_lane: float = 1.75
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
    return bool(must_be_avoided(ttc, closing_speed))
