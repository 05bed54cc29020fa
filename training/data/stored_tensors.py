"""Tensors that are made once and read afterwards, as long as they would be made from the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from worldsim.checkpoint import load_tensors, save_tensors

_MADE_FROM = "made_from"


def make_or_load(path: Path, made_from: dict[str, Any], make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Named tensors, read from `path`; made, and written there, if they are not there yet or were made from something
    else, of which a line then tells.

    Args:
        path: of a safetensors file.
        made_from: JSON: configs, and checksums of weights and data.
        make: makes them.

    Raises:
        ValueError: the file is damaged.
    """
    wanted = json.dumps(made_from, sort_keys=True)
    found = _made_from(path) if path.is_file() else None
    if found != wanted:
        if found is not None:
            print(f"{path} was made from other settings, weights or data: it is made anew", file=sys.stderr)
        save_tensors(make(), path, {_MADE_FROM: wanted})
    return load_tensors(path)


def _made_from(path: Path) -> str:
    """What the tensors of a file were made from; empty where it does not tell."""
    try:
        with safe_open(str(path), "pt") as file:
            return (file.metadata() or {}).get(_MADE_FROM, "")
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged, not a safetensors file: {error}; delete it") from error
