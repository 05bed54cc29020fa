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
from worldsim.actors.nearby import nearby_objects, with_standing
from worldsim.actors.route_frame import RouteFrame, find_lead, to_frenet
from worldsim.actors.solids import gap_to_solids
from worldsim.configs import WorldModelConfig
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.route import RouteLaneColumn, RoutePreview, Routes, preview_routes, rotate, to_ground_frame
from worldsim.datatypes.route_signals import RouteSignals, SignalCompliance, begin_compliance, comply, next_signal
from worldsim.datatypes.scene import BOX_COLUMNS, UNKNOWN_COMMAND, RouteCommand, SceneState
from worldsim.datatypes.signals import SignalKind
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn, motion_between
from worldsim.endless_drives import EndlessDrives
from worldsim.layouts.drive import EndlessPlace
from worldsim.surroundings import GroundColumn, Surroundings, follow_ground, put_on_ground
from worldsim.tracked_pictures import camera_scene, context_scenes

if TYPE_CHECKING:
    from worldsim.gbuffer.camera_scene import CameraScene
    from worldsim.gbuffer.rasterizer import StaticWorld

CONTACT_SCALE = 0.2
"""Distance over which a collision's probability rises, half at contact [m]."""
LEAST_HALF_WIDTH = 1.75
"""An ego no part of which is farther than this from its route is on the road, and where its lane's width is not known
this is half of it [m]."""
OFF_ROAD_TOLERANCE = 0.3
"""How far a corner may lie outside the drivable area (nuPlan's drivable area compliance) [m]."""
CORNERS = np.array([[0.5, 0.5], [0.5, -0.5], [-0.5, -0.5], [-0.5, 0.5]])
"""Of a box, in shares of its length and width."""


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


