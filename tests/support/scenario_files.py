"""OpenSCENARIO files for tests: small ones put together from parts, and what becomes of their road users."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from envs.maps.road_map import load_map
from scenarios.openscenario import director as directing
from scenarios.openscenario.director import ScenarioDirector, director_of
from scenarios.openscenario.memory import Memory
from scenarios.openscenario.network import Network
from scenarios.openscenario.program import read_scenario_file
from scenarios.openscenario.straight_road import straight_road

DATA = Path(__file__).parents[1] / "data" / "openscenario"
DT = 0.1
STEP = '<SpeedActionDynamics dynamicsShape="step" dynamicsDimension="time" value="0"/>'
X, Y, YAW, SPEED = range(4)
"""Columns of what `at` and `Play.run` answer."""
AHEAD = '<RelativeObjectPosition entityRef="ego" dx="{}" dy="{}"/>'
EGO_Y = -1.75
"""Middle of the ego's lane [m]."""
OFF_CENTRE = (
    '<ScenarioObject name="other"><Vehicle name="v" vehicleCategory="car"><BoundingBox><Center x="1.4" y="0" z="0"/>'
    '<Dimensions width="1.9" length="4.6" height="1"/></BoundingBox></Vehicle></ScenarioObject>'
)
"""A car whose positions are those of its rear axle."""


def private(*actions: str) -> str:
    return "".join(f"<PrivateAction>{action}</PrivateAction>" for action in actions)


def teleport(position: str) -> str:
    return f"<TeleportAction><Position>{position}</Position></TeleportAction>"


def speed(target: float | str, dynamics: str = STEP) -> str:
    inside = target if isinstance(target, str) else f'<AbsoluteTargetSpeed value="{target}"/>'
    return (
        f"<LongitudinalAction><SpeedAction>{dynamics}<SpeedActionTarget>{inside}</SpeedActionTarget>"
        "</SpeedAction></LongitudinalAction>"
    )


def lateral(action: str) -> str:
    return f"<LateralAction>{action}</LateralAction>"


def condition(inside: str, *, edge: str = "none", delay: float = 0.0, name: str = "c") -> str:
    return f'<Condition name="{name}" delay="{delay}" conditionEdge="{edge}">{inside}</Condition>'


def at_time(value: float, rule: str = "greaterOrEqual") -> str:
    inside = f'<ByValueCondition><SimulationTimeCondition value="{value}" rule="{rule}"/></ByValueCondition>'
    return condition(inside)


def of_entity(entity: str, check: str) -> str:
    return (
        f'<ByEntityCondition><TriggeringEntities triggeringEntitiesRule="any"><EntityRef entityRef="{entity}"/>'
        f"</TriggeringEntities><EntityCondition>{check}</EntityCondition></ByEntityCondition>"
    )


def event(name: str, action: str, *conditions: str, priority: str = "parallel", count: int = 1) -> str:
    trigger = f"<StartTrigger><ConditionGroup>{''.join(conditions)}</ConditionGroup></StartTrigger>"
    return (
        f'<Event name="{name}" priority="{priority}" maximumExecutionCount="{count}">'
        f'<Action name="{name} action">{action}</Action>{trigger}</Event>'
    )


def file_text(
    *events: str,
    init: str = "",
    others: str = '<ScenarioObject name="other"><Vehicle name="v" vehicleCategory="car"/></ScenarioObject>',
    actors: tuple[str, ...] = ("other",),
    header: str = "test",
    parameters: str = "",
    stop: str = "",
    act_stop: str = "",
    network: str = "<RoadNetwork/>",
) -> str:
    who = "".join(f'<EntityRef entityRef="{name}"/>' for name in actors)
    return f"""<OpenSCENARIO>
<FileHeader revMajor="1" revMinor="2" date="2026-01-01T00:00:00" description="{header}" author=""/>
<ParameterDeclarations>{parameters}</ParameterDeclarations>
{network}
<Entities><ScenarioObject name="ego"><Vehicle name="e" vehicleCategory="car"/></ScenarioObject>{others}</Entities>
<Storyboard><Init><Actions>{init}</Actions></Init>
<Story name="s"><Act name="a"><ManeuverGroup name="g" maximumExecutionCount="1">
<Actors selectTriggeringEntities="false">{who}</Actors>
<Maneuver name="m">{"".join(events)}</Maneuver></ManeuverGroup>{act_stop}</Act></Story>
<StopTrigger>{stop}</StopTrigger></Storyboard></OpenSCENARIO>"""


def place_other(position: str, at_speed: float = 0.0, name: str = "other") -> str:
    return f'<Private entityRef="{name}">{private(teleport(position), speed(at_speed))}</Private>'


class Play:
    """A file played on the straight road, or on a town given as text, while the ego goes straight on at a constant
    speed."""

    def __init__(self, path: Path, monkeypatch, ego_speed: float = 10.0, town: str = "") -> None:
        network = Network(load_map(town or straight_road().xodr))
        monkeypatch.setattr(directing, "load_network", lambda _: network)
        directing.load_program.cache_clear()
        self.director: ScenarioDirector = director_of(
            read_scenario_file(path), "town.xodr" if town else straight_road().xodr
        )
        self.program = self.director.program
        start = self.program.start[self.program.ego.name]
        self.vehicle = np.array([start.x, start.y, start.yaw, ego_speed, 0.0, 0.0])
        self.vehicle[0] -= ego_speed * 0.7
        self.time, self.looks = -0.7, []
        self._scene = self.director.begin(self.time)

    def run(self, seconds: float) -> list[dict[str, np.ndarray]]:
        """x, y, yaw, speed [m, m, rad, m/s] of everyone at each step from now on, by name."""
        found = [self.now()]
        for _ in range(round(seconds / DT)):
            self._scene = self.director.direct(self._scene, self.time, self.vehicle, DT)
            self.vehicle = self.vehicle + np.array([self.vehicle[3] * DT, 0, 0, 0, 0, 0])
            self.time = round(self.time + DT, 6)
            if self._scene.look is not None:
                self.looks.append((self.time, self._scene.look))
            found.append(self.now())
        return found

    def now(self) -> dict[str, np.ndarray]:
        actors = zip(self.program.entities, self._scene.actors, strict=True)
        return {entity.name: np.array([a.s, a.lateral, a.heading, a.speed]) for entity, a in actors}

    @property
    def scene(self):
        return self._scene

    @property
    def memory(self) -> Memory:
        assert isinstance(self._scene.memory, Memory)
        return self._scene.memory


def at(rows: list[dict[str, np.ndarray]], time: float, name: str = "other") -> np.ndarray:
    """x, y, yaw, speed [m, m, rad, m/s] of who has the name, at a time [s] of the storyboard."""
    return rows[round((time + 0.7) * 10)][name]


def write(folder: Path, text: str, name: str = "case.xosc") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path
