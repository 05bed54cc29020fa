"""LayoutModel's stage: what stands beside recorded streets, how they run and where they meet, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from training.data.recorded_streets import RecordedJunction, RecordedTown
from training.stages.distributed import step_rng
from training.stages.loop import LoopConfig, TrainLoop, finish_stage, stage_done
from worldsim.datatypes.boxes import wrap_angle
from worldsim.datatypes.layout import SignFace
from worldsim.layouts.bins import bin_of, fit_bins
from worldsim.layouts.course import EXIT_ANGLES, course_features, junction_features
from worldsim.layouts.layout_model import (
    LAYOUTS_NAME,
    NUM_MEASURES,
    SECTION,
    CourseToken,
    Exit,
    ExitToken,
    JunctionControl,
    JunctionToken,
    LayoutModel,
    ThingToken,
)
from worldsim.layouts.street import LEFT, RIGHT, Street
from worldsim.layouts.strip_features import strip_features
from worldsim.layouts.things import NUM_KINDS, Things
from worldsim.layouts.vocabulary import CENTRE_LINES, Vocabulary, measures_of


@dataclass(frozen=True, kw_only=True)
class LayoutStageConfig:
    """Batches of the layouts' stage.

    Args:
        loop: how it is optimised.
        num_strips: sides of streets a step.
        num_streets: courses and junctions a step.

    Raises:
        ValueError: not positive.
    """

    loop: LoopConfig
    num_strips: int = 32
    num_streets: int = 48

    def __post_init__(self) -> None:
        if self.num_strips < 1 or self.num_streets < 1:
            raise ValueError(f"num_strips and num_streets must be positive, got {self.num_strips}, {self.num_streets}")


@dataclass(frozen=True, kw_only=True, eq=False)
class SequenceSamples:
    """Sequences of items: features [t, f] and tokens [t, k] of each, and the town that each is of; the shortest first.

    Args:
        features: of each sequence.
        tokens: of each sequence.
        towns: int64 [n].
    """

    features: tuple[np.ndarray, ...]
    tokens: tuple[np.ndarray, ...]
    towns: np.ndarray

    @staticmethod
    def of(items: Sequence[tuple[np.ndarray, np.ndarray, int]]) -> SequenceSamples:
        """Of (features, tokens, town) of each sequence."""
        ordered = sorted(items, key=lambda item: len(item[1]))
        features, tokens, towns = zip(*ordered, strict=True)
        return SequenceSamples(features=features, tokens=tokens, towns=np.array(towns, np.int64))

    def batch(self, num: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features [b, t, f], tokens [b, t, k], towns [b] of sequences about equally long, and which items there are,
        bool [b, t]."""
        first = int(rng.integers(max(1, len(self.towns) - num + 1)))
        rows = range(first, min(first + num, len(self.towns)))
        longest = max(len(self.tokens[k]) for k in rows)
        features = np.zeros((len(rows), longest, self.features[0].shape[1]), np.float32)
        tokens = np.zeros((len(rows), longest, self.tokens[0].shape[1]), np.int64)
        there = np.zeros((len(rows), longest), bool)
        for b, k in enumerate(rows):
            count = len(self.tokens[k])
            features[b, :count], tokens[b, :count], there[b, :count] = self.features[k], self.tokens[k], True
        arrays = features, tokens, self.towns[rows.start : rows.stop], there
        return tuple(torch.from_numpy(array) for array in arrays)  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayoutSamples:
    """All that is learned from: strips, courses, and junctions (features [n, f], tokens [n, k], towns [n])."""

    strips: SequenceSamples
    courses: SequenceSamples
    junctions: tuple[np.ndarray, np.ndarray, np.ndarray]


