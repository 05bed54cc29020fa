"""Reads the actions of a storyboard; what is not supported is named with its file and line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from scenarios.openscenario import instant_actions as instant
from scenarios.openscenario import lateral_actions as across
from scenarios.openscenario import longitudinal_actions as along
from scenarios.openscenario.actions import Action, Dynamics
from scenarios.openscenario.instant_actions import InstantAction
from scenarios.openscenario.motion import SHAPES
from scenarios.openscenario.positions import Frame, read_position
from scenarios.openscenario.source import Node, declared_name
from scenarios.openscenario.traffic_lights import read_light_state
from scenarios.openscenario.trajectories import read_trajectory
from scenarios.openscenario.weather import read_look

GOES_STRAIGHT = ("vehicle_longitudinal_control", "pedestrian_control")
"""Controllers of CARLA's ScenarioRunner that steer nothing."""
CARLA_CONTROLLERS = (*GOES_STRAIGHT, "npc_vehicle_control", "simple_vehicle_control", "external_control")
_USUAL_LATERAL_SPEED = 2.0


@dataclass(kw_only=True)
class ActionReader:
    """Reads actions.

    Args:
        frame: how the file writes places.
        names: of its entities.
        ego: the name of the one that the policy drives.
        lights: of the map, by id those that switch together with it, itself included.
        parameters: names of those that the whole file knows.
        controllers: the phases of each <TrafficSignalController>: the state of each of its lights by phase.
        notes: what is left out, and makes no difference to the road users; gets more as actions are read.
    """

    frame: Frame
    names: Sequence[str]
    ego: str
    lights: Mapping[str, Sequence[str]]
    parameters: Collection[str]
    controllers: Mapping[str, Mapping[str, Mapping[str, str]]]
    notes: list[str] = field(default_factory=list)

    def read(self, node: Node) -> list[Action | InstantAction]:
        """What an <Action>, <PrivateAction> or <GlobalAction> holds; several where CARLA puts them into one.

        Raises:
            ScenarioFileError: an action that is not supported, or wrong.
        """
        if node.tag == "Action":
            inside = [child for child in node.children if child.tag != "ParameterDeclarations"]
            return [action for child in inside for action in self.read(child)] or [instant.Nothing()]
        if node.tag not in ("PrivateAction", "GlobalAction"):
            raise node.error("is an action that is not supported")
        found: list[Action | InstantAction] = []
        for child in node.children:
            if child.tag not in self._readers:
                raise child.error("is an action that is not supported")
            found += self._readers[child.tag](child)
        return found or [instant.Nothing()]

    @property
    def _readers(self) -> Mapping[str, Callable[[Node], list[Action | InstantAction]]]:
        return {
            "LongitudinalAction": lambda node: [self._read_longitudinal(node.only())],
            "LateralAction": lambda node: [self._read_lateral(node.only())],
            "SynchronizeAction": lambda node: [self._read_synchronise(node)],
            "TeleportAction": lambda node: [instant.Teleport(position=self._position(node))],
            "RoutingAction": lambda node: [self._read_routing(node.only())],
            "ActivateControllerAction": self._read_activation,
            "ControllerAction": lambda node: [a for child in node.children for a in self._read_controller(child)],
            "EnvironmentAction": self._read_environment,
            "EntityAction": self._read_entity_action,
            "ParameterAction": lambda node: [self._read_parameter(node, "parameterRef")],
            "VariableAction": lambda node: [self._read_parameter(node, "variableRef")],
            "InfrastructureAction": lambda node: self._read_light(node.need("TrafficSignalAction").only()),
        }

    def _position(self, node: Node):
        return read_position(node.need("Position"), self.frame)

    def _entity(self, node: Node, name: str = "entityRef") -> str:
        found = node.text(name)
        if found not in self.names:
            raise node.error(f"there is no entity named {found!r}; there are {', '.join(self.names)}")
        return found

    def _dynamics(self, node: Node) -> Dynamics:
        return Dynamics(
            shape=node.choice("dynamicsShape", *SHAPES),
            dimension=node.choice("dynamicsDimension", "time", "distance", "rate"),
            value=node.number("value"),
        )

    def _read_longitudinal(self, node: Node) -> Action:
        if node.tag == "SpeedAction":
            target = node.need("SpeedActionTarget").only()
            dynamics = self._dynamics(node.need("SpeedActionDynamics"))
            if target.tag == "AbsoluteTargetSpeed":
                return along.ChangeSpeed(
                    value=target.number("value"),
                    entity=None,
                    is_factor=False,
                    continuous=False,
                    dynamics=dynamics,
                    holds=self.frame.carla,
                )
            return along.ChangeSpeed(
                value=target.number("value"),
                entity=self._entity(target),
                is_factor=target.choice("speedTargetValueType", "delta", "factor") == "factor",
                continuous=target.flag("continuous", False),
                dynamics=dynamics,
                holds=self.frame.carla,
            )
        if node.tag == "LongitudinalDistanceAction":
            limits = node.find("DynamicConstraints")
            given = {} if limits is None else {name: limits.number(name) for name in limits.attributes}
            side = node.attributes.get("displacement", "any")
            return along.KeepDistance(
                entity=self._entity(node),
                distance=node.number("distance") if "distance" in node.attributes else None,
                time_gap=0.0 if "distance" in node.attributes else node.number("timeGap"),
                freespace=node.flag("freespace"),
                leads={"leadingReferencedEntity": True, "trailingReferencedEntity": False}.get(side),
                continuous=node.flag("continuous"),
                max_speed=given.get("maxSpeed", float("inf")),
                acceleration=given.get("maxAcceleration", along.USUAL_ACCELERATION),
                deceleration=given.get("maxDeceleration", along.USUAL_DECELERATION),
            )
        raise node.error("is an action that is not supported; SpeedAction and LongitudinalDistanceAction are")

    def _read_lateral(self, node: Node) -> Action:
        left = self.frame.left
        if node.tag == "LaneChangeAction":
            target = node.need("LaneChangeTarget").only()
            relative = target.tag == "RelativeTargetLane"
            return across.ChangeLane(
                lane_id=None if relative else target.whole("value"),
                entity=self._entity(target) if relative else "",
                num_lanes=int(left) * target.whole("value") if relative else 0,
                offset=left * node.number("targetLaneOffset", 0.0),
                dynamics=self._dynamics(node.need("LaneChangeActionDynamics")),
                node=node,
            )
        if node.tag == "LaneOffsetAction":
            dynamics, target = node.need("LaneOffsetActionDynamics"), node.need("LaneOffsetTarget").only()
            return across.OffsetInLane(
                value=left * target.number("value"),
                entity=self._entity(target) if target.tag == "RelativeTargetLaneOffset" else None,
                shape=dynamics.choice("dynamicsShape", *SHAPES),
                max_acceleration=dynamics.number("maxLateralAcc", across.USUAL_LATERAL),
                continuous=node.flag("continuous"),
            )
        if node.tag == "LateralDistanceAction":
            limits = node.find("DynamicConstraints")
            displacement = node.attributes.get("displacement", "any")
            side = -1.0 if displacement == "rightToReferencedEntity" else 1.0
            distance = node.number("distance", 0.0)
            if node.flag("freespace"):
                raise node.error("freespace is not supported of a lateral distance")
            return across.KeepLateralDistance(
                entity=self._entity(node),
                distance=left * distance if self.frame.carla else side * distance,
                either_side=displacement == "any" and not self.frame.carla,
                max_speed=_USUAL_LATERAL_SPEED if limits is None else limits.number("maxSpeed", _USUAL_LATERAL_SPEED),
                continuous=node.flag("continuous"),
            )
        raise node.error("is an action that is not supported; lane change, offset and lateral distance are")

    def _read_synchronise(self, node: Node) -> Action:
        final, relative = node.find("FinalSpeed"), ""
        speed = None
        if final is not None:
            inside = final.only()
            speed = inside.number("value")
            if inside.tag == "RelativeSpeedToMaster":
                relative = inside.choice("speedTargetValueType", "delta", "factor")
        return along.Synchronise(
            master=self._entity(node, "masterEntityRef"),
            master_target=read_position(node.need("TargetPositionMaster"), self.frame),
            target=read_position(node.need("TargetPosition"), self.frame),
            final_speed=speed,
            relative=relative,  # pyright: ignore[reportArgumentType]
        )

    def _read_routing(self, node: Node) -> Action | InstantAction:
        match node.tag:
            case "AcquirePositionAction":
                return instant.TakeRoute(waypoints=(self._position(node),), node=node)
            case "AssignRouteAction":
                waypoints = [self._position(each) for each in node.need("Route").all("Waypoint")]
                if len(waypoints) < 2:
                    raise node.error(f"a route needs at least two waypoints, got {len(waypoints)}")
                # the first is where the entity is to be already
                return instant.TakeRoute(waypoints=tuple(waypoints[1:]), node=node)
            case "FollowTrajectoryAction":
                return self._read_trajectory(node)
        raise node.error("is an action that is not supported; routes, positions and trajectories are")

    def _read_trajectory(self, node: Node) -> Action:
        shape = node.find("Trajectory") or node.need("TrajectoryRef/Trajectory")
        trajectory = read_trajectory(shape, self.frame)
        timing = node.find("TimeReference/Timing")
        if timing is not None and not trajectory.is_timed:
            raise node.error("refers to times, and not every vertex of its trajectory has one")
        if not trajectory.is_timed and "initialDistanceOffset" in node.attributes and self.frame.carla:
            self.notes.append(f"{node.where}: initialDistanceOffset is read as the standard has it")
        return across.FollowTrajectory(
            trajectory=trajectory,
            is_timed=timing is not None,
            absolute=timing is not None
            and timing.choice("domainAbsoluteRelative", "absolute", "relative") == "absolute",
            scale=1.0 if timing is None else timing.number("scale", 1.0),
            offset=0.0 if timing is None else timing.number("offset", 0.0),
            first=node.number("initialDistanceOffset", 0.0),
        )

    def _read_activation(self, node: Node) -> list[Action | InstantAction]:
        found: list[Action | InstantAction] = []
        if "lateral" in node.attributes and node.flag("lateral"):
            found.append(instant.KeepLane(keeps_lane=True))
        if "longitudinal" in node.attributes:
            if node.flag("longitudinal"):
                found += [instant.KeepLane(keeps_lane=True), along.Autopilot()]
            else:
                found.append(along.Hold())
        return found

    def _read_controller(self, node: Node) -> list[Action | InstantAction]:
        match node.tag:
            case "AssignControllerAction":
                return self._read_assignment(node)
            case "OverrideControllerValueAction":
                active = [child.tag for child in node.children if child.flag("active")]
                if active:
                    raise node.error(f"overrides {', '.join(active)}, which is not supported: nobody here has pedals")
                return []
            case "ActivateControllerAction":
                return self._read_activation(node)
        raise node.error("is an action that is not supported")

    def _read_assignment(self, node: Node) -> list[Action | InstantAction]:
        """The controllers of CARLA's ScenarioRunner; the ego's is the policy, whatever the file says."""
        controller = node.need("Controller")
        modules = [p.text("value") for p in controller.walk() if p.tag == "Property" and p.text("name") == "module"]
        module = modules[0] if modules else ""
        if module not in CARLA_CONTROLLERS:
            called = f"{module!r}" if module else f"{controller.attributes.get('name', '')!r}"
            self.notes.append(f"{node.where}: controller {called} is not run; the entity moves by its actions alone")
            return []
        return [instant.KeepLane(keeps_lane=False)] if module in GOES_STRAIGHT else []

    def _read_environment(self, node: Node) -> list[Action | InstantAction]:
        environment = node.need("Environment")
        friction = environment.find("RoadCondition")
        if friction is not None and friction.number("frictionScaleFactor", 1.0) != 1.0:
            self.notes.append(f"{friction.where}: friction is not modelled; roads are as grippy as ever")
        return [instant.ChangeLook(look=read_look(environment))]

    def _read_entity_action(self, node: Node) -> list[Action | InstantAction]:
        entity, what = self._entity(node), node.only()
        if what.tag == "DeleteEntityAction":
            return [instant.Delete(entity=entity)]
        if what.tag == "AddEntityAction":
            return [instant.Teleport(position=self._position(what), entity=entity)]
        raise what.error("is an action that is not supported")

    def _read_parameter(self, node: Node, reference: str) -> InstantAction:
        what, name = node.only(), declared_name(node, reference, self.parameters)
        if what.tag == "SetAction":
            return instant.SetParameter(parameter=name, value=what.text("value"), how="set", node=what)
        rule = what.need("Rule").only()
        how = "add" if rule.tag == "AddValue" else "multiply"
        return instant.SetParameter(parameter=name, value=rule.text("value"), how=how, node=what)

    def _read_light(self, node: Node) -> list[Action | InstantAction]:
        if node.tag == "TrafficSignalStateAction":
            return [self._light(node, node.text("name"), node.text("state"))]
        if node.tag == "TrafficSignalControllerAction":
            controller, phase = node.text("trafficSignalControllerRef"), node.text("phase")
            states = self.controllers.get(controller, {}).get(phase)
            if states is None:
                raise node.error(f"there is no phase {phase!r} of a controller {controller!r} in <TrafficSignals>")
            return [self._light(node, signal, state) for signal, state in states.items()]
        raise node.error("is an action that is not supported")

    def _light(self, node: Node, signal: str, state: str) -> InstantAction:
        if signal not in self.lights:
            there = ", ".join([*self.lights][:8]) or "none"
            raise node.error(f"the map has no traffic light {signal!r}; it has {there}")
        together, shown = tuple(self.lights[signal]), read_light_state(node, state)
        return instant.SetLight(signal=signal, together=together, state=shown, node=node)
