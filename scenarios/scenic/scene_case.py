"""A Scenic scene as a case: where the ego begins, who else is there, and what a drive must keep to. Needs Scenic."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from envs.maps.geometry import LaneKey
from envs.maps.map_files import MapFile
from envs.scripted_actors import ScriptedActors
from scenarios.actors import CONTEXT
from scenarios.criteria import PassCriteria
from scenarios.measures import Measure
from scenarios.openscenario.director import load_network
from scenarios.openscenario.network import Network, Pose
from scenarios.scenario import Case
from scenarios.scenic.bodies import actor_state
from scenarios.scenic.director import ScenicDirector, ScenicMemory, Source
from scenarios.scenic.maps import back_in_time
from scenarios.scenic.simulation import Ground, make_body

if TYPE_CHECKING:
    from scenarios.measures import ShownActors

LONGEST = 60.0
"""Drive of a program [s]."""
END_OF_LANE = 1.0
"""A route comes by so far before the end of each of its lanes [m]."""
_NO_PARAMETERS = ("duration", "min_progress", "max_red_lights", "max_stop_signs")


@dataclass(frozen=True, kw_only=True)
class RequirementsHold(Measure):
    """Whether the program would keep this simulation: it throws away those in which a requirement is not kept."""

    name: str = "simulations that the program keeps"
    unit: str = ""
    requested: float = 1.0
    tolerance: float = 0.0

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        director, vehicles = drive.scripted.director, drive.rollout.vehicles
        assert isinstance(director, ScenicDirector), "it is asked of Scenic programs"
        scene = director.begin(0.0)
        for vehicle in vehicles[:-1]:
            scene = director.direct(scene, 0.0, vehicle, drive.rollout.dt)
        assert isinstance(scene.memory, ScenicMemory), "a scene of this director"
        return 0.0 if scene.memory.rejected else 1.0


@dataclass(frozen=True, kw_only=True)
class EgoPlace(Measure):
    """How far from where the program puts it the ego is when the policy takes over: too fast for its bend, it comes
    from outside [m].

    Args:
        x: where it is put [m].
        y: likewise.
    """

    name: str = "distance of the ego from its place"
    unit: str = "m"
    requested: float = 0.0
    tolerance: float = 0.5
    x: float
    y: float

    def measure(self, drive: ShownActors) -> float | None:
        """See Measure."""
        x, y, *_ = drive.rollout.vehicles[0].tolist()
        return float(np.hypot(x - self.x, y - self.y))


def make_case(scene: Any, *, name: str, seed: int, source: Source | None) -> Case:
    """The case of a scene of `drivedit.model`.

    Args:
        scene: drawn from a program.
        name: of the program.
        seed: of the env and the policy.
        source: see ScenicDirector.

    Raises:
        ValueError: there is no ego, a parameter is out of its range, or the ego's route cannot be driven.
        SimulationCreationError: an object cannot be in these worlds.
    """
    ego, params = scene.egoObject, scene.params
    if ego is None:
        raise ValueError("the program has no ego: give it one, `ego = new Car`")
    duration = float(params["duration"])
    if not 0 < duration <= LONGEST:
        raise ValueError(f"param duration must be in (0, {LONGEST:g}] s, got {duration:g}")
    network = load_network(str(params["map"]))

    others = [make_body(obj, ego=False) for obj in scene.objects if obj is not ego]
    director = ScenicDirector(
        opening=Ground(network, len(others)).actors(others), map=str(params["map"]), source=source
    )
    ego_actor = actor_state(make_body(ego, ego=True), 0.0)
    begun = back_in_time(ego_actor, network, -CONTEXT)
    start = (begun.s, begun.lateral, begun.heading)
    return Case(
        scenario=name,
        seed=seed,
        parameters={
            key: float(value)
            for key, value in params.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and key not in _NO_PARAMETERS
        },
        town=0,
        map=MapFile(path=Path(params["map"])),
        actors=ScriptedActors(
            scripts=(),
            ego_speed=ego_actor.speed,
            ambient_traffic=bool(params["traffic"]),
            director=director,
            via=() if ego.route is None else _lanes_of(ego.route, Pose(*start), network),
        ),
        ego_speed=ego_actor.speed,
        duration=duration,
        criteria=PassCriteria(
            min_progress=float(params["min_progress"]),
            max_red_lights=params["max_red_lights"],
            max_stop_signs=params["max_stop_signs"],
        ),
        measures=(EgoPlace(x=ego_actor.s, y=ego_actor.lateral), RequirementsHold()),
        start_pose=start,
    )


def _lanes_of(route: Any, start: Pose, network: Network) -> tuple[LaneKey, ...]:
    """The lanes of a route that comes by the end of each of the Scenic lanes in turn.

    Raises:
        ValueError: there is no such way.
    """
    goals = []
    for lane in route:
        points = np.array([point[:2] for point in lane.centerline.points])
        along = np.hypot(*np.diff(points, axis=0).T).cumsum()
        k = int(np.searchsorted(along, along[-1] - END_OF_LANE))
        d = points[k + 1] - points[k]
        goals.append(Pose(float(points[k, 0]), float(points[k, 1]), float(np.arctan2(d[1], d[0]))))
    found = network.follow_to(start, tuple(goals))
    if found is None:
        raise ValueError("the ego's route cannot be driven: no way over the lanes comes by all of its own")
    return found.lanes
