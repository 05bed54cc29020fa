"""SceneTracker: what the simulator computes and knows about each drive, whatever the pictures show.

Ego motion, the route with its lights and signs, and the other road users are tracked, not generated: they cost next to
nothing, never blur, and a state-only drive needs nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from worldsim.actors.actors import COLOR, Actors
from worldsim.actors.clip_actors import actors_of_clips
from worldsim.actors.lane_graph import Streets
from worldsim.actors.moves_actors import MovesActors
from worldsim.actors.route_frame import RouteFrame
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.route import RouteLaneColumn, RoutePreview, Routes, preview_routes, to_ground_frame
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance, begin_compliance, comply
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn, motion_between
from worldsim.endless_drives import EndlessDrives
from worldsim.layouts.drive import EndlessPlace
from worldsim.surroundings import Surroundings, follow_ground, put_on_ground
from worldsim.tracked_pictures import camera_scene, context_scenes
from worldsim.tracked_scene import TrackedScene, fronts_of, read_scene

if TYPE_CHECKING:
    from worldsim.gbuffer.camera_scene import CameraScene
    from worldsim.gbuffer.rasterizer import StaticWorld


@dataclass(frozen=True, kw_only=True)
class TrackedState:
    """Everything the tracked half of a step depends on, for `b` slots. Steps never write into a state.

    Args:
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        commands: RouteCommand or UNKNOWN_COMMAND at the start, int64 [b]; it counts on where the junctions along the
            route are not known.
        routes: where the egos are to go, and the lanes along the way.
        preview: where the egos are on their routes.
        actors: the other road users.
        signals: the lights and signs along the routes.
        compliance: how the egos have obeyed them; what it says of a step is of the last one.
        times: the lights' clock, seconds since each slot's last context frame, float64 [b] [s].
        seeds: what each slot's random numbers are drawn from, [b].
        frames: number of each slot's newest frame, counted from the first of its context, [b].
        ground: under the egos, columns as of GroundColumn, float64 [b, 2].
        surroundings: what never changes, and is never copied, [b].
    """

    vehicles: np.ndarray
    commands: np.ndarray
    routes: Routes
    preview: RoutePreview
    actors: Actors
    signals: RouteSignals
    compliance: SignalCompliance
    times: np.ndarray
    seeds: tuple[int, ...]
    frames: tuple[int, ...]
    ground: np.ndarray
    surroundings: tuple[Surroundings, ...]

    @cached_property
    def route_frame(self) -> RouteFrame:
        """The routes as curves that road users are placed along; asked for by the read of a state and the next step."""
        return RouteFrame.from_preview(self.preview)

    def take(self, slots: Sequence[int]) -> TrackedState:
        """A state of the given slots, in that order, in memory of its own; a slot may be taken many times."""
        rows = list(slots)
        return TrackedState(
            vehicles=self.vehicles[rows],
            commands=self.commands[rows],
            routes=self.routes.take(rows),
            preview=RoutePreview(*(value[rows] for value in self.preview)),
            actors=self.actors.take(rows),
            signals=self.signals.take(rows),
            compliance=self.compliance.take(rows),
            times=self.times[rows],
            seeds=tuple(self.seeds[i] for i in rows),
            frames=tuple(self.frames[i] for i in rows),
            ground=self.ground[rows],
            surroundings=tuple(self.surroundings[i] for i in rows),
        )

    @staticmethod
    def concat(states: Sequence[TrackedState]) -> TrackedState:
        """The slots of all the states, in that order, whatever frame each has come to; inverts `take`."""
        previews = zip(*(state.preview for state in states), strict=True)
        compliances = zip(*(state.compliance for state in states), strict=True)
        return TrackedState(
            vehicles=np.concatenate([state.vehicles for state in states]),
            commands=np.concatenate([state.commands for state in states]),
            routes=Routes.concat([state.routes for state in states]),
            preview=RoutePreview(*(np.concatenate(values) for values in previews)),
            actors=Actors.concat([state.actors for state in states]),
            signals=RouteSignals.concat([state.signals for state in states]),
            compliance=SignalCompliance(*(np.concatenate(values) for values in compliances)),
            times=np.concatenate([state.times for state in states]),
            seeds=tuple(seed for state in states for seed in state.seeds),
            frames=tuple(frame for state in states for frame in state.frames),
            ground=np.concatenate([state.ground for state in states]),
            surroundings=tuple(own for state in states for own in state.surroundings),
        )


class SceneTracker:
    """Moves the ego by its vehicle model and the road users by a model of theirs, and follows the ego along its route.

    Args:
        config: of the learned world.
        actor_model: how the road users move.
        endless_drives: what makes roads without end; None: every drive's route ends.
    """

    def __init__(
        self, config: WorldModelConfig, actor_model: MovesActors, endless_drives: EndlessDrives | None = None
    ) -> None:
        self.vehicle_model, self.dt = config.vehicle, config.dt
        self.actor_model, self.endless_drives = actor_model, endless_drives

    def begin(
        self,
        clips: Sequence[StartClip],
        seeds: Sequence[int],
        endless: Sequence[EndlessPlace | None] | None = None,
    ) -> TrackedState:
        """The state at the newest frames of equally long clips; road users of whom these do not tell a colour have
        none, which only pictures need.

        Args:
            clips: recorded in any world.
            seeds: what each slot's random numbers are drawn from.
            endless: where endless drives begin, of which the clips tell; None of drives whose routes end.
        """
        places = [None] * len(clips) if endless is None else endless
        surroundings = tuple(Surroundings.of_clip(clip, place) for clip, place in zip(clips, places, strict=True))
        ground = np.array(
            [own.ground_under(clip.vehicles[-1], clip.ego_z) for own, clip in zip(surroundings, clips, strict=True)]
        )
        actors = put_on_ground(actors_of_clips(clips), surroundings, ground)
        vehicles = np.stack([clip.vehicles[-1] for clip in clips])
        points = [to_ground_frame(clip.vehicles[-1], clip.route) for clip in clips]
        routes = Routes.stack(points, [clip.lanes for clip in clips])
        preview = preview_routes(routes, vehicles, np.zeros(len(clips), np.int64))
        signals, times = RouteSignals.stack([clip.signals for clip in clips]), np.zeros(len(clips))
        return TrackedState(
            vehicles=vehicles,
            commands=np.array([clip.scenes.command[-1] for clip in clips]),
            routes=routes,
            preview=preview,
            actors=actors,
            signals=signals,
            compliance=begin_compliance(
                signals.s,
                signals.shown(times),
                fronts_of(preview, self.vehicle_model),
                vehicles[:, VehicleColumn.SPEED],
                np.array([clip.scenes.signal[-1] == SignalKind.YIELD for clip in clips]),
            ),
            times=times,
            seeds=tuple(int(seed) for seed in seeds),
            frames=(len(clips[0].vehicles) - 1,) * len(clips),
            ground=ground,
            surroundings=surroundings,
        )

    def paint(self, state: TrackedState, colors: Sequence[np.ndarray | None]) -> TrackedState:
        """A state that has just begun, in which all road users have a colour.

        Args:
            state: of a drive that has just begun.
            colors: of each slot's first actors, RGB in [0, 1], [k, 3], NaN where unknown; None where the clip tells.
        """
        traits = state.actors.traits.copy()
        for own, known in zip(traits, colors, strict=True):
            if known is not None:
                own[: len(known), COLOR] = known
        draws = [(seed % 2**63, 0, 2) for seed in state.seeds]
        return replace(state, actors=self.actor_model.painted(replace(state.actors, traits=traits), draws))

    def step(
        self, state: TrackedState, controls: np.ndarray, actor_overrides: np.ndarray | None = None
    ) -> TrackedState:
        """The state one frame later.

        Args:
            controls: CONTROL_NAMES, [b, 4].
            actor_overrides: where road users are after the step, ACTOR_NAMES [b, s, 10] in the ground frame; NaN where
                they move by the model.
        """
        vehicles = self.vehicle_model.step(state.vehicles, controls, self.dt)
        frames = tuple(frame + 1 for frame in state.frames)
        actors = self.actor_model.step(
            state.actors,
            state.vehicles,
            state.route_frame,
            vehicles,
            self.dt,
            [(seed % 2**63, frame, 1) for seed, frame in zip(state.seeds, frames, strict=True)],
            actor_overrides,
            [None if own.parked is None else own.parked_rows for own in state.surroundings],
            [own.in_the_way for own in state.surroundings],
            [
                Streets(own.lanes, own.light_cycles, time)
                for own, time in zip(state.surroundings, state.times.tolist(), strict=True)
            ],
            state.routes.lanes_at(state.preview.arcs[:, None])[:, 0, RouteLaneColumn.SPEED_LIMIT],
        )
        ground = follow_ground(state.surroundings, vehicles, state.ground)
        actors = put_on_ground(actors, state.surroundings, ground)
        preview = preview_routes(state.routes, vehicles, state.preview.places)
        compliance = comply(
            state.signals.s,
            state.signals.shown(state.times),
            fronts_of(state.preview, self.vehicle_model),
            fronts_of(preview, self.vehicle_model),
            vehicles[:, VehicleColumn.SPEED],
            state.compliance.stopped,
        )
        after = replace(
            state,
            vehicles=vehicles,
            preview=preview,
            actors=actors,
            compliance=compliance,
            times=state.times + self.dt,
            frames=frames,
            ground=ground,
        )
        return self._go_on(after)

    def _go_on(self, state: TrackedState) -> TrackedState:
        """The state with the next stretch of each endless drive that has come to it."""
        for slot, own in enumerate(state.surroundings):
            if own.endless is None:
                continue
            assert self.endless_drives is not None  # it made the drive's beginning
            if state.preview.arcs[slot] >= own.endless.next_at:
                changed = self.endless_drives.go_on(
                    slot, state.routes, state.signals, state.preview, state.vehicles, state.surroundings
                )
                state = replace(state, **changed._asdict())
            else:
                self.endless_drives.prepare(own.endless, state.frames[slot])
        return state

    def camera_scene(self, state: TrackedState, slot: int) -> CameraScene:
        """What the picture of a slot shows beside `static_world`; road users keep their ids from step to step."""
        return camera_scene(state, slot)

    def context_scenes(self, state: TrackedState, slot: int, clip: StartClip) -> list[CameraScene]:
        """What the pictures of the clip show, frame by frame, at whose newest frame `state` is."""
        return context_scenes(state, slot, clip)

    def static_world(self, state: TrackedState, slot: int) -> StaticWorld:
        """The layout around a slot, made ready to be drawn."""
        return state.surroundings[slot].static_world

    def motions(self, vehicles: np.ndarray, controls: np.ndarray) -> np.ndarray:
        """MOTION_NAMES [..., 6] that `controls` [..., 4] cause from `vehicles` [..., 6], whatever is hit."""
        return motion_between(vehicles, self.vehicle_model.step(vehicles, controls, self.dt))

    def read(self, state: TrackedState) -> TrackedScene:
        """The scene of a state."""
        return read_scene(state, self.vehicle_model)
