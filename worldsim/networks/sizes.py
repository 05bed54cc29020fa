"""Named sizes of the network, as data.

Parameters of the whole network (stem and head included) over latents of 8 channels; its attention kind and the frame's
size do not change them. "dit-*" are those of Peebles and Xie 2023.

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
"""

from __future__ import annotations

from worldsim.configs import DiTConfig


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


def dit_size(name: str) -> DiTConfig:
    """The config of a named size; change what else is wanted with dataclasses.replace.

    Raises:
        ValueError: no such size.
    """
    if name not in SIZES:
        raise ValueError(f"no size {name!r}; there are {', '.join(SIZES)}")
    return SIZES[name]