def fit_tables(model: LayoutModel, towns: Sequence[RecordedTown]) -> None:
    """Set the bins and palettes of a model to what is recorded."""
    config = model.config
    every = [(town.streets[k], things) for town in towns for (k, _), things in town.things.items()]
    measures = np.concatenate([measures_of(street, things) for street, things in every])
    kinds = np.concatenate([things.kinds for _, things in every])
    for kind in range(NUM_KINDS):
        own = kinds == kind
        for k in range(NUM_MEASURES):
            model.measure_bins[kind, k] = torch.from_numpy(fit_bins(measures[own, k], config.num_bins))
    fit_palettes(model, towns)

    model.yellow_share.fill_(float(np.mean([town.has_yellow_lines for town in towns])))
    streets = [street for town in towns for street in town.streets]
    turns = np.concatenate([_section_turns(street) for street in streets])
    model.turn_bins.copy_(torch.from_numpy(fit_bins(np.concatenate([turns, -turns]), config.num_turns)))
    half = config.num_bins // 2
    reaches = np.array([reach for street in streets for reach in street.reaches])
    model.reach_bins.copy_(torch.from_numpy(fit_bins(reaches, half)))
    model.width_bins.copy_(torch.from_numpy(fit_bins(np.array([street.lane_width for street in streets]), half)))
    bends = np.array(
        [
            wrap_angle(turn - EXIT_ANGLES[way])
            for town in towns
            for junction in town.junctions
            for leg in junction.legs
            for way, (_, turn) in _exits(town, junction, leg).items()
        ]
    )
    model.bend_bins.copy_(torch.from_numpy(fit_bins(bends, half)))


def fit_limits(model: LayoutModel, limits: np.ndarray) -> None:
    """Set the speed limits of a model to those that were driven under: lanes each way and limit, [n, 2] [-, m/s]."""
    shares = (np.arange(model.speed_limits.shape[1]) + 0.5) / model.speed_limits.shape[1]
    for row in range(2):
        own = limits[np.minimum(limits[:, 0], 2) == row + 1, 1]
        if len(own):
            drawn = np.quantile(own, shares, method="nearest")
            model.speed_limits[row] = torch.from_numpy(drawn)


def fit_palettes(model: LayoutModel, towns: Sequence[RecordedTown]) -> None:
    """Set the palettes of a model to the colours of each town's things; where a town has none of a kind, to those of
    all towns."""
    kinds = [np.concatenate([things.kinds for things in town.things.values()]) for town in towns]
    colors = [np.concatenate([things.colors for things in town.things.values()]) for town in towns]
    every_kind, every_color = np.concatenate(kinds), np.concatenate(colors)
    for kind in range(NUM_KINDS):
        usual = _palette(every_color[every_kind == kind], model.config.num_colors)
        for style, (own_kinds, own_colors) in enumerate(zip(kinds, colors, strict=True)):
            own = own_colors[own_kinds == kind]
            palette = _palette(own, model.config.num_colors) if len(own) else usual
            model.palettes[style, kind] = torch.from_numpy(palette)


def _palette(colors: np.ndarray, num: int) -> np.ndarray:
    """Colours [num, 3] in the shares in which they come among `colors` [n, 3]; black of none."""
    if not len(colors):
        return np.zeros((num, 3), np.uint8)
    in_order = colors[np.lexsort(colors.T[::-1])]
    return in_order[((np.arange(num) + 0.5) / num * len(colors)).astype(np.int64)]


def _section_turns(street: Street) -> np.ndarray:
    """Change of heading in each section of a street, the last one of which may be short [n] [rad]."""
    at = np.append(np.arange(0.0, street.length - 1e-6, SECTION), street.length)
    return wrap_angle(np.diff(street.poses(at)[:, 2]))


def _exits(
    town: RecordedTown, junction: RecordedJunction, leg: tuple[int, bool]
) -> dict[Exit, tuple[tuple[int, bool], float]]:
    """The ways out for who comes by a leg: the leg that each leads to, and how far it turns [rad]."""
    inwards = _outward_yaw(town, leg) + np.pi
    found: dict[Exit, tuple[tuple[int, bool], float]] = {}
    for other in junction.legs:
        turn = float(wrap_angle(_outward_yaw(town, other) - inwards))
        way = min(Exit, key=lambda one: abs(wrap_angle(turn - EXIT_ANGLES[one])))
        if other != leg and way not in found and abs(turn) < 0.75 * np.pi:
            found[way] = (other, turn)
    return found


