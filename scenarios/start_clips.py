"""Start clips of cases: recorded in the reference world once on a machine, and kept in the user's cache folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gymnasium

from envs.carla.leaderboard_routes import RouteError
from envs.disk_cache import DiskCache, digest_of
from envs.serialization import StateCodec
from policies.fair_start import is_fair_start
from scenarios.report import code_digest, files_digest
from scenarios.scenario import Case
from worldsim.datatypes.known_road_users import KnownRoadUsers
from worldsim.datatypes.layout import Layout
from worldsim.datatypes.partner_path import PartnerPath
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip

MAX_BYTES = 2**29
"""Of all cached start clips together."""
_MADE_WITH = ("numpy", "scipy", "numba", "scenariogeneration", "opencv-python-headless")
"""Distributions whose versions can change a start clip."""


class InvalidStartError(RuntimeError):
    """The case has no usable start, so it says nothing about the policy."""


@dataclass(frozen=True, kw_only=True)
class NoStart:
    """What is kept of a case without a usable start: the reason."""

    reason: str


class StartClips:
    """The start clips of cases. The reference world is made when the first of them has to be recorded.

    Args:
        make_recorder: makes an env of the reference world.
        pictures: False leaves the frames out, for state-only drives.
        made_by: what a clip depends on beside its case and the code: size and number of frames, time step.
        kept: False keeps none on disk, where no case is driven twice.
    """

    def __init__(
        self, make_recorder: Callable[[], gymnasium.Env], *, pictures: bool, made_by: str, kept: bool = True
    ) -> None:
        self.pictures, self.made_by, self.kept = pictures, made_by, kept
        self._make_recorder = make_recorder
        self._recorder: gymnasium.Env | None = None

    def of(self, case: Case) -> StartClip:
        """The clip that ends where the policy takes over.

        Raises:
            InvalidStartError: the case has no usable start in the reference world.
        """
        key = self._key(case) if self.kept else None
        found = self._record(case) if key is None else _CACHE.get(key, lambda: self._record(case))
        if isinstance(found, NoStart):
            raise InvalidStartError(found.reason)
        return found

    def close(self) -> None:
        """Close the reference world, if it was made."""
        if self._recorder is not None:
            self._recorder.close()
            self._recorder = None

    def _record(self, case: Case) -> StartClip | NoStart:
        if self._recorder is None:
            self._recorder = self._make_recorder()
        try:
            return reference_start(self._recorder, case, case.reference_options(), pictures=self.pictures)
        except InvalidStartError as error:
            return NoStart(reason=str(error))

    def _key(self, case: Case) -> str | None:
        """Changes with everything that the clip of a case depends on; None where that cannot be told."""
        scripts = _digest_of_scripts(case)
        if scripts is None:
            return None
        place = {"town": case.town} if case.map is None else {"map": case.map.digest}
        situation = repr((case.scenario, case.seed, case.reference_options(place)))
        return digest_of(situation, str(self.pictures), self.made_by, scripts, _digest_of_makers())


def reference_start(env: gymnasium.Env, case: Case, options: Mapping[str, Any], *, pictures: bool = True) -> StartClip:
    """Reset a world with actors; the start clip ends at the moment the policy takes over. Without `pictures` it has no
    frames, for a state-only drive.

    Raises:
        RouteError: the route cannot be driven on this map, so no case can.
        InvalidStartError: the map has no such start, or the ego starts in a collision or off the road.
    """
    begin_case(env, case, options)
    base: Any = env.unwrapped
    return base.start_clip(pictures=pictures)


def begin_case(env: gymnasium.Env, case: Case, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Reset a world with actors to the moment the policy takes over; what `env.reset` returned.

    Raises:
        RouteError: the route cannot be driven on this map, so no case can.
        InvalidStartError: the map has no such start, or the ego starts in a collision or off the road.
    """
    try:
        observation, info = env.reset(seed=case.seed, options=dict(options))
    except RouteError:
        raise
    except ValueError as error:
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: {error}") from error
    if not is_fair_start(info["collision"], info["off_road"]):
        raise InvalidStartError(f"{case.scenario} seed {case.seed}: the start is in a collision or off the road")
    return observation, info


def _digest_of_scripts(case: Case) -> str | None:
    """Of the files that say how scripted actors move, wherever they lie. None where that cannot be told: a script that
    is no dataclass does not tell its values, and one that was typed into an interpreter has no file."""
    files: set[Path] = set()
    director = () if case.actors.director is None else (case.actors.director,)
    for script in (*case.actors.scripts, *case.actors.partners, *director):
        if not is_dataclass(script):
            return None
        try:
            files |= {Path(inspect.getfile(base)) for base in type(script).__mro__ if base is not object}
        except (TypeError, OSError):
            return None
    return files_digest(sorted(files)) if all(file.is_file() for file in files) else None


@lru_cache(maxsize=1)
def _digest_of_makers() -> str:
    """Changes with the project's code and the packages that make a clip."""
    versions = []
    for name in _MADE_WITH:
        try:
            versions.append(version(name))
        except PackageNotFoundError:
            versions.append("")
    return digest_of(code_digest(), *versions)


_CODEC = StateCodec(types=(StartClip, NoStart, SceneState, Layout, KnownRoadUsers, PartnerPath))
_CACHE: DiskCache[StartClip | NoStart] = DiskCache("starts", MAX_BYTES, _CODEC.pack, _CODEC.unpack)
