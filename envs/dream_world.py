"""DreamWorld: the learned world model as a World, reset to a start clip and stepped with a control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from envs.centreline import centreline
from envs.routes import Route, route_through
from envs.scripted import ActorScript, ActorState, ScriptedActors, ego_on_route, scripted_box
from envs.truth import WRONG_WAY_ANGLE
from envs.world import WorldStep
from worldsim.actors import ACTOR_NAMES
from worldsim.boxes import wrap
from worldsim.route import route_ahead, to_ground_frame
from worldsim.scene import ObjectKind, SceneState
from worldsim.start_clip import StartClip
from worldsim.starts import STARTS_NAME, load_starts
from worldsim.vehicle import VehicleModel
from worldsim.world_model import DEFAULT_CHECKPOINT, ModelState, WorldModel

SAME_ACTOR = 3.0
"""An object of a start clip this near to a scripted actor of its kind is that actor [m]."""


@dataclass(frozen=True, kw_only=True)
class DreamWorldConfig:
    """Which learned world, and how it runs.

    Args:
        checkpoint: folder of the world model; None takes the one that ships with the package.
        starts: file of start clips to draw from; None takes the checkpoint's own.
        num_steps: sampling steps a frame; None takes the model's own.
        device: torch device of the model.
        num_threads: CPU threads torch may use in this process; None leaves torch as it is.

    Raises:
        ValueError: num_steps or num_threads is less than 1.
    """

    checkpoint: Path | None = None
    starts: Path | None = None
    num_steps: int | None = None
    device: str = "cpu"
    num_threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("num_steps", self.num_steps), ("num_threads", self.num_threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1 or None, got {value}")

    @property
    def starts_path(self) -> Path:
        """Where the start clips are read from."""
        return self.starts or (self.checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME


@dataclass(frozen=True, kw_only=True)
class DreamSnapshot:
    """All a DreamWorld needs to go on: model state, the context seen so far and the scenario; none is written to."""

    state: ModelState
    context: StartClip
    scripted: Scripted | None


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """A scenario's actors in the learned world.

    Args:
        scripts: how they move.
        route: on which; ground frame.
        ego_s: where the ego is on it [m].
        time: of the scripts' clock [s].
        actors: where they are, one per script.
        places: of each in the model's Actors.
    """

    scripts: tuple[ActorScript, ...]
    route: Route
    ego_s: float
    time: float
    actors: tuple[ActorState, ...]
    places: tuple[int, ...]

    def stepped(self, vehicle: np.ndarray, model: VehicleModel, dt: float) -> Scripted:
        """A step on; `vehicle` [6] is the ego before it."""
        ego = ego_on_route(vehicle, self.route, self.ego_s, model.length, model.width)
        moved = (script.step(self.time, ego, own, dt) for script, own in zip(self.scripts, self.actors, strict=True))
        return replace(self, ego_s=ego.s, time=self.time + dt, actors=tuple(moved))

    def states(self) -> np.ndarray:
        """ACTOR_NAMES [scripts, 10] of the actors."""
        rows = []
        for actor in self.actors:
            x, y, yaw, length, width = scripted_box(actor, self.route)
            rows.append([x, y, yaw, actor.speed, length, width, 0.0, 1.0, np.nan, 0.0])
        return np.array(rows).reshape(len(rows), len(ACTOR_NAMES))


class DreamWorld:
    """The learned world.

    reset options (start or start_index, not both; without them a start is drawn by the seed):
        start: a StartClip to go on from, recorded in any world.
        start_index: which of the loaded start clips.
        scenario: ScriptedActors whose clock began with the start's first frame; those whom its last frame does not show
            appear in the first step, if need be instead of whoever is farthest. The other actors stay, whatever
            `ambient_traffic` says.

    Args:
        config: which model, and how it runs.
        model: a loaded model to use instead of the config's checkpoint.
        starts: start clips to draw from instead of the config's file.

    Raises:
        FileNotFoundError: the checkpoint or the start clips are not there.
        ValueError: the checkpoint is refused.
    """

    def __init__(
        self,
        config: DreamWorldConfig | None = None,
        *,
        model: WorldModel | None = None,
        starts: Sequence[StartClip] | None = None,
    ) -> None:
        self.config = DreamWorldConfig() if config is None else config
        if self.config.num_threads is not None:
            torch.set_num_threads(self.config.num_threads)
        self.model = WorldModel.load(self.config.checkpoint, self.config.device) if model is None else model
        self.starts = tuple(load_starts(self.config.starts_path) if starts is None else starts)
        height, width = self.model.config.frame_size
        self.frame_size = (height, width)
        self.dt = self.model.config.dt
        self._state: ModelState | None = None
        self._context: StartClip | None = None
        self._scripted: Scripted | None = None

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """Begin from a start clip; the world's answer is the clip's newest frame.

        Raises:
            ValueError: an unknown option, a start index out of range, a clip of another frame size or time step, or a
                scenario of too many actors or for a start without a route.
        """
        rng = np.random.default_rng(seed)
        drawn, noise_seed = float(rng.random()), int(rng.integers(2**31))
        clip = self._choose_start(drawn, options)
        context = clip.last(min(len(clip.frames), self.model.config.num_context))
        self._state, self._context = self.model.begin([context], [noise_seed]), context
        self._scripted = None
        if options.get("scenario") is not None:
            self._state, self._scripted = _scripted(options["scenario"], clip, self._state, self.model.config.vehicle)
        return self._answer(collision=0.0, off_road=0.0, progress=0.0, info={})

    def step(self, control: np.ndarray) -> WorldStep:
        """Imagine one step under control float32 [4] (CONTROL_NAMES)."""
        state, context = self._running()
        control = np.asarray(control, np.float32)
        told = None
        if self._scripted is not None:
            self._scripted = self._scripted.stepped(state.vehicles[0], self.model.config.vehicle, self.dt)
            told = np.full(state.actors.states.shape, np.nan)
            told[0, list(self._scripted.places)] = self._scripted.states()
        self._state, prediction = self.model.step(state, control[None], num_steps=self.config.num_steps, told=told)
        assert prediction.frames is not None
        scene, vehicle = prediction.scene[0], np.asarray(prediction.vehicles[0], np.float64)
        self._context = _extended(context, self.model.config.num_context, prediction.frames[0], control, vehicle, scene)
        return self._answer(
            collision=float(prediction.collision[0]),
            off_road=float(prediction.off_road[0]),
            progress=_distance_along_lane(scene, float(vehicle[3]), self.dt),
            info={name: float(values[0]) for name, values in prediction.signals.items()},
        )

    def snapshot(self) -> DreamSnapshot:
        """The whole state; later steps never change it."""
        state, context = self._running()
        return DreamSnapshot(state=state, context=context, scripted=self._scripted)

    def restore(self, snapshot: DreamSnapshot) -> None:
        """Continue exactly from a snapshot taken in this world."""
        self._state, self._context, self._scripted = snapshot.state, snapshot.context, snapshot.scripted

    def start_clip(self) -> StartClip:
        """The last context frames; their route is what is left of the known one, without one the decoded centreline."""
        state, context = self._running()
        left = route_ahead(state.routes[0], state.vehicles[0], int(state.preview.places[0]))
        scene = context.scenes[-1]
        return replace(context, route=left if len(left) > 1 else centreline(scene))

    def close(self) -> None:
        """Forget the state; the model stays usable by others that hold it."""
        self._state = self._context = self._scripted = None

    def _running(self) -> tuple[ModelState, StartClip]:
        if self._state is None or self._context is None:
            raise ValueError("the world has no state yet: call reset first")
        return self._state, self._context

    def _choose_start(self, drawn: float, options: Mapping[str, Any]) -> StartClip:
        unknown = set(options) - {"start", "start_index", "scenario"}
        if unknown:
            raise ValueError(
                f"unknown reset options {sorted(unknown)}; the learned world knows start, start_index and scenario"
            )
        if {"start", "start_index"} <= set(options):
            raise ValueError("give start or start_index, not both")
        if "start" in options:
            return options["start"]
        if not self.starts:
            raise ValueError("this world has no start clips: pass options={'start': clip}")
        index = options.get("start_index", int(drawn * len(self.starts)))
        if not 0 <= index < len(self.starts):
            raise ValueError(f"start_index must be in [0, {len(self.starts)}), got {index}")
        return self.starts[index]

    def _answer(self, *, collision: float, off_road: float, progress: float, info: Mapping[str, Any]) -> WorldStep:
        _, context = self._running()
        scene = context.scenes[-1].copy()
        return WorldStep(
            frame=context.frames[-1].copy(),
            scene=scene,
            vehicle=context.vehicles[-1].copy(),
            collision=collision,
            off_road=off_road,
            wrong_way=bool(scene.lane_valid[1] and abs(wrap(float(scene.heading_error))) > WRONG_WAY_ANGLE),
            progress=progress,
            info=info,
        )


def _scripted(
    scenario: ScriptedActors, clip: StartClip, state: ModelState, model: VehicleModel
) -> tuple[ModelState, Scripted]:
    """The scenario after the clip, and the state in which its actors have their places."""
    route = route_through(to_ground_frame(clip.vehicles[-1], clip.route))
    ego_s = ego_on_route(clip.vehicles[0], route, None, model.length, model.width).s
    scripted = Scripted(
        scripts=scenario.scripts,
        route=route,
        ego_s=ego_s,
        time=-(len(clip.frames) - 1) * clip.dt,
        actors=tuple(script.initial(route, ego_s) for script in scenario.scripts),
        places=(),
    )
    for vehicle in clip.vehicles[:-1]:
        scripted = scripted.stepped(vehicle, model, clip.dt)
    states, kinds = state.actors.states.copy(), state.actors.kinds.copy()
    if len(scripted.actors) > len(kinds[0]):
        raise ValueError(f"a scenario may have {len(kinds[0])} actors in the learned world, got {len(scripted.actors)}")
    from_ego = np.hypot(*(states[0, :, :2] - clip.vehicles[-1, :2]).T)
    places: list[int] = []
    for own, actor in zip(scripted.states(), scripted.actors, strict=True):
        distance = np.hypot(*(states[0, :, :2] - own[:2]).T)
        same = (kinds[0] == actor.kind) & (distance < SAME_ACTOR)
        # its own place, else a free one, else that of whoever is farthest from the ego
        merit = np.where(same, 2e6 - distance, np.where(kinds[0] == ObjectKind.EMPTY, 1e6, from_ego))
        merit[places] = -1.0
        place = int(np.argmax(merit))
        states[0, place], kinds[0, place] = own, int(actor.kind)
        places.append(place)
    actors = replace(state.actors, states=states, kinds=kinds)
    return replace(state, actors=actors), replace(scripted, places=tuple(places))


def _distance_along_lane(scene: SceneState, speed: float, dt: float) -> float:
    """Distance of a step along the lane [m]; 0 where the lane's direction is unknown."""
    return speed * math.cos(float(scene.heading_error)) * dt if scene.lane_valid[1] else 0.0


def _extended(
    clip: StartClip, length: int, frame: np.ndarray, control: np.ndarray, vehicle: np.ndarray, scene: SceneState
) -> StartClip:
    """The clip and one more step, cut to its newest `length` frames. Arrays are new: older clips never change."""
    new = scene.arrays()
    scenes = {name: np.concatenate([values, new[name][None]]) for name, values in clip.scenes.arrays().items()}
    longer = replace(
        clip,
        frames=np.concatenate([clip.frames, frame[None]]),
        controls=np.concatenate([clip.controls, control[None]]),
        vehicles=np.concatenate([clip.vehicles, vehicle[None]]),
        scenes=SceneState(**scenes),
    )
    return longer.last(min(len(longer.frames), length))
