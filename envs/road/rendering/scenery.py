"""Everything of a map that does not move, as a Layout, and the picture of its ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from envs.maps.ground_layout import ground_layout, with_ground
from envs.road.rendering.ground_texture import GroundColors, GroundTexture
from envs.road.rendering.scenery_planner import SceneryPlanner
from envs.road.rendering.signal_boxes import signal_boxes
from worldsim.datatypes.layout import AreaKind, BoxColumn, Layout, join_polylines
from worldsim.datatypes.solid_boxes import solid_footprints
from worldsim.gbuffer.terrain import Terrain

if TYPE_CHECKING:
    from envs.maps.geometry import LanePolygon, RoadGeometry
    from envs.maps.opendrive.signals import Signal
    from worldsim.gbuffer.rasterizer import StaticWorld

TRACK_SHARES = (0.28, 0.72)
"""Where tyres run, from the left to the right edge of a lane."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenery:
    """What stands and lies on a map; what only a camera needs is made when it is first asked for.

    Args:
        layout: all of it, without lanes' centres and edges.
        colors: of the ground.
        tracks: lines that tyres have darkened, each [n, 3] [m].
        seed: of the ground's mottling.
    """

    layout: Layout
    colors: GroundColors
    tracks: tuple[np.ndarray, ...]
    seed: int

    @staticmethod
    def build(
        geometry: RoadGeometry,
        seed: int,
        signals: Sequence[Signal] = (),
        groups: np.ndarray | None = None,
        *,
        left_hand: bool = False,
    ) -> Scenery:
        """The scenery of a map, a function of its arguments alone.

        Args:
            geometry: roads and markings.
            seed: of what stands beside them.
            signals: the map's lights and signs.
            groups: the light group of each signal, -1 for none, int64 [len(signals)]; None: every light is dark.
            left_hand: traffic keeps to the left.
        """
        planner = SceneryPlanner(geometry, seed, left_hand=left_hand)
        signs = signal_boxes(signals, groups, planner.free_side, left_hand=left_hand)
        boxes = planner.plan(signs)
        areas, lines = ground_layout(geometry)
        tracks = tuple(
            _between(lane, share)
            for lane in geometry.lanes
            if lane.kind == "driving" and not lane.in_junction
            for share in TRACK_SHARES
        )
        layout = _on_the_ground(with_ground(boxes, areas, lines), planner.pads)
        return Scenery(layout=replace(layout, boxes_known=True), colors=planner.ground_colors, tracks=tracks, seed=seed)

    def with_boxes_of(self, layout: Layout) -> Scenery:
        """The scenery with the boxes of another layout; the picture of the ground is shared if it is there already."""
        other = replace(self, layout=self.layout.with_boxes_of(layout))
        if "ground" in vars(self):
            vars(other)["ground"] = self.ground
        return other

    @cached_property
    def obstacles(self) -> np.ndarray:
        """Solid things, (x, y, yaw, length, width) [k, 5] [m, m, rad, m, m]: what hangs over the road is none."""
        return solid_footprints(self.layout)[0]

    @cached_property
    def ground(self) -> GroundTexture:
        """The ground seen from above."""
        return GroundTexture.paint(self.layout, self.colors, self.seed, self.tracks, self.world.deck_tiles)

    @cached_property
    def world(self) -> StaticWorld:
        """The layout made ready to be drawn."""
        # compiled code is loaded only where a camera is used
        from worldsim.gbuffer.rasterizer import StaticWorld

        return StaticWorld(self.layout)


def _between(lane: LanePolygon, share: float) -> np.ndarray:
    """The line [n, 3] at a share of the way from a lane's left edge to its right one."""
    left, right = np.column_stack([lane.left, lane.left_z]), np.column_stack([lane.right, lane.right_z])
    return left + share * (right - left)


def _on_the_ground(layout: Layout, pads: Sequence[np.ndarray]) -> Layout:
    """The layout with its boxes raised to the height of the ground under them, and paved `pads` [n, 2] as its lowest
    areas, which lie on that ground."""
    terrain = Terrain.of_layout(layout)
    boxes = layout.boxes.copy()
    boxes[:, BoxColumn.Z] += terrain.height(boxes[:, : BoxColumn.Z])
    points, starts = join_polylines([np.column_stack([pad, terrain.height(pad)]) for pad in pads])
    return replace(
        layout,
        boxes=boxes,
        area_points=np.concatenate([points, layout.area_points]),
        area_starts=np.concatenate([starts[:-1], layout.area_starts + len(points)]),
        area_kinds=np.concatenate([np.full(len(pads), AreaKind.OTHER, np.int64), layout.area_kinds]),
    )
