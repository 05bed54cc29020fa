"""What stands along a side of a street, drawn from a LayoutModel thing by thing."""

from __future__ import annotations

from collections.abc import Callable

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
TRIES = 6
"""A thing that finds no room is drawn again so often, then left out."""
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
    rows, kinds, variants, colors, seeds = [], [], [], [], []
    solid: list[np.ndarray] = []
    for _ in range(MAX_THINGS):
        features = np.concatenate([road_features(street, side, np.array([history.s]))[0], history.features()])
        hidden, state = model.strip.encode(
            torch.from_numpy(features)[None, None], model.styles[style][None], before, state
        )
        for _ in range(TRIES):
            tokens = _draw_tokens(model, hidden[:, 0], rng.random(len(ThingToken)))
            kind = int(tokens[0, ThingToken.KIND])
            shares, color_share, detail = rng.random(NUM_MEASURES), float(rng.random()), int(rng.integers(2**24))
            if kind == NUM_KINDS:
                break
            drawn = tokens[0].numpy()
            row = vocabulary.row(drawn, history.s, shares)
            thing = Things(
                rows=row[None],
                kinds=np.array([kind]),
                variants=drawn[ThingToken.VARIANT :][:1],
                colors=vocabulary.color(style, kind, color_share)[None],
                seeds=np.array([seed_of(kind, int(drawn[ThingToken.VARIANT]), detail)], np.uint32),
            )
            footprint = footprints(to_layout(thing, street, side).boxes[:, FOOTPRINT_COLUMNS], thing.kinds)[0]
            fits = not solid or separation(footprint, np.stack(solid[-_LOOK_BACK:])).min() > GAP
            if fits and is_free(footprint):
                rows.append(row)
                kinds.append(kind)
                variants.append(int(drawn[ThingToken.VARIANT]))
                colors.append(thing.colors[0])
                seeds.append(int(thing.seeds[0]))
                solid.append(footprint)
                break
        if kind == NUM_KINDS or history.s > street.length + street.reaches[1]:
            break
        before = model.strip.heads.embed(tokens)[None]
        history.add(kind, row)
    return Things(
        rows=np.array(rows).reshape(-1, len(ThingColumn)),
        kinds=np.array(kinds, np.int64),
        variants=np.array(variants, np.int64),
        colors=np.array(colors, np.uint8).reshape(-1, 3),
        seeds=np.array(seeds, np.uint32),
    )


def _draw_tokens(model: LayoutModel, hidden: torch.Tensor, shares: np.ndarray) -> torch.Tensor:
    """The tokens of the next thing, int64 [1, 8], or of the end, [1, 1]."""
    network, tokens = model.strip.heads, []
    for head, table, share in zip(network.heads, network.embeddings, shares.tolist(), strict=True):
        tokens.append(draw_class(head(hidden)[0].numpy(), share))
        if tokens[0] == NUM_KINDS:
            break
        hidden = hidden + table.weight[tokens[-1]]  # pyright: ignore[reportIndexIssue]
    return torch.tensor([tokens])
