"""How streets run and where they meet, drawn from a LayoutModel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from worldsim.datatypes.layout import LineKind
from worldsim.layouts.bins import value_in
from worldsim.layouts.draws import draw_class
from worldsim.layouts.drive import StreetKind
from worldsim.layouts.layout_model import (
    SECTION,
    CourseToken,
    Exit,
    ExitToken,
    JunctionControl,
    JunctionToken,
    LayoutModel,
)
from worldsim.layouts.street import STEP, Street
from worldsim.layouts.vocabulary import CENTRE_LINES

EXIT_ANGLES = {Exit.STRAIGHT: 0.0, Exit.LEFT: np.pi / 2, Exit.RIGHT: -np.pi / 2}
"""How far each way out turns [rad]."""
MAX_SECTIONS = 60
"""A street has no more sections than this."""


@dataclass(frozen=True, kw_only=True)
class DrawnExit:
    """A way out of a junction: how far it turns [rad], and the street that it leads to."""

    turn: float
    kind: StreetKind


@dataclass(frozen=True, kw_only=True)
class DrawnJunction:
    """What ends a street, as who comes along it sees it.

    Args:
        control: what rules it.
        has_priority: this street and the one opposite have priority over those that cross; where signs rule.
        reach: from the mouths of its streets to its node [m].
        exits: its ways out.
    """

    control: JunctionControl
    has_priority: bool
    reach: float
    exits: dict[Exit, DrawnExit]


def course_features(
    sections: np.ndarray, headings: np.ndarray, num_lanes: int, lane_width: float, openings: np.ndarray
) -> np.ndarray:
    """What is known before sections [n] (counted from 0) of a street's course, float64 [n, COURSE_FEATURES].

    Args:
        sections: which.
        headings: at the beginning of each, relative to the street's first one [n] [rad].
        num_lanes: each way.
        lane_width: [m].
        openings: streets to the left and to the right at its first node, bool [2].
    """
    one = np.ones(len(sections))
    return np.column_stack(
        [
            sections * SECTION / 100.0,
            headings,
            (num_lanes - 1.0) * one,
            4.0 * (lane_width - 3.4) * one,
            openings[0] * one,
            openings[1] * one,
        ]
    )


def junction_features(street: Street) -> np.ndarray:
    """What a street tells of the junction at its end, float64 [JUNCTION_FEATURES]."""
    return np.array(
        [
            street.num_lanes - 1.0,
            4.0 * (street.lane_width - 3.4),
            street.length / 100.0,
            float(street.centre_line == LineKind.SOLID),
            float(street.centre_line == LineKind.SOLID_SOLID),
        ]
    )


def draw_course(
    model: LayoutModel, style: int, kind: StreetKind, openings: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points [n, 2] and directions [n] of a street's centre line, STEP apart, from the origin along x.

    Args:
        model: that draws.
        style: of the town.
        kind: of the street.
        openings: as in `course_features`.
        rng: of all choices.
    """
    network, bins = model.course, model.turn_bins.numpy()
    before, state = network.start[None, None], None
    headings = [0.0]
    for k in range(MAX_SECTIONS):
        features = course_features(np.array([k]), np.array(headings[-1:]), kind.num_lanes, kind.lane_width, openings)
        hidden, state = network.encode(torch.from_numpy(features)[None], model.styles[style][None], before, state)
        tokens = torch.zeros((1, 0), dtype=torch.int64)
        for share in rng.random(len(CourseToken)).tolist():
            chosen = draw_class(network.heads.logits(hidden[:, 0], tokens)[0].numpy(), share)
            tokens = torch.cat([tokens, torch.tensor([[chosen]])], dim=1)
        ends, turn = tokens[0].tolist()
        headings.append(headings[-1] + value_in(bins, turn, float(rng.random())))
        before = network.heads.embed(tokens)[None]
        if ends:
            break
    length = SECTION * (len(headings) - 2) + max(2.0, round(SECTION * float(rng.random())))
    return _smooth(np.array(headings), length)


def _smooth(headings: np.ndarray, length: float) -> tuple[np.ndarray, np.ndarray]:
    """The line [n, 2] that has headings [k] at the ends of its sections, and its directions [n]."""
    at = np.append(SECTION * np.arange(len(headings) - 1), length)
    slopes = np.gradient(headings, at) if len(at) > 2 else np.full(2, (headings[1] - headings[0]) / length)
    slopes[[0, -1]] = 0.0  # streets meet their junctions straight on
    s = np.arange(0.0, length + 0.5 * STEP, STEP)
    k = np.clip(np.searchsorted(at, s, side="right") - 1, 0, len(at) - 2)
    size = at[k + 1] - at[k]
    u = (s - at[k]) / size
    yaws = (
        (2 * u**3 - 3 * u**2 + 1) * headings[k]
        + (u**3 - 2 * u**2 + u) * size * slopes[k]
        + (-2 * u**3 + 3 * u**2) * headings[k + 1]
        + (u**3 - u**2) * size * slopes[k + 1]
    )
    middle = 0.5 * (yaws[1:] + yaws[:-1])
    steps = STEP * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]), yaws


def draw_junction(model: LayoutModel, style: int, street: Street, rng: np.random.Generator) -> DrawnJunction:
    """What is at the end of a street."""
    features = torch.from_numpy(junction_features(street))[None]
    hidden = model.junction_inputs(torch.cat([features, model.styles[style][None]], dim=-1))
    tokens = torch.zeros((1, 0), dtype=torch.int64)
    for share in rng.random(len(model.config.junction_sizes)).tolist():
        logits = model.junction.logits(hidden, tokens)[0].numpy().copy()
        if tokens.shape[1] == JunctionToken.EXITS:
            logits[0] = -np.inf  # there is always a way on
        tokens = torch.cat([tokens, torch.tensor([[draw_class(logits, share)]])], dim=1)
    drawn = tokens[0].tolist()
    shares = rng.random((1 + len(Exit), 2))
    exits = {}
    for way in Exit:
        if (drawn[JunctionToken.EXITS] >> way) % 2:
            first = len(JunctionToken) + len(ExitToken) * way
            lanes, width, bend, centre_line = drawn[first : first + len(ExitToken)]
            exits[way] = DrawnExit(
                turn=EXIT_ANGLES[way] + value_in(model.bend_bins.numpy(), bend, float(shares[1 + way, 0])),
                kind=StreetKind(
                    num_lanes=lanes + 1,
                    lane_width=value_in(model.width_bins.numpy(), width, float(shares[1 + way, 1])),
                    centre_line=CENTRE_LINES[centre_line],
                ),
            )
    return DrawnJunction(
        control=JunctionControl(drawn[JunctionToken.CONTROL]),
        has_priority=bool(drawn[JunctionToken.HAS_PRIORITY]),
        reach=value_in(model.reach_bins.numpy(), drawn[JunctionToken.REACH], float(shares[0, 0])),
        exits=exits,
    )
