"""LayoutModel: what stands beside streets, how streets run and where they meet, as tokens one after the other.

Three small autoregressive networks over one style for each town: along a side of a street thing by thing, along a
street section by section, and at its end the junction attribute by attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from worldsim.checkpoint import load_tensors, load_weights, save_weights
from worldsim.layouts.strip_features import NUM_FEATURES
from worldsim.layouts.things import NUM_KINDS, NUM_VARIANTS

LAYOUTS_NAME = "layouts.safetensors"
SECTION = 10.0
"""A street's course is drawn in sections so long [m]."""
COURSE_FEATURES = 6
JUNCTION_FEATURES = 5
NUM_MEASURES = 6
"""Of a thing, as bins: gap to the last one, offset, length, width, height, turn."""


class ThingToken(IntEnum):
    """Tokens of a thing, in the order in which they are drawn; the kind NUM_KINDS says that nothing more comes."""

    KIND = 0
    GAP = 1
    OFFSET = 2
    LENGTH = 3
    WIDTH = 4
    HEIGHT = 5
    TURN = 6
    VARIANT = 7


class CourseToken(IntEnum):
    """Tokens of a section: whether the street ends in it, and the bin of its change of heading."""

    ENDS = 0
    TURN = 1


class Exit(IntEnum):
    """Ways out of a junction."""

    STRAIGHT = 0
    LEFT = 1
    RIGHT = 2


class JunctionControl(IntEnum):
    """What rules a junction."""

    LIGHTS = 0
    STOP = 1
    YIELD = 2


class JunctionToken(IntEnum):
    """Tokens of a junction, then ExitToken of each of Exit."""

    EXITS = 0
    CONTROL = 1
    HAS_PRIORITY = 2
    REACH = 3


class ExitToken(IntEnum):
    """Tokens of a way out: lanes each way less one, bins of lane width and of how far it turns from Exit's direction,
    and the paint between its directions (CENTRE_LINES)."""

    LANES = 0
    WIDTH = 1
    BEND = 2
    CENTRE_LINE = 3


@dataclass(frozen=True, kw_only=True)
class LayoutModelConfig:
    """LayoutModel's shape.

    Args:
        num_styles: towns whose style is known.
        style_width: numbers of a style.
        width: of hidden layers.
        num_bins: of a thing's measures.
        num_colors: of each kind of thing in a town.
        num_turns: bins of a section's change of heading.

    Raises:
        ValueError: not positive.
    """

    num_styles: int
    style_width: int = 24
    width: int = 96
    num_bins: int = 32
    num_colors: int = 16
    num_turns: int = 33

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, got {value}")

    @property
    def thing_sizes(self) -> tuple[int, ...]:
        """Classes of each ThingToken."""
        return (NUM_KINDS + 1, *(self.num_bins,) * NUM_MEASURES, NUM_VARIANTS)

    @property
    def junction_sizes(self) -> tuple[int, ...]:
        """Classes of each JunctionToken, and of the exits' tokens."""
        bins = self.num_bins // 2
        return (2 ** len(Exit), len(JunctionControl), 2, bins, *((2, bins, bins, 3) * len(Exit)))


class TokenHeads(nn.Module):
    """Tokens that are drawn one after the other, each knowing those before it.

    Args:
        width: of the hidden vector that they are drawn from.
        sizes: classes of each token.
    """

    def __init__(self, width: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(size, width) for size in sizes)
        self.heads = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, size))
            for size in sizes
        )

    def embed(self, tokens: Int[Tensor, "n k"]) -> Float[Tensor, "n w"]:
        """The sum of the embeddings of the first `k` tokens."""
        return sum((table(tokens[:, k]) for k, table in enumerate(self.embeddings[: tokens.shape[1]])), torch.zeros(()))  # type: ignore[return-value]

    def logits(self, hidden: Float[Tensor, "n w"], tokens: Int[Tensor, "n k"]) -> Float[Tensor, "n size"]:
        """Of token `k`, where those before it are known."""
        return self.heads[tokens.shape[1]](hidden + self.embed(tokens))

    def forward(self, hidden: Float[Tensor, "n w"], tokens: Int[Tensor, "n k"]) -> list[Float[Tensor, "n _"]]:
        """Logits of each token, all of which are known."""
        found = []
        for k, (table, head) in enumerate(zip(self.embeddings, self.heads, strict=True)):
            found.append(head(hidden))
            hidden = hidden + table(tokens[:, k])
        return found


