"""Drives of three planners from four starts in both worlds, as `drivedit fidelity` keeps them."""

import numpy as np

from scenarios.catalogue import SCENARIOS
from scenarios.fidelity_drives import Drive

PLANNERS = ("bold", "middling", "careful")
CASES = [SCENARIOS[name].draw(seed) for name, seed in (("cut_in", 1), ("cut_in", 2), ("traffic", 3), ("traffic", 4))]
SCORES = np.array([[0.0, 0.0, 0.2, 0.3], [0.5, 0.0, 0.6, 0.7], [0.9, 0.8, 1.0, 1.0]])
IN_ROAD = {("bold", 1): "collision", ("bold", 2): "collision", ("middling", 2): "off_road", ("bold", 3): "no_progress"}


def drives_in(world: str, fails: dict[tuple[str, int], str], scores: np.ndarray = SCORES, **values) -> list[Drive]:
    """All planners from all starts; who is in none of `fails` passes."""
    return [
        Drive(
            world=world, planner=planner, scenario=case.scenario, seed=case.seed, score=float(scores[i, k]),
            outcome=fails.get((planner, case.seed), "passed"), **values,
        )
        for i, planner in enumerate(PLANNERS)
        for k, case in enumerate(CASES)
    ]  # fmt: skip


IN_LEARNED = {
    ("bold", 1): "off_road",
    ("bold", 2): "collision",
    ("careful", 4): "collision",
    ("bold", 3): "no_progress",
}


def everything(**worlds: dict[tuple[str, int], str]) -> dict[tuple, Drive]:
    """Drives by their keys in both worlds, and in trivial ones, in which the best planner is the worst."""
    parts = [drives_in("road", IN_ROAD), drives_in("learned", IN_LEARNED, SCORES + 0.01)]
    parts += [drives_in(name, fails, 1 - SCORES) for name, fails in worlds.items()]
    return {drive.key: drive for part in parts for drive in part}
