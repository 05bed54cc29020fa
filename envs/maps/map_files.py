"""OpenDRIVE files given on a command line: found, checked, and turned into reset options of the reference world."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

SUFFIX = ".xodr"


@dataclass(frozen=True, kw_only=True)
class MapFile:
    """An OpenDRIVE file.

    Args:
        path: of the file.
    """

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending, as reports and recordings have it."""
        return self.path.stem

    @cached_property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256 of its bytes."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """Name and digest, for reports."""
        return f"{self.name} (SHA-256 {self.digest})"

    @property
    def reset_options(self) -> dict[str, str]:
        """What makes the reference world start on this map."""
        return {"map": str(self.path)}


@dataclass(frozen=True, kw_only=True)
class MadeMap:
    """A map that is made on the spot.

    Args:
        name: as reports have it.
        xodr: its OpenDRIVE text.
    """

    name: str
    xodr: str = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256 of the text."""
        return hashlib.sha256(self.xodr.encode()).hexdigest()[:16]

    @property
    def label(self) -> str:
        """Name and digest, for reports."""
        return f"{self.name} (SHA-256 {self.digest})"

    @property
    def reset_options(self) -> dict[str, str]:
        """What makes the reference world start on this map."""
        return {"map": self.xodr}


def find_maps(paths: Sequence[Path]) -> tuple[MapFile, ...]:
    """The maps that paths name: a file as it is, a folder by the .xodr files in it, in order of their names.

    Raises:
        ValueError: there is no such file or folder, a folder holds no map, or two maps share a name.
    """
    found: list[MapFile] = []
    for path in paths:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix == SUFFIX)
            if not files:
                raise ValueError(f"folder {path} holds no {SUFFIX} file")
            found += [MapFile(path=file) for file in files]
        elif path.is_file():
            found.append(MapFile(path=path))
        else:
            raise ValueError(f"no map at {path}: give {SUFFIX} files, or folders of them")
    by_name: dict[str, MapFile] = {}
    for file in found:
        other = by_name.setdefault(file.name, file)
        if other is not file:
            raise ValueError(f"two maps are called {file.name}: {other.path} and {file.path}; rename one")
    return tuple(found)


def read_maps(paths: Sequence[Path]) -> tuple[MapFile, ...]:
    """`find_maps`, each map loaded once, so that one that cannot be used is told before anything long starts.

    Raises:
        ValueError: as in `find_maps`, or maps cannot be used; says which and why.
    """
    from envs.maps.road_map import load_map

    maps, refused = find_maps(paths), []
    for file in maps:
        try:
            load_map(file.path)
        except (ValueError, OSError) as error:
            refused.append(str(error))
    if refused:
        raise ValueError("; ".join(refused))
    return maps
