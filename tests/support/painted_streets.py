"""A recording whose pictures are painted by what is in them, for tests of what learns to paint."""

from dataclasses import replace
from functools import cache
from types import SimpleNamespace

import numpy as np
from known_drives import turning_car
from layouts import layout_of, with_road

from training.batches.picture_rollouts import PictureRollouts, PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClips
from training.data.recorded_scenes import RecordedScenes
from training.stages.vae import begin_rollouts
from worldsim.configs import CameraGeometry, VAEConfig
from worldsim.datatypes.layout import LayoutKind
from worldsim.gbuffer.classes import SemanticClass
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.surface_map import SurfaceChannel
from worldsim.networks.vae3d import NUM_CLASSES, VAE3D

SIZE = (32, 32)
VAE = VAEConfig(widths=(16, 16, 16), num_blocks=1, fine_width=8)
PALETTE = np.random.default_rng(0).integers(20, 236, (NUM_CLASSES, 3)).astype(np.float32)
"""Colours of the classes."""
SUN = np.array([0.0, 0.6, 0.8])


def painted_street(num: int = 40, light: float = 1.0) -> SimpleNamespace:
    """A FrameStore of one episode: a car turns away on a road with a house, behind one that stands, under SUN; every
    class has its colour, times the light, which no surface tells."""
    store = turning_car(num)
    house = with_road(layout_of(LayoutKind.BUILDING, (30.0, 12.0, 0.0, 0.0, 20.0, 10.0, 8.0)))
    layout = replace(house, boxes_known=True, ground_known=True)
    store.layouts = (SimpleNamespace(read=lambda: layout),)
    store.rows.scenes.objects[:, 0, 0] -= 25
    scenes = [replace(scene, sun=SUN) for scene in store.camera_scenes(0)]
    store.camera_scenes = lambda episode: scenes
    store.frames = np.zeros((num, *SIZE, 3), np.uint8)
    shown = scenes_of(store)
    for k in range(num):
        coverage = shown.surfaces(k).channels[SurfaceChannel.COVERAGE : SurfaceChannel.COVERAGE + NUM_CLASSES]
        store.frames[k] = np.clip(light * np.einsum("khw,kc->hwc", coverage, PALETTE), 0, 255)
    return store


@cache
def shared_street() -> SimpleNamespace:
    """The painted street, made once for all tests that leave it as it is."""
    return painted_street()


def scenes_of(store: SimpleNamespace, *, hide_layout: bool = False) -> RecordedScenes:
    rasterizer = Rasterizer(CameraGeometry().with_frame_size(SIZE))
    return RecordedScenes(store, rasterizer, hide_layout=hide_layout)  # type: ignore[arg-type]


def rollouts_of(store: SimpleNamespace, clips: SelfRolloutClips | None = None, **config) -> PictureRollouts:
    """Three rollouts that end late, of which two go on at a time, without anything hidden unless `config` says so."""
    wanted = {"num": 3, "batch_size": 2, "oldest": (250, 250), "restart": 0.0, "last_dropout": 0.0}
    wanted |= {"recall_dropout": 0.0, "true_recall": 0.0, "layout_dropout": 0.0, "sun_dropout": 0.0}
    blind = scenes_of(store, hide_layout=True)
    return begin_rollouts(VAE3D(VAE), scenes_of(store), blind, PictureRolloutsConfig(**wanted | config), clips)


def share_of(kind: SemanticClass) -> slice:
    """The surface channel of a class."""
    return slice(SurfaceChannel.COVERAGE + kind, SurfaceChannel.COVERAGE + kind + 1)
