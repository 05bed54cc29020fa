"""Checkpoints: safetensors and a JSON config in one folder, nothing pickled."""

from __future__ import annotations

import json
import os
import re
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from worldsim.atomic_files import atomic_path
from worldsim.configs import CHECKSUMS, save_config

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "weights.safetensors"


def seal_checkpoint(folder: Path, config: Any, files: Sequence[str]) -> None:
    """Write the config to a checkpoint folder, and in it the CRC-32 of those of `files` that are there."""
    checksums = {name: _file_checksum(folder / name) for name in files if (folder / name).is_file()}
    save_config(config, folder / CONFIG_NAME, checksums)


def check_files(folder: Path, files: Sequence[str]) -> None:
    """Hold those of `files` that are in a checkpoint folder against the checksums in its config; a warning tells which
    of them have none there, as all have in folders written before there were checksums.

    Raises:
        ValueError: a file is not the one that the config was written with; names both. Or the config's checksums are
            none.
    """
    path = folder / CONFIG_NAME
    try:
        recorded = json.loads(path.read_text()).get(CHECKSUMS, {})
        if not isinstance(recorded, dict):
            raise TypeError(f"got {recorded!r:.80}")
        unchecked = [name for name in files if (folder / name).is_file() and name not in recorded]
        for name in (name for name in files if name in recorded):
            if (found := _file_checksum(folder / name)) != recorded[name]:
                raise ValueError(
                    f"{folder / name}: damaged, or of another checkpoint: its CRC-32 is {found}, {CONFIG_NAME} says "
                    f"{recorded[name]!r}; copy it anew, or take it out of {CHECKSUMS!r} there if you changed it"
                )
    except (AttributeError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path}: {CHECKSUMS} must be an object of files' CRC-32: {error}") from error
    if unchecked:
        warnings.warn(
            f"{path} has no checksum of {', '.join(unchecked)}, as folders that an older version wrote: damage to "
            f"them would not be noticed. To have them checked from now on: load the folder and save it again",
            stacklevel=3,
        )


def _file_checksum(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path.parent} has no {path.name}, of which its {CONFIG_NAME} knows the checksum")
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}"


def save_weights(module: nn.Module, path: Path, dtype: torch.dtype | None = None) -> None:
    """Write the module's state to `path`, whole or not at all; floating tensors as `dtype` if one is given."""
    state = {}
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu()
        state[name] = tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor
    save_tensors(state, path)


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors, of whatever layout in memory, to `path`, whole or not at all; `metadata` is said of them.

    Raises:
        OSError: it cannot be written, on a full disk for example; names the file.
    """
    with atomic_path(path) as temporary:
        try:
            save_file({name: value.contiguous() for name, value in tensors.items()}, str(temporary), metadata)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise OSError(f"cannot write {path}: {error}") from error
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def weights_checksum(module: nn.Module) -> str:
    """CRC-32 of the module's state, by which things made with other weights are told apart."""
    checksum = 0
    for name, tensor in module.state_dict().items():
        data = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        checksum = zlib.crc32(data.numpy().data, zlib.crc32(name.encode(), checksum))
    return f"{checksum:08x}"


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
        ValueError: damaged, or it does not fit the module, or a parameter is not finite; names the file and the first
            tensors that differ.
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
    for name, _ in module.named_parameters():
        if not (known := torch.isfinite(state[name])).all():
            value = state[name][~known][0].item()
            raise ValueError(f"{path}: damaged, weights must be finite numbers, {name} holds {value}")
    module.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in state.items()})


def warm_start(module: nn.Module, state: dict[str, Tensor]) -> list[str]:
    """Begin from weights of a module that may be smaller: what fits is taken; where a tensor here has more input
    channels (dim 1) the new ones begin at 0, so that they are ignored until training uses them.

    Returns:
        Names that keep their own values.
    """
    kept = []
    with torch.no_grad():
        for name, own in module.state_dict().items():
            old = state.get(name)
            if old is not None and old.shape == own.shape:
                own.copy_(old)
            elif old is not None and own.dim() > 1 and _grew_inputs(old, own):
                own.zero_()
                own[:, : old.shape[1]] = old.to(own.dtype)
            else:
                kept.append(name)
    return kept


def _grew_inputs(old: Tensor, own: Tensor) -> bool:
    same = old.dim() == own.dim() and old.shape[0] == own.shape[0] and old.shape[2:] == own.shape[2:]
    return same and own.shape[1] > old.shape[1]
