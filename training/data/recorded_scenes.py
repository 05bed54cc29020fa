"""What the frames of a store show, as a rasterizer draws it: recorded where the recording tells, else from SceneState."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from training.data.camera_scenes import CameraScenes
from training.data.frame_store import FrameStore
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.start_clip import LAYOUT_RADIUS
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.surface_map import SurfaceMap, draw_surfaces

PLACE_STEP = 40
"""Every so manieth frame of an episode says where its layout is wanted."""


class RecordedScenes:
    """The scenes of a store's episodes; what was read or built last is kept.

    Args:
        store: the recording.
        rasterizer: draws them.
        num_kept: episodes whose static world is kept in memory.
        hide_layout: draw as if no layout were known.
    """

    def __init__(
        self, store: FrameStore, rasterizer: Rasterizer, num_kept: int = 64, *, hide_layout: bool = False
    ) -> None:
        self.store, self.rasterizer, self.num_kept, self.hide_layout = store, rasterizer, num_kept, hide_layout
        self._kept: OrderedDict[int, tuple[StaticWorld, CameraScenes]] = OrderedDict()

    def kept(self) -> list[int]:
        """Episodes that are at hand."""
        return list(self._kept)

    def surfaces(self, position: int) -> SurfaceMap:
        """What the frame at `position` of the store shows."""
        episode = int(np.searchsorted(self.store.starts, position, side="right")) - 1
        static, scenes = self._episode(episode)
        return draw_surfaces(self.rasterizer, static, scenes[position - int(self.store.starts[episode])])

    def _episode(self, episode: int) -> tuple[StaticWorld, CameraScenes]:
        if episode in self._kept:
            self._kept.move_to_end(episode)
            return self._kept[episode]
        start, length = int(self.store.starts[episode]), int(self.store.lengths[episode])
        layout = Layout.unknown()
        if not self.hide_layout:
            places = self.store.rows.vehicles[start : start + length : PLACE_STEP, :2]
            layout = self.store.layouts[episode].read().crop(places, LAYOUT_RADIUS + 0.5 * PLACE_STEP)
        self._kept[episode] = StaticWorld(layout), self.store.camera_scenes(episode)
        while len(self._kept) > self.num_kept:
            self._kept.popitem(last=False)
        return self._kept[episode]
