"""What stands along a side of a street, drawn from a LayoutModel thing by thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from worldsim.datatypes.boxes import separation
from worldsim.datatypes.layout import FOOTPRINT_COLUMNS
from worldsim.layouts.draws import draw_class
from worldsim.layouts.layout_model import NUM_MEASURES, LayoutModel, ThingToken
from worldsim.layouts.street import Street
from worldsim.layouts.strip_features import StripHistory, road_features
from worldsim.layouts.things import NUM_KINDS, ThingColumn, Things, footprints, seed_of, to_layout
from worldsim.layouts.vocabulary import Vocabulary

MAX_THINGS = 400
"""On a side of a street."""
SHIFTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""A thing that others are in the way of is put so much farther along [m]: drawn again at once, houses would lie 1.5 m
farther apart than recorded."""
TRIES = 6
"""A thing that finds no room even so is drawn again so often, then left out."""
GAP = 0.2
"""Between the solid parts of two things [m]."""
_LOOK_BACK = 40
"""Only so many of the last things may be in the way of the next."""


def draw_things(
    model: LayoutModel,
    vocabulary: Vocabulary,
    street: Street,
    side: int,
    style: int,
    rng: np.random.Generator,
    is_free: Callable[[np.ndarray], bool],
) -> Things:
    """The things along a side of a street, none on another.

    Args:
        model: that draws, in float64.
        vocabulary: of the model.
        street: the street.
        side: LEFT or RIGHT.
        style: of the town.
        rng: of all choices.
        is_free: whether a solid footprint (x, y, yaw, length, width) [5] may stand where it does, but for the others.
    """
    history, state = StripHistory(street, side), None
    before = model.strip.start[None, None]
    found: list[Things] = []
    solid: list[np.ndarray] = []
    for _ in range(MAX_THINGS):
        features = np.concatenate([road_features(street, side, np.array([history.s]))[0], history.features()])
        hidden, state = model.strip.encode(
            torch.from_numpy(features)[None, None], model.styles[style][None], before, state
        )
        for _ in range(TRIES):
            tokens = _draw_tokens(model, hidden[:, 0], rng.random(len(ThingToken)))
            shares, color_share, detail = rng.random(NUM_MEASURES), float(rng.random()), int(rng.integers(2**24))
            drawn = tokens[0].numpy()
            kind = int(drawn[ThingToken.KIND])
            if kind == NUM_KINDS:
                break
            variant = int(drawn[ThingToken.VARIANT])
            thing = Things(
                rows=vocabulary.row(drawn, history.s, shares)[None],
                kinds=np.array([kind]),
                variants=np.array([variant]),
                colors=vocabulary.color(style, kind, color_share)[None],
                seeds=np.array([seed_of(kind, variant, detail)], np.uint32),
            )
            placed = _place(thing, street, side, solid[-_LOOK_BACK:], is_free)
            if placed is not None:
                thing, footprint = placed
                found.append(thing)
                solid.append(footprint)
                break
        if kind == NUM_KINDS or history.s > street.length + street.reaches[1]:
            break
        before = model.strip.heads.embed(tokens)[None]
        history.add(kind, thing.rows[0])
    return Things(
        rows=np.concatenate([np.zeros((0, len(ThingColumn))), *(one.rows for one in found)]),
        kinds=np.array([one.kinds[0] for one in found], np.int64),
        variants=np.array([one.variants[0] for one in found], np.int64),
        colors=np.array([one.colors[0] for one in found], np.uint8).reshape(-1, 3),
        seeds=np.array([one.seeds[0] for one in found], np.uint32),
    )


def _place(
    thing: Things, street: Street, side: int, others: list[np.ndarray], is_free: Callable[[np.ndarray], bool]
) -> tuple[Things, np.ndarray] | None:
    """A thing, by itself, at the first place from its own one on where it is clear of footprints of `others`, and its
    footprint there; None if there is none near, or it may not stand there."""
    for shift in SHIFTS:
        rows = thing.rows.copy()
        rows[:, ThingColumn.S] += shift
        moved = replace(thing, rows=rows)
        footprint = footprints(to_layout(moved, street, side).boxes[:, FOOTPRINT_COLUMNS], moved.kinds)[0]
        if not others or separation(footprint, np.stack(others)).min() > GAP:
            return (moved, footprint) if is_free(footprint) else None
    return None


def _draw_tokens(model: LayoutModel, hidden: torch.Tensor, shares: np.ndarray) -> torch.Tensor:
    """The tokens of the next thing, int64 [1, 8], or of the end, [1, 1]."""
    network, tokens = model.strip.heads, []
    for head, table, share in zip(network.heads, network.embeddings, shares.tolist(), strict=True):
        tokens.append(draw_class(head(hidden)[0].numpy(), share))
        if tokens[0] == NUM_KINDS:
            break
        hidden = hidden + table.weight[tokens[-1]]  # pyright: ignore[reportIndexIssue]
    return torch.tensor([tokens])
