"""LearnedWorld: the learned world model as a World, reset to a start clip and stepped with a control."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box

from envs.external_actors import ExternalActors
from envs.history import Instant
from envs.learned.config import LearnedWorldConfig
from envs.learned.editing import change_by, change_to, looks_otherwise, move_to
from envs.learned.endless_start import begin_if_endless
from envs.learned.external_actors import PlacedActors, place_actors
from envs.learned.scripted_actors import Scripted, begin_scripted_actors
from envs.learned.snapshot import LearnedSnapshot, model_digest, snapshot_codec
from envs.learned.start_pose import stand_at
from envs.learned.stepping import step_together
from envs.learned.threads import set_threads
from envs.learned.tracked_answers import distance_along_lane, heads_wrong_way, past_of, route_done, tracked_clip
from envs.reset_options import read_reset_options
from envs.serialization import StateCodec
from envs.world import WorldStep
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.starts import load_starts
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing.edits import Edit, Look
from worldsim.gbuffer.camera_scene import CameraScene
from worldsim.gbuffer.classes import SENSOR_NAMES
from worldsim.inference import set_backend
from worldsim.model_state import ModelState, Prediction
from worldsim.world_model import WorldModel


class LearnedWorld:
    """The learned world.

    reset options (start_clip or start_index, not both; without them a start is drawn by the seed):
        start_clip: a StartClip to go on from, recorded in any world.
        start_index: which of the loaded start clips.
        start_pose: x, y, yaw [m, m, rad] on the start's route: the ego stands there, its frames are painted.
        scripted_actors: ScriptedActors whose clock began with the start's first frame; those that its last frame does
            not show appear in the first step, if need be in place of the actor that is farthest away. The other actors
            stay, whatever `ambient_traffic` says.
        layout: edits of `drivedit.edit`, or a Layout with the ground of the start's and other boxes. The start's frames
            are painted anew where they show them, in another look all over.
        endless: True lets the road go on without end, through a town that the seed tells; usual where a start has no
            route but tells the ground around it.
        commands: of an endless drive, RouteCommand at its junctions, one after the other; where a junction has no such
            way out, and after the last one, it is drawn.

    Args:
        config: which model, and how it runs.
        model: a loaded model to use instead of the config's checkpoint.
        starts: start clips to draw from instead of the config's file.

    Raises:
        FileNotFoundError: the checkpoint or the start clips are not there.
        ValueError: the checkpoint is refused, or a backend is asked of a model that is given.
    """

    def __init__(
        self,
        config: LearnedWorldConfig | None = None,
        *,
        model: WorldModel | None = None,
        starts: Sequence[StartClip] | None = None,
    ) -> None:
        self.config = LearnedWorldConfig() if config is None else config
        set_threads(self.config.num_threads)
        if model is not None and self.config.backend != "plain":
            raise ValueError(
                f"backend {self.config.backend!r} is for a model loaded here: call set_backend on the one given"
            )
        if model is None:
            if self.config.device.startswith("cuda") and not torch.cuda.is_available():
                raise ValueError(
                    f"device {self.config.device!r} cannot be had: this torch finds no CUDA device; take 'cpu'"
                )
            model = set_backend(WorldModel.load(self.config.checkpoint, self.config.device), self.config.backend)
        self.model = model
        self.starts = load_starts(self.config.starts_path) if starts is None else tuple(starts)
        height, width = self.model.config.frame_size
        self.frame_size = (height, width)
        self.dt = self.model.config.dt
        limit = self.model.config.dit.latent_limit
        size = self.model.config.vae.latent_channels * math.prod(self.model.config.latent_size)
        self.sensor_names: tuple[str, ...] = SENSOR_NAMES
        self.latent_space: Box | None = Box(-limit, limit, (size,), np.float32) if self.config.pictures else None
        self._slot: tuple[ModelState, int] | None = None
        self._past: tuple[Instant, ...] = ()
        self._scripted: Scripted | None = None
        self._placed = PlacedActors.none()
        self._config_digest: str | None = None

    def reset(self, seed: int, options: Mapping[str, Any]) -> WorldStep:
        """Begin from a start clip; the world's answer is the clip's newest instant.

        Raises:
            ValueError: an unknown option, a start index out of range, a clip of another frame size or time step, too
                many scripted actors, a start without a route for them, or a layout that cannot be.
        """
        options = read_reset_options(
            options,
            known=("start_clip", "start_index", "start_pose", "scripted_actors", "layout", "endless", "commands"),
            world="the learned world",
            renamed={"start": "start_clip", "scenario": "scripted_actors"},
        )
        rng = np.random.default_rng(seed)
        drawn, noise_seed = float(rng.random()), int(rng.integers(2**31))
        clip = self._choose_start(drawn, options)
        clip, place = begin_if_endless(self.model, clip, noise_seed, options)
        context = clip.last(min(len(clip.vehicles), self.model.config.num_context))
        state = self.model.begin(
            [context],
            [noise_seed],
            full_signals=self.config.trust_signals == "full",
            pictures=self.config.pictures,
            endless=[place],
        )
        if "start_pose" in options:
            if place is not None:
                raise ValueError("start_pose is of a start whose route ends: it cannot be given to an endless drive")
            state, context = stand_at(self.model, state, context, options["start_pose"])
            clip = context
        scripted = None
        if "scripted_actors" in options:
            state, scripted = begin_scripted_actors(options["scripted_actors"], clip, state, self.model.config.vehicle)
        self._state, self._past = state, past_of(context, self.config.pictures)
        self._scripted, self._placed = scripted, PlacedActors.none()
        try:
            return self._change(options.get("layout", ()))
        except ValueError:
            self.close()  # no episode without what was asked for
            raise

    def edit(self, edits: Sequence[Edit]) -> WorldStep:
        """Put, take away and repaint things and change the look now; the last frames are painted anew where they show
        them, in another look all over.

        Raises:
            ValueError: one of the edits cannot be made, and none is; a Look cannot where the checkpoint knows no looks.
        """
        return self._change(edits)

    def place(self, external: ExternalActors) -> None:
        """See HostWorld: they are tracked actors, which the model does not move.

        Raises:
            ValueError: the model has not as many free places for actors.
        """
        self._state, self._placed = place_actors(self._running(), self._placed, external)

    def set_speed(self, speed: float) -> WorldStep:
        """See HostWorld."""
        state = self._running()
        vehicle = self._past[-1].vehicle.copy()
        vehicle[[VehicleColumn.SPEED, VehicleColumn.ACCELERATION]] = speed, 0.0
        self._state = replace(state, tracked=replace(state.tracked, vehicles=vehicle[None]))
        scene = self.model.read(self._running(), decode_scene=self.config.decode_scene).scene[0].copy()
        self._past = (*self._past[:-1], replace(self._past[-1], vehicle=vehicle, scene=scene))
        return self._change(())

    def step(self, control: np.ndarray) -> WorldStep:
        """Imagine one step under control float32 [4] (CONTROL_NAMES)."""
        return step_together([self], np.asarray(control, np.float32)[None])[0]

    def frame(self) -> np.ndarray:
        """The newest frame, RGB uint8 [h, w, 3]; every step makes one, since the next is made from it.

        Raises:
            ValueError: this is a state-only world.
        """
        self._running()
        if not self.config.pictures:
            raise ValueError(
                "this env is state-only and shows no frames: make it with pictures=True (the default wherever the "
                "observation, render_mode or trust_threshold needs them)"
            )
        return self._past[-1].seen(None).copy()

    def sensor_frames(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Pictures of the same instant, camera and size as `frame`, drawn of what is tracked; a state-only world has
        them too.

        Where the layout is not known there are but road users, on a flat ground of class GROUND.

        Args:
            names: of SENSOR_NAMES.

        Returns:
            "depth": along the camera's axis, float16 [h, w] [m], inf in the sky. "semantic": SemanticClass, uint8
            [h, w].

        Raises:
            ValueError: an unknown name.
        """
        world = self.model.tracker.static_world(self._running().tracked, 0)
        return self.model.frame_decoder.sense(names, world, self.camera_scene())

    def camera_scene(self) -> CameraScene:
        """What the newest frame shows beside `layout`."""
        return self.model.tracker.camera_scene(self._running().tracked, 0)

    def snapshot(self) -> LearnedSnapshot:
        """The whole state; later steps never change it."""
        return LearnedSnapshot(state=self._running(), past=self._past, scripted=self._scripted, placed=self._placed)

    def restore(self, snapshot: LearnedSnapshot) -> None:
        """Continue exactly from a snapshot of this world, or of one with the same model that makes pictures if and only
        if this one does; it is never written to.

        Raises:
            ValueError: it is of a state-only world and this one makes pictures, or the other way round.
        """
        if (snapshot.state.generated is not None) != self.config.pictures:
            theirs, ours = ("with", "without") if snapshot.state.generated is not None else ("without", "with")
            raise ValueError(
                f"the snapshot is of a world {theirs} pictures, this one is {ours}: make it alike (pictures=)"
            )
        self._state, self._past = snapshot.state, snapshot.past
        self._scripted, self._placed = snapshot.scripted, snapshot.placed

    def start_clip(self, *, pictures: bool = True) -> StartClip:
        """The last context frames; their route is what is left of the known one, without one the decoded centreline.

        Args:
            pictures: False leaves out the frames, as a state-only world always does.
        """
        partner_path = None if self._scripted is None else self._scripted.partner_path()
        pictures = pictures and self.config.pictures
        return tracked_clip(self._running().tracked, self._past, self.dt, partner_path, pictures=pictures)

    def layout(self) -> Layout:
        """That of the start clip, around its route."""
        return self._running().tracked.surroundings[0].layout

    def close(self) -> None:
        """Forget the state; the model stays usable by others that hold it."""
        self._state, self._past, self._scripted, self._placed = None, (), None, PlacedActors.none()

    @property
    def _state(self) -> ModelState | None:
        """Of this world alone, taken out of the batch it was stepped in when it is first asked for."""
        if self._slot is None:
            return None
        state, slot = self._slot
        if state.batch_size > 1:
            state = state[slot]
            self._slot = state, 0
        return state

    @_state.setter
    def _state(self, state: ModelState | None) -> None:
        self._slot = None if state is None else (state, 0)

    def _running(self) -> ModelState:
        if self._state is None:
            raise ValueError("the world has no state yet: call reset first")
        return self._state

    def _choose_start(self, drawn: float, options: Mapping[str, Any]) -> StartClip:
        if {"start_clip", "start_index"} <= set(options):
            raise ValueError("give start_clip or start_index, not both")
        if "start_clip" in options:
            return options["start_clip"]
        if not self.starts:
            raise ValueError("this world has no start clips: pass options={'start_clip': clip}")
        index = options.get("start_index", int(drawn * len(self.starts)))
        if not 0 <= index < len(self.starts):
            raise ValueError(f"start_index must be in [0, {len(self.starts)}), got {index}")
        return self.starts[index]

    def _change(self, layout: Layout | Sequence[Edit]) -> WorldStep:
        """The newest instant, with these boxes or after these edits, if there are any.

        A start is given as good: what touches the ego or lies under it is judged from the first step on.
        """
        state = self._running()
        forget = isinstance(layout, Layout) or looks_otherwise(layout)
        if isinstance(layout, Layout):
            changed = change_to(state.tracked, layout, self.model)
        else:
            changed = change_by(state.tracked, layout, self.model) if layout else None
        if changed is not None:
            clip = self.start_clip()
            self._state, frames = move_to(self.model, state, changed, clip, forget=forget)
            if self.config.pictures:
                pairs = zip(self._past, frames, strict=True)
                self._past = tuple(replace(instant, frame=frame.copy()) for instant, frame in pairs)
        prediction = self.model.read(self._running(), decode_scene=self.config.decode_scene)
        if changed is not None:
            self._past = (*self._past[:-1], replace(self._past[-1], scene=prediction.scene[0].copy()))
        return self._answer(prediction, 0, collision=0.0, off_road=0.0, progress=0.0)

    def _next_scripted(self) -> Scripted | None:
        """The scenario's actors a step later."""
        if self._scripted is None:
            return None
        return self._scripted.stepped(self._past[-1].vehicle, self.model.config.vehicle, self.dt)

    def _accept(
        self, state: ModelState, scripted: Scripted | None, prediction: Prediction, slot: int, control: np.ndarray
    ) -> WorldStep:
        """Go on to a slot of a state, which a prediction shows."""
        self._scripted = scripted
        scene, vehicle = prediction.scene[slot].copy(), np.array(prediction.tracked.vehicles[slot], np.float64)
        frame = None if state.generated is None else state.generated.picture.drives[slot].frames[0]
        now = Instant(control=control, vehicle=vehicle, scene=scene, frame=frame)
        # without pictures a batch is small, and is gone on with as it is if it steps together again
        self._slot = (state, slot) if state.generated is None or state.batch_size == 1 else (state[slot], 0)
        self._past = (*self._past, now)[-self.model.config.num_context :]
        return self._answer(
            prediction,
            slot,
            collision=float(prediction.collision[slot]),
            off_road=float(prediction.off_road[slot]),
            progress=distance_along_lane(scene, float(vehicle[VehicleColumn.SPEED]), self.dt),
        )

    def _follow_director(self, answer: WorldStep) -> WorldStep:
        """The answer, in the look that the director of the scripted actors has the world take on now."""
        scene = None if self._scripted is None else self._scripted.scene
        if scene is None:
            return answer
        if scene.look is not None:
            latent = self._change((Look(name=scene.look),)).latent
            answer = replace(answer, latent=latent)
        return replace(answer, scenario_done=scene.is_over)

    def _answer(
        self, prediction: Prediction, slot: int, *, collision: float, off_road: float, progress: float
    ) -> WorldStep:
        assert self._slot is not None
        state, own_slot = self._slot
        now = self._past[-1]
        scene = now.scene.copy()
        signals = {name: float(values[slot]) for name, values in prediction.trust.signals.items()}
        return WorldStep(
            scene=scene,
            vehicle=now.vehicle.copy(),
            collision=collision,
            off_road=off_road,
            wrong_way=heads_wrong_way(scene),
            red_light=bool(prediction.tracked.red_light[slot]),
            stop_sign_missed=bool(prediction.tracked.stop_sign_missed[slot]),
            progress=progress,
            trust=float(prediction.trust.trust[slot]),
            info=signals | {"pictures": float(self.config.pictures)},
            route_done=route_done(state.tracked, own_slot),
            latent=self._running().latent.latents[0, 0].flatten().cpu().numpy() if self.config.pictures else None,
        )

    @property
    def config_digest(self) -> str:
        """Tells models apart, and how they are sampled and trusted: of their configs and weights."""
        if self._config_digest is None:
            config = self.config
            how = config.num_steps, config.backend, config.trust_signals, config.pictures, config.decode_scene
            self._config_digest = model_digest(self.model, how)
        return self._config_digest

    @property
    def codec(self) -> StateCodec:
        """Writes snapshots, and reads them onto the model's device."""
        return snapshot_codec(self.model.device)