@dataclass(frozen=True, kw_only=True)
class TrackedScene:
    """What the tracked state amounts to for driving.

    Args:
        scene: SceneState [b]; invalid where nothing is tracked, as the lane of an ego far from its route.
        vehicles: ego motion, VEHICLE_NAMES, float64 [b, 6].
        ego: EGO_NAMES, float64 [b, 4].
        collision: probability by the distance to the nearest road user or solid thing beside the road, float [b].
        off_road: 1 where a corner of the ego lies outside the road's tracked edges, else 0, float [b]; NaN where
            these are not known, unless the ego is wholly inside its lane.
        off_lane: the ego's centre is beside the lane of its route, bool [b]; False without a route.
        red_light: in the last step the ego crossed a stop line on red, bool [b]; False where lights are not known.
        stop_sign_missed: in the last step it crossed the line of a stop sign without a stop, bool [b]; likewise.
    """

    scene: SceneState
    vehicles: np.ndarray
    ego: np.ndarray
    collision: np.ndarray
    off_road: np.ndarray
    off_lane: np.ndarray
    red_light: np.ndarray
    stop_sign_missed: np.ndarray


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
                self._fronts(preview),
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
            self._fronts(state.preview),
            self._fronts(preview),
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
        vehicles, preview = state.vehicles, state.preview
        scene = SceneState.empty((len(vehicles),))

        ego = self._ego(vehicles)
        scene.ego[:] = ego
        scene.ego_valid[:] = True
        commands = np.where(state.commands == UNKNOWN_COMMAND, RouteCommand.FOLLOW, state.commands)
        scene.command[:] = [
            told if (along := own.command_at(float(arc))) is None else along
            for told, own, arc in zip(commands, state.surroundings, state.preview.arcs, strict=True)
        ]

        on_route = preview.on_route
        lanes = state.routes.lanes_at(preview.arcs[:, None])[:, 0]
        half_width, speed_limit = lanes[:, RouteLaneColumn.HALF_WIDTH], lanes[:, RouteLaneColumn.SPEED_LIMIT]
        lane = np.stack([preview.lateral_offset, preview.heading_error, half_width, speed_limit], axis=-1)
        scene.lane_valid[:] = on_route[:, None] & np.isfinite(lane)
        scene.lane[scene.lane_valid] = lane[scene.lane_valid]
        scene.route[on_route], scene.route_valid[on_route] = preview.points[on_route], preview.valid[on_route]

        parked = [own.parked_rows for own in state.surroundings]
        objects, kinds = nearby_objects(state.actors, vehicles, parked, state.ground[:, GroundColumn.Z])
        scene.objects[:], scene.object_kinds[:] = objects, kinds
        size = (self.vehicle_model.length, self.vehicle_model.width)
        in_the_way = [own.in_the_way for own in state.surroundings]
        in_ego_frame, all_kinds = with_standing(
            state.actors.in_ego_frame(vehicles), state.actors.kinds, in_the_way, vehicles
        )
        pose = to_frenet(state.route_frame, in_ego_frame)
        gap, speed, scene.lead_valid[:] = find_lead(pose, in_ego_frame, all_kinds, size)
        scene.lead[:] = np.stack([gap, speed], axis=-1)

        signal, distance = next_signal(
            state.signals.s, state.signals.shown(state.times), self._fronts(preview), state.compliance.stopped
        )
        known = on_route & state.signals.known
        scene.signal_valid[:], scene.signal[known], scene.signal_distance[known] = known, signal[known], distance[known]

        beside = np.abs(preview.lateral_offset) > np.where(np.isfinite(half_width), half_width, LEAST_HALF_WIDTH)
        return TrackedScene(
            scene=scene,
            vehicles=vehicles,
            ego=ego,
            collision=self._collision(state, objects, kinds),
            off_road=self._off_road(state),
            off_lane=beside & (state.routes.counts >= 2),
            red_light=state.compliance.red_light,
            stop_sign_missed=state.compliance.stop_sign_missed,
        )

    def _ego(self, vehicles: np.ndarray) -> np.ndarray:
        """EGO_NAMES [b, 4] of vehicles [b, 6]."""
        return np.stack(
            [
                vehicles[:, VehicleColumn.SPEED],
                vehicles[:, VehicleColumn.ACCELERATION],
                self.vehicle_model.yaw_rate(vehicles),
                vehicles[:, VehicleColumn.STEER_ANGLE],
            ],
            axis=-1,
        )

    def _fronts(self, preview: RoutePreview) -> np.ndarray:
        """Arc lengths of the egos' front bumpers on their routes [b] [m]; NaN of an ego that is far from its route."""
        return np.where(preview.on_route, preview.arcs + self.vehicle_model.length / 2, np.nan)

    def _collision(self, state: TrackedState, objects: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Probabilities [b] of a collision with one of the objects [b, s, 6] around, or a solid box of the layout."""
        size = (self.vehicle_model.length, self.vehicle_model.width)
        ego = np.array([0.0, 0.0, 0.0, *size])
        gap = np.where(kinds > 0, separation(ego, objects[..., BOX_COLUMNS]), np.inf).min(-1)
        boxes = [np.array([*vehicle[: VehicleColumn.YAW + 1].tolist(), *size]) for vehicle in state.vehicles]
        solid = [gap_to_solids(box, own.solids) for own, box in zip(state.surroundings, boxes, strict=True)]
        gap = np.minimum(gap, solid)
        return 1 / (1 + np.exp(np.minimum(gap / CONTACT_SCALE, 50.0)))

    def _off_road(self, state: TrackedState) -> np.ndarray:
        preview, model = state.preview, self.vehicle_model
        turn = preview.heading_error
        reach = np.abs(np.cos(turn)) * model.width / 2 + np.abs(np.sin(turn)) * model.length / 2
        inside_lane = np.abs(preview.lateral_offset) + reach < LEAST_HALF_WIDTH

        # each corner is held against the road's edges beside it: these move at junctions and bays
        shrink = 2 * OFF_ROAD_TOLERANCE
        corners = CORNERS * (model.length - shrink, model.width - shrink)
        corners = rotate(corners[None], turn[:, None])
        lanes = state.routes.lanes_at(preview.arcs[:, None] + corners[..., 0])
        lateral = preview.lateral_offset[:, None] + corners[..., 1]
        left, right = lanes[..., RouteLaneColumn.LEFT_EDGE], lanes[..., RouteLaneColumn.RIGHT_EDGE]
        outside = ((lateral > left) | (lateral < -right)).any(-1)
        known = np.isfinite(left + right).all(-1)

        off_road = np.where(known, outside, np.where(inside_lane, 0.0, np.nan))
        return np.where(preview.on_route, off_road, np.nan)
