"""The runs of a search: what is kept of each, and the log on disk from which an interrupted search goes on."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenarios.case_results import BROKEN, MEASURING_BROKE, WORLD_BROKE
from scenarios.json_log import JsonLog, from_entry, plain_values, read_log


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """One drive of a search.

    Args:
        index: which one, from 0 on, in the order in which the sampler proposed them.
        point: of the search space, [d].
        values: of each parameter by its name.
        seed: of the place.
        outcome: as in CaseResult.
        robustness: see `scenarios.falsification.robustness`.
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

    @property
    def lasts(self) -> bool:
        """Whether it would come out the same again: what broke the world may be gone."""
        return self.outcome != WORLD_BROKE


class RunLog:
    """The runs so far, by index, in memory and in a file.

    Args:
        path: of the file; it is gone on with if it was written under the same conditions, else begun anew. Runs that
            the world broke are driven again.
        conditions: what a run and its index depend on.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        entries = read_log(path, conditions)
        if entries is None:
            print(f"{path}: of another search, policy, world or version, begun anew", file=sys.stderr)
        known = (from_entry(plain_values(SearchRun), entry, path) for entry in entries or ())
        self.runs = {run.index: run for run in known if run.lasts}
        self._log = JsonLog(path, conditions, (asdict(run) for run in self.runs.values()))

    def find(self, index: int, point: np.ndarray) -> SearchRun | None:
        """The run of an index, if it is of this point."""
        run = self.runs.get(index)
        return run if run is not None and np.allclose(run.point, point, rtol=0, atol=1e-9) else None

    def forget_from(self, index: int) -> None:
        """Drop the runs from an index on: a run before it came out otherwise this time, and others were proposed."""
        self.runs = {run.index: run for run in self.runs.values() if run.index < index}
        self._log.rewrite(asdict(run) for run in self.runs.values())

    def add(self, run: SearchRun) -> None:
        """Keep a run; it is on disk when this returns."""
        self._log.append([asdict(run)])
        self.runs[run.index] = run
