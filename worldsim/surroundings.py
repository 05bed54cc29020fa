"""Surroundings: what never changes in the course of a drive, and at which height its ground is."""

from __future__ import annotations

import hashlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from worldsim.actors.actors import PARKED_NAMES, Actors, ParkedColumn, TraitColumn
from worldsim.actors.clip_actors import parked_in_clip
from worldsim.actors.lane_graph import LaneGraph
from worldsim.actors.route_turns import find_turns
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, BoxColumn, Layout
from worldsim.datatypes.route import to_ground_frame
from worldsim.datatypes.scene import RouteCommand
from worldsim.datatypes.signals import light_states
from worldsim.datatypes.solid_boxes import solid_footprints
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing.apply import stand_on_road
from worldsim.layouts.drive import EndlessPlace, command_at

if TYPE_CHECKING:
    from worldsim.gbuffer.rasterizer import StaticWorld

GRADE_REACH = 1.4
"""A road's grade is that between two points this far before and behind the ego, its axles [m]."""


PARKED_BOX = [ParkedColumn.X, ParkedColumn.Y, ParkedColumn.YAW, ParkedColumn.LENGTH, ParkedColumn.WIDTH]


class GroundColumn(IntEnum):
    """Columns of the ground under the ego: height [m], and how steeply it rises in the ego's direction [rad]."""

    Z = 0
    GRADE = 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Surroundings:
    """What stands and lies around a drive; shared by its states, snapshots and branches, and never copied.

    Args:
        layout: around the route, in the ground frame.
        light_cycles: LIGHT_CYCLE_NAMES by light group of the layout, float64 [g, 4]; time 0 is that of the last context
            frame. None where they are not known.
        parked: who stands beside the lanes; None where that is not known.
        parked_ids: who each of them is, int64 [p].
        sun: unit vector towards the sun in the ground frame, float64 [3]; None where it is not known.
        endless: how far an endless drive has come; None of a drive whose route ends.
        route_turns: of the route of a drive that ends, as in RoutePiece; None where its junctions are not known.
    """

    layout: Layout
    light_cycles: np.ndarray | None
    parked: KnownRoadUsers | None
    parked_ids: np.ndarray
    sun: np.ndarray | None
    endless: EndlessPlace | None = None
    route_turns: np.ndarray | None = None

    @staticmethod
    def of_clip(clip: StartClip, endless: EndlessPlace | None) -> Surroundings:
        """Those that a clip tells of; of an endless drive also where it begins."""
        parked, ids = parked_in_clip(clip)
        route, turns = to_ground_frame(clip.vehicles[-1], clip.route), None
        if endless is None and len(route) > 1:
            lanes = lane_graph_of(clip.layout)
            turns = find_turns(route, lanes) if len(lanes) else None
        return Surroundings(
            layout=clip.layout,
            light_cycles=clip.light_cycles,
            parked=parked,
            parked_ids=ids,
            sun=clip.sun,
            endless=endless,
            route_turns=turns,
        )

    @cached_property
    def static_world(self) -> StaticWorld:
        """The layout made ready to be drawn, once for all drives that share it."""
        return static_world_of(self.layout)

    @cached_property
    def lanes(self) -> LaneGraph:
        """The lanes of the layout, once for all drives that share it."""
        return lane_graph_of(self.layout)

    def command_at(self, arc: float) -> RouteCommand | None:
        """The route's command where the ego is `arc` [m] along it; None where its junctions are not known."""
        turns = self.route_turns if self.endless is None else self.endless.turns
        return None if turns is None else command_at(turns, arc)

    @cached_property
    def is_flat(self) -> bool:
        """Whether the ground is the plane z = 0."""
        return self.layout.is_flat

    @cached_property
    def parked_rows(self) -> np.ndarray:
        """Of the parked: PARKED_NAMES, float64 [p, 7]."""
        if self.parked is None:
            return np.zeros((0, len(PARKED_NAMES)))
        boxes = self.parked.boxes.copy()
        if self.is_flat:
            boxes[:, BoxColumn.Z] = 0.0  # without a layout nothing is known of levels
        return np.column_stack([boxes[:, [*FOOTPRINT_COLUMNS, BoxColumn.Z]], self.parked.kinds])

    @cached_property
    def in_the_way(self) -> np.ndarray:
        """Of the parked those who stand on the road, as in `parked_rows`, float64 [w, 7]."""
        rows = self.parked_rows
        return rows[stand_on_road(self.layout, rows[:, PARKED_BOX])]

    @cached_property
    def solids(self) -> np.ndarray:
        """Boxes [k, 5] of what is solid in the layout."""
        return solid_footprints(self.layout)[0]

    def without_parked(self, gone: np.ndarray) -> Surroundings:
        """The same without those of the parked for whom `gone`, bool [p], is true."""
        if self.parked is None or not gone.any():
            return self
        return replace(self, parked=self.parked[~gone], parked_ids=self.parked_ids[~gone])

    def lights(self, time: float) -> np.ndarray | None:
        """SignalKind that each light group shows at a time [s], int64 [g]; None where that is not known."""
        return None if self.light_cycles is None else light_states(self.light_cycles, time)

    def heights(self, xy: np.ndarray, near: np.ndarray) -> np.ndarray:
        """Of the ground at points [n, 2]: of its levels there the one nearest to heights `near` [n] [m]; the lowest
        where that is NaN."""
        if self.is_flat:
            return np.zeros(len(xy))
        terrain = self.static_world.terrain
        base = terrain.height(xy)
        if terrain.is_flat or not np.isfinite(terrain.deck).any():
            return base
        deck = replace(terrain, heights=terrain.deck).height(xy)
        with np.errstate(invalid="ignore"):  # no deck there, or nothing to be near to
            return np.where(np.abs(deck - near) < np.abs(base - near), deck, base)

    def ground_under(self, vehicle: np.ndarray, near: float) -> tuple[float, float]:
        """Height [m] and grade [rad] of the ground under `vehicle` [6], on the level nearest to height `near` [m]."""
        if self.is_flat:
            return 0.0, 0.0
        yaw = vehicle[VehicleColumn.YAW]
        ahead = np.array([0.0, -GRADE_REACH, GRADE_REACH])
        places = vehicle[:2] + ahead[:, None] * np.array([np.cos(yaw), np.sin(yaw)])
        z = self.heights(places[:1], np.array([near]))
        _, rear, front = self.heights(places, np.repeat(z, 3)).tolist()
        return float(z[0]), float(np.arctan2(front - rear, 2 * GRADE_REACH))