class TokenSequence(nn.Module):
    """A recurrent network over items of tokens: what it knows before each of them.

    Args:
        num_features: known of the place of an item before it is drawn.
        style_width: numbers of a town's style.
        width: of the hidden state.
        sizes: classes of an item's tokens.
    """

    def __init__(self, num_features: int, style_width: int, width: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.inputs = nn.Linear(num_features + style_width, width)
        self.start = nn.Parameter(torch.zeros(width))
        self.cell = nn.GRU(width, width, batch_first=True)
        self.skip = nn.Linear(width + style_width, width)
        self.heads = TokenHeads(width, sizes)

    def encode(
        self,
        features: Float[Tensor, "b t f"],
        style: Float[Tensor, "b s"],
        before: Float[Tensor, "b t w"],
        state: Float[Tensor, "1 b w"] | None = None,
    ) -> tuple[Float[Tensor, "b t w"], Float[Tensor, "1 b w"]]:
        """Hidden vectors from which items are drawn, and the state after them.

        Args:
            features: of the place of each item.
            style: of the town.
            before: the embedded item before each of them, `start` before the first.
            state: after the items before these; None at the beginning.
        """
        styles = style[:, None].expand(-1, features.shape[1], -1)
        inputs = nn.functional.silu(self.inputs(torch.cat([features, styles], dim=-1)) + before)
        outputs, after = self.cell(inputs, state)
        return outputs + self.skip(torch.cat([inputs, styles], dim=-1)), after

    def forward(
        self, features: Float[Tensor, "b t f"], style: Float[Tensor, "b s"], tokens: Int[Tensor, "b t k"]
    ) -> list[Float[Tensor, "b t _"]]:
        """Logits of every token of whole sequences."""
        b, t, _ = tokens.shape
        flat = rearrange(tokens, "b t k -> (b t) k")
        items = rearrange(self.heads.embed(flat), "(b t) w -> b t w", b=b)
        before = torch.cat([self.start.expand(b, 1, -1), items[:, :-1]], dim=1)
        hidden, _ = self.encode(features, style, before)
        found = self.heads(rearrange(hidden, "b t w -> (b t) w"), flat)
        return [rearrange(logits, "(b t) size -> b t size", b=b, t=t) for logits in found]


class LayoutModel(nn.Module):
    """The networks, the styles of the towns that they learned from, and the bins and colours that tokens stand for.

    Args:
        config: shape.

    Attributes:
        measure_bins: edges of a thing's measures by kind, [kinds, NUM_MEASURES, bins + 1] [m], [rad].
        palettes: RGB of each town's things by kind, drawn with equal probability, uint8 [styles, kinds, colors, 3].
        turn_bins: of a section's change of heading, [turns + 1] [rad].
        reach_bins: from mouths to their node, [bins / 2 + 1] [m].
        width_bins: of lanes, [bins / 2 + 1] [m].
        bend_bins: from Exit's direction, [bins / 2 + 1] [rad].
        yellow_share: of towns in which the line between directions is yellow, [].
        speed_limits: of streets with one and two lanes each way, drawn with equal probability, [2, 16] [m/s].
    """

    measure_bins: Tensor
    palettes: Tensor
    turn_bins: Tensor
    reach_bins: Tensor
    width_bins: Tensor
    bend_bins: Tensor
    yellow_share: Tensor
    speed_limits: Tensor

    def __init__(self, config: LayoutModelConfig) -> None:
        super().__init__()
        self.config = config
        half = config.num_bins // 2
        self.styles = nn.Parameter(0.3 * torch.randn(config.num_styles, config.style_width))
        self.strip = TokenSequence(NUM_FEATURES, config.style_width, config.width, config.thing_sizes)
        self.course = TokenSequence(COURSE_FEATURES, config.style_width, config.width // 2, (2, config.num_turns))
        self.junction = TokenHeads(config.width, config.junction_sizes)
        self.junction_inputs = nn.Sequential(
            nn.Linear(JUNCTION_FEATURES + config.style_width, config.width),
            nn.SiLU(),
            nn.Linear(config.width, config.width),
        )
        self.register_buffer("measure_bins", torch.zeros(NUM_KINDS, NUM_MEASURES, config.num_bins + 1))
        colors = torch.zeros(config.num_styles, NUM_KINDS, config.num_colors, 3, dtype=torch.uint8)
        self.register_buffer("palettes", colors)
        self.register_buffer("turn_bins", torch.zeros(config.num_turns + 1))
        for name in ("reach_bins", "width_bins", "bend_bins"):
            self.register_buffer(name, torch.zeros(half + 1))
        self.register_buffer("yellow_share", torch.zeros(()))
        self.register_buffer("speed_limits", torch.full((2, 16), 50 / 3.6))

    @staticmethod
    def load(path: Path) -> LayoutModel:
        """The model of a file, ready to draw from: in float64, so that another machine's rounding draws the same.

        Raises:
            FileNotFoundError: no such file.
            ValueError: damaged, or not of a LayoutModel of this shape.
        """
        shapes = {name: tensor.shape for name, tensor in load_tensors(path).items()}
        try:
            config = LayoutModelConfig(
                num_styles=shapes["styles"][0],
                style_width=shapes["styles"][1],
                width=shapes["strip.start"][0],
                num_bins=shapes["measure_bins"][-1] - 1,
                num_colors=shapes["palettes"][2],
                num_turns=shapes["turn_bins"][0] - 1,
            )
        except (KeyError, IndexError) as error:
            raise ValueError(f"{path} is not of a LayoutModel: {error} is missing or of another shape") from error
        model = LayoutModel(config)
        load_weights(model, path)
        return model.double().eval().requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write the weights."""
        save_weights(self, path)
