"""States of envs with something else in them and a right checksum, as who knows the format can write them."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from envs.serialization import MAGIC

Change = Callable[[Any, dict[str, np.ndarray]], str | None]
"""Is given the tree and the arrays of a state, to be changed; or returns the tree's JSON."""
WORLD, SNAPSHOT, EPISODE = ("fields", "world"), ("dict", "snapshot"), ("dict", "episode")
"""Where an env's state holds its world's, that the snapshot, and that, of a road world, the episode."""
DEEP = '{"list": [' * 5000 + "1" + "]}" * 5000


def craft(state: bytes, change: Change, *layers: tuple[str, ...]) -> bytes:
    """The state after a change of it, or of the state within it that stands at `layers`."""
    arrays = load(state[len(MAGIC) + 32 :])
    tree = json.loads(arrays.pop("tree").tobytes())
    text = None
    if layers:
        key = at(tree, *layers[0])["bytes"]
        arrays[key] = np.frombuffer(craft(arrays[key].tobytes(), change, *layers[1:]), np.uint8)
    else:
        text = change(tree, arrays)
    payload = save({**arrays, "tree": np.frombuffer((text or json.dumps(tree)).encode(), np.uint8)})
    return MAGIC + hashlib.sha256(payload).digest() + payload


def at(tree: Any, *path: str | int) -> Any:
    """The part of a tree at a path."""
    for key in path:
        tree = tree[key]
    return tree


def put(value: Any, *path: str | int) -> Change:
    """Puts a value at a path."""

    def change(tree: Any, _: dict[str, np.ndarray]) -> None:
        at(tree, *path[:-1])[path[-1]] = value

    return change


def arrays_of(state: bytes, *layers: tuple[str, ...]) -> dict[str, np.ndarray]:
    """The arrays of a state, or of the one within it."""
    found: dict[str, np.ndarray] = {}
    craft(state, lambda _, arrays: found.update(arrays), *layers)
    return found
