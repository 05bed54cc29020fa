"""Every policy by name. To add a planner, write its file and give it one entry in POLICIES."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from policies.own import load_own_policy
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.policy import ConstantPolicy, Policy, RandomPolicy
from policies.rule_based import LaneFollower

if TYPE_CHECKING:
    from policies.sampling_mpc import SamplingPlannerConfig


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """What a policy may be made with; each takes what it needs.

    Args:
        checkpoint: folder of a world model to plan with; None takes the one that ships with the package.
        device: torch device of that world model.
        planner: how the sampling planner searches; None takes its defaults.
    """

    checkpoint: Path | None = None
    device: str = "cpu"
    planner: SamplingPlannerConfig | None = None


@dataclass(frozen=True, kw_only=True)
class PolicyEntry:
    """A policy of the registry.

    Args:
        name: as on the command line.
        title: how it drives, in a few words for the help.
        factory: makes it.
        uses_world_model: the policy plans with the world model of the settings.
    """

    name: str
    title: str
    factory: Callable[[PolicySettings], Policy]
    uses_world_model: bool = False


def _make_sampling_planner(settings: PolicySettings) -> Policy:
    from policies.sampling_mpc import SamplingPlanner
    from worldsim.world_model import WorldModel  # loads torch, which the other policies do not need

    return SamplingPlanner(WorldModel.load(settings.checkpoint, settings.device), settings.planner)


def _make_plant(settings: PolicySettings) -> Policy:
    from policies.plant.planner import PlanTPlanner  # loads torch

    return PlanTPlanner.load()


POLICIES: dict[str, PolicyEntry] = {
    entry.name: entry
    for entry in (
        PolicyEntry(
            name="lane_follower",
            title="pure pursuit of the route and IDM behind the lead",
            factory=lambda settings: LaneFollower(),
        ),
        PolicyEntry(
            name="planner",
            title="searches action sequences in the learned world (CEM)",
            factory=_make_sampling_planner,
            uses_world_model=True,
        ),
        PolicyEntry(
            name="pixels",
            title="sees camera frames, its speed and the route command; imitates the lane follower",
            factory=lambda settings: PIXEL_PLANNERS["pixels"].load(),
        ),
        PolicyEntry(
            name="plant",
            title="a small PlanT: a transformer over road users and route; imitates the lane follower",
            factory=_make_plant,
        ),
        PolicyEntry(name="constant", title="coasts straight on", factory=lambda settings: ConstantPolicy()),
        PolicyEntry(name="random", title="random actions", factory=lambda settings: RandomPolicy()),
    )
}
"""Name to entry, in the order of the help."""

OWN_POLICY = "your own as module:Name or file.py:Name"
POLICY_HELP = "; ".join([*(f"{entry.name}: {entry.title}" for entry in POLICIES.values()), f"or {OWN_POLICY}"])
"""The policies that `--policy` takes."""


def make_policy(
    name: str,
    *,
    checkpoint: Path | None = None,
    device: str = "cpu",
    planner: SamplingPlannerConfig | None = None,
) -> Policy:
    """The policy of that name.

    Args:
        name: one of POLICIES, or one of your own as `module:Name` or `file.py:Name` (policies.own).
        checkpoint: folder of the world model that a policy plans with; None takes the one that ships with the package.
        device: torch device of that world model.
        planner: how "planner" searches; None takes the defaults.

    Raises:
        ValueError: there is no policy of that name, or what the name points at is no policy.
    """
    if name in POLICIES:
        return POLICIES[name].factory(PolicySettings(checkpoint=checkpoint, device=device, planner=planner))
    if ":" in name:
        return load_own_policy(name)
    raise ValueError(f"no policy is named {name!r}; there are {', '.join(POLICIES)}, and {OWN_POLICY}")


def uses_pictures(name: str, policy: Policy) -> bool:
    """Whether a policy drives by pictures, so that it is lost where these cannot be believed: as its attribute
    `uses_pictures` says; without one a policy of your own does, and one of POLICIES does not."""
    return bool(getattr(policy, "uses_pictures", name not in POLICIES))
