"""Edits in the learned world: other surroundings, and pictures of the last instants in which they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from worldsim.datatypes.boxes import separation
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.scene import BOX_COLUMNS
from worldsim.datatypes.solid_boxes import solid_footprints
from worldsim.datatypes.start_clip import StartClip
from worldsim.datatypes.vehicle import VehicleColumn
from worldsim.editing.apply import Standing, apply_edits, check_ground
from worldsim.editing.edits import Edit, Repaint
from worldsim.editing.places import RouteLine
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.model_state import GeneratedState, ModelState
from worldsim.repainting import repaint
from worldsim.scene_tracker import TrackedState
from worldsim.surroundings import Surroundings
from worldsim.world_model import WorldModel

FIRST_ID = 2**40
"""Road users that have been put somewhere are numbered from here on; who arrives is numbered from the start's on."""


def surroundings_after(tracked: TrackedState, edits: Sequence[Edit], model: WorldModel) -> Surroundings:
    """What stands around the one drive of a state when the edits have been made.

    Raises:
        ValueError: one of them cannot be made.
    """
    own, count = tracked.surroundings[0], int(tracked.routes.counts[0])
    actors = tracked.actors.states[0, tracked.actors.kinds[0] > 0]
    route = None
    if count >= 2:
        route = RouteLine(points=tracked.routes.points[0, :count], ego_s=float(tracked.preview.arcs[0]))
    standing = apply_edits(
        edits,
        own.layout,
        parked=own.parked,
        route=route,
        ego=_ego_box(tracked, model),
        others=actors[:, BOX_COLUMNS],
    )
    if standing.look is not None:
        raise ValueError(
            f"the learned world looks as its start does, {standing.look!r} cannot be put on; right would be a"
            f" start_clip that looks so, as of the reference world with this edit"
        )
    return _with_standing(own, standing)


def surroundings_with(tracked: TrackedState, layout: Layout, model: WorldModel) -> Surroundings:
    """The surroundings of the one drive of a state with the boxes of a layout instead of their own.

    Raises:
        ValueError: the layout has another ground, or a box on the ego.
    """
    own = tracked.surroundings[0]
    check_ground(layout, own.layout, "the learned world's start")
    footprints, rows = solid_footprints(layout)
    hit = np.flatnonzero(separation(_ego_box(tracked, model), footprints) <= 0)
    if len(hit):
        row = int(rows[hit[0]])
        raise ValueError(f"layout: box {row}, {layout.boxes[row]}, is on the ego; right would be beside the road")
    return replace(own, layout=layout)


def move_to(
    model: WorldModel, state: ModelState, surroundings: Surroundings, clip: StartClip, *, forget: bool
) -> tuple[ModelState, np.ndarray]:
    """The state of one drive with other surroundings, and its last frames, uint8 [t, h, w, 3], that show them.

    Args:
        model: of the state.
        state: of one drive.
        surroundings: that it is to have.
        clip: its last instants, as they were.
        forget: key frames are dropped, since things of the same shape look otherwise now.
    """
    tracked = replace(state.tracked, surroundings=(surroundings,))
    if state.generated is None:
        return replace(state, tracked=tracked), clip.frames
    latent, picture = state.generated
    before, after = (_surfaces(model, each, clip) for each in (state.tracked, tracked))
    frames = repaint(model.frame_decoder, clip.frames, before, after, picture.style)

    # latents and pictures go on from the repainted frames, the dynamics model's memory from what it was
    fresh, shown = model.frame_decoder.begin(frames[None], [after])
    kept = min(fresh.shape[1], latent.latents.shape[1])
    latents = latent.latents.clone()
    latents[:, :kept] = fresh.flip(1)[:, :kept]
    key_frames = shown.drives[0].key_frames if forget else picture.drives[0].key_frames
    drive = replace(shown.drives[0], key_frames=key_frames)
    picture = picture._replace(drives=(drive,))
    generated = GeneratedState(latent._replace(latents=latents), picture)
    return replace(state, tracked=tracked, generated=generated), frames


def looks_otherwise(edits: Sequence[Edit]) -> bool:
    """Whether something of the same shape gets another colour."""
    return any(isinstance(edit, Repaint) for edit in edits)


def _surfaces(model: WorldModel, tracked: TrackedState, clip: StartClip) -> list[SurfaceMap]:
    scenes = model.tracker.context_scenes(tracked, 0, clip)
    return model.frame_decoder.draw([model.tracker.static_world(tracked, 0)] * len(scenes), scenes)


def _ego_box(tracked: TrackedState, model: WorldModel) -> np.ndarray:
    place, vehicle = tracked.vehicles[0, : VehicleColumn.YAW + 1], model.config.vehicle
    return np.array([*place.tolist(), vehicle.length, vehicle.width])


def _with_standing(own: Surroundings, standing: Standing) -> Surroundings:
    rows = standing.parked_rows
    if own.parked is None and not len(rows):
        return replace(own, layout=standing.layout)  # it is as little known as before who is parked
    put = np.flatnonzero(rows < 0)
    first = max(FIRST_ID, int(own.parked_ids.max(initial=0)) + 1)
    ids = np.empty(len(rows), np.int64)
    ids[rows >= 0] = own.parked_ids[rows[rows >= 0]]
    ids[put] = first + np.arange(len(put))
    return replace(own, layout=standing.layout, parked=standing.parked, parked_ids=ids)
