"""Checkpoints: safetensors and a JSON config in one folder, nothing pickled."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "weights.safetensors"


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write the module's state to `path`, whole or not at all; floating tensors as `dtype` if one is given."""
    state = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu()
        state[name] = (tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor).contiguous()
    save_tensors(state, path)


def save_tensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write named tensors to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    save_file(tensors, str(temporary))
    temporary.replace(path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a whole safetensors file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        return load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged, not a safetensors file: {error}") from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Read what save_weights wrote into `module`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: damaged, or it does not fit the module; names the file and the first tensors that differ.
    """
    state = load_tensors(path)
    own = module.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in state]
    wrong += [f"{name} is unknown" for name in state if name not in own]
    wrong += [
        f"{name} has shape {tuple(state[name].shape)}, the config wants {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise ValueError(f"{path} does not fit its config: {'; '.join(wrong[:3])}{more}")
    module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()})
