"""EndlessDrives: makes the next stretch of a drive's surroundings and route when the ego comes to it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from worldsim.datatypes.route import Routes
from worldsim.datatypes.route_signals import RouteSignals
from worldsim.datatypes.start_clip import StartClip
from worldsim.layouts.beginning import begin_endless
from worldsim.layouts.drive import EndlessDrive, EndlessPlace, Stretch
from worldsim.layouts.endless import EndlessTown
from worldsim.layouts.layout_model import LayoutModel
from worldsim.surroundings import Surroundings

NUM_TOWNS = 32
"""Made towns that are kept, as many as there may be drives at once; one that is not is made again, the same."""


class EndlessDrives:
    """The made towns of endless drives; what it answers does not depend on what it keeps.

    Args:
        model: that draws them.
    """

    def __init__(self, model: LayoutModel) -> None:
        self.model = model
        self._towns: OrderedDict[int, EndlessTown] = OrderedDict()

    def begin(self, clip: StartClip, seed: int, commands: np.ndarray) -> tuple[StartClip, EndlessPlace]:
        """A clip that goes on in a made town, and where its drive begins; as `begin_endless`."""
        told, town, stretch = begin_endless(clip, self.model, seed, commands)
        self._keep(town)
        return told, EndlessPlace.of(town.drive, stretch)

    def next_stretch(self, place: EndlessPlace) -> Stretch:
        """The stretch after that of a place."""
        town = self._towns.get(id(place.drive))
        if town is None or town.drive is not place.drive:
            town = EndlessTown(self.model, place.drive)
            self._keep(town)
        self._towns.move_to_end(id(place.drive))
        return town.stretch(place.index + 1)

    def _keep(self, town: EndlessTown) -> None:
        # the town holds its drive, whose id is therefore no other's
        self._towns[id(town.drive)] = town
        while len(self._towns) > NUM_TOWNS:
            self._towns.popitem(last=False)


def enter(surroundings: Surroundings, drive: EndlessDrive, stretch: Stretch) -> Surroundings:
    """The surroundings of a drive that has come to a stretch."""
    return replace(
        surroundings,
        layout=stretch.layout,
        light_cycles=stretch.light_cycles,
        endless=EndlessPlace.of(drive, stretch),
    )


def route_of(stretch: Stretch, before: Routes, slot: int, place: int) -> tuple[Routes, RouteSignals, int]:
    """The route of a stretch, its lights and signs, and which of its points is point `place` of the route before."""
    points = stretch.route.points
    routes = Routes.stack([points], [stretch.route.lanes])
    nearest = int(np.hypot(*(points - before.points[slot, place]).T).argmin())
    return routes, RouteSignals.stack([stretch.route.signals]), nearest