def follow_ground(surroundings: Sequence[Surroundings], vehicles: np.ndarray, before: np.ndarray) -> np.ndarray:
    """The ground [b, 2] under `vehicles` [b, 6], to which the egos have moved from where it was `before` [b, 2]."""
    if all(own.is_flat for own in surroundings):
        return before
    slots = zip(surroundings, vehicles, before[:, GroundColumn.Z].tolist(), strict=True)
    return np.array([own.ground_under(vehicle, z) for own, vehicle, z in slots])


def put_on_ground(actors: Actors, surroundings: Sequence[Surroundings], ground: np.ndarray) -> Actors:
    """The actors [b, s], each at the height of the level that it has been on; who has just come is on the ego's."""
    if all(own.is_flat for own in surroundings):
        return actors
    traits = actors.traits.copy()
    z = traits[..., TraitColumn.Z]
    z[:] = np.where(np.isnan(z), ground[:, None, GroundColumn.Z], z)
    for k, own in enumerate(surroundings):
        z[k] = own.heights(actors.states[k, :, :2], z[k])
    return replace(actors, traits=traits)


_static_worlds: weakref.WeakValueDictionary[bytes, StaticWorld] = weakref.WeakValueDictionary()


def static_world_of(layout: Layout) -> StaticWorld:
    """The layout made ready to be drawn; the same for equal layouts as long as anybody holds it: a state that is read
    from bytes finds that of its drive."""
    from worldsim.gbuffer.rasterizer import StaticWorld

    digest = _digest(layout)
    known = _static_worlds.get(digest)
    if known is None:
        known = _static_worlds[digest] = StaticWorld(layout, windowed=True)
    return known


_lane_graphs: weakref.WeakValueDictionary[bytes, LaneGraph] = weakref.WeakValueDictionary()


def lane_graph_of(layout: Layout) -> LaneGraph:
    """The lanes of a layout, the same for equal layouts as long as anybody holds them."""
    digest = _digest(layout)
    known = _lane_graphs.get(digest)
    if known is None:
        known = _lane_graphs[digest] = LaneGraph.of(layout)
    return known


def _digest(layout: Layout) -> bytes:
    digest = hashlib.sha256()
    for name, array in layout.arrays().items():
        digest.update(f"{name} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
