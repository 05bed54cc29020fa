"""The World protocol: anything that can be reset to a start and stepped with a control."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from gymnasium.spaces import Box

from envs.external_actors import ExternalActors
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.editing.edits import Edit
from worldsim.gbuffer.camera_scene import CameraScene


class WorldLostError(ConnectionError):
    """A world behind a connection broke off in an episode, which is lost; `reset` may bring the world back."""


EVENT_THRESHOLD = 0.5
"""Probability of a collision, or of being off the road, above which an instant counts as one."""


@dataclass(frozen=True, kw_only=True)
class WorldStep:
    """What a world answers: what is true at instant `t+1`, the result of control `a_t`; `World.frame` shows it.

    Args:
        scene: SceneState of that instant (a single one).
        vehicle: ego motion, VEHICLE_NAMES of worldsim.datatypes.vehicle, float64 [6], in the world's own ground frame.
        collision: probability that the ego touches something then, [0, 1]; 0 or 1 where truth is known.
        off_road: probability that a wheel has left the drivable area, [0, 1]; 0 or 1 where truth is known.
        wrong_way: ego drives against its lane's direction.
        red_light: in this step the ego's front crossed a stop line on red; False where lights are not known
            (`scene.signal_valid`).
        stop_sign_missed: in this step it crossed the line of a stop sign without having stopped before it; likewise.
        progress: signed distance covered along the route in this step [m].
        info: what only this world has to say (trust signals, collided kind): numbers, the same keys in every answer.
        route_done: the ego has come to the end of its route.
        scenario_done: the director of the scripted actors has brought its scenario to an end.
        trust: how far this frame may be believed, [0, 1]; 1 in a world of truth.
        latent: the learned world's newest latent, float32 [k]; None in other worlds.
    """

    scene: SceneState
    vehicle: np.ndarray
    collision: float
    off_road: float
    wrong_way: bool
    progress: float
    info: Mapping[str, float]
    red_light: bool = False
    stop_sign_missed: bool = False
    route_done: bool = False
    scenario_done: bool = False
    trust: float = 1.0
    latent: np.ndarray | None = None


class World(Protocol):
    """A world answers controls with SceneState and shows frames. Env, policies and metrics see nothing else.

    Attributes:
        frame_size: height and width of frames [px].
        dt: step length [s].
        latent_space: of the latents in its answers; None in a world without.
    """

    frame_size: tuple[int, int]
    dt: float
    latent_space: Box | None

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """A new start, a function of `seed` and `options` alone; progress 0. Unknown options raise ValueError."""
        ...

    def step(self, control: np.ndarray) -> WorldStep:
        """Apply control float32 [4] (CONTROL_NAMES) over one step."""
        ...

    def frame(self) -> np.ndarray:
        """The newest frame, RGB uint8 [h, w, 3], made when first asked for; a function of the state alone."""
        ...

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames with their controls, SceneState and route, from which any world can go on."""
        ...

    def layout(self) -> Layout:
        """What does not move, in the ground frame of `WorldStep.vehicle`, as far as the world knows it; the same Layout
        from reset to reset while the map stays."""
        ...

    def close(self) -> None:
        """Free what the world holds; closing twice is fine."""
        ...


@runtime_checkable
class Restorable(Protocol):
    """What a world can do whose every moment can be gone back to. A server with one present, as CARLA, cannot.

    A snapshot becomes bytes by `envs.serialization.write_snapshot`, which asks for two things more: the world's codec
    and its config digest.
    """

    def snapshot(self) -> Any:
        """The whole state; later steps never change it."""
        ...

    def restore(self, snapshot: Any) -> None:
        """Continue exactly from a snapshot of this world, or of one with the same config."""
        ...


@runtime_checkable
class SensorWorld(Protocol):
    """What a world can do whose camera tells more than colours.

    Attributes:
        sensor_names: those of worldsim.gbuffer.classes.SENSOR_NAMES that it can give.
    """

    sensor_names: tuple[str, ...]

    def sensor_frames(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Pictures of the instant, the camera and the size of `frame`, by name, in memory of their own.

        "depth": along the camera's axis [m], inf where nothing is seen, float16 [h, w].
        "semantic": SemanticClass, uint8 [h, w].
        """
        ...


@runtime_checkable
class CameraSceneWorld(Protocol):
    """What a world can do that knows everything its camera sees, so that its pictures can be drawn again."""

    def camera_scene(self) -> CameraScene:
        """What the newest frame shows beside `World.layout`."""
        ...

    def light_cycles(self) -> np.ndarray | None:
        """LIGHT_CYCLE_NAMES by light group of the layout, float64 [g, 4]; time 0 is now. None where not known."""
        ...


@runtime_checkable
class EditableWorld(Protocol):
    """What a world can do in which something can be put, taken away and repainted: its reset option `layout` does it at
    the start, `edit` at any moment."""

    def edit(self, edits: Sequence[Edit]) -> WorldStep:
        """Make the edits now, all of them or none; the world's answer is of the same instant, with progress 0.

        Raises:
            ValueError: one of them cannot be made; names the thing, its place and what would be right.
        """
        ...


@runtime_checkable
class HostWorld(Protocol):
    """What a world can do among whose road users others can be put, which somebody outside moves."""

    def place(self, external: ExternalActors) -> None:
        """From the next step on these are there, and no others from outside.

        Raises:
            ValueError: there is no room for so many, and nothing has changed.
        """
        ...

    def set_speed(self, speed: float) -> WorldStep:
        """Give the ego another speed [m/s] now; the world's answer is of the same instant, with progress 0."""
        ...


RestorableWorld = TypeVar("RestorableWorld", bound=Restorable)


def branch(world: RestorableWorld) -> RestorableWorld:
    """An independent world that goes on from this moment with the same noise; what never changes is shared."""
    other = copy.copy(world)
    other.restore(world.snapshot())
    return other
