"""Scripted actors: road users that a scenario moves along the ego's route, or a director anywhere. numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from envs.maps.junction_search import JunctionAhead
from envs.maps.route import Route, RouteStops
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.scene import ObjectKind
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.editing.edits import LookName

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, kw_only=True)
class ActorState:
    """A road user in coordinates of the ego's route at reset.

    Args:
        s: arc length of its centre on the route [m].
        lateral: offset from the route's centreline, positive left [m].
        speed: along its own heading [m/s].
        heading: own yaw minus the route's yaw at `s` [rad]; pi is oncoming, pi/2 walks to the left.
        kind: ObjectKind.
        length: [m].
        width: [m].
        braking: shows brake lights.
        z: height of the ground under it [m]; None takes the route's.

    Raises:
        ValueError: a size is not positive or the kind is EMPTY.
    """

    s: float
    lateral: float
    speed: float
    heading: float = 0.0
    kind: ObjectKind = ObjectKind.CAR
    length: float = 4.6
    width: float = 1.9
    braking: bool = False
    z: float | None = None

    def __post_init__(self) -> None:
        if self.length <= 0 or self.width <= 0:
            raise ValueError(f"an actor's size must be positive, got {self.length} x {self.width}")
        if self.kind == ObjectKind.EMPTY:
            raise ValueError("an actor cannot be of kind EMPTY")


@runtime_checkable
class ActorScript(Protocol):
    """How one scripted actor moves. Stateless: all it remembers is its ActorState and the time."""

    def initial(self, route: Route, ego_s: float) -> ActorState:
        """Where the actor is when the episode begins with the ego at `ego_s`. A partner gets its own path, and there
        the arc length at which it meets the ego's."""
        ...

    def step(self, t: float, ego: ActorState, own: ActorState, dt: float) -> ActorState:
        """The actor `dt` seconds after time `t` since the start [s], given where the ego and it were at `t`."""
        ...


GROUND = Route(
    points=np.array([[0.0, 0.0], [1.0, 0.0]]),
    z=np.zeros(2),
    yaw=np.zeros(2),
    half_width=np.full(2, np.inf),
    speed_limit=np.full(2, np.inf),
    command=np.zeros(2, np.int64),
    lanes=np.full(2, -1),
    stops=RouteStops.none(),
    length=1.0,
)
"""The ground frame's x axis as a route: in its coordinates `s` is x, `lateral` is y and `heading` is yaw."""


class DirectorState:
    """Base of the dataclasses in which a director keeps what it remembers, so that worlds can write them as bytes."""


@dataclass(frozen=True, kw_only=True)
class DirectedScene:
    """What a director has its actors do at an instant. Immutable.

    Args:
        actors: in coordinates of GROUND, as many throughout; who is not there just now is far away.
        memory: what the director goes on from.
        look: light and weather that the world is to take on now; None leaves them.
        lights: index into RoadMap.signals and SignalKind of each traffic light that is held from now on.
        is_over: the scenario has come to its end.
    """

    actors: tuple[ActorState, ...]
    memory: DirectorState
    look: LookName | None = None
    lights: tuple[tuple[int, int], ...] = ()
    is_over: bool = False


@runtime_checkable
class Director(Protocol):
    """Moves several actors together, in the ground frame. Stateless: all that it remembers is in its DirectedScene."""

    def begin(self, time: float) -> DirectedScene:
        """The scene when the episode begins, at `time` of the scripts' clock [s]."""
        ...

    def direct(self, scene: DirectedScene, t: float, vehicle: np.ndarray, dt: float) -> DirectedScene:
        """The scene `dt` seconds after time `t` of the scripts' clock [s], at which the ego was at `vehicle` [6]."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrafficLevel:
    """How a world's own traffic differs from its usual one.

    Args:
        vehicles: how many drive, as a share of the usual number, at least 0.
        pedestrians: how many walk, likewise.
        speed: that drivers like, as a share of what they like otherwise, above 0.
        draw: which traffic of those that a seed could have, at least 0; 0 is the seed's own.

    Raises:
        ValueError: one of them is not.
    """

    vehicles: float = 1.0
    pedestrians: float = 1.0
    speed: float = 1.0
    draw: int = 0

    def __post_init__(self) -> None:
        for name in ("vehicles", "pedestrians", "draw"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be finite and at least 0, got {getattr(self, name)}")
        if not 0 < self.speed < float("inf"):
            raise ValueError(f"speed must be finite and above 0, got {self.speed}")


USUAL_TRAFFIC = TrafficLevel()


@dataclass(frozen=True, kw_only=True)
class ScriptedActors:
    """The reset option `scripted_actors`: road users that move by scripts instead of the world's own traffic.

    Args:
        scripts: one per actor.
        ego_speed: the ego's speed when the episode begins [m/s]; None leaves it to the seed.
        straight: metres of route ahead of the start that must follow the lane without a junction [m].
        junction: that must lie ahead of the start instead.
        partners: scripts of the road users that come from another road, which `junction` says; they move in coordinates
            of their own path.
        ambient_traffic: keeps the seed's other traffic; off by default, so that the scripts alone decide.
        traffic: how that differs from the usual one.
        director: moves further actors, anywhere on the map.
        via: lanes that the ego's route takes from a given start pose on, that of the pose first; () leaves them to the
            seed.

    Raises:
        ValueError: a negative speed or length, both kinds of start at once, or partners that come from nowhere.
    """

    scripts: tuple[ActorScript, ...]
    ego_speed: float | None = None
    straight: float = 0.0
    junction: JunctionAhead | None = None
    partners: tuple[ActorScript, ...] = ()
    ambient_traffic: bool = False
    traffic: TrafficLevel = USUAL_TRAFFIC
    director: Director | None = None
    via: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.ego_speed is not None and self.ego_speed < 0:
            raise ValueError(f"ego_speed must be at least 0, got {self.ego_speed}")
        if self.straight < 0:
            raise ValueError(f"straight must be at least 0, got {self.straight}")
        if self.junction is not None and self.straight > 0:
            raise ValueError(f"give straight or junction, not both, got {self.straight} m and {self.junction}")
        if self.partners and (self.junction is None or self.junction.partner is None):
            raise ValueError(f"{len(self.partners)} partners need a junction that says where they come from, got none")


def ego_on_route(vehicle: np.ndarray, route: Route, hint_s: float | None, length: float, width: float) -> ActorState:
    """The ego [6] as the scripts see it: in coordinates of their route."""
    s, lateral, yaw = route.project(vehicle[:2], hint_s)
    return ActorState(
        s=float(s),
        lateral=float(lateral),
        speed=float(vehicle[VehicleColumn.SPEED]),
        heading=float(wrap_angle(vehicle[VehicleColumn.YAW] - yaw)),
        length=length,
        width=width,
    )


def scripted_box(actor: ActorState, route: Route) -> np.ndarray:
    """Box [5] of a scripted actor; beyond the route's ends it is on their tangents."""
    return np.array([*route.pose_at(actor.s, actor.lateral, actor.heading), actor.length, actor.width])