def _outward_yaw(town: RecordedTown, leg: tuple[int, bool]) -> float:
    street, at_end = town.streets[leg[0]], leg[1]
    return float(street.yaws[-1] + np.pi) if at_end else float(street.yaws[0])


def layout_samples(model: LayoutModel, towns: Sequence[RecordedTown]) -> LayoutSamples:
    """Everything that recorded towns show, in the tokens of a model; streets are seen in both directions."""
    vocabulary = Vocabulary.of(model)
    strips, courses, junctions = [], [], []
    for number, town in enumerate(towns):
        for k, street in enumerate(town.streets):
            for side in (LEFT, RIGHT):
                things = town.things[k, side]
                turned = street.reversed()
                for seen, its_side, items in ((street, side, things), (turned, -side, _reversed(things, street))):
                    features = strip_features(seen, its_side, items)
                    strips.append((features, vocabulary.tokens(seen, items), number))
            courses += [(*_course_sample(model, seen), number) for seen in (street, street.reversed())]
        for junction in town.junctions:
            for leg, sign in zip(junction.legs, junction.signs, strict=True):
                exits = _exits(town, junction, leg)
                if exits:
                    junctions.append((*_junction_sample(model, town, junction, leg, sign, exits), number))
    features, tokens, owners = zip(*junctions, strict=True)
    return LayoutSamples(
        strips=SequenceSamples.of(strips),
        courses=SequenceSamples.of(courses),
        junctions=(np.stack(features).astype(np.float32), np.stack(tokens), np.array(owners, np.int64)),
    )


def _reversed(things: Things, street: Street) -> Things:
    """Things along a side as they follow one another in the other direction of the street."""
    rows = things.rows.copy()
    rows[:, 0] = street.length - rows[:, 0]
    return Things(rows=rows, kinds=things.kinds, variants=things.variants, colors=things.colors, seeds=things.seeds)[
        np.argsort(rows[:, 0], kind="stable")
    ]


def _course_sample(model: LayoutModel, street: Street) -> tuple[np.ndarray, np.ndarray]:
    turns = _section_turns(street)
    tokens = np.zeros((len(turns), len(CourseToken)), np.int64)
    tokens[-1, CourseToken.ENDS] = 1
    tokens[:, CourseToken.TURN] = bin_of(turns, model.turn_bins.double().numpy())
    headings = np.concatenate([[0.0], np.cumsum(turns)[:-1]])
    features = course_features(np.arange(len(turns)), headings, street.num_lanes, street.lane_width, street.openings[0])
    return features, tokens


def _junction_sample(
    model: LayoutModel,
    town: RecordedTown,
    junction: RecordedJunction,
    leg: tuple[int, bool],
    sign: SignFace,
    exits: dict[Exit, tuple[tuple[int, bool], float]],
) -> tuple[np.ndarray, np.ndarray]:
    street = town.streets[leg[0]]
    tokens = np.zeros(len(model.config.junction_sizes), np.int64)
    tokens[JunctionToken.EXITS] = sum(2**way for way in exits)
    rules = JunctionControl.STOP if SignFace.STOP in junction.signs else JunctionControl.YIELD
    tokens[JunctionToken.CONTROL] = JunctionControl.LIGHTS if junction.lit else rules
    tokens[JunctionToken.HAS_PRIORITY] = int(sign == SignFace.NONE)
    tokens[JunctionToken.REACH] = bin_of(np.array([street.reaches[leg[1]]]), model.reach_bins.double().numpy())[0]
    for way, ((k, _), turn) in exits.items():
        other, first = town.streets[k], len(JunctionToken) + len(ExitToken) * way
        bend = np.array([wrap_angle(turn - EXIT_ANGLES[way])])
        tokens[first + ExitToken.LANES] = min(other.num_lanes, 2) - 1
        tokens[first + ExitToken.WIDTH] = bin_of(np.array([other.lane_width]), model.width_bins.double().numpy())[0]
        tokens[first + ExitToken.BEND] = bin_of(bend, model.bend_bins.double().numpy())[0]
        tokens[first + ExitToken.CENTRE_LINE] = CENTRE_LINES.index(other.centre_line)
    return junction_features(street), tokens


