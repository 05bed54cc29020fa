"""A Scenic simulation whose ego is in one of our worlds. Needs Scenic."""

from __future__ import annotations

from typing import Any

import numpy as np
from scenic.core.simulators import SimulationCreationError  # pyright: ignore[reportMissingImports]
from scenic.core.vectors import Vector  # pyright: ignore[reportMissingImports]
from scenic.domains.driving.simulators import DrivingSimulation  # pyright: ignore[reportMissingImports]

from envs.scripted_actors import ActorState
from scenarios.openscenario.network import Network
from scenarios.scenic.bodies import Body, DrivenBody, EgoBody, StandingBody, WalkingBody, actor_state
from scenarios.scenic.conventions import heading_of_yaw, yaw_of_heading
from scenarios.scenic.maps import ground_height
from scenarios.scenic.scene_run import SceneRun, Turn
from worldsim.datatypes.scene import ObjectKind

TIME_STEP = 0.1
"""Of the worlds [s]."""


def make_body(obj: Any, *, ego: bool) -> Body:
    """The body of a Scenic object of `drivedit.model`.

    Raises:
        SimulationCreationError: it cannot be in these worlds; says why.
    """
    kind = getattr(obj, "bodyKind", None)
    pose = (float(obj.position.x), float(obj.position.y), yaw_of_heading(float(obj.heading)))
    velocity = float(obj.velocity.x), float(obj.velocity.y)
    length, width = float(obj.length), float(obj.width)
    try:
        if ego:
            if kind != "car":
                raise ValueError(f"the ego of these worlds is a Car, got a {type(obj).__name__}")
            return EgoBody(pose, velocity, length, width)
        if kind in ("car", "truck"):
            return DrivenBody(ObjectKind[kind.upper()], pose, velocity, length, width)
        if kind == "pedestrian":
            return WalkingBody(pose, velocity, length, width)
        if kind == "prop":
            return StandingBody(pose, length, width)
        raise ValueError(
            f"a {type(obj).__name__} is not of drivedit.model, which has Car, NPCCar, Truck, Pedestrian and Prop"
        )
    except ValueError as error:
        raise SimulationCreationError(str(error)) from error


class Ground:
    """Heights of the road below the bodies of a scene.

    Args:
        network: the map.
        num_bodies: how many.
    """

    def __init__(self, network: Network, num_bodies: int) -> None:
        self._network, self._z = network, [0.0] * num_bodies

    def actors(self, bodies: list[Body]) -> tuple[ActorState, ...]:
        """The bodies where they are now."""
        for k, body in enumerate(bodies):
            x, y, _ = body.pose
            self._z[k] = ground_height(self._network, x, y, self._z[k])
        return tuple(actor_state(body, z) for body, z in zip(bodies, self._z, strict=True))


class SceneSimulation(DrivingSimulation):
    """See Scenic's Simulation. The ego moves in a drive, everyone else by their bodies.

    Attributes:
        drive_is_over: the drive has ended, and with it the simulation.

    Args:
        scene: of a program.
        run: with which drive.
        network: of the scene's map.
        kwargs: of Scenic's Simulation.

    Raises:
        SimulationCreationError: the scene cannot be in these worlds, or another time step is asked for.
    """

    def __init__(self, scene: Any, run: SceneRun, network: Network, *, timestep: float | None, **kwargs: Any) -> None:
        if timestep is not None and abs(timestep - TIME_STEP) > 1e-9:
            raise SimulationCreationError(f"the time step of these worlds is {TIME_STEP:g} s, got {timestep:g} s")
        self.drive_is_over = False
        self._drive, self._ego = run, scene.egoObject
        self._bodies: dict[Any, Body] = {}
        self._ground = Ground(network, len(scene.objects) - 1)
        # a world model's own `terminate simulation when` is passed over by Scenic, as only requirements are inherited
        conditions = scene.terminateSimulationConditions
        scene.terminateSimulationConditions = (*conditions, _DriveIsOver(self))
        try:
            super().__init__(scene, timestep=TIME_STEP, **kwargs)
        finally:
            scene.terminateSimulationConditions = conditions

    def setup(self) -> None:
        """See Simulation."""
        super().setup()
        self._await_ego()

    def createObjectInSimulator(self, obj: Any) -> None:  # noqa: N802  Scenic's name
        """See Simulation.

        Raises:
            SimulationCreationError: it comes in the course of the simulation, or cannot be in these worlds.
        """
        if len(self._bodies) == len(self.scene.objects):
            raise SimulationCreationError(
                f"{type(obj).__name__}: in these worlds nobody comes in the course of a simulation; create all objects "
                f"in the top-level scenario"
            )
        obj.body = self._bodies[obj] = make_body(obj, ego=obj is self._ego)

    def step(self) -> None:
        """See Simulation."""
        ego, others = self._bodies[self._ego], [body for obj, body in self._bodies.items() if obj is not self._ego]
        assert isinstance(ego, EgoBody), "make_body has seen to it"
        for body in others:
            body.step(self.timestep)
        steer, acceleration = ego.action.tolist()
        self._drive.answer(Turn(actors=self._ground.actors(others), action=(steer, acceleration)))
        self._await_ego()

    def getProperties(self, obj: Any, properties: set[str]) -> dict[str, Any]:  # noqa: N802  Scenic's name
        """See Simulation."""
        body = self._bodies[obj]
        x, y, yaw = body.pose
        heading = heading_of_yaw(yaw)
        own_yaw, _, _ = obj.parentOrientation.globalToLocalAngles(heading, 0, 0)
        velocity = Vector(body.speed * np.cos(yaw), body.speed * np.sin(yaw), 0)
        values = {
            "position": Vector(x, y, obj.position.z),
            "yaw": own_yaw,
            "pitch": obj.pitch,
            "roll": obj.roll,
            "velocity": velocity,
            "speed": abs(body.speed),
            "angularSpeed": body.yaw_rate,
            "angularVelocity": Vector(0, 0, body.yaw_rate),
            "elevation": obj.position.z,
        }
        return {name: values[name] if name in values else getattr(obj, name) for name in properties}

    def _await_ego(self) -> None:
        ego = self._bodies[self._ego]
        assert isinstance(ego, DrivenBody), "make_body has seen to it"
        vehicle, self.drive_is_over = self._drive.await_ego()
        if vehicle is not None:
            ego.vehicle = vehicle


class _DriveIsOver:
    """A termination condition, as Scenic asks it."""

    def __init__(self, simulation: SceneSimulation) -> None:
        self._simulation = simulation

    def isTrue(self) -> _DriveIsOver:  # noqa: N802  Scenic's name
        """Scenic's BoundRequirement answers with an object that has `is_truthy`."""
        return self

    @property
    def is_truthy(self) -> bool:
        """Whether the simulation is to end."""
        return self._simulation.drive_is_over

    def __str__(self) -> str:
        return "the drive is over"
