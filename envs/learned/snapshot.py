"""A moment of the learned world, and how it is written as bytes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from worldsim.gbuffer.key_frames import KeyFrames

from envs.history import Instant
from envs.learned.scripted_actors import Scripted
from envs.maps.route import Route, RouteStops
from envs.scripted_actors import ActorScript, ActorState
from envs.serialization import ArrayLike, StateCodec
from worldsim.actors.actors import Actors
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.route import RoutePreview, Routes
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.dynamics.memory import MemoryBank
from worldsim.dynamics.rollout import LatentState
from worldsim.frame_decoder import DrivePictures, PictureState
from worldsim.gbuffer.rasterizer import StaticWorld
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.model_state import GeneratedState, ModelState
from worldsim.networks.layers import KeyValue
from worldsim.scene_tracker import TrackedState


@dataclass(frozen=True, kw_only=True)
class LearnedSnapshot:
    """All a LearnedWorld needs to go on: model state, newest past and scenario; none is written to."""

    state: ModelState
    past: tuple[Instant, ...]
    scripted: Scripted | None


_STATE_TYPES = (
    LearnedSnapshot, Instant, ModelState, TrackedState, GeneratedState, PictureState, DrivePictures, PictureGeometry,
    KeyFrames, LatentState, MemoryBank, KeyValue, Routes, RoutePreview, RouteSignals, SignalCompliance, Actors,
    SceneState, Scripted, Route, RouteStops, ActorState, ObjectKind, Layout,
)  # fmt: skip


class LearnedCodec:
    """Writes a snapshot as bytes: of its static world the layout, and all that changed since the start.

    Args:
        device: of tensors that are read.
    """

    def __init__(self, device: torch.device) -> None:
        tensor = ArrayLike(
            type=torch.Tensor, to_array=lambda t: t.cpu().numpy(), from_array=lambda a: torch.from_numpy(a).to(device)
        )
        self._codec = StateCodec(types=_STATE_TYPES, array_types=(tensor,), open_type=ActorScript)

    def pack(self, value: LearnedSnapshot) -> bytes:
        """A snapshot as bytes.

        Raises:
            ValueError: the script of an actor is no dataclass.
        """
        (world,) = value.state.tracked.static_worlds
        parts = {"layout": world.layout, "snapshot": self._codec.pack(value, {"static_world": world})}
        return self._codec.pack(parts)

    def unpack(self, data: bytes) -> LearnedSnapshot:
        """The snapshot that was packed, in memory of its own.

        Raises:
            ValueError: no such state, or damaged.
        """
        parts = self._codec.unpack(data)
        return self._codec.unpack(parts["snapshot"], {"static_world": StaticWorld(parts["layout"])})
