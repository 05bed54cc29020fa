"""Layouts of made streets and junctions, and layouts put together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from worldsim.datatypes.layout import AreaKind, BoxColumn, Layout, LayoutKind, LineColor, SignFace
from worldsim.layouts.draws import draws_of
from worldsim.layouts.ground import (
    LIGHT_STOP,
    SIGN_STOP,
    Area,
    ground_of,
    junction_areas,
    junction_lines,
    street_areas,
    street_lines,
)
from worldsim.layouts.layout_model import Exit, JunctionControl
from worldsim.layouts.ruling import draw_cycles, lights, sign
from worldsim.layouts.street import LEFT, RIGHT, Street
from worldsim.layouts.things import to_layout
from worldsim.layouts.town import MadeTown, Way

PAD_FRONT, PAD_DEPTH, PAD_WIDTH = 2.2, 5.5, 1.6
"""The paved ground of a house lies this far before its middle and is so much larger [m]."""


def street_layout(town: MadeTown, way: Way) -> Layout:
    """A street of a made town with what stands along it."""
    street = town.street(way)
    boxes = [to_layout(town.things(way, side), street, side) for side in (LEFT, RIGHT)]
    return join_layouts([*(_pads(one) for one in boxes), bare_street(town, street), *boxes])


def bare_street(town: MadeTown, street: Street) -> Layout:
    """The ground of a street of a town."""
    color = LineColor.YELLOW if town.has_yellow_lines else LineColor.WHITE
    return ground_of(list(street_areas(street)), list(street_lines(street, color)))


def _pads(boxes: Layout) -> Layout:
    houses = boxes.boxes[boxes.box_kinds == LayoutKind.BUILDING]
    front = np.stack([np.cos(houses[:, BoxColumn.YAW]), np.sin(houses[:, BoxColumn.YAW])], axis=-1)
    side = np.stack([-front[:, 1], front[:, 0]], axis=-1)
    middle = houses[:, : BoxColumn.Z] + PAD_FRONT * front
    f = 0.5 * (houses[:, BoxColumn.LENGTH, None] + PAD_DEPTH) * front
    s = 0.5 * (houses[:, BoxColumn.WIDTH, None] + PAD_WIDTH) * side
    outlines = np.stack([middle - f - s, middle + f - s, middle + f + s, middle - f + s], axis=1)
    return ground_of([Area(outline, AreaKind.OTHER) for outline in outlines], [])


def junction_layout(town: MadeTown, way: Way, group: int) -> tuple[Layout, np.ndarray]:
    """The junction at the end of a street, and the cycles of its two light groups, LIGHT_CYCLE_NAMES float64 [2, 4].

    Args:
        town: made.
        way: to the street.
        group: number of its first light group.
    """
    junction = town.junction(way)
    drawn, shape = junction.drawn, junction.shape
    # the legs are the street that leads in, then the ways out
    across = [False, *(exit_way != Exit.STRAIGHT for exit_way in junction.streets)]
    stops, boxes = [], []
    for leg, is_across in zip(shape.legs, across, strict=True):
        gives_way = is_across == drawn.has_priority
        if drawn.control == JunctionControl.LIGHTS:
            stops.append(LIGHT_STOP)
            boxes.append(lights(leg, group + int(is_across)))
        elif gives_way:
            is_stop = drawn.control == JunctionControl.STOP
            stops.append(SIGN_STOP if is_stop else np.nan)
            boxes.append(sign(leg, SignFace.STOP if is_stop else SignFace.YIELD))
        else:
            stops.append(np.nan)
    ground = ground_of(list(junction_areas(shape, drawn.control)), list(junction_lines(shape, stops)))
    cycles = draw_cycles(draws_of(town.seed, "lights", *way))
    return join_layouts([ground, *boxes]), cycles


def join_layouts(layouts: Sequence[Layout]) -> Layout:
    """What all of them hold, in that order; known if it is known of each."""
    parts = {}
    for name, first in Layout().arrays().items():
        each = [getattr(layout, name) for layout in layouts]
        if name.endswith("_known"):
            parts[name] = all(each)
        elif name.endswith("_starts"):
            steps = np.concatenate([np.zeros(1, np.int64), *(np.diff(starts) for starts in each)])
            parts[name] = np.cumsum(steps)
        else:
            parts[name] = np.concatenate([first, *each])
    return Layout(**parts)
