"""Sittings on a lent machine: stopped in time, packed, and gone on with elsewhere."""

import sys
import time
from pathlib import Path

import pytest

from examples.train_on_gpu import UNFINISHED, SittingConfig, pack, run_for, sit, unpack

FILES = {
    "precision.json": True,
    "vae/vae.safetensors": True,
    "vae/optimizer.safetensors": False,  # the stage is finished
    "vae/log/events": False,
    "dynamics/student/optimizer.safetensors": True,
    "latents/train.npy": False,
    "data/train/meta/info.json": False,
    "checkpoint/config.json": True,
    ".lock": False,
}


def test_what_is_packed_comes_back_and_newer_files_stay(tmp_path: Path) -> None:
    for name in FILES:
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    pack(tmp_path / "run", tmp_path / "kept")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "precision.json").write_text("newer")
    unpack(tmp_path / "kept", tmp_path / "other")
    found = {str(p.relative_to(tmp_path / "other")) for p in (tmp_path / "other").rglob("*") if p.is_file()}
    assert found == {name for name, kept in FILES.items() if kept}
    assert (tmp_path / "other" / "precision.json").read_text() == "newer"
    assert (tmp_path / "other" / "vae/vae.safetensors").read_text() == "vae/vae.safetensors"


@pytest.mark.parametrize("patient", [True, False])
def test_a_sitting_ends_in_time(tmp_path: Path, patient: bool) -> None:
    handler = "sys.exit(open(sys.argv[1], 'w').close())" if patient else "None"
    script = f"import signal, sys, time\nsignal.signal(15, lambda *_: {handler})\nwhile True: time.sleep(0.01)"
    begun = time.monotonic()
    assert run_for([sys.executable, "-c", script, str(tmp_path / "saved")], 1.0, 0.5 if not patient else 20.0) == 3
    assert time.monotonic() - begun < 15
    assert (tmp_path / "saved").exists() == patient


def test_the_exit_code_is_that_of_training_unless_time_was_up(tmp_path: Path) -> None:
    assert run_for([sys.executable, "-c", "import sys; sys.exit(2)"], 60.0, 1.0) == 2
    config = SittingConfig(out=tmp_path / "run", kept=tmp_path / "kept", minutes=0.002, reserve=0.001)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precision.json").write_text("{}")
    assert sit(config) == UNFINISHED
    assert (tmp_path / "kept" / "precision.json.tar").is_file()
    with pytest.raises(ValueError, match=r"reserve must lie in \(0, 1.0\) minutes, got 2.0"):
        SittingConfig(out=tmp_path, kept=tmp_path, minutes=1.0, reserve=2.0)
