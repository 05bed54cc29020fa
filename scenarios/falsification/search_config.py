"""What `drivedit falsify` and `drivedit estimate` are asked for alike: a policy, a scenario, and where it is driven."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from envs.worlds import LocalWorldName
from policies.registry import POLICY_HELP
from policies.search.sampling_planner import SamplingPlannerConfig
from scenarios.catalogue import SCENARIOS
from scenarios.falsification.search_drives import DriveSetup
from scenarios.scenario import Scenario

if TYPE_CHECKING:
    OneScenario = str
else:  # files have no parameters that could be searched
    _HELP = "by name; " + "; ".join(f"{name}: {entry.title}" for name, entry in SCENARIOS.items())
    OneScenario = Annotated[Literal[tuple(SCENARIOS)], tyro.conf.arg(help=_HELP)]


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """Drives of one scenario, chosen one after the other.

    Args:
        policy: drives the ego; one of `policies.registry`, or your own as module:Name or file.py:Name.
        world: "learned" continues clips recorded in the reference world, "road" is the reference world itself.
        scenario: name in the catalogue.
        num_runs: drives.
        num_places: places, each the town and the traffic of a seed, among which a drive's is drawn. A world keeps three
            in memory; with more, drives take longer.
        first_place: seeds of the places count up from here.
        seed: of all that is drawn.
        num_workers: processes that drive at once.
        ray: HOST:PORT of a Ray cluster's head, or "auto", on whose CPUs the search drives instead (docs/validation.md);
            needs the extra "ray".
        budget: begin no run after so many seconds; what was found by then is still driven again, and the same command
            goes on from there [s].
        min_trust: of a policy that drives by pictures of the learned world, a drive is INVALID once `info["trust"]` has
            been below this for half a second.
        checkpoint: world model of the learned world and the planner; None takes the one that ships with the package.
        planner: how "planner" and the others that search do so.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.
    """

    policy: Annotated[str, tyro.conf.arg(help=POLICY_HELP)] = "lane_follower"
    world: LocalWorldName = "learned"
    scenario: OneScenario = "lead_braking"
    num_runs: int = 300
    num_places: int = 3
    first_place: int = 0
    seed: int = 0
    num_workers: int = 1
    ray: str | None = None
    budget: float | None = None
    min_trust: float = 0.5
    checkpoint: Path | None = None
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        least = {"num_runs": 1, "num_places": 1, "first_place": 0, "seed": 0, "num_workers": 1}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if self.budget is not None and not self.budget > 0:
            raise ValueError(f"budget must be above 0 s, got {self.budget}")
        if not 0 <= self.min_trust <= 1:
            raise ValueError(f"min_trust must be in [0, 1], got {self.min_trust}")
        if self.scenario not in SCENARIOS:
            raise ValueError(f"no scenario is named {self.scenario!r}; there are {', '.join(SCENARIOS)}")

    @property
    def entry(self) -> Scenario:
        """The scenario."""
        return SCENARIOS[self.scenario]

    @property
    def places(self) -> tuple[int, ...]:
        """Their seeds."""
        return tuple(range(self.first_place, self.first_place + self.num_places))

    def setup(self) -> DriveSetup:
        """Who drives, and where."""
        return DriveSetup(
            policy=self.policy,
            world=self.world,
            checkpoint=self.checkpoint,
            planner=self.planner,
            allow_pickle=self.allow_pickle,
            min_trust=self.min_trust,
        )

    def conditions(self, setup: DriveSetup) -> dict[str, Any]:
        """What a run and its index depend on, of a setup that knows its policy."""
        chosen = ("scenario", "num_places", "first_place", "seed")
        return setup.conditions() | {name: getattr(self, name) for name in chosen}
