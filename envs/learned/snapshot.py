"""A moment of the learned world, how it is written as bytes, and what tells whose it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects
from envs.history import Instant
from envs.learned.external_actors import PlacedActors
from envs.learned.scripted_actors import Scripted
from envs.maps.route import Route, RouteStops
from envs.scripted_actors import ActorScript, ActorState, DirectedScene, Director, DirectorState
from envs.serialization import ArrayLike, StateCodec
from worldsim.actors.actors import Actors
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout, LineKind
from worldsim.datatypes.route import RoutePreview, Routes
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.dynamics.rollout import LatentState
from worldsim.frame_decoder import DrivePictures, PictureState
from worldsim.gbuffer.key_frames import KeyFrame, KeyFrames
from worldsim.gbuffer.reprojection import PictureGeometry
from worldsim.layouts.drive import EndlessDrive, EndlessPlace, Root, RoutePiece, StreetKind
from worldsim.model_state import GeneratedState, ModelState
from worldsim.networks.layers import KeyValue
from worldsim.scene_tracker import TrackedState
from worldsim.surroundings import Surroundings
from worldsim.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class LearnedSnapshot:
    """All a LearnedWorld needs to go on: model state, newest past, scenario, and who was placed from outside; none is
    written to."""

    state: ModelState
    past: tuple[Instant, ...]
    scripted: Scripted | None
    placed: PlacedActors


_STATE_TYPES = (
    LearnedSnapshot, Instant, ModelState, TrackedState, GeneratedState, PictureState, DrivePictures, PictureGeometry,
    KeyFrames, KeyFrame, LatentState, KeyValue, Routes, RoutePreview, RouteSignals, SignalCompliance, Actors,
    SceneState, Scripted, Route, RouteStops, ActorState, ObjectKind, Surroundings, KnownRoadUsers, Layout,
    EndlessPlace, EndlessDrive, Root, StreetKind, LineKind, RoutePiece, DirectedScene, PlacedActors, ExternalActors,
    Objects,
)  # fmt: skip


def snapshot_codec(device: torch.device) -> StateCodec:
    """Writes snapshots as bytes, and reads them onto a device."""
    tensor = ArrayLike(
        type=torch.Tensor, to_array=lambda t: t.cpu().numpy(), from_array=lambda a: torch.from_numpy(a).to(device)
    )
    open_types = (ActorScript, ActorState, Director, DirectorState)
    return StateCodec(types=_STATE_TYPES, array_types=(tensor,), open_types=open_types)


def model_digest(model: WorldModel, how: tuple[object, ...]) -> str:
    """Tells models apart by config and weights, and `how` they are run."""
    digest = hashlib.sha256(f"{model.config} {how}".encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        for part in value if isinstance(value, tuple) else (value,):  # int8 weights come with their bias
            if isinstance(part, torch.Tensor):
                numbers = part.int_repr() if part.is_quantized else part
                # numpy knows no bfloat16
                digest.update(numbers.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
