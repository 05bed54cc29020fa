"""Edits in the reference world: other boxes and parked vehicles than its map has, another look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from envs.ground_truth import ego_box, touching
from envs.road.episode import RoadEpisode
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.solid_boxes import solid_footprints
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.editing.apply import apply_edits, check_ground
from worldsim.editing.edits import Edit
from worldsim.editing.places import RouteLine


def edit_episode(episode: RoadEpisode, edits: Sequence[Edit] | Layout, model: VehicleModel) -> None:
    """Make edits in an episode, or let the boxes of a layout stand in it instead of the map's own; the instants of its
    past show it as if it had been so.

    Raises:
        ValueError: something cannot be made; the episode is as it was then.
    """
    if isinstance(edits, Layout):
        _replace_boxes(episode, edits, model)
        return
    traffic = episode.traffic
    standing = apply_edits(
        edits,
        episode.stage.layout,
        parked=_parked(episode),
        route=RouteLine(points=episode.route.points, ego_s=episode.s),
        ego=ego_box(episode.vehicle, model),
        others=traffic.objects.boxes[: traffic.parked_rows.start],
    )
    if standing.look is not None:
        episode.look, episode.weather_seed = episode.look.changed_to(standing.look), -1
    _stand(episode, standing.layout, standing.parked)


def _replace_boxes(episode: RoadEpisode, layout: Layout, model: VehicleModel) -> None:
    check_ground(layout, episode.stage.layout, f"map {episode.stage.road_map.name}")
    footprints, rows = solid_footprints(layout)
    hit = touching(ego_box(episode.vehicle, model), footprints)
    if len(hit):
        row = int(rows[hit[0]])
        raise ValueError(f"layout: box {row}, {layout.boxes[row]}, is on the ego; right would be beside the road")
    _stand(episode, layout, _parked(episode))


def _parked(episode: RoadEpisode) -> KnownRoadUsers:
    rows = episode.traffic.parked_rows
    return episode.traffic.known_users()[np.arange(rows.start, rows.stop)]


def _stand(episode: RoadEpisode, layout: Layout, parked: KnownRoadUsers) -> None:
    if layout is not episode.stage.layout:
        episode.stage = episode.stage.with_boxes_of(layout)
    num_before = len(episode.traffic.parked)
    episode.traffic.park(parked)
    # instants that nobody has seen: their frames are made when they are asked for
    episode.past = tuple(
        replace(instant, view=instant.view.with_parked(num_before, episode.traffic)) for instant in episode.past
    )
