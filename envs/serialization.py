"""States as bytes and back: trees of numbers, strings, arrays and known classes. Nothing is pickled, no code is run."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import IntEnum
from types import ModuleType
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from envs.state_arrays import check_shapes
from envs.world import Restorable
from worldsim.field_types import check_fields

FORMAT = 12
"""Counts up when an older state can no longer be read, as after a class in it was renamed."""
_PREFIX = b"DriveDiT state "
MAGIC = _PREFIX + b"%d\n" % FORMAT
"""What every state begins with."""
_TREE = "tree"


@dataclass(frozen=True, kw_only=True)
class ArrayLike:
    """A class that is written as an array, such as a tensor.

    Args:
        type: the class.
        to_array: an instance as an array.
        from_array: the inverse.
    """

    type: type
    to_array: Callable[[Any], np.ndarray]
    from_array: Callable[[np.ndarray], Any]


@dataclass(frozen=True, kw_only=True)
class StateCodec:
    """Writes trees of None, bool, int, float, str, bytes, list, tuple, dict, arrays, generators and instances.

    The bytes are MAGIC, a SHA-256 of the rest, and a safetensors file that holds the arrays and the tree as JSON.

    Args:
        types: classes whose instances may occur, written as their fields. Names must differ.
        array_types: classes written as arrays.
        open_types: runtime protocols or base classes; instances of any dataclass that is one of them may occur too.
            Reading them needs that class's module imported already: a state never makes a program import anything.
        shapes: of the arrays in instances of `types`, as `check_shapes` reads them.
    """

    types: tuple[type, ...] = ()
    array_types: tuple[ArrayLike, ...] = ()
    open_types: tuple[type, ...] = ()
    shapes: Mapping[type, Mapping[str, str]] = field(default_factory=dict)

    def pack(self, value: Any, given: Mapping[str, object] | None = None) -> bytes:
        """`value` as bytes.

        Args:
            value: the tree.
            given: parts of it that are not written, since whoever reads has them too.

        Raises:
            ValueError: something in the tree cannot be written; names it.
        """
        arrays: dict[str, np.ndarray] = {}
        names = {id(part): name for name, part in (given or {}).items()}
        tree = json.dumps(self._write(value, arrays, names)).encode()
        payload = save({_TREE: np.frombuffer(tree, np.uint8), **arrays})
        return MAGIC + hashlib.sha256(payload).digest() + payload

    def unpack(self, data: bytes | bytearray | memoryview, given: Mapping[str, object] | None = None) -> Any:
        """What was packed, in memory of its own.

        Raises:
            ValueError: the bytes are no state, of another format, damaged, or hold what this codec does not know, or a
                field of what it knows is something else than its class says.
        """
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise ValueError(f"a state is bytes, as were written, got {type(data).__name__} {data!r:.60}")
        raw = bytes(data)
        theirs = raw.removeprefix(_PREFIX).partition(b"\n")[0]
        if raw.startswith(_PREFIX) and theirs.isdigit() and int(theirs) != FORMAT:
            raise ValueError(
                f"a state of format {int(theirs)}, this version of DriveDiT reads format {FORMAT}: "
                f"save it anew, or read it with the version that wrote it"
            )
        if not raw.startswith(MAGIC):
            raise ValueError(f"no state: it should begin with {MAGIC!r}, got {raw[: len(MAGIC)]!r}")
        digest, payload = raw[len(MAGIC) : len(MAGIC) + 32], raw[len(MAGIC) + 32 :]
        if hashlib.sha256(payload).digest() != digest:
            raise ValueError(f"damaged state: the checksum of its {len(raw)} bytes is wrong")
        try:
            arrays = load(payload)
            return self._read(json.loads(arrays.pop(_TREE).tobytes()), arrays, given or {})
        except (
            SafetensorError, KeyError, TypeError, IndexError, AttributeError, UnicodeDecodeError, RecursionError
        ) as error:  # fmt: skip
            raise ValueError(f"no state that can be read: {type(error).__name__}: {error}") from error

    def _write(self, value: Any, arrays: dict[str, np.ndarray], names: Mapping[int, str]) -> Any:
        def inner(part: Any) -> Any:
            return self._write(part, arrays, names)

        def array(part: np.ndarray) -> str:
            if part.dtype.kind not in "biuf":
                raise ValueError(f"a state holds arrays of numbers, got one of {part.dtype}")
            key = str(len(arrays))
            arrays[key] = np.ascontiguousarray(part).reshape(part.shape)
            return key

        if id(value) in names:
            return {"given": names[id(value)]}
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.ndarray):
            return {"array": array(value)}
        if isinstance(value, np.generic):
            return inner(value.item())
        if isinstance(value, bytes):
            return {"bytes": array(np.frombuffer(value, np.uint8))}
        if isinstance(value, np.random.Generator):
            return {"generator": generator_state(value)}
        if isinstance(value, IntEnum):
            return {"enum": self._name(type(value)), "value": int(value)}
        for kind in self.array_types:
            if isinstance(value, kind.type):
                return {"like": kind.type.__name__, "array": array(kind.to_array(value))}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {"named": self._name(type(value)), "items": [inner(item) for item in value]}
        if type(value) in (tuple, list):
            return {type(value).__name__: [inner(item) for item in value]}
        if isinstance(value, Mapping):
            if not all(type(key) is str for key in value):
                raise ValueError(f"a state's mappings have strings for keys, got {list(value)}")
            return {"dict": {key: inner(item) for key, item in value.items()}}
        parts = {f.name: getattr(value, f.name) for f in fields(value)} if is_dataclass(value) else vars(value)
        return {"object": self._name(type(value)), "fields": {key: inner(item) for key, item in parts.items()}}

    def _name(self, cls: type) -> str:
        """What a class is called in a state."""
        if cls in self.types:
            return cls.__name__
        if issubclass(cls, self.open_types) and is_dataclass(cls):
            return f"{cls.__module__}:{cls.__qualname__}"
        hint = f"; a {self._open_names} must be a dataclass" if self.open_types else ""
        raise ValueError(f"a state cannot hold a {cls.__module__}.{cls.__qualname__}{hint}")

    @property
    def _open_names(self) -> str:
        return " or ".join(kind.__name__ for kind in self.open_types)

    def _class(self, name: str) -> type:
        """The class of that name."""
        for cls in self.types:
            if cls.__name__ == name:
                return cls
        module, _, path = name.partition(":")
        if not self.open_types or not path:
            raise ValueError(f"a state of another kind: {name!r} is not known here")
        if module not in sys.modules:
            raise ValueError(f"the state holds a {path} of {module}: import that module first")
        found: Any = sys.modules[module]
        for part in path.split("."):  # no getattr: some modules import what they are asked for
            found = vars(found).get(part) if isinstance(found, (ModuleType, type)) else None
        if not (isinstance(found, type) and is_dataclass(found) and issubclass(found, self.open_types)):
            raise ValueError(f"{name!r} in the state is no dataclass that is a {self._open_names}")
        return found

    def _checked(self, instance: Any) -> Any:
        check_shapes(instance, self.shapes.get(type(instance), {}), self._as_array)
        return instance

    def _as_array(self, value: Any) -> np.ndarray | None:
        if isinstance(value, np.ndarray):
            return value
        return next((kind.to_array(value) for kind in self.array_types if isinstance(value, kind.type)), None)

    def _read(self, node: Any, arrays: Mapping[str, np.ndarray], given: Mapping[str, object]) -> Any:
        def inner(part: Any) -> Any:
            return self._read(part, arrays, given)

        if not isinstance(node, dict):
            return node
        kind = next(iter(node), "")
        content: Any = node.get(kind)
        if kind == "given":
            return given[content]
        if kind == "array":
            return arrays[content].copy()
        if kind == "bytes":
            return arrays[content].tobytes()
        if kind == "generator":
            generator = np.random.Generator(np.random.PCG64())
            generator.bit_generator.state = content
            return generator
        if kind == "enum":
            return self._class(content)(node["value"])
        if kind == "like":
            found = next((known for known in self.array_types if known.type.__name__ == content), None)
            if found is None:
                raise ValueError(f"a state of another kind: arrays like {content!r} are not known here")
            return found.from_array(arrays[node["array"]].copy())
        if kind == "named":
            cls, items = self._class(content), [inner(item) for item in node["items"]]
            check_fields(cls, dict(zip(vars(cls)["_fields"], items, strict=True)))
            return self._checked(cls(*items))
        if kind == "tuple":
            return tuple(inner(item) for item in content)
        if kind == "list":
            return [inner(item) for item in content]
        if kind == "dict":
            return {key: inner(item) for key, item in content.items()}
        if kind == "object":
            cls, parts = self._class(content), {key: inner(item) for key, item in node["fields"].items()}
            if is_dataclass(cls):
                check_fields(cls, parts)
                return self._checked(cls(**parts))
            instance = object.__new__(cls)
            vars(instance).update(parts)
            return self._checked(instance)
        raise ValueError(f"a state of another version: {kind!r} is not known here")


class SnapshotCodec(Protocol):
    """Turns snapshots of one kind of world into bytes and back; a StateCodec is one."""

    def pack(self, value: Any) -> bytes:
        """`value` as bytes."""
        ...

    def unpack(self, data: bytes) -> Any:
        """What was packed, in memory of its own."""
        ...


class SavedWorld(Restorable, Protocol):
    """A Restorable whose snapshots can be written as bytes.

    Attributes:
        codec: writes them.
        config_digest: the same for two worlds exactly when a snapshot of one can go on in the other.
    """

    @property
    def codec(self) -> SnapshotCodec: ...  # noqa: D102

    @property
    def config_digest(self) -> str: ...  # noqa: D102


def write_snapshot(world: SavedWorld) -> bytes:
    """The whole state of a world as bytes, for any process with a world of the same config.

    Raises:
        ValueError: there is no state yet, or something in it cannot be written: a script that is no dataclass.
    """
    snapshot = world.codec.pack(world.snapshot())
    envelope = {"world": type(world).__name__, "config_digest": world.config_digest, "snapshot": snapshot}
    return StateCodec().pack(envelope)


def read_snapshot(world: SavedWorld, state: bytes | bytearray | memoryview) -> Any:
    """The snapshot that was written; `world.restore` goes on from it.

    Raises:
        ValueError: no such state, damaged, or of another kind of world or another config.
    """
    envelope = StateCodec().unpack(state)
    ours = (type(world).__name__, world.config_digest)
    if not isinstance(envelope, dict) or (envelope.get("world"), envelope.get("config_digest")) != ours:
        theirs = "no world"
        if isinstance(envelope, dict):
            theirs = f"{envelope.get('world')} {envelope.get('config_digest')}"
        raise ValueError(f"a state of another world: it is of {theirs}, this is {ours[0]} {ours[1]}")
    snapshot = envelope.get("snapshot")
    if not isinstance(snapshot, bytes):
        raise ValueError(f"snapshot of a state is {snapshot!r:.60}; right would be bytes")
    return world.codec.unpack(snapshot)


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """The state of its bit generator with Python's integers.

    Raises:
        ValueError: it is another than PCG64.
    """
    state = generator.bit_generator.state
    if state["bit_generator"] != "PCG64":
        raise ValueError(f"a state holds generators of PCG64, got one of {state['bit_generator']}")
    return {key: _plain_part(value) for key, value in state.items()}


def _plain_part(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain_part(part) for key, part in value.items()}
    return value if isinstance(value, str) else int(value)
