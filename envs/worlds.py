"""The worlds one can drive in, by name: their env ids, their titles, and where the factories of their envs are."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import gymnasium

from envs.driving_env import DrivingEnv


@dataclass(frozen=True, kw_only=True)
class WorldEntry:
    """A world that can be driven in.

    Args:
        env_id: its id in Gymnasium's registry.
        title: its name in reports and windows.
        factory: "module:function" that makes its env; the function's keywords are the options it knows.
        vector_factory: the same for many drives in one pass; None where a world has no such thing.
        reference: the world knows the truth, so that it can be recorded and can judge the learned one.
        remote: it runs in a server of its own, which must be there.
    """

    env_id: str
    title: str
    factory: str
    vector_factory: str | None = None
    reference: bool = False
    remote: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        """The keywords that `make` takes."""
        return tuple(inspect.signature(self._load_factory()).parameters)

    def make(self, **options: Any) -> DrivingEnv:
        """The env of this world, without Gymnasium's wrappers.

        Raises:
            ValueError: an option that this world does not know, or a value that it refuses.
        """
        unknown = sorted(set(options) - set(self.options))
        if unknown:
            raise ValueError(f"{self.env_id} has no options {unknown}; it knows {', '.join(self.options)}")
        return self._load_factory()(**options)

    def register(self) -> None:
        """Make the id known to Gymnasium; an id that is there already stays as it is."""
        if self.env_id not in gymnasium.registry:
            gymnasium.register(id=self.env_id, entry_point=self.factory, vector_entry_point=self.vector_factory)

    def _load_factory(self) -> Callable[..., DrivingEnv]:
        module, _, function = self.factory.partition(":")
        return getattr(importlib.import_module(module), function)


WORLDS: Mapping[str, WorldEntry] = {
    "learned": WorldEntry(
        env_id="DriveDiT-v0",
        title="Learned world",
        factory="envs.registration:make_learned_env",
        vector_factory="envs.registration:make_learned_vector_env",
    ),
    "road": WorldEntry(
        env_id="DriveDiT-Road-v0",
        title="Reference world",
        factory="envs.registration:make_road_env",
        vector_factory="envs.registration:make_road_vector_env",
        reference=True,
    ),
    "carla": WorldEntry(
        env_id="DriveDiT-Carla-v0",
        title="CARLA",
        factory="envs.registration:make_carla_env",
        reference=True,
        remote=True,
    ),
}
"""Every world by the name it has on the command line. A new world is its module, with a factory, and an entry here."""

REFERENCE_WORLDS = tuple(name for name, entry in WORLDS.items() if entry.reference)
"""Worlds that can be recorded."""
LOCAL_WORLDS = tuple(name for name, entry in WORLDS.items() if not entry.remote)
"""Worlds that need no server."""

if TYPE_CHECKING:
    WorldName = ReferenceWorldName = LocalWorldName = str
else:  # the choices of the command line
    WorldName = Literal[tuple(WORLDS)]
    ReferenceWorldName = Literal[REFERENCE_WORLDS]
    LocalWorldName = Literal[LOCAL_WORLDS]
