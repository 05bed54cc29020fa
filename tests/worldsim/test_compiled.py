"""Compiled code's caches notice changes in every file it may use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import worldsim.compiled as compiled

_NUMBERS = "STEP = {}\n"
_KERNEL = """
from worldsim.compiled import compiled
from worldsim.numbers import STEP


@compiled
def forward(x):
    return x + STEP
"""


def _run(root: Path) -> float:
    code = "from envs.kernel import forward; print(forward(1.0))"
    return float(subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True).stdout)


@pytest.mark.parametrize(
    "kernel",
    [
        pytest.param(_KERNEL, id="a name of a module"),
        pytest.param(
            _KERNEL.replace(".numbers import STEP", " import (\n    numbers,\n)\nSTEP = numbers.STEP"), id="a module"
        ),
    ],
)
def test_a_constant_of_another_file_is_compiled_in_anew(tmp_path: Path, kernel: str) -> None:
    for package in ("worldsim", "envs"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for name in ("compiled.py", "atomic_files.py"):
        (tmp_path / "worldsim" / name).write_text(Path(compiled.__file__).with_name(name).read_text())
    (tmp_path / "worldsim" / "numbers.py").write_text(_NUMBERS.format(2.0))
    (tmp_path / "envs" / "kernel.py").write_text(kernel)

    assert _run(tmp_path) == 3.0
    assert list((tmp_path / "envs").rglob("*.nbi"))
    (tmp_path / "worldsim" / "numbers.py").write_text(_NUMBERS.format(5.0))
    assert _run(tmp_path) == 6.0


def test_the_caches_stay_while_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "worldsim").mkdir()
    (tmp_path / "envs").mkdir()
    source = tmp_path / "envs" / "kernel.py"
    source.write_text(_KERNEL)
    compiled.forget_stale_code.cache_clear()
    compiled.forget_stale_code(tmp_path)
    cache = tmp_path / "envs" / "kernel.nbi"
    cache.touch()
    compiled.forget_stale_code.cache_clear()
    compiled.forget_stale_code(tmp_path)
    assert cache.exists()

    source.write_text(_KERNEL + "\n")
    compiled.forget_stale_code.cache_clear()
    compiled.forget_stale_code(tmp_path)
    assert not cache.exists()
