"""Configs of the learned world: frozen dataclasses that write to and read from JSON, refusing what they do not know."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from worldsim.atomic_files import atomic_path
from worldsim.datatypes.camera import CameraGeometry
from worldsim.datatypes.vehicle import VehicleModel
from worldsim.field_types import check_fields

MemoryKind = Literal["ntm", "transformer-xl"]
"""How a memory bank is written: a neural Turing machine's, or Transformer-XL's recurrence."""
MOST_STEPS = 1000
"""Sampling steps a frame."""
LARGEST = 2**20
"""Of all widths, windows and counts; beyond it a config is damaged."""
CHECKSUMS = "checksums"
"""In a checkpoint's config.json, beside the config's own fields: CRC-32 of the files in its folder, by name."""


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, (int, float)) or not 0 < value <= LARGEST:
            raise ValueError(f"{name} must be a positive number of at most {LARGEST}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """VAE3D's shape.

    Args:
        latent_channels: channels of a latent.
        widths: channels at 4x, 8x and 16x reduced resolution.
        fine_width: channels at full resolution.
        num_blocks: residual blocks at each level, on the way down and on the way up.
        temporal_kernel: frames whose latents the decoder sees.
        style_width: numbers that describe the light and weather of a drive.
        part_width: numbers that stand for a Part of a thing.
    """

    latent_channels: int = 8
    widths: tuple[int, int, int] = (48, 96, 160)
    fine_width: int = 16
    num_blocks: int = 2
    temporal_kernel: int = 3
    style_width: int = 32
    part_width: int = 8

    def __post_init__(self) -> None:
        _positive(latent_channels=self.latent_channels, num_blocks=self.num_blocks, fine_width=self.fine_width)
        _positive(style_width=self.style_width, part_width=self.part_width)
        if len(self.widths) != 3 or any(w % 8 for w in self.widths):
            raise ValueError(f"widths must be three multiples of 8, got {self.widths}")
        if self.temporal_kernel < 1:
            raise ValueError(f"temporal_kernel must be at least 1, got {self.temporal_kernel}")


@dataclass(frozen=True, kw_only=True)
class DiTConfig:
    """CausalDiT's shape.

    Args:
        width: channels of a token.
        depth: number of transformer blocks.
        num_heads: attention heads; width / num_heads must be a multiple of 8.
        mlp_ratio: hidden width of the MLP over width.
        conv_width: channels of the convolutional stem and head at latent resolution.
        num_conv_blocks: convolutional blocks in the stem and in the head.
        window: past frames a frame attends to, besides itself; the size of the KV ring.
        attention: "joint": each token attends to all tokens of its own frame and of the window. "factorised": blocks
            take turns, first within the frame, then each cell over the frames; then depth is even.
        causal: False lets every frame of a clip see every other, as a teacher does; it cannot be rolled out.
        num_previous: previous latents stacked beside the noisy one.
        latent_limit: sampled latents (of unit variance) are kept within plus and minus this, so that a long rollout
            cannot run away.
        clean_cache: pass each generated latent through the network once more, clean, to fill the KV cache; otherwise
            it keeps what the last sampling pass made, which knows the latents before it; a step is then cheaper.
        use_command: condition on the RouteCommand (dropped out in training); the route says more.
        use_style: condition on the drive's light and weather, as its start shows them (dropped out in training).
        use_memory: also stack the latent of a key frame, fetched to where its surfaces are now.
    """

    width: int = 256
    depth: int = 4
    num_heads: int = 4
    mlp_ratio: float = 4.0
    conv_width: int = 64
    num_conv_blocks: int = 2
    window: int = 8
    attention: Literal["joint", "factorised"] = "joint"
    causal: bool = True
    num_previous: int = 2
    latent_limit: float = 3.5
    clean_cache: bool = False
    use_command: bool = False
    use_style: bool = True
    use_memory: bool = False

    def __post_init__(self) -> None:
        _positive(width=self.width, depth=self.depth, num_heads=self.num_heads, window=self.window)
        _positive(num_previous=self.num_previous, conv_width=self.conv_width, num_conv_blocks=self.num_conv_blocks)
        _positive(latent_limit=self.latent_limit)
        if self.width % self.num_heads or (self.width // self.num_heads) % 8:
            raise ValueError(f"width / num_heads must be a multiple of 8, got {self.width} / {self.num_heads}")
        if self.attention not in ("joint", "factorised"):
            raise ValueError(f'attention must be "joint" or "factorised", got {self.attention!r}')
        if self.attention == "factorised" and self.depth % 2:
            raise ValueError(f"factorised attention needs an even depth, got {self.depth}")


@dataclass(frozen=True, kw_only=True)
class MemoryBankConfig:
    """How a bank remembers.

    Args:
        kind: "ntm" erases and adds by content, "transformer-xl" keeps the newest tokens.
        num_slots: tokens that it holds, at most ("transformer-xl").
        tokens_per_side: rows and columns of the tokens that a frame's latent is averaged to.

    Raises:
        ValueError: there is no such kind, or a number is below 1.
    """

    kind: MemoryKind = "ntm"
    num_slots: int = 64
    tokens_per_side: int = 2

    def __post_init__(self) -> None:
        if self.kind not in get_args(MemoryKind):
            raise ValueError(f"kind must be one of {', '.join(get_args(MemoryKind))}, got {self.kind!r}")
        for name in ("num_slots", "tokens_per_side"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """How a clip is rolled out.

    Args:
        max_sequence_length: frames of a clip, context included, that are not refused.
        context_window: past frames that a frame attends to; None: those of the student.
        use_kv_cache: keep keys and values of past frames; without, all of them are computed again for every frame, with
            the same result.
        mixed_precision: matrix products in bfloat16.
        num_steps: sampling steps a frame; a distilled student needs 1.

    Raises:
        ValueError: a number is out of range.
    """

    max_sequence_length: int = 64
    context_window: int | None = None
    use_kv_cache: bool = True
    mixed_precision: bool = False
    num_steps: int = 2

    def __post_init__(self) -> None:
        if self.max_sequence_length < 2:
            raise ValueError(f"max_sequence_length must be at least 2, got {self.max_sequence_length}")
        if self.context_window is not None and self.context_window < 1:
            raise ValueError(f"context_window must be at least 1, got {self.context_window}")
        if self.num_steps < 1:
            raise ValueError(f"num_steps must be at least 1, got {self.num_steps}")


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """SceneReader's shape.

    Args:
        stem_width: channels at half the picture's resolution.
        widths: channels at 4x, 8x and 16x reduced resolution, multiples of 8.
        num_blocks: residual blocks at each of these on the way down; there is one on the way up.
        cell_width: hidden channels of what is said of each cell.
        overview_width: channels in which the picture as a whole is read.
        hidden_width: of the layer that reads them.
    """

    stem_width: int = 24
    widths: tuple[int, int, int] = (48, 80, 104)
    num_blocks: int = 2
    cell_width: int = 64
    overview_width: int = 24
    hidden_width: int = 96

    def __post_init__(self) -> None:
        _positive(stem_width=self.stem_width, num_blocks=self.num_blocks, cell_width=self.cell_width)
        _positive(overview_width=self.overview_width, hidden_width=self.hidden_width)
        if len(self.widths) != 3 or any(w < 8 or w % 8 for w in self.widths):
            raise ValueError(f"the reader's widths must be three multiples of 8, got {self.widths}")


@dataclass(frozen=True, kw_only=True)
class ActorConfig:
    """ActorModel's shape.

    Args:
        width: of its two hidden layers.
        num_arrivals: examples kept of actors that came into range.
    """

    width: int = 96
    num_arrivals: int = 1024

    def __post_init__(self) -> None:
        _positive(width=self.width, num_arrivals=self.num_arrivals)


@dataclass(frozen=True, kw_only=True)
class WorldModelConfig:
    """The whole learned world.

    Args:
        frame_size: height and width [px], multiples of 16.
        dt: time between frames [s].
        num_steps: sampling steps a frame, 1 to 4 for real time.
        camera: the recording camera's geometry.
        vehicle: the ego's motion model.
    """

    frame_size: tuple[int, int] = (128, 128)
    dt: float = 0.1
    num_steps: int = 2
    camera: CameraGeometry = field(default_factory=CameraGeometry)
    vehicle: VehicleModel = field(default_factory=VehicleModel)
    vae: VAEConfig = field(default_factory=VAEConfig)
    dit: DiTConfig = field(default_factory=DiTConfig)
    reader: ReaderConfig = field(default_factory=ReaderConfig)
    actors: ActorConfig = field(default_factory=ActorConfig)

    def __post_init__(self) -> None:
        if len(self.frame_size) != 2 or any(s < 16 or s % 16 for s in self.frame_size):
            raise ValueError(f"frame_size must be two multiples of 16, got {self.frame_size}")
        _positive(dt=self.dt, num_steps=self.num_steps)
        if not isinstance(self.num_steps, int) or self.num_steps > MOST_STEPS:
            raise ValueError(f"num_steps must be a whole number of at most {MOST_STEPS}, got {self.num_steps}")

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width of a latent."""
        return self.frame_size[0] // 8, self.frame_size[1] // 8

    @property
    def num_context(self) -> int:
        """Frames of context the model makes use of."""
        return self.dit.window

    def save_json(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        save_config(self, path)

    @staticmethod
    def from_json(path: Path) -> WorldModelConfig:
        """Read what save_json wrote; errors as of `load_config`."""
        return load_config(WorldModelConfig, path)


_Config = typing.TypeVar("_Config")


def save_config(config: Any, path: Path, checksums: Mapping[str, str] | None = None) -> None:
    """Write a dataclass, and the checksums of files that belong to it, as JSON to `path`, whole or not at all."""
    content = dataclasses.asdict(config) | ({CHECKSUMS: dict(checksums)} if checksums else {})
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def load_config(cls: type[_Config], path: Path) -> _Config:
    """Read the dataclass that `save_config` wrote.

    Raises:
        ValueError: not JSON, or a field is unknown or unfit; names the file and the field.
    """
    try:
        values = json.loads(path.read_text())
        if isinstance(values, dict):
            values.pop(CHECKSUMS, None)
        return build(cls, values)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not a {cls.__name__}: {error}") from error


def build(cls: type[_Config], values: object) -> _Config:
    """A dataclass from nested plain dicts; lists become tuples.

    Raises:
        ValueError: `values` is no dict, names a field that `cls` lacks, or one is of a type that cannot be.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{cls.__name__} needs an object, got {values!r}")
    types = typing.get_type_hints(cls)
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}; it has {', '.join(sorted(types))}")
    arguments = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(types[name]):
            value = build(types[name], value)
        elif isinstance(value, list):
            value = tuple(value)
        arguments[name] = value
    try:
        return cls(**arguments)
    except TypeError:  # of what the class does with a value of another type: say which one
        check_fields(cls, arguments)
        raise
