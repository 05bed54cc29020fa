"""Every policy by name. To add a planner, write its file and give it one entry in POLICIES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from policies.constant_velocity import ConstantVelocity
from policies.own import load_own_policy
from policies.pid_follower import PIDFollower
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.policy import ConstantPolicy, Policy, RandomPolicy
from policies.rule_based import LaneFollower
from policies.sb3 import SB3Policy
from policies.stop import Stop

if TYPE_CHECKING:
    from policies.search.objectives import ObjectiveName
    from policies.search.sampling_planner import SamplingPlannerConfig
    from policies.search.searchers import SearcherName


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """What a policy may be made with; each takes what it needs.

    Args:
        checkpoint: folder of a world model to plan with; None takes the one that ships with the package.
        device: torch device of that world model.
        planner: how the sampling planner searches; None takes its defaults.
        argument: what the name says after a colon, "" without one.
        allow_pickle: files may be loaded that can run any code while they are.
    """

    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig | None = None
    argument: str = ""
    allow_pickle: bool = False


@dataclass(frozen=True, kw_only=True)
class PolicyEntry:
    """A policy of the registry.

    Args:
        name: as on the command line.
        title: how it drives, in a few words for the help.
        factory: makes it.
        uses_world_model: the policy plans with the world model of the settings.
        uses_pictures: it drives by camera frames, so that it needs an env that makes them.
        argument: what it takes after its name and a colon: "FILE" or "SIZE"; "" of one that takes nothing.
        needs_argument: it cannot be made without.
    """

    name: str
    title: str
    factory: Callable[[PolicySettings], Policy]
    uses_world_model: bool = False
    uses_pictures: bool = False
    argument: str = ""
    needs_argument: bool = False

    @property
    def usage(self) -> str:
        """The name with what it takes, as for the help."""
        if not self.argument:
            return self.name
        return f"{self.name}:{self.argument}" if self.needs_argument else f"{self.name}[:{self.argument}]"


def _make_searching(
    searcher: SearcherName | None = None, objective: ObjectiveName | None = None
) -> Callable[[PolicySettings], Policy]:
    """Makes sampling planners: of the settings, but for what is given here."""

    def make(settings: PolicySettings) -> Policy:
        from policies.search.sampling_planner import SamplingPlanner, SamplingPlannerConfig
        from worldsim.world_model import WorldModel  # loads torch, which the other policies do not need

        config = settings.planner or SamplingPlannerConfig()
        if searcher is not None:
            config = replace(config, searcher=searcher)
        if objective is not None:
            config = replace(config, objective=objective)
        return SamplingPlanner(WorldModel.load(settings.checkpoint, settings.device), config)

    return make


def _make_pdm_closed(settings: PolicySettings) -> Policy:
    from policies.pdm_closed.planner import PDMClosed  # loads scipy

    return PDMClosed()


def _make_replay(settings: PolicySettings) -> Policy:
    from policies.replay import Replay  # loads pyarrow

    return Replay.load(Path(settings.argument))


def _make_exploit(settings: PolicySettings) -> Policy:
    from policies.search.exploit import make_exploit, read_search_size
    from worldsim.world_model import WorldModel

    size = read_search_size(settings.argument)
    return make_exploit(WorldModel.load(settings.checkpoint, settings.device), size)


def _make_plant(settings: PolicySettings) -> Policy:
    from policies.plant.planner import PlanTPlanner  # loads torch

    return PlanTPlanner.load()


def _make_alpasim(settings: PolicySettings) -> Policy:
    from policies.alpasim.client import make_alpasim_driver  # loads gRPC

    return make_alpasim_driver(settings.argument)


POLICIES: dict[str, PolicyEntry] = {
    entry.name: entry
    for entry in (
        PolicyEntry(
            name="lane_follower",
            title="pure pursuit of the route and IDM behind the lead",
            factory=lambda settings: LaneFollower(),
        ),
        PolicyEntry(
            name="pid_follower",
            title="the same with a PID for the speed, for cars that are not the vehicle model",
            factory=lambda settings: PIDFollower(),
        ),
        PolicyEntry(
            name="pdm_closed",
            title="scores fifteen ways to follow the lane and drives the best (PDM-Closed)",
            factory=_make_pdm_closed,
        ),
        PolicyEntry(
            name="planner",
            title="searches action sequences in the learned world (CEM, PlanT-style cost)",
            factory=_make_searching(),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="icem",
            title="the same by iCEM: coloured noise, elites kept",
            factory=_make_searching("icem"),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="mppi",
            title="the same by MPPI: a mean weighted by cost",
            factory=_make_searching("mppi"),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="cem_pdms",
            title="CEM on 1 - PDMS",
            factory=_make_searching("cem", "pdms"),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="icem_pdms",
            title="iCEM on 1 - PDMS",
            factory=_make_searching("icem", "pdms"),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="mppi_pdms",
            title="MPPI on 1 - PDMS",
            factory=_make_searching("mppi", "pdms"),
            uses_world_model=True,
        ),
        PolicyEntry(
            name="exploit",
            title="searches what the learned world pays most for, SIZE sequences a round: can it be gamed?",
            factory=_make_exploit,
            uses_world_model=True,
            argument="SIZE",
        ),
        PolicyEntry(
            name="pixels",
            title="sees camera frames, its speed and the route command; imitates the lane follower",
            factory=lambda settings: PIXEL_PLANNERS["pixels"].load(),
            uses_pictures=True,
        ),
        PolicyEntry(
            name="plant",
            title="a small PlanT: a transformer over road users and route; imitates the lane follower",
            factory=_make_plant,
        ),
        PolicyEntry(
            name="sb3",
            title="a network that Stable-Baselines3 trained; needs --allow-pickle",
            factory=lambda settings: SB3Policy(Path(settings.argument), allow_pickle=settings.allow_pickle),
            argument="FILE.zip",
            needs_argument=True,
        ),
        PolicyEntry(
            name="replay",
            title="the actions of an earlier drive or of a recorded episode",
            factory=_make_replay,
            argument="FILE",
            needs_argument=True,
        ),
        PolicyEntry(
            name="alpasim",
            title="asks a driver behind AlpaSim's egodriver contract, and follows its plans; needs the extra alpasim",
            factory=_make_alpasim,
            uses_pictures=True,
            argument="HOST:PORT",
            needs_argument=True,
        ),
        PolicyEntry(
            name="constant_velocity",
            title="straight on at the speed of the start",
            factory=lambda settings: ConstantVelocity(),
        ),
        PolicyEntry(name="stop", title="brakes to a standstill in its lane", factory=lambda settings: Stop()),
        PolicyEntry(name="constant", title="coasts straight on", factory=lambda settings: ConstantPolicy()),
        PolicyEntry(name="random", title="random actions", factory=lambda settings: RandomPolicy()),
    )
}
"""Name to entry, in the order of the help."""

OWN_POLICY = "your own as module:Name or file.py:Name"
POLICY_HELP = "; ".join([*(f"{entry.usage}: {entry.title}" for entry in POLICIES.values()), f"or {OWN_POLICY}"])
"""The policies that `--policy` takes."""


def find_entry(name: str) -> PolicyEntry | None:
    """The entry of a policy's name, whatever follows a colon; None of one of your own."""
    return POLICIES.get(name.partition(":")[0])


