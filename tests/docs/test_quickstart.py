"""The blocks of README, quickstart and the pages on env and edits are run as they stand there, in an empty folder."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from page_programs import blocks, run_program
from places import ROOT

import drivedit

README, QUICKSTART, ENVIRONMENT, EDITING = (
    ROOT / name for name in ("README.md", "docs/quickstart.md", "docs/environment.md", "docs/editing.md")
)


def write_files(folder: Path) -> list[str]:
    """Write the blocks that begin with a file's name; return the others."""
    others = []
    for block in blocks(QUICKSTART, "python"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name is None:
            others.append(block)
        else:
            (folder / name[1]).write_text(block)
    return others


def test_the_readme_runs(tmp_path):
    [program] = blocks(README, "python")
    run_program(program, tmp_path)


def test_the_readme_shows_both_ways_to_make_an_env():
    text = README.read_text()
    assert "import drivedit" in text
    assert 'make("DriveDiT-v0")' in text
    assert 'make("drivedit:DriveDiT-v0")' in text


def test_the_page_on_the_environment_runs_from_top_to_bottom(tmp_path):
    run_program("\n".join(blocks(ENVIRONMENT, "python")), tmp_path)


def test_the_page_on_editing_runs_from_top_to_bottom(tmp_path):
    run_program("\n".join(blocks(EDITING, "python")), tmp_path)


def test_every_python_block_runs(tmp_path):
    programs = write_files(tmp_path)
    assert len(programs) == 2
    assert (tmp_path / "my_driver.py").is_file()
    for program in programs:
        run_program(program, tmp_path)


@pytest.mark.slow
def test_the_command_runs(tmp_path, monkeypatch):
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    [command] = blocks(QUICKSTART, "sh")
    program, *arguments = shlex.split(command)
    assert program == "drivedit"
    assert drivedit.main(arguments) == 0
    assert (tmp_path / "runs" / "validate" / "report.html").is_file()
