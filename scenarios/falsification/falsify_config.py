"""What `drivedit falsify` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.falsification.actor_controls import ActorControls
from scenarios.falsification.samplers import SamplerName, check_cma
from scenarios.falsification.search_config import SearchConfig
from scenarios.falsification.search_drives import DriveSetup
from scenarios.falsification.search_space import SearchSpace
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class FalsifyConfig(SearchConfig):
    """Search the cases of a scenario for failures of a policy.

    Args:
        sampler: what proposes the next cases: the cross-entropy method, CMA-ES, which needs the extra "search", or
            draws of the declared distribution.
        generation: cases that the sampler proposes at once.
        actor_pieces: the scenario's first scripted road user is searched too: acceleration and steer added to its
            script in so many equal parts of the drive; 0 leaves it to its script.
        actor_acceleration: greatest magnitude of the acceleration that is added [m/s²].
        actor_steer: greatest magnitude of the steer angle at the wheel that is added; 0 adds none [rad].
        min_distance: failures of the same kind whose parameters are nearer are one counterexample; the root mean square
            over the parameters, each as a share of its distribution, [0, 1].
        num_counterexamples: of the worst are driven again, measured and replayed in the reference world.
        out: folder for report.html, report.json and failures/; where it was interrupted, the same command goes on.
        replay: case.json of a counterexample, which is driven again instead of a search; in `world`, by `policy`. The
            exit code is 3 if it goes another way than it did there.
    """

    sampler: SamplerName = "cross-entropy"
    generation: int = 20
    actor_pieces: int = 0
    actor_acceleration: float = 2.0
    actor_steer: float = 0.0
    min_distance: float = 0.15
    num_counterexamples: int = 20
    out: Path = Path("runs/falsify")
    replay: Path | None = None

    def __post_init__(self) -> None:
        check_options(self)
        super().__post_init__()
        for name, bound in {"generation": 4, "actor_pieces": 0, "num_counterexamples": 1}.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if not 0 <= self.min_distance <= 1:
            raise ValueError(f"min_distance must be in [0, 1], got {self.min_distance}")
        if self.sampler == "cma":
            check_cma()
        self.space()

    def controls(self) -> ActorControls | None:
        """Those of the key actor."""
        if self.actor_pieces == 0:
            return None
        return ActorControls(
            num_pieces=self.actor_pieces, max_acceleration=self.actor_acceleration, max_steer=self.actor_steer
        )

    def space(self) -> SearchSpace:
        """What is searched."""
        return SearchSpace(scenario=self.entry, seeds=self.places, controls=self.controls())

    def conditions(self, setup: DriveSetup) -> dict[str, Any]:
        """See SearchConfig."""
        chosen = ("sampler", "generation", "actor_pieces", "actor_acceleration", "actor_steer")
        return super().conditions(setup) | {name: getattr(self, name) for name in chosen}
