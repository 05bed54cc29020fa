"""`drivedit`, where world "road" is one straight lane: `python validate_straight.py validate --world road ...`.

Everything else is the real command, so that processes can be started, killed and asked for their exit codes in seconds.
"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from straight_world import StraightWorld

import drivedit
import scenarios.validate
from envs.driving_env import DrivingEnv
from scenarios.case_runner import ReferenceCaseRunner


class SlowRunner(ReferenceCaseRunner):
    """Takes SECONDS_PER_CASE, so that a test can kill it in between."""

    def run(self, case, policy):
        time.sleep(float(os.environ.get("SECONDS_PER_CASE", "0")))
        return super().run(case, policy)


scenarios.validate.make_case_runner = lambda *_, pixels: SlowRunner(
    DrivingEnv(StraightWorld(), obs="pixels" if pixels else "state")
)
sys.exit(drivedit.main())
