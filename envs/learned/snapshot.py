"""A moment of the learned world, how it is written as bytes, and what tells whose it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from envs.external_actors import ExternalActors
from envs.ground_truth import Objects
from envs.history import Instant, check_past
from envs.learned.external_actors import PlacedActors
from envs.learned.scripted_actors import Scripted
from envs.maps.route import Route, RouteStops
from envs.scripted_actors import ActorScript, ActorState, DirectedScene, Director, DirectorState
from envs.serialization import ArrayLike, StateCodec
from envs.state_shapes import SHARED_SHAPES
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

    def __post_init__(self) -> None:
        check_past(self.past)


_STATE_TYPES = (
    LearnedSnapshot, Instant, ModelState, TrackedState, GeneratedState, PictureState, DrivePictures, PictureGeometry,
    KeyFrames, KeyFrame, LatentState, KeyValue, Routes, RoutePreview, RouteSignals, SignalCompliance, Actors,
    SceneState, Scripted, Route, RouteStops, ActorState, ObjectKind, Surroundings, KnownRoadUsers, Layout,
    EndlessPlace, EndlessDrive, Root, StreetKind, LineKind, RoutePiece, DirectedScene, PlacedActors, ExternalActors,
    Objects,
)  # fmt: skip

SHAPES: dict[type, dict[str, str]] = SHARED_SHAPES | {
    TrackedState: {
        "vehicles": "1 6", "commands": "1", "times": "1", "ground": "1 2", "actors.states": "1 s 10 ?",
        "actors.kinds": "1 s", "actors.vacant": "1 s", "actors.traits": "1 s 12 ?", "preview.points": "1 p 2",
        "preview.valid": "1 p", "preview.lateral_offset": "1", "preview.heading_error": "1", "preview.places": "1",
        "preview.arcs": "1", "preview.on_route": "1",
    },
    Routes: {"points": "1 r 2", "arcs": "1 r", "lanes": "1 r 4 ?", "counts": "1"},
    RouteSignals: {"s": "1 k ?", "kinds": "1 k", "cycles": "1 k 4 ?", "known": "1"},
    Surroundings: {"light_cycles": "g 4 ?", "parked_ids": "u", "sun": "3 ?", "route_turns": "t 3 ?"},
    GeneratedState: {"latent.latents": "1 k c h w", "picture.style": "1 y", "picture.signals": "1 z ?"},
    KeyValue: {"keys": "1 a t d", "values": "1 a t d"},
    PictureGeometry: {
        "depth": "h w ?", "users": "h w", "mixed": "h w", "user_ids": "u", "user_kinds": "u", "user_boxes": "u 7",
        "axes": "3 3", "position": "3",
    },
    KeyFrame: {"latent": "c h w", "axes": "3 3", "position": "3"},
    KeyFrames: {
        "_last_axes": "3 3", "_last_position": "3", "_depths": "f h w ?", "_axes": "f 3 3", "_positions": "f 3",
    },
}  # fmt: skip
"""Of arrays in a state of one drive, for `check_shapes`."""


def snapshot_codec(device: torch.device) -> StateCodec:
    """Writes snapshots as bytes, and reads them onto a device."""
    tensor = ArrayLike(
        type=torch.Tensor, to_array=lambda t: t.cpu().numpy(), from_array=lambda a: torch.from_numpy(a).to(device)
    )
    open_types = (ActorScript, ActorState, Director, DirectorState)
    return StateCodec(types=_STATE_TYPES, array_types=(tensor,), open_types=open_types, shapes=SHAPES)


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
