"""Where pygame and pygame-ce are both installed, `drivedit play` says so once, and how to mend it."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
from places import environment

from envs.viewer.pygame_packages import PACKAGES, tell_of_two_pygames


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Packages beside those that are there: their metadata in a folder that Python looks into first."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-9.9.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.9\n")

    install.folder = tmp_path
    return install


def test_two_are_named_with_their_versions_and_the_cure(installed, capsys):
    for name in PACKAGES:
        installed(name)
    tell_of_two_pygames()
    said = capsys.readouterr().err
    assert "pygame 9.9 and pygame-ce 9.9 are both installed" in said
    assert "pip uninstall pygame pygame-ce && pip install pygame-ce" in said


def test_one_is_as_it_should_be(capsys):
    names = []
    for name in PACKAGES:
        try:
            names.append((name, version(name)))
        except PackageNotFoundError:
            continue
    if len(names) != 1:
        pytest.skip(f"installed here: {names}")
    tell_of_two_pygames()
    assert capsys.readouterr().err == ""


def test_play_says_it_before_it_opens_the_window(installed):
    """Nothing is drawn here: there is no display."""
    for name in PACKAGES:
        installed(name)
    paths = environment(Path(installed.folder))
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        paths.pop(name, None)
    done = subprocess.run([sys.executable, "-m", "drivedit", "play"], capture_output=True, text=True, env=paths)
    assert done.returncode == 2
    assert done.stderr.count("are both installed") == 1
    assert "no display" in done.stderr
