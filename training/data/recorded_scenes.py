"""What the frames of a store show, as a rasterizer draws it: as recorded, or else made of SceneState."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from training.data.camera_scenes import CameraScenes
from training.data.frame_store import FrameStore
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.start_clip import LAYOUT_RADIUS
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.rasterizer import Rasterizer, StaticWorld
from worldsim.gbuffer.road_users import RoadUsers
from worldsim.gbuffer.surface_map import SurfaceMap, draw_surfaces
from worldsim.gbuffer.view import View

PLACE_STEP = 40
"""Every so manieth frame of an episode says where its layout is wanted."""


class RecordedScenes:
    """The scenes of a store's episodes; what was read or built last is kept.

    Args:
        store: the recording.
        rasterizer: draws them.
        num_kept: episodes whose static world is kept in memory.
        hide_layout: draw as if no layout were known, nor where the sun stands.
        hide_users: draw as if no road users were known.
    """

    def __init__(
        self,
        store: FrameStore,
        rasterizer: Rasterizer,
        num_kept: int = 64,
        *,
        hide_layout: bool = False,
        hide_users: bool = False,
    ) -> None:
        self.store, self.rasterizer, self.num_kept = store, rasterizer, num_kept
        self.hide_layout, self.hide_users = hide_layout, hide_users
        self._kept: OrderedDict[int, tuple[StaticWorld, CameraScenes | list[CameraScene]]] = OrderedDict()

    def surfaces(self, position: int) -> SurfaceMap:
        """What the frame at `position` of the store shows."""
        episode = int(np.searchsorted(self.store.starts, position, side="right")) - 1
        static, scenes = self._episode(episode)
        scene = scenes[position - int(self.store.starts[episode])]
        if self.hide_layout:
            scene = replace(scene, sun=None)
        if self.hide_users:
            scene = replace(scene, users=RoadUsers.none(), user_ids=np.zeros(0, np.int64))
        return draw_surfaces(self.rasterizer, static, scene)

    def view(self, position: int) -> View:
        """From where the frame at `position` of the store is seen."""
        episode = int(np.searchsorted(self.store.starts, position, side="right")) - 1
        return self._episode(episode)[1][position - int(self.store.starts[episode])].view

    def _episode(self, episode: int) -> tuple[StaticWorld, CameraScenes | list[CameraScene]]:
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
