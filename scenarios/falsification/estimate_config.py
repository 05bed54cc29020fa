"""What `drivedit estimate` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scenarios.falsification.search_config import SearchConfig
from scenarios.falsification.search_drives import DriveSetup
from scenarios.falsification.search_space import SearchSpace
from worldsim.option_checks import check_options

MethodName = Literal["monte-carlo", "importance-sampling", "subset-simulation"]


@dataclass(frozen=True, kw_only=True)
class EstimateConfig(SearchConfig):
    """The probability with which a policy fails in a scenario, under its declared distribution, with an interval.

    Args:
        method: draws of the declared distribution; a proposal near the failures by the cross-entropy method, whose
            draws are weighted; or multilevel splitting over the parameters (subset simulation).
        num_levels: of a subset simulation, that `num_runs` are to be enough for: each is ten times rarer.
        max_failure_rate: PASS if the interval's upper end is at most this, FAIL if the lower one is above; by default
            neither is asked.
        out: folder for report.html and report.json; where it was interrupted, the same command goes on.
    """

    method: MethodName = "monte-carlo"
    num_levels: int = 4
    max_failure_rate: float | None = None
    out: Path = Path("runs/estimate")

    def __post_init__(self) -> None:
        check_options(self)
        super().__post_init__()
        if self.num_levels < 1:
            raise ValueError(f"num_levels must be at least 1, got {self.num_levels}")
        if self.max_failure_rate is not None and not 0 <= self.max_failure_rate <= 1:
            raise ValueError(f"max_failure_rate must be in [0, 1], got {self.max_failure_rate}")
        if self.method != "monte-carlo" and self.num_runs < 40:
            raise ValueError(f"method {self.method} needs at least 40 runs, got num_runs={self.num_runs}")

    def space(self) -> SearchSpace:
        """What is drawn from."""
        return SearchSpace(scenario=self.entry, seeds=self.places)

    def conditions(self, setup: DriveSetup) -> dict[str, Any]:
        """See SearchConfig."""
        chosen = {"method": self.method, "num_levels": self.num_levels}
        if self.method != "monte-carlo":  # whose next draws hang on how many there are to be
            chosen |= {"num_runs": self.num_runs}
        return super().conditions(setup) | chosen
