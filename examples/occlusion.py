"""An occlusion in both worlds: a driver that brakes for whom its camera has seen, with a parked truck and without.

python examples/occlusion.py --num-seeds 24

Each case of the scenario `occluded_crossing` is driven four times: in the reference and in the learned world, and there
with the truck before the crossing and without it. The truck is an edit of the case (`drivedit.edit`); nothing else
differs. Printed are when the pedestrian is first seen, collisions, and how fast they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import tyro

from envs.driving_env import DrivingEnv
from policies.rule_based import LaneFollower
from scenarios.case_results import CaseResult, run_cases
from scenarios.case_runner import make_case_runner
from scenarios.catalogue import SCENARIOS
from scenarios.scenario import place_on_maps
from worldsim.datatypes.scene import ObjectKind, SceneState
from worldsim.gbuffer.classes import SemanticClass

REACTION = 0.5
"""What passes between seeing somebody and braking [s]."""
SEEN_PIXELS = 3
"""A pedestrian that fewer pixels show is not seen."""
World = Literal["road", "learned"]


@dataclass(frozen=True, kw_only=True)
class OcclusionConfig:
    """What to drive.

    Args:
        num_seeds: cases.
        worlds: in which.
        pixels: draw the learned world's pictures too; what is seen is read off the tracked scene, so it changes nothing
            but the time it takes.
    """

    num_seeds: int = 24
    worlds: tuple[World, ...] = ("road", "learned")
    pixels: bool = False


class SeeingDriver:
    """The lane follower, which knows of pedestrians only once its camera has seen one for REACTION.

    Attributes:
        seen_at: when that was for the first time [s]; None before.
    """

    def __init__(self) -> None:
        self._follower = LaneFollower()
        self.seen_at: float | None = None

    def reset(self, env: DrivingEnv, seed: int) -> None:
        """Nothing has been seen."""
        self._env, self._num_steps, self.seen_at = env, 0, None

    def act(self, frame: np.ndarray, info: Mapping[str, Any]) -> np.ndarray:
        """The action for what is in sight."""
        world: Any = self._env.world
        shown = world.sensor_frames(["semantic"])["semantic"] == SemanticClass.PEDESTRIAN
        now = self._num_steps * world.dt
        self._num_steps += 1
        if self.seen_at is None and int(shown.sum()) >= SEEN_PIXELS:
            self.seen_at = now
        knows = self.seen_at is not None and now >= self.seen_at + REACTION
        scene = SceneState.from_vector(info["scene"])
        return self._follower.action(scene if knows else _without_pedestrians(scene))


def _without_pedestrians(scene: SceneState) -> SceneState:
    kinds = np.where(scene.object_kinds == ObjectKind.PEDESTRIAN, ObjectKind.EMPTY, scene.object_kinds)
    # nobody else is on the road in this scenario
    return replace(scene, object_kinds=kinds, lead_valid=np.zeros_like(scene.lead_valid))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A case that was driven.

    Args:
        result: its metrics.
        seen_at: when the pedestrian was first seen [s]; None for never.
    """

    result: CaseResult
    seen_at: float | None


def drive_cases(config: OcclusionConfig, world: World, *, truck: bool) -> list[Outcome]:
    """The cases in one world, with the truck or without it."""
    cases = place_on_maps([SCENARIOS["occluded_crossing"].draw(seed) for seed in range(config.num_seeds)], ())
    driver, outcomes = SeeingDriver(), []

    def note(result: CaseResult, _: object) -> None:
        outcomes.append(Outcome(result=result, seen_at=driver.seen_at))

    runner = make_case_runner(world, pixels=config.pixels)
    try:
        run_cases(runner, driver, cases if truck else [case.without_edits() for case in cases], note)
    finally:
        runner.close()
    return outcomes


def summarize(outcomes: list[Outcome]) -> str:
    """A line of the table."""
    valid = [one for one in outcomes if one.result.valid]
    seen = [one.seen_at for one in valid if one.seen_at is not None]
    ttc = [one.result.min_ttc for one in valid if one.result.min_ttc is not None]
    hits = [one.result.impact_speed for one in valid if one.result.impact_speed is not None]
    times = f"{np.mean(seen):.2f} s of {len(seen)}" if seen else "never"
    speed = f"{np.mean(hits):.1f} m/s of {len(hits)}" if hits else "–"
    invalid = len(outcomes) - len(valid)
    least = f"{np.mean(ttc):.2f} s of {len(ttc)}" if ttc else "–"
    return f"{len(valid):5d} {invalid:7d} {times:>14} {least:>14} {len(hits):10d} {speed:>14}"


def main(config: OcclusionConfig) -> dict[tuple[str, bool], list[Outcome]]:
    """Drive everything and print the table."""
    columns = f"{'valid':>5} {'invalid':>7} {'first seen':>14} {'least TTC':>14} {'collisions':>10} {'impact':>14}"
    print(f"means, seeds 0..{config.num_seeds - 1}\n{'world':8} {'truck':6} {columns}")
    found: dict[tuple[str, bool], list[Outcome]] = {}
    for world in config.worlds:
        for truck in (False, True):
            found[world, truck] = drive_cases(config, world, truck=truck)
            print(f"{world:8} {'yes' if truck else 'no':6} {summarize(found[world, truck])}", flush=True)
    for truck in (False, True):
        if all((world, truck) in found for world in ("road", "learned")):
            both = zip(found["road", truck], found["learned", truck], strict=True)
            same = [a.result.outcome == b.result.outcome for a, b in both if a.result.valid and b.result.valid]
            print(f"same outcome in both worlds {'with' if truck else 'without'} the truck: {sum(same)} of {len(same)}")
    return found


if __name__ == "__main__":
    main(tyro.cli(OcclusionConfig, description=__doc__))
