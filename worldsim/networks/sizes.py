"""Named sizes of the networks, as data.

SIZES are of the driving model's CausalDiT: parameters of the whole network (stem and head included) over latents of 8
channels; its attention kind and the frame's size do not change them. "dit-*" are those of Peebles and Xie 2023.

| name | width | depth | heads | parameters |
|---|---|---|---|---|
| tiny, the default but for its memory | 256 | 4 | 4 | 5.6 M |
| drivedit | 512 | 12 | 8 | 59.9 M |
| dit-s | 384 | 12 | 6 | 33.8 M |
| dit-b | 768 | 12 | 12 | 134.4 M |
| dit-l | 1024 | 24 | 16 | 465.8 M |
| dit-xl | 1152 | 28 | 16 | 685.1 M |
| small | 512 | 8 | 8 | 40.9 M |
| medium | 768 | 12 | 12 | 134.4 M |
| large | 1024 | 24 | 16 | 465.8 M |
| xl | 1536 | 28 | 24 | 1,217.0 M |

IMAGE_SIZES are of ImageDiT: those of Peebles and Xie 2023, "dit-NAME/PATCH", over 4 channels and 1000 classes; and
"cifar-10/4". VIDEO_SIZES are of VideoDiT. docs/generative.md has their counts.
"""

from __future__ import annotations

from typing import TypeVar

from worldsim.configs import DiTConfig
from worldsim.networks.generative_configs import PatchDiTConfig


def _size(width: int, depth: int, num_heads: int) -> DiTConfig:
    """The convolutional stem and head are a quarter as wide."""
    return DiTConfig(width=width, depth=depth, num_heads=num_heads, conv_width=width // 4)


SIZES: dict[str, DiTConfig] = {
    "tiny": DiTConfig(),
    "drivedit": _size(512, 12, 8),
    "dit-s": _size(384, 12, 6),
    "dit-b": _size(768, 12, 12),
    "dit-l": _size(1024, 24, 16),
    "dit-xl": _size(1152, 28, 16),
    "small": _size(512, 8, 8),
    "medium": _size(768, 12, 12),
    "large": _size(1024, 24, 16),
    "xl": _size(1536, 28, 24),
}


_WIDTH_DEPTH_HEADS = {"s": (384, 12, 6), "b": (768, 12, 12), "l": (1024, 24, 16), "xl": (1152, 28, 16)}

IMAGE_SIZES: dict[str, PatchDiTConfig] = {
    f"dit-{name}/{patch}": PatchDiTConfig(
        width=width,
        depth=depth,
        num_heads=num_heads,
        patch=patch,
        num_classes=1000,
        learn_sigma=True,
        positions="absolute",
        attention="space",
        qk_norm=False,
    )
    for name, (width, depth, num_heads) in _WIDTH_DEPTH_HEADS.items()
    for patch in (2, 4, 8)
}
IMAGE_SIZES["cifar-10/4"] = PatchDiTConfig(
    width=256,
    depth=6,
    num_heads=8,
    patch=4,
    channels=3,
    num_classes=10,
    time_scale=1000.0,
    attention="space",
)

VIDEO_SIZES: dict[str, PatchDiTConfig] = {
    "small": PatchDiTConfig(width=512, depth=8, num_heads=8),
    "medium": PatchDiTConfig(width=768, depth=12, num_heads=12),
    "large": PatchDiTConfig(width=1024, depth=24, num_heads=16),
    "xl": PatchDiTConfig(width=1536, depth=28, num_heads=24),
}


def dit_size(name: str) -> DiTConfig:
    """The config of a named size of CausalDiT; change what else is wanted with dataclasses.replace.

    Raises:
        ValueError: no such size.
    """
    return _of(name, SIZES)


def image_size(name: str) -> PatchDiTConfig:
    """The config of a named size of ImageDiT, likewise."""
    return _of(name, IMAGE_SIZES)


def video_size(name: str) -> PatchDiTConfig:
    """The config of a named size of VideoDiT, likewise."""
    return _of(name, VIDEO_SIZES)


Config = TypeVar("Config")


def _of(name: str, sizes: dict[str, Config]) -> Config:
    if name not in sizes:
        raise ValueError(f"no size {name!r}; there are {', '.join(sizes)}")
    return sizes[name]
