"""What is tracked of a drive, as planners and judges see it: lane, road users, lead, signals, infractions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from worldsim.actors.nearby import nearby_objects, with_standing
from worldsim.actors.route_frame import find_lead, to_frenet
from worldsim.actors.solids import gap_to_solids
from worldsim.datatypes.boxes import separation
from worldsim.datatypes.route import RouteLaneColumn, RoutePreview, rotate
from worldsim.datatypes.route_signals import next_signal
from worldsim.datatypes.scene import BOX_COLUMNS, UNKNOWN_COMMAND, RouteCommand, SceneState
from worldsim.datatypes.vehicle import VehicleColumn, VehicleModel
from worldsim.surroundings import GroundColumn

if TYPE_CHECKING:
    from worldsim.scene_tracker import TrackedState

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


def read_scene(state: TrackedState, model: VehicleModel) -> TrackedScene:
    """The scene of a state whose egos are such vehicles."""
    vehicles, preview = state.vehicles, state.preview
    scene = SceneState.empty((len(vehicles),))

    ego = _ego(vehicles, model)
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
    size = (model.length, model.width)
    in_the_way = [own.in_the_way for own in state.surroundings]
    in_ego_frame, all_kinds = with_standing(
        state.actors.in_ego_frame(vehicles), state.actors.kinds, in_the_way, vehicles
    )
    pose = to_frenet(state.route_frame, in_ego_frame)
    gap, speed, scene.lead_valid[:] = find_lead(pose, in_ego_frame, all_kinds, size)
    scene.lead[:] = np.stack([gap, speed], axis=-1)

    signal, distance = next_signal(
        state.signals.s, state.signals.shown(state.times), fronts_of(preview, model), state.compliance.stopped
    )
    known = on_route & state.signals.known
    scene.signal_valid[:], scene.signal[known], scene.signal_distance[known] = known, signal[known], distance[known]

    beside = np.abs(preview.lateral_offset) > np.where(np.isfinite(half_width), half_width, LEAST_HALF_WIDTH)
    return TrackedScene(
        scene=scene,
        vehicles=vehicles,
        ego=ego,
        collision=_collision(state, objects, kinds, model),
        off_road=_off_road(state, model),
        off_lane=beside & (state.routes.counts >= 2),
        red_light=state.compliance.red_light,
        stop_sign_missed=state.compliance.stop_sign_missed,
    )


def _ego(vehicles: np.ndarray, model: VehicleModel) -> np.ndarray:
    """EGO_NAMES [b, 4] of vehicles [b, 6]."""
    return np.stack(
        [
            vehicles[:, VehicleColumn.SPEED],
            vehicles[:, VehicleColumn.ACCELERATION],
            model.yaw_rate(vehicles),
            vehicles[:, VehicleColumn.STEER_ANGLE],
        ],
        axis=-1,
    )


def _collision(state: TrackedState, objects: np.ndarray, kinds: np.ndarray, model: VehicleModel) -> np.ndarray:
    """Probabilities [b] of a collision with one of the objects [b, s, 6] around, or a solid box of the layout."""
    size = (model.length, model.width)
    ego = np.array([0.0, 0.0, 0.0, *size])
    gap = np.where(kinds > 0, separation(ego, objects[..., BOX_COLUMNS]), np.inf).min(-1)
    boxes = [np.array([*vehicle[: VehicleColumn.YAW + 1].tolist(), *size]) for vehicle in state.vehicles]
    solid = [gap_to_solids(box, own.solids) for own, box in zip(state.surroundings, boxes, strict=True)]
    gap = np.minimum(gap, solid)
    return 1 / (1 + np.exp(np.minimum(gap / CONTACT_SCALE, 50.0)))


def _off_road(state: TrackedState, model: VehicleModel) -> np.ndarray:
    """Whether a corner of the egos is off the road, as of TrackedScene, [b]."""
    preview = state.preview
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


def fronts_of(preview: RoutePreview, model: VehicleModel) -> np.ndarray:
    """Arc lengths of the egos' front bumpers on their routes [b] [m]; NaN of an ego that is far from its route."""
    return np.where(preview.on_route, preview.arcs + model.length / 2, np.nan)
