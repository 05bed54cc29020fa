"""A Scenic program as one of the scenarios that commands drive. Needs Scenic only where a program is given."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envs.maps.map_files import MapFile
from scenarios.openscenario.scenario_file import scenario_name
from scenarios.parameters import Values
from scenarios.report import files_digest
from scenarios.scenario import Case, Scenario, Situation

TAG = "scenic"
RELEASES = "3.1.*"
"""Of Scenic, that this is tried with."""


@dataclass(frozen=True, kw_only=True)
class ScenicScenario(Scenario):
    """A program, from which each seed draws a scene.

    Args:
        path: of the program.
        digest: of it.
        map: path of the map that it is compiled for; "" leaves it to the program.
    """

    path: str
    digest: str
    map: str

    def draw(self, seed: int) -> Case:
        """The case of a seed.

        Raises:
            ScenicProgramError: the program has no scene for it.
        """
        from scenarios.scenic.program import ProgramSource

        return ProgramSource(path=self.path, digest=self.digest, map=self.map, seed=seed).draw()


def load_program_scenario(path: Path, maps: Sequence[MapFile]) -> ScenicScenario:
    """The scenario of a program.

    Args:
        path: of the program.
        maps: at most one, in place of the program's own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: Scenic is not installed, several maps are given, or the program cannot be compiled; says where.
    """
    if importlib.util.find_spec("scenic") is None:
        raise ValueError(
            f"{path} is a Scenic program, and Scenic is not installed here. Make an environment of its own for it: its "
            f'opencv-python and pygame-ce clash with ours. There: pip install "scenic=={RELEASES}", see docs/scenic.md'
        )
    if len(maps) > 1:
        names = ", ".join(file.name for file in maps)
        raise ValueError(f"{path} is compiled for one map, got {names}; give one with --maps, or none")
    from scenarios.scenic.program import load_program

    digest = files_digest([path])
    of_map = str(maps[0].path.resolve()) if maps else ""
    load_program(str(path), digest, of_map)
    return ScenicScenario(
        name=scenario_name(path),
        title=path.stem,
        description=f"The Scenic program {path.name}.",
        tags=(TAG,),
        parameters=(),
        factory=_no_situation,
        path=str(path),
        digest=digest,
        map=of_map,
    )


def _no_situation(_: Values) -> Situation:
    raise AssertionError("a Scenic program draws its scenes itself")
