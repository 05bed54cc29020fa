"""Where the project lies, and how another process finds it and what tests share."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"


def environment(*folders: Path) -> dict[str, str]:
    """The environment in which a process imports the project, what tests share, and the modules in `folders`."""
    paths = [*folders, Path(__file__).parent, ROOT]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(path) for path in paths)}
