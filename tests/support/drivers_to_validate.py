"""Drivers for tests of validation: good ones, bad ones, and one that breaks as it is told."""

SOURCE = """
import os
import sys

import numpy as np
from policies.rule_based import LaneFollower


class Good(LaneFollower):
    uses_pictures = False


class Breaks(LaneFollower):
    '''Breaks by what BREAK says in the fourth step of seed 1.'''

    def reset(self, env, seed):
        super().reset(env, seed)
        self.num, self.seed = 0, seed

    def act(self, frame, info):
        self.num += 1
        if self.seed == 1 and self.num == 4:
            exec(os.environ["BREAK"])
            return {"nan": np.full(2, np.nan), "shape": np.zeros(3)}.get(os.environ.get("ANSWER"))
        return super().act(frame, info)


class Scales(Good):
    def act(self, frame, info):
        action = super().act(frame, info)
        info["scene"] /= 100.0
        return action


class Crashes:
    def reset(self, env, seed):
        pass

    def act(self, frame, info):
        return np.array([0.0, 0.45], np.float32)
"""


def without_wall_time(report: dict) -> dict:
    """What must be equal where the same cases are driven in another way."""
    return {name: value for name, value in report.items() if name not in ("provenance", "config")}
