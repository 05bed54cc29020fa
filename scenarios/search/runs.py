"""The runs of a search: what is kept of each, and the log on disk from which an interrupted search goes on."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.case_results import BROKEN, MEASURING_BROKE, WORLD_BROKE
from scenarios.json_log import JsonLog, append_entries, read_log


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """One drive of a search.

    Args:
        index: which one, from 0 on, in the order in which the sampler proposed them.
        point: of the search space, [d].
        values: of each parameter by its name.
        seed: of the place.
        outcome: as in CaseResult.
        robustness: see `scenarios.search.robustness`.
        criterion: that decides it.
        reason: why it is invalid, or what broke; "" otherwise.
        step: at which a collision, the road's edge or a broken policy ended it; None otherwise.
        digest: SHA-256 of the drive; "" without one.
    """

    index: int
    point: Sequence[float]
    values: Mapping[str, float]
    seed: int
    outcome: str
    robustness: float
    criterion: str
    reason: str = ""
    step: int | None = None
    digest: str = ""

    @property
    def valid(self) -> bool:
        """Whether it says something about the policy."""
        return self.outcome not in ("invalid", WORLD_BROKE, MEASURING_BROKE)

    @property
    def failed(self) -> bool:
        """Whether the policy failed."""
        return self.valid and self.outcome != "passed"

    @property
    def broken(self) -> bool:
        """Whether the policy, the world or a metric broke."""
        return self.outcome in (BROKEN, WORLD_BROKE, MEASURING_BROKE)


class RunLog:
    """The runs so far, by index, in memory and in a file, to which several processes may add.

    Args:
        path: of the file; it is gone on with if it was written under the same conditions, else begun anew.
        conditions: what a run and its index depend on.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        entries = read_log(path, conditions)
        if entries is None:
            print(f"{path}: of another search, policy, world or version, begun anew", file=sys.stderr)
        self.path = path
        self.runs = {run.index: run for run in (SearchRun(**entry) for entry in entries or ())}
        JsonLog(path, conditions, (asdict(run) for run in self.runs.values()))
        self._read = path.stat().st_size

    def refresh(self) -> list[SearchRun]:
        """Read what has been added since the last time; the runs that are new."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        added = added[: added.rfind(b"\n") + 1]  # a line without an end is not whole, or not yet
        self._read += len(added)
        new = []
        for line in added.splitlines():
            with suppress(json.JSONDecodeError):  # of a process that was killed while it wrote
                new.append(SearchRun(**json.loads(line)))
        self.runs |= {run.index: run for run in new}
        return new

    def find(self, index: int, point: np.ndarray) -> SearchRun | None:
        """The run of an index, if it is of this point."""
        run = self.runs.get(index)
        return run if run is not None and np.allclose(run.point, point, rtol=0, atol=1e-9) else None


def add_run(path: Path, run: SearchRun) -> None:
    """Add a run to a log that there is; several processes may do so at once."""
    append_entries(path, [asdict(run)])
