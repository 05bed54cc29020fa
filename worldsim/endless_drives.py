"""EndlessDrives: makes the next stretch of a drive's surroundings and route when the ego comes to it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from worldsim.actors.lane_graph import LANE_STEP, LaneGraph
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS, Layout
from worldsim.datatypes.route import ROUTE_LANE_NAMES, RoutePreview, Routes, preview_routes, to_vehicle_frame
from worldsim.datatypes.route_signals import RouteSignals
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing.apply import stand_on_road
from worldsim.layouts.beginning import begin_endless
from worldsim.layouts.carried_edits import carry_edits
from worldsim.layouts.drive import EndlessDrive, EndlessPlace, Stretch
from worldsim.layouts.endless import EndlessTown
from worldsim.layouts.layout_model import LayoutModel
from worldsim.surroundings import Surroundings

NUM_TOWNS = 32
"""Made towns that are kept, as many as there may be drives at once; one that is not is made again, the same."""
PREPARE_EVERY = 3
"""The next stretch is made little by little, a part of it every so many frames."""
ROUTE_AHEAD = 250.0
"""How far the way is looked for along the lane of a start without a route [m]."""


class OnNextStretch(NamedTuple):
    """What a tracked state has anew on the next stretch of one of its drives, for all slots."""

    routes: Routes
    signals: RouteSignals
    preview: RoutePreview
    surroundings: tuple[Surroundings, ...]


class EndlessDrives:
    """The made towns of endless drives; what it answers does not depend on what it keeps.

    Args:
        model: that draws them.
    """

    def __init__(self, model: LayoutModel) -> None:
        self.model = model
        self._towns: OrderedDict[int, EndlessTown] = OrderedDict()

    def begin(self, clip: StartClip, seed: int, commands: np.ndarray) -> tuple[StartClip, EndlessPlace]:
        """A clip that goes on in a made town, and where its drive begins; as `begin_endless`. Of those who are parked
        beside its road nobody is left on a made one. A clip without a route follows its lane, or begins on a made road
        where its lanes are not known."""
        told, town, stretch = begin_endless(_with_route(clip), self.model, seed, commands)
        self._keep(town)
        if told.road_users is not None:
            users = told.road_users
            on_made = users.parked & _come_to_be_on_road(users, clip.layout, stretch.layout)
            told = replace(told, road_users=users[~on_made])
        return told, EndlessPlace.of(town.drive, stretch)

    def go_on(
        self,
        slot: int,
        routes: Routes,
        signals: RouteSignals,
        preview: RoutePreview,
        vehicles: np.ndarray,
        surroundings: Sequence[Surroundings],
    ) -> OnNextStretch:
        """What changes where the endless drive of a slot comes to its next stretch.

        Args:
            slot: of the drive.
            routes: of all slots, as are the others.
            signals: along them.
            preview: of them.
            vehicles: VEHICLE_NAMES of the egos, float64 [b, 6].
            surroundings: of each.
        """
        own = surroundings[slot]
        place = own.endless
        assert place is not None
        before, stretch = self._stretches(place)

        # the route begins anew, behind the ego; its points are those of the route before where both have some
        points = stretch.route.points
        places = preview.places.copy()
        places[slot] = np.hypot(*(points - routes.points[slot, places[slot]]).T).argmin()
        first, rest = range(slot), range(slot + 1, len(surroundings))
        mine = Routes.stack([points], [stretch.route.lanes])
        routes = Routes.concat([routes.take(first), mine, routes.take(rest)])
        ruled = RouteSignals.stack([stretch.route.signals])

        layout = carry_edits(before.layout, own.layout, stretch.layout)
        if own.parked is not None:
            own = own.without_parked(_come_to_be_on_road(own.parked, own.layout, layout))
        entered = replace(
            own,
            layout=layout,
            light_cycles=stretch.light_cycles,
            endless=EndlessPlace.of(place.drive, stretch),
        )
        return OnNextStretch(
            routes=routes,
            signals=RouteSignals.concat([signals.take(first), ruled, signals.take(rest)]),
            preview=preview_routes(routes, vehicles, places),
            surroundings=(*surroundings[:slot], entered, *surroundings[slot + 1 :]),
        )

    def prepare(self, place: EndlessPlace, frame: int) -> None:
        """Make a part of the next stretch ahead of time, in one of PREPARE_EVERY frames; else `go_on` makes it all."""
        if frame % PREPARE_EVERY == 0:
            self._town(place.drive).prepare(place.index + 1)

    def _stretches(self, place: EndlessPlace) -> tuple[Stretch, Stretch]:
        """That of a place, and the next one."""
        town = self._town(place.drive)
        return town.stretch(place.index), town.stretch(place.index + 1)

    def _town(self, drive: EndlessDrive) -> EndlessTown:
        town = self._towns.get(id(drive))
        if town is None or town.drive is not drive:
            town = EndlessTown(self.model, drive)
            self._keep(town)
        self._towns.move_to_end(id(drive))
        return town

    def _keep(self, town: EndlessTown) -> None:
        # the town holds its drive, whose id is therefore no other's
        self._towns[id(town.drive)] = town
        while len(self._towns) > NUM_TOWNS:
            self._towns.popitem(last=False)


def _with_route(clip: StartClip) -> StartClip:
    """The clip; one without a route with the way along its lane, where none is known with the ground under the ego."""
    if len(clip.route) > 1:
        return clip
    vehicle = clip.vehicles[-1]
    x, y, yaw = vehicle[: VehicleColumn.YAW + 1].tolist()
    ahead = LaneGraph.of(clip.layout).points_ahead(x, y, yaw, ROUTE_AHEAD)[:, :2]
    route = to_vehicle_frame(vehicle, ahead) if len(ahead) > 1 else np.array([[-LANE_STEP, 0.0], [0.0, 0.0]])
    lanes = np.full((len(route), len(ROUTE_LANE_NAMES)), np.nan, np.float32)
    return replace(clip, route=route.astype(np.float32), lanes=lanes)


def _come_to_be_on_road(users: KnownRoadUsers, before: Layout, after: Layout) -> np.ndarray:
    """Who of road users stands on the road of one layout and did not on that of the one before, bool [n]."""
    footprints = users.boxes[:, FOOTPRINT_COLUMNS]
    return stand_on_road(after, footprints) & ~stand_on_road(before, footprints)
