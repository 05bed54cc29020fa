"""What `drivedit validate` is asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from envs.worlds import WORLDS, WorldName
from policies.registry import POLICY_HELP
from policies.search.sampling_planner import SamplingPlannerConfig
from scenarios.case_runner import CarlaPlaces
from scenarios.catalogue import scenarios_tagged
from scenarios.scenario_choice import ScenarioNames, check_scenarios
from scenarios.verdict import VerdictConfig
from worldsim.option_checks import check_options


@dataclass(frozen=True, kw_only=True)
class ValidateConfig:
    """Run a policy through the scenarios.

    Args:
        policy: drives the ego; one of `policies.registry`, or your own as module:Name or file.py:Name.
        world: "learned" continues clips recorded in the reference world, "road" is the reference world itself, "carla"
            is a CARLA server with its own maps.
        maps: OpenDRIVE files, or folders of them, that cases take turns on instead of procedural towns; the learned
            world continues clips recorded on them.
        host: of the CARLA server.
        port: RPC port of the CARLA server.
        carla_maps: maps of the server that cases alternate between; by default the map that is loaded.
        carla_routes: a file of CARLA leaderboard routes that cases alternate between, each on its own map.
        scenarios: names in the catalogue, by default those tagged "benchmark"; or OpenSCENARIO files, which look for
            their map beside them and among `maps` (docs/openscenario.md), or Scenic programs, which take the one of
            `maps` in place of their own (docs/scenic.md).
        num_seeds: cases per scenario.
        first_seed: seeds are first_seed, first_seed + 1, ...
        out: folder for report.html, report.json, junit.xml, videos and failures/; where it was interrupted, the same
            command goes on.
        max_failure_rate: a PASS shows with 95 % confidence that at most this fraction of the cases fails, a FAIL that
            more do; what shows neither is INCONCLUSIVE.
        max_invalid_rate: nothing passes where more than this fraction of the cases is INVALID.
        point_estimate: compare the failures among the cases at hand with `max_failure_rate`, whatever that shows.
        sequential: stop as soon as the verdict is known, by a test that may be asked after every round of scenarios; it
            needs a few more cases than a fixed number where nothing fails.
        min_trust: of a policy that drives by pictures of the learned world, a drive is INVALID once `info["trust"]` has
            been below this for half a second.
        baseline: report.json of an earlier validation; cases that passed there and fail now are listed.
        max_regressions: FAIL if more cases than this regress from the baseline; by default they are only listed.
        shard: "i/n" drives the i-th of n parts of the cases; `merge` puts the parts together.
        merge: folders, or report.json files, of shards whose results are taken over; only what is missing is driven.
        budget: begin no case after so many seconds; the same command drives on from there [s].
        ray: HOST:PORT of a Ray cluster's head, or "auto", on whose CPUs the cases are driven (docs/validation.md); this
            machine keeps the results and makes the films. Needs the extra "ray".
        expect: SHA-256 of the only case's drive, as in failures/; the exit code is 3 if it is another.
        num_videos: of the worst drives, per scenario; 0 films no failure either. Policies that do not look are driven
            without pictures, and again with them for films. Start clips are kept between runs in the user's cache
            folder, where DRIVEDIT_CACHE names no other.
        rerun: .rrd file for the Rerun viewer that gets the worst drives; needs the extra "rerun".
        checkpoint: world model of the learned world and the planner; None takes the one that ships with the package.
        device: torch device of the world model.
        planner: how "planner" and the others that search do so.
        allow_pickle: policy `sb3` may load its file, which can run any code: only one whose maker you trust.

    Raises:
        ValueError: a number is out of its range, maps or routes are given to a world that has no use for them, or both
            at once, or options contradict each other.
    """

    policy: Annotated[str, tyro.conf.arg(help=POLICY_HELP)] = "lane_follower"
    world: WorldName = "learned"
    maps: tuple[Path, ...] = ()
    host: str = "127.0.0.1"
    port: int = 2000
    carla_maps: tuple[str, ...] = ()
    carla_routes: Path | None = None
    scenarios: ScenarioNames = field(default_factory=lambda: scenarios_tagged("benchmark"))
    num_seeds: int = 10
    first_seed: int = 0
    out: Path = Path("runs/validate")
    max_failure_rate: float = 0.1
    max_invalid_rate: float = 0.1
    point_estimate: bool = False
    sequential: bool = False
    min_trust: float = 0.5
    baseline: Path | None = None
    max_regressions: int | None = None
    shard: str = ""
    merge: tuple[Path, ...] = ()
    budget: float | None = None
    ray: str | None = None
    expect: str = ""
    num_videos: int = 2
    rerun: Path | None = None
    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig = field(default_factory=SamplingPlannerConfig)
    allow_pickle: bool = False

    def __post_init__(self) -> None:
        check_options(self)
        for name, least in (("num_seeds", 1), ("first_seed", 0), ("num_videos", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.min_trust <= 1:
            raise ValueError(f"min_trust must be in [0, 1], got {self.min_trust}")
        if self.budget is not None and not self.budget > 0:
            raise ValueError(f"budget must be above 0 s, got {self.budget}")
        check_scenarios(self.scenarios)
        self._check_world()
        self.verdict_config()
        if self.part()[1] > 1 and (self.sequential or self.merge):
            other = "--sequential, which stops by all results" if self.sequential else "--merge"
            raise ValueError(f"shard {self.shard} cannot go with {other}")
        if self.max_regressions is not None and self.baseline is None:
            raise ValueError(f"max_regressions={self.max_regressions} needs a baseline")
        if self.expect and self.num_seeds * len(self.scenarios) != 1:
            raise ValueError(f"expect is for a single case, got {self.num_seeds * len(self.scenarios)}")

    def _check_world(self) -> None:
        if self.ray is not None and WORLDS[self.world].remote:
            raise ValueError(f"ray={self.ray!r} is for worlds 'road' and 'learned': {self.world!r} is a server")
        for name in ("carla_maps", "carla_routes"):
            if getattr(self, name) and self.world != "carla":
                raise ValueError(f"{name} are for world 'carla', got them for {self.world!r}")
        if self.maps and WORLDS[self.world].remote:
            raise ValueError(f"maps are for worlds 'road' and 'learned', {self.world!r} has its own; see --carla-maps")
        self.carla()

    def carla(self) -> CarlaPlaces:
        """The server of world "carla", and where cases start there."""
        return CarlaPlaces(host=self.host, port=self.port, maps=self.carla_maps, routes=self.carla_routes)

    def verdict_config(self) -> VerdictConfig:
        """What a PASS needs."""
        if self.point_estimate and self.sequential:
            raise ValueError("give point_estimate or sequential, not both")
        return VerdictConfig(
            max_failure_rate=self.max_failure_rate,
            max_invalid_rate=self.max_invalid_rate,
            method="point estimate" if self.point_estimate else "sequential" if self.sequential else "bound",
            max_regressions=self.max_regressions,
        )

    def part(self) -> tuple[int, int]:
        """Which part of the cases is driven, from 1 on, and how many parts there are."""
        if not self.shard:
            return 1, 1
        match = re.fullmatch(r"(\d+)/(\d+)", self.shard)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ValueError(f"shard must be i/n with 1 <= i <= n, as 1/4, got {self.shard!r}")
        return int(match[1]), int(match[2])
