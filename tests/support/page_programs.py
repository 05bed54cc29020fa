"""Code blocks of the pages, and how they are run: as a program of its own, in a folder of its own."""

import re
import subprocess
import sys
from pathlib import Path

from places import ROOT


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def run_program(program: str, folder: Path) -> str:
    """What it prints."""
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]\n"
    done = subprocess.run([sys.executable, "-c", paths + program], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
