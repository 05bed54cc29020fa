#!/usr/bin/env bash
# Scenic's RegulatedControlAction, by which its lane following, turning and lane changing behaviors drive, never brakes: where the
# control signal is negative it sets throttle to 0 and then takes the brake from the throttle.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scenic==3.1.1

"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from scenic.domains.driving.actions import RegulatedControlAction

print(f"scenic {version('scenic')}")
print("expected: a signal of -0.8 brakes by 0.5, the default max_brake")
actions = [RegulatedControlAction(throttle=signal, steer=0.0, past_steer=0.0) for signal in (-0.8, -0.1, 0.3)]
seen = [(action.throttle, action.brake) for action in actions]
print(f"seen: throttle and brake {seen} of signals -0.8, -0.1 and 0.3")
sys.exit(0 if seen == [(0, 0), (0, 0), (0.3, 0)] else 1)
PYTHON
