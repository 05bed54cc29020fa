"""All that a state holds, found by walking it: dataclasses, containers, objects, arrays and generators."""

import dataclasses
import hashlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree


def leaves_of(state: Any) -> dict[str, Any]:
    """What lies at the end of each path through a state, by path; arrays as digests."""
    found: dict[str, Any] = {}
    _walk(state, "state", found, set())
    return found


def _walk(value: Any, path: str, found: dict[str, Any], above: set[int]) -> None:
    if isinstance(value, torch.Tensor):
        value = value.detach().float().cpu().numpy()
    if isinstance(value, np.ndarray) and value.dtype != object:
        data = np.ascontiguousarray(value)
        found[path] = (str(data.dtype), data.shape, hashlib.sha256(data.tobytes()).hexdigest())
    elif isinstance(value, np.random.Generator):
        _walk(value.bit_generator.state, path, found, above)
    elif isinstance(value, (bool, int, float, complex, str, bytes, type(None), np.generic)):
        found[path] = value if value == value else "nan"
    elif isinstance(value, (type, types.FunctionType, types.MethodType, types.ModuleType, torch.nn.Module)):
        found[path] = getattr(value, "__qualname__", type(value).__qualname__)  # code and weights, shared by all
    elif id(value) not in above:
        for name, part in _parts(value):
            _walk(part, f"{path}.{name}", found, above | {id(value)})


def _parts(value: Any) -> list[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, KDTree):
        return [("data", value.data)]
    if isinstance(value, Mapping):
        return [(str(key), part) for key, part in value.items()]
    if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
        return [(str(k), part) for k, part in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return [("members", sorted(map(repr, value)))]
    slots = [name for one in type(value).__mro__ for name in getattr(one, "__slots__", ())]
    own = dict(getattr(value, "__dict__", {})) | {name: getattr(value, name) for name in slots if hasattr(value, name)}
    if not own:
        raise TypeError(f"a {type(value).__name__} shows nothing of itself: say in tests/support/state_leaves.py what")
    return list(own.items())
