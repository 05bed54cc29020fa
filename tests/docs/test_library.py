"""The blocks of the page on the library are run as they stand there, beside a folder of videos with tables."""

import re

import pytest
from page_programs import blocks, run_program
from places import ROOT
from steered_clips import write_steered_videos

import drivedit

PAGE = ROOT / "docs" / "library.md"
FULL_SIZE, *SMALL = blocks(PAGE, "python")


def test_the_page_runs_from_top_to_bottom(tmp_path):
    write_steered_videos(tmp_path / "data" / "drives", num=4, num_frames=12)
    printed = run_program("\n".join(SMALL), tmp_path)
    assert "| measure | student | repeating |" in printed
    assert "| frames a second |" in printed
    assert printed.endswith("torch.Size([1, 16, 8])\n")
    assert (tmp_path / "student.safetensors").is_file()


def test_the_full_sizes_block_runs_at_a_small_one(tmp_path):
    smaller = {"d_model=512": "d_model=64, image_size=(32, 32)", "n_layers=12": "n_layers=2", "256, 256": "32, 32"}
    program = FULL_SIZE
    for full, small in smaller.items():
        assert full in program
        program = program.replace(full, small)
    assert run_program(program + "print(*frames.shape)", tmp_path) == "1 8 3 32 32\n"


@pytest.mark.slow
def test_the_full_sizes_block_runs(tmp_path):
    count = "print(*(sum(p.numel() for p in made.parameters()) for made in (student, vae)))"
    shape, counts = run_program(f"{FULL_SIZE}print(*frames.shape)\n{count}", tmp_path).splitlines()
    assert shape == "1 8 3 256 256"
    assert [f"{int(n):,}" for n in counts.split()] == re.findall(r"# ([\d,]+)", FULL_SIZE)


def test_every_name_of_the_library_is_explained():
    table = PAGE.read_text().split("## Names")[1]
    home = {"config", "data", "evaluation", "inference", "models", "training"}
    names = [name for name, module in drivedit._HOME_OF.items() if module.removeprefix("drivedit.") in home]
    assert len(names) == 20
    assert [name for name in names if f"`{name}" not in table] == []