def layout_losses(
    model: LayoutModel, samples: LayoutSamples, config: LayoutStageConfig, rng: np.random.Generator
) -> dict[str, Tensor]:
    """The named losses of a batch, in nats for a thing, a section, a junction."""
    features, tokens, towns, there = samples.strips.batch(config.num_strips, rng)
    is_thing = there & (tokens[..., ThingToken.KIND] < NUM_KINDS)
    masks = [there] + [is_thing] * (len(ThingToken) - 1)
    logits = model.strip(features, model.styles[towns], tokens)
    strip = sum(_cross_entropy(one, tokens[..., k], masks[k], there) for k, one in enumerate(logits))

    features, tokens, towns, there = samples.courses.batch(config.num_streets, rng)
    logits = model.course(features, model.styles[towns], tokens)
    course = sum(_cross_entropy(one, tokens[..., k], there, there) for k, one in enumerate(logits))

    features, tokens, towns = (torch.from_numpy(a) for a in _rows(samples.junctions, config.num_streets, rng))
    hidden = model.junction_inputs(torch.cat([features, model.styles[towns]], dim=-1))
    logits = model.junction(hidden, tokens)
    every = torch.ones(len(tokens), dtype=torch.bool)
    junction = torch.zeros(())
    for k, one in enumerate(logits):
        way = (k - len(JunctionToken)) // len(ExitToken)
        mask = every if way < 0 else (tokens[:, JunctionToken.EXITS] >> way) % 2 == 1
        junction = junction + _cross_entropy(one, tokens[:, k], mask, every)

    narrow = 1e-3 * model.styles.square().mean()
    loss = strip + 0.1 * course + 0.1 * junction + narrow
    return {"loss": loss, "strip": strip, "course": course, "junction": junction}  # type: ignore[dict-item]


def _cross_entropy(logits: Tensor, tokens: Tensor, mask: Tensor, counted: Tensor) -> Tensor:
    """Sum where `mask`, by the number of those that are `counted`."""
    flat = rearrange(logits, "... size -> (...) size")
    each = F.cross_entropy(flat, tokens.flatten(), reduction="none")
    return (each * mask.flatten()).sum() / counted.sum()


def _rows(arrays: tuple[np.ndarray, ...], num: int, rng: np.random.Generator) -> list[np.ndarray]:
    chosen = rng.choice(len(arrays[0]), min(num, len(arrays[0])), replace=False)
    return [array[chosen] for array in arrays]


def train_layouts(
    model: LayoutModel,
    towns: Sequence[RecordedTown],
    limits: np.ndarray,
    config: LayoutStageConfig,
    folder: Path,
) -> None:
    """Train the model in place, or load the finished stage; resumable.

    Args:
        model: what is trained, with as many styles as there are towns.
        towns: recorded.
        limits: lanes each way and speed limit where there was driven, [n, 2] [-, m/s].
        config: how.
        folder: gets the result.

    Raises:
        ValueError: the model has styles of another number of towns.
    """
    if model.config.num_styles != len(towns):
        raise ValueError(f"a model of {model.config.num_styles} styles cannot learn from {len(towns)} towns")
    result = folder / LAYOUTS_NAME
    if stage_done(model, result):
        return
    fit_tables(model, towns)
    fit_limits(model, limits)
    samples = layout_samples(model, towns)

    def loss_function(step: int, generator: torch.Generator) -> dict[str, Tensor]:
        return layout_losses(model, samples, config, step_rng(config.loop.seed, step))

    TrainLoop(model, loss_function, config.loop, folder).run("LayoutModel")
    finish_stage(model, result)
