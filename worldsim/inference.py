"""Ways to make a loaded model step faster: compiled networks, or int8 weights."""

from __future__ import annotations

import warnings
from typing import Any, Literal, get_args

import torch
from torch import nn

from worldsim.world_model import WorldModel

Speed = Literal["plain", "compiled", "int8"]
"""How a model runs. "compiled": its networks go through torch.compile, which needs a C++ compiler on a CPU and takes
minutes at the first step, and again for every new number of slots. "int8": the weights of the transformer's linear
layers are kept in 8 bits and their inputs rounded to 8 bits as they come (CPU only); the numbers change a little."""


def check_speed(speed: str, device: str) -> None:
    """Refuse what cannot be.

    Raises:
        ValueError: no such speed, or not on this device.
    """
    if speed not in get_args(Speed):
        raise ValueError(f"speed must be one of {', '.join(get_args(Speed))}, got {speed!r}")
    if speed == "int8" and not device.startswith("cpu"):
        raise ValueError(f"int8 weights are for the CPU, got device {device!r}")


def set_speed(model: WorldModel, speed: Speed) -> WorldModel:
    """Change how `model` runs, in place, and return it.

    Raises:
        ValueError: see `check_speed`.
    """
    check_speed(speed, str(model.device))
    if speed == "compiled":
        options: Any = {"freezing": True} if model.device.type == "cpu" else {}
        model.denoiser.dit.compile(dynamic=False, options=options)
        model.head.compile(dynamic=False, options=options)
        decode = torch.compile(model.vae.decode, dynamic=False, options=options)
        model.vae.decode = decode  # pyright: ignore[reportAttributeAccessIssue]
        plainly = torch.compiler.set_stance("force_eager")  # a context is passed once, and may have any length
        model.begin = plainly(model.begin)  # pyright: ignore[reportAttributeAccessIssue]
    elif speed == "int8":
        blocks = model.denoiser.dit.blocks
        with warnings.catch_warnings():  # torch would rather see torchao, which is one more package
            warnings.simplefilter("ignore")
            torch.ao.quantization.quantize_dynamic(blocks, {nn.Linear}, dtype=torch.qint8, inplace=True)
    return model
