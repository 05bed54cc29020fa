"""Edits in the learned world: other surroundings, and pictures of the last instants in which they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

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
from worldsim.looks import LOOKS_NAME, LearnedLook
from worldsim.model_state import GeneratedState, ModelState
from worldsim.repainting import paint, repaint
from worldsim.scene_tracker import TrackedState
from worldsim.surroundings import Surroundings
from worldsim.world_model import WorldModel

FIRST_ID = 2**40
"""Road users that have been put somewhere are numbered from here on; who arrives is numbered from the start's on."""


class Changed(NamedTuple):
    """What a drive is to have. surroundings: what stands around it. look: its light and weather, None to leave them."""

    surroundings: Surroundings
    look: LearnedLook | None


def change_by(tracked: TrackedState, edits: Sequence[Edit], model: WorldModel) -> Changed:
    """What the one drive of a state has when the edits have been made.

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
    surroundings = _with_standing(own, standing)
    if standing.look is None:
        return Changed(surroundings, None)
    if standing.look not in model.looks:
        known = f"knows only the looks {', '.join(model.looks)}" if model.looks else "knows no looks"
        raise ValueError(
            f"this checkpoint {known}, {standing.look!r} cannot be put on; right would be one with a {LOOKS_NAME} that"
            f" has it, or a start_clip that looks so, as of the reference world with this edit"
        )
    look = model.looks[standing.look]
    return Changed(replace(surroundings, sun=look.turn_sun(own.sun)), look)


def change_to(tracked: TrackedState, layout: Layout, model: WorldModel) -> Changed:
    """What the one drive of a state has with the boxes of a layout instead of its own.

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
    return Changed(replace(own, layout=layout), None)


def move_to(
    model: WorldModel, state: ModelState, changed: Changed, clip: StartClip, *, forget: bool
) -> tuple[ModelState, np.ndarray]:
    """The state of one drive with what is changed, and its last frames, uint8 [t, h, w, 3], that show it.

    Args:
        model: of the state.
        state: of one drive.
        changed: what it is to have.
        clip: its last instants, as they were.
        forget: key frames are dropped, since things of the same shape look otherwise now.
    """
    tracked = replace(state.tracked, surroundings=(changed.surroundings,))
    if state.generated is None:
        return replace(state, tracked=tracked), clip.frames
    if changed.look is not None:
        style = torch.from_numpy(changed.look.style)[None].to(model.device)
        return paint_anew(model, replace(state, tracked=tracked), style, clip)
    latent, picture = state.generated
    before, after = (_surfaces(model, each, clip) for each in (state.tracked, tracked))
    frames = repaint(model.frame_decoder, clip.frames, before, after, picture.style)

    # latents and pictures go on from the repainted frames, the dynamics model's memory from what it was
    fresh, shown = model.frame_decoder.begin(frames[None], [after])
    kept = min(fresh.shape[1], latent.latents.shape[1])
    latents = latent.latents.clone()
    latents[:, :kept] = fresh.flip(1)[:, :kept]
    key_frames = shown.drives[0].key_frames if forget else picture.drives[0].key_frames
    painted = (frames[-1] != clip.frames[-1]).any(axis=-1)
    recorded = np.where(painted, np.uint8(0), picture.drives[0].recorded)
    drive = replace(shown.drives[0], key_frames=key_frames, recorded=recorded)
    picture = picture._replace(drives=(drive,))
    generated = GeneratedState(latent._replace(latents=latents), picture)
    return replace(state, tracked=tracked, generated=generated), frames


def looks_otherwise(edits: Sequence[Edit]) -> bool:
    """Whether something of the same shape gets another colour."""
    return any(isinstance(edit, Repaint) for edit in edits)


def paint_anew(
    model: WorldModel, state: ModelState, style: torch.Tensor, clip: StartClip
) -> tuple[ModelState, np.ndarray]:
    """As `move_to`, in a style [1, d]: nothing that pictures or latents showed before goes on."""
    scenes = model.tracker.context_scenes(state.tracked, 0, clip)
    world = model.tracker.static_world(state.tracked, 0)
    surfaces = model.frame_decoder.draw([world] * len(scenes), scenes)
    frames = paint(model.frame_decoder, surfaces, style)

    assert state.generated is not None
    full_signals, shown = state.generated.has_full_signals, replace(clip, frames=frames)
    latent, picture = model.begin_pictures([shown], [scenes], [surfaces], style=style, full_signals=full_signals)
    drives = tuple(replace(drive, recorded=np.zeros_like(drive.recorded)) for drive in picture.drives)
    return replace(state, generated=GeneratedState(latent, picture._replace(drives=drives))), frames


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
