"""What others get: a wheel with all that the code reads, which runs where nothing else is; the oldest Gymnasium it can
take; its citation; hosted CI."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
import yaml
from places import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it there

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("drivedit", "worldsim", "envs", "policies", "scenarios", "training")


def files_of_packages() -> list[Path]:
    """Every file of the packages, as the wheel should have it."""
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()]
    return sorted(path.relative_to(ROOT) for path in files if "__pycache__" not in path.parts)


def is_shipped(path: Path) -> bool:
    """Whether pyproject.toml names the file's package, and the file where it is no module."""
    settings = PROJECT["tool"]["setuptools"]
    if path.suffix == ".py":
        return ".".join(path.parent.parts) in settings["packages"]
    return any(
        fnmatch.fnmatch(path.relative_to(Path(*package.split("."))).as_posix(), pattern)
        for package in settings["packages"]
        if path.is_relative_to(Path(*package.split(".")))
        for name in (package, "*")
        for pattern in settings["package-data"].get(name, [])
    )


def test_every_file_of_the_packages_is_shipped():
    assert len(files_of_packages()) > 500
    assert [path for path in files_of_packages() if not is_shipped(path)] == []
    assert not is_shipped(Path("worldsim/weights.safetensors"))
    assert not is_shipped(Path("worldsim/unnamed/module.py"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_wheel_runs_in_an_empty_environment(tmp_path):
    """Builds sdist and wheel, installs the wheel with what it asks for, and drives from a folder with nothing in it."""
    source = tmp_path / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", ".cache", "build", "runs", "*.egg-info", "site")
    )
    subprocess.run([sys.executable, "-m", "build", "--outdir", tmp_path / "dist", source], check=True)
    [wheel], [archive] = (tmp_path / "dist").glob("*.whl"), (tmp_path / "dist").glob("*.tar.gz")
    expected = {path.as_posix() for path in files_of_packages()}
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()
    with tarfile.open(archive) as files:
        assert expected - {name.partition("/")[2] for name in files.getnames()} == set()

    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    venv, elsewhere = tmp_path / "venv", tmp_path / "elsewhere"
    elsewhere.mkdir()

    def run(program: str, *arguments: str | Path) -> str:
        done = subprocess.run(
            [venv / "bin" / program, *arguments],
            cwd=elsewhere,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    subprocess.run([sys.executable, "-m", "venv", venv], env=environment, check=True)
    same_torch = f"torch=={torch.__version__.partition('+')[0]}"
    run("python", "-m", "pip", "install", "--quiet", same_torch, wheel)
    assert Path(run("python", "-c", "import drivedit; print(drivedit.__file__)")).is_relative_to(venv)
    assert "--seconds" in run("drivedit", "demo", "--help")
    run("drivedit", "demo", "--policy", "lane_follower", "--seconds", "2", "--num-drives", "1")
    assert (elsewhere / "runs" / "demo" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_contract_holds_with_the_oldest_gymnasium_that_is_asked_for(tmp_path):
    """Installs it in an environment of its own, which has all else from this one, and runs the tests there."""
    [asked] = [one for one in PROJECT["project"]["dependencies"] if one.startswith("gymnasium>=")]
    oldest = asked.partition(">=")[2]
    subprocess.run([sys.executable, "-m", "venv", tmp_path], check=True)
    python = tmp_path / "bin" / "python"
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(where, stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")  # comes after its own packages
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", f"gymnasium=={oldest}"], check=True)

    version = [python, "-c", "import gymnasium; print(gymnasium.__version__)"]
    found = subprocess.run(version, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert found.startswith(oldest)
    files = [f"tests/envs/test_{name}.py" for name in ("contract", "gymnasium_calls", "vector_env", "driving_env")]
    tests = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow and not gpu", *files]
    done = subprocess.run(tests, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()  # what its schema requires
    assert citation["type"] == "software"
    assert (citation["version"], citation["license"]) == (PROJECT["project"]["version"], PROJECT["project"]["license"])
    [released] = re.findall(
        rf"^## {re.escape(citation['version'])} - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert str(citation["date-released"]) == released


def workflow(name: str) -> dict:
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())


@pytest.mark.parametrize(("name", "command"), [("ci.yml", ".ci/run"), ("site.yml", "mkdocs build --strict")])
def test_hosted_runs_do_what_the_gate_does_and_may_only_read(name, command):
    asked = workflow(name)
    assert asked["permissions"] == {"contents": "read"}
    [job] = asked["jobs"].values()
    assert "permissions" not in job
    assert any(command in step.get("run", "") for step in job["steps"])
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"actions/[\w-]+@v\d+(\.\d+)*", action)] == []
    assert "secrets" not in (ROOT / ".github" / "workflows" / name).read_text()
    assert command in (ROOT / ".ci" / "run").read_text() or command == ".ci/run"
