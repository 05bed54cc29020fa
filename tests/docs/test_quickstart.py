"""The quickstart's blocks are run as they stand there, in order, in an empty folder."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

import drivedit

PAGE = ROOT / "docs" / "quickstart.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def write_files(folder: Path) -> list[str]:
    """Write the blocks that begin with a file's name; return the others."""
    others = []
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name is None:
            others.append(block)
        else:
            (folder / name[1]).write_text(block)
    return others


def test_every_python_block_runs(tmp_path):
    programs = write_files(tmp_path)
    assert len(programs) == 2
    assert (tmp_path / "my_driver.py").is_file()
    for program in programs:
        paths = f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(ROOT)!r}]\n"
        done = subprocess.run([sys.executable, "-c", paths + program], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_command_runs(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    [command] = blocks("sh")
    program, *arguments = shlex.split(command)
    assert program == "drivedit"
    assert drivedit.main(arguments) == 0
    assert (tmp_path / "runs" / "validate" / "report.html").is_file()
