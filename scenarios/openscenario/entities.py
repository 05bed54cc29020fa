"""The road users and obstacles of a file, and what becomes of them in the course of a drive."""

from __future__ import annotations

from dataclasses import dataclass

from envs.maps.geometry import LaneKey
from envs.scripted_actors import DirectorState
from scenarios.openscenario.network import Following, Pose
from scenarios.openscenario.source import Node
from worldsim.datatypes.scene import ObjectKind

EGO_NAMES = ("hero", "ego", "ego_vehicle", "egovehicle")
"""Names of the ego, in lower case, where the file does not say it otherwise."""
FAR_AWAY = 1.0e4
"""Who is not there just now is so far away from the map's origin [m]."""
FAR_APART = 50.0
"""And so far from the next of those [m]."""
_SIZES = {"bicycle": (1.8, 0.6), "motorbike": (2.2, 0.8), "pedestrian": (0.5, 0.5), "obstacle": (0.6, 2.4)}
"""Length and width of what a file gives no size, or that of a car [m]."""
_TRUCKS = ("truck", "bus", "trailer", "semitrailer", "tram", "train")
_LONGEST = {"bicycle": 3.0, "motorbike": 3.5, "pedestrian": 1.5}


@dataclass(frozen=True, kw_only=True)
class Entity:
    """A ScenarioObject.

    Args:
        name: of it.
        kind: ObjectKind.
        category: the file's own word for it, such as "bicycle".
        length: [m].
        width: [m].
        center: of its box, ahead of the point that positions refer to [m].
        node: where the file says so.
    """

    name: str
    kind: ObjectKind
    category: str
    length: float
    width: float
    center: float
    node: Node


@dataclass(frozen=True, kw_only=True)
class EntityState(DirectorState):
    """An entity at an instant.

    Args:
        x: of the middle of its box [m].
        y: likewise [m].
        yaw: [rad].
        z: height of the ground [m].
        speed: [m/s].
        acceleration: [m/s²].
        present: whether it is there.
        deleted: whether it was taken away; nothing is done to it then but to add it again.
        travelled: since the scenario began [m].
        still_for: has stood for so long [s].
        braking: shows brake lights.
        lanes: of the path that it follows, () where it goes straight on.
        s: on that path [m].
        lateral: to the left of it [m].
        along: 1, or -1 where it drives against the path.
        keeps_lane: whether it follows lanes at all.
        off_road_for: has been beside the road for so long [s].
    """

    x: float = FAR_AWAY
    y: float = FAR_AWAY
    yaw: float = 0.0
    z: float = 0.0
    speed: float = 0.0
    acceleration: float = 0.0
    present: bool = False
    deleted: bool = False
    travelled: float = 0.0
    still_for: float = 0.0
    braking: bool = False
    lanes: tuple[LaneKey, ...] = ()
    s: float = 0.0
    lateral: float = 0.0
    along: int = 1
    keeps_lane: bool = True
    off_road_for: float = 0.0

    @property
    def pose(self) -> Pose:
        """Of the middle of its box."""
        return Pose(self.x, self.y, self.yaw, self.z)

    @property
    def following(self) -> Following | None:
        """Where it is on the path that it follows; None without one."""
        return Following(self.lanes, self.s, self.lateral, self.along) if self.lanes else None


def read_entities(root: Node, *, carla: bool) -> tuple[Entity, ...]:
    """The entities of a file.

    Args:
        root: of the file, with catalogue entries in place of references.
        carla: positions are those of the middles of boxes, whatever boxes the file gives.

    Raises:
        ScenarioFileError: an entity of a kind that is not known, or two of one name.
    """
    found: dict[str, Entity] = {}
    for node in root.need("Entities").children:
        if node.tag != "ScenarioObject":
            raise node.error("is not supported; right would be a <ScenarioObject> for each road user")
        entity = _read_entity(node, carla)
        if entity.name in found:
            raise node.error(f"there are two entities named {entity.name!r}")
        found[entity.name] = entity
    return tuple(found.values())


def _read_entity(node: Node, carla: bool) -> Entity:
    inside = [child for child in node.children if child.tag in ("Vehicle", "Pedestrian", "MiscObject")]
    if len(inside) != 1:
        raise node.error("needs one <Vehicle>, <Pedestrian>, <MiscObject>, or a <CatalogReference> to one")
    (what,) = inside
    kind, category = ObjectKind.CAR, what.attributes.get("vehicleCategory", "car")
    if what.tag == "Pedestrian":
        kind, category = ObjectKind.PEDESTRIAN, "pedestrian"
    elif what.tag == "MiscObject":
        kind, category = ObjectKind.STATIC, "obstacle"
    elif category in _TRUCKS:
        kind = ObjectKind.TRUCK
    length, width, center = 0.0, 0.0, 0.0
    box = what.find("BoundingBox")
    if box is not None:
        length, width = (abs(box.need("Dimensions").number(name)) for name in ("length", "width"))
        center = 0.0 if carla else box.need("Center").number("x", 0.0)
    if min(length, width) < 0.1 or length > _LONGEST.get(category, float("inf")):
        length, width = _SIZES.get(category, (4.6, 1.9))
        center = 0.0
    return Entity(
        name=node.text("name"), kind=kind, category=category, length=length, width=width, center=center, node=node
    )


def find_ego(root: Node, entities: tuple[Entity, ...]) -> Entity:
    """The entity that the policy under test drives: the vehicle that a property calls "ego_vehicle", that is controlled
    from outside, that is named as an ego is, or the only one.

    Raises:
        ScenarioFileError: it cannot be told.
    """
    vehicles = [entity for entity in entities if entity.kind in (ObjectKind.CAR, ObjectKind.TRUCK)]
    called = [e for e in vehicles if _has_property(e.node, "type", ("ego_vehicle",))]
    named = [e for e in vehicles if e.name.lower() in EGO_NAMES]
    outside = [e for e in vehicles if e.name in _controlled_from_outside(root)]
    for candidates in (called, named, outside, vehicles):
        if len(candidates) == 1:
            return candidates[0]
    there = ", ".join(entity.name for entity in vehicles) or "none"
    raise root.need("Entities").error(
        f'it cannot be told which vehicle the policy drives; call it "ego", or give it a property type="ego_vehicle"; '
        f"there are {there}"
    )


def _has_property(node: Node, name: str, values: tuple[str, ...]) -> bool:
    return any(
        each.tag == "Property" and each.attributes.get("name") == name and each.attributes.get("value") in values
        for each in node.walk()
    )


def _controlled_from_outside(root: Node) -> set[str]:
    privates = root.need("Storyboard/Init/Actions").all("Private")
    return {each.text("entityRef") for each in privates if _has_property(each, "module", ("external_control",))}
