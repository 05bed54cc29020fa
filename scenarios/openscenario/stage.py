"""The stage: everything that conditions, positions and actions of a storyboard may ask about an instant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenarios.openscenario.entities import Entity, EntityState
from scenarios.openscenario.network import Following, Network, Pose
from worldsim.datatypes.boxes import separation

BESIDE_PATH = 12.0
"""Who is farther beside a path is not on the same road [m]."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An instant of a scenario.

    Args:
        network: the map.
        entities: all, by name.
        states: theirs.
        time: since the scenario began [s].
        dt: until the next instant [s].
        elements: of the storyboard: state or transition by kind and name, as ("action", "name").
        parameters: their values now.
        lights: what the traffic lights that the scenario holds show, by the map's own id.
    """

    network: Network
    entities: Mapping[str, Entity]
    states: Mapping[str, EntityState]
    time: float
    dt: float
    elements: Mapping[tuple[str, str], frozenset[str]]
    parameters: Mapping[str, str]
    lights: Mapping[str, str]

    def reference_pose(self, name: str) -> Pose:
        """The pose of an entity's point that positions refer to."""
        return self.states[name].pose.moved(-self.entities[name].center)

    def box(self, name: str) -> np.ndarray:
        """Box [5] of an entity."""
        state, entity = self.states[name], self.entities[name]
        return np.array([state.x, state.y, state.yaw, entity.length, entity.width])

    def apart(self, a: str, b: str) -> float:
        """Shortest distance between two boxes [m]; negative where they overlap."""
        return float(separation(self.box(a), self.box(b)))

    def following(self, name: str) -> Following | None:
        """Where an entity is on its path, or on that straight on from where it is; None on no lane."""
        return self.states[name].following or self.network.follow(self.states[name].pose)

    def on_path_of(self, name: str, place: Pose) -> tuple[float, float] | None:
        """How far a place lies ahead of the middle of an entity's box along its path, and to the left of it [m]; None
        beside the road."""
        own = self.following(name)
        if own is None:
            return None
        path = self.network.path(own.lanes)
        s, lateral, _ = path.project(np.array(place[:2]))
        ahead, left = own.along * (s - own.s), own.along * (lateral - own.lateral)
        x, y, _ = path.pose_at(s, lateral, 0.0)
        # beyond the path's end its nearest point is no measure
        if abs(lateral) > BESIDE_PATH or math.hypot(x - place.x, y - place.y) > 1.0:
            return None
        return float(ahead), float(left)

    def in_frame_of(self, name: str, place: Pose) -> tuple[float, float]:
        """How far a place lies ahead of the middle of an entity's box and to its left [m]."""
        at = self.states[name].pose
        c, s, dx, dy = math.cos(at.yaw), math.sin(at.yaw), place.x - at.x, place.y - at.y
        return c * dx + s * dy, -s * dx + c * dy

    def half_extents(self, name: str, yaw: float) -> tuple[float, float]:
        """Half the length and width that an entity's box takes up along and across a direction [rad], [m]."""
        entity, turn = self.entities[name], self.states[name].yaw - yaw
        c, s = abs(math.cos(turn)), abs(math.sin(turn))
        return (c * entity.length + s * entity.width) / 2, (s * entity.length + c * entity.width) / 2