def files_of_policy(name: str) -> list[Path]:
    """The files beside its code and a world model that a policy of the registry is made from."""
    entry = find_entry(name)
    return [Path(name.partition(":")[2])] if entry and entry.argument.startswith("FILE") else []


def make_policy(
    name: str,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    planner: SamplingPlannerConfig | None = None,
    allow_pickle: bool = False,
) -> Policy:
    """The policy of that name.

    Args:
        name: one of POLICIES, with what it takes after a colon, or one of your own as `module:Name` or `file.py:Name`
            (policies.own).
        checkpoint: folder of the world model that a policy plans with; None takes the one that ships with the package.
        device: torch device of that world model.
        planner: how "planner" and the others that search do so; None takes the defaults.
        allow_pickle: `sb3` may load its file, which can run any code.

    Raises:
        ValueError: there is no policy of that name, what the name points at is no policy, or what follows the colon is
            missing or wrong.
    """
    entry, argument = find_entry(name), name.partition(":")[2]
    if entry is not None:
        if bool(argument) > bool(entry.argument) or bool(argument) < entry.needs_argument:
            raise ValueError(f"the policy is given as {entry.usage}, got {name!r}")
        return entry.factory(
            PolicySettings(
                checkpoint=checkpoint, device=device, planner=planner, argument=argument, allow_pickle=allow_pickle
            )
        )
    if name == "human":
        raise ValueError("a human drives in the window of `drivedit play`; no other command waits for one")
    if ":" in name:
        return load_own_policy(name)
    raise ValueError(f"no policy is named {name!r}; there are {', '.join(POLICIES)}, and {OWN_POLICY}")


def uses_pictures(name: str, policy: Policy) -> bool:
    """Whether a policy drives by pictures, so that it is lost where these cannot be believed: as its attribute
    `uses_pictures` says; without one a policy of your own does, and one of POLICIES does not."""
    return bool(getattr(policy, "uses_pictures", find_entry(name) is None))
