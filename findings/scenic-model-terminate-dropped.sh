#!/usr/bin/env bash
# Scenic takes the requirements of a world model, but not its termination conditions and monitors: `terminate simulation when` in
# a module that is imported by `model` does nothing, and nothing is said.
#
# Exits with 0 while that is so, with 1 once it no longer happens.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check scenic==3.1.1

cat > "$folder/world.scenic" <<'SCENIC'
terminate simulation when simulation().currentTime >= 3
SCENIC
cat > "$folder/by_model.scenic" <<'SCENIC'
model world
ego = new Object
SCENIC
cat > "$folder/by_itself.scenic" <<'SCENIC'
ego = new Object
terminate simulation when simulation().currentTime >= 3
SCENIC

cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from scenic.core.simulators import DummySimulator
from scenic.syntax.translator import scenarioFromFile

sys.path.insert(0, ".")
print(f"scenic {version('scenic')}")
print("expected: both programs end after 3 steps")
seen = {}
for name in ("by_itself", "by_model"):
    scene, _ = scenarioFromFile(f"{name}.scenic").generate()
    seen[name] = DummySimulator().simulate(scene, maxSteps=10).currentTime
print(f"seen: {seen} steps, 10 at most")
sys.exit(0 if seen == {"by_itself": 3, "by_model": 10} else 1)
PYTHON