@dataclass(frozen=True, kw_only=True)
class ScriptedPlay:
    """Scripted actors in the course of an episode. Immutable.

    Args:
        scripts: how they move.
        route: on which; ground frame.
        ego_s: where the ego is on it [m].
        time: of the scripts' clock [s].
        actors: where they are, one per script, then those of the director.
        partner_route: the path on which the last `num_partners` of the scripts move; None without such.
        num_partners: of the scripts.
        meeting: arc length on the partners' path at which it meets the ego's route [m].
        director: moves further actors.
        scene: what it has them do.
    """

    scripts: tuple[ActorScript, ...]
    route: Route
    ego_s: float
    time: float
    actors: tuple[ActorState, ...]
    partner_route: Route | None = None
    num_partners: int = 0
    meeting: float = 0.0
    director: Director | None = None
    scene: DirectedScene | None = None

    def route_of(self, index: int) -> Route:
        """The route in whose coordinates an actor is."""
        if index >= len(self.scripts):
            return GROUND
        if index < len(self.scripts) - self.num_partners:
            return self.route
        assert self.partner_route is not None, "partners have a path"
        return self.partner_route

    def boxes(self) -> np.ndarray:
        """Boxes [actors, 5] of the actors."""
        rows = [scripted_box(actor, self.route_of(k)) for k, actor in enumerate(self.actors)]
        return np.array(rows).reshape(-1, 5)

    def stepped(self, vehicle: np.ndarray, model: VehicleModel, dt: float) -> Self:
        """A step on; `vehicle` [6] is the ego before it."""
        ego = ego_on_route(vehicle, self.route, self.ego_s, model.length, model.width)
        own_actors = self.actors[: len(self.scripts)]
        moved = [script.step(self.time, ego, own, dt) for script, own in zip(self.scripts, own_actors, strict=True)]
        scene = directed(self.director, self.scene, self.time, vehicle, dt)
        if scene is not None:
            moved += scene.actors
        return replace(self, ego_s=ego.s, time=self.time + dt, actors=tuple(moved), scene=scene)


def directed(
    director: Director | None, scene: DirectedScene | None, t: float, vehicle: np.ndarray, dt: float
) -> DirectedScene | None:
    """`Director.direct`; None where there is no director."""
    return None if director is None or scene is None else director.direct(scene, t, vehicle, dt)


def begin_play(
    scripted_actors: ScriptedActors,
    route: Route,
    ego_s: float,
    time: float,
    partner: tuple[Route, float] | None = None,
) -> ScriptedPlay:
    """The scripted actors where they begin.

    Args:
        scripted_actors: who.
        route: the ego's; ground frame.
        ego_s: where the ego is on it [m].
        time: of the scripts' clock [s].
        partner: the partners' path, and where on it they meet the ego's route [m].

    Raises:
        ValueError: there are partners, and no path for them.
    """
    partner_route, meeting = (None, 0.0) if partner is None else partner
    if scripted_actors.partners and partner_route is None:
        raise ValueError("a start of scripted_actors with partners must tell their path (StartClip.partner_path)")
    actors = [script.initial(route, ego_s) for script in scripted_actors.scripts]
    if partner_route is not None:
        actors += [script.initial(partner_route, meeting) for script in scripted_actors.partners]
    scene = None if scripted_actors.director is None else scripted_actors.director.begin(time)
    if scene is not None:
        actors += scene.actors
    return ScriptedPlay(
        scripts=(*scripted_actors.scripts, *scripted_actors.partners),
        route=route,
        ego_s=ego_s,
        time=time,
        actors=tuple(actors),
        partner_route=partner_route,
        num_partners=len(scripted_actors.partners),
        meeting=meeting,
        director=scripted_actors.director,
        scene=scene,
    )
