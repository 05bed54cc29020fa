"""`drivedit validate` as processes: what ends them, what they leave when they are killed, what they reproduce."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drivers_to_validate import SOURCE, without_wall_time

SCRIPT = Path(__file__).parents[1] / "support" / "validate_straight.py"


@pytest.fixture
def here(tmp_path):
    (tmp_path / "mine.py").write_text(SOURCE)
    (tmp_path / "no_guard.py").write_text("import sys\nclass P: pass\nsys.exit()\n")
    return tmp_path


def command(*options: object, policy="mine.py:Good", num_seeds=2) -> list[str]:
    arguments = ["--world", "road", "--scenarios", "lead_braking", "--num-seeds", num_seeds, "--num-videos", 0]
    return [sys.executable, str(SCRIPT), "validate", "--policy", policy, *map(str, [*arguments, *options])]


def run(folder: Path, *options: object, policy="mine.py:Good", num_seeds=2, **environment: str):
    """The exit code, standard error and report.json of a run."""
    done = subprocess.run(
        command(*options, policy=policy, num_seeds=num_seeds),
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = folder / "runs" / "validate" / "report.json"
    return done, json.loads(report.read_text()) if report.is_file() else None


def test_a_file_that_ends_the_process_is_no_success(here):
    done, report = run(here, policy="no_guard.py:P")
    assert (done.returncode, report) == (3, None)
    assert "ended the process while no_guard.py was imported (no_guard.py:3), exit code 0" in done.stderr


def test_killed_it_goes_on_and_nothing_is_lost(here):
    log = here / "runs" / "validate" / "cases.jsonl"
    process = subprocess.Popen(
        command(num_seeds=5, policy="mine.py:Crashes"),
        cwd=here,
        env=os.environ | {"SECONDS_PER_CASE": "0.5"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 100
    while not (log.is_file() and log.read_bytes().count(b"\n") >= 3):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with log.open("a") as file:
        file.write('{"scenario": "lead_br')  # as a line that was cut short
    finished = [json.loads(line) for line in log.read_text().splitlines()[1:-1]]
    assert 2 <= len(finished) < 5

    done, resumed = run(here, num_seeds=5, policy="mine.py:Crashes")
    assert done.returncode == 1
    assert f" {len(finished)}/5 " in done.stderr  # where the bar began
    assert not log.exists()
    assert [r["seed"] for r in resumed["results"]] == [0, 1, 2, 3, 4]
    assert [r for r in resumed["results"] if r["seed"] in {f["seed"] for f in finished}] == finished
    whole = run(here, num_seeds=5, policy="mine.py:Crashes")[1]
    assert without_wall_time(whole) == without_wall_time(resumed)


def test_a_failure_is_reproduced_by_its_command(here):
    """Bit for bit; a drive that is another one is told apart."""
    run(here, policy="mine.py:Crashes")
    folder = here / "runs" / "validate" / "failures" / "lead_braking_1"
    assert sorted(p.name for p in folder.iterdir()) == ["drive.npz", "reproduce.sh", "result.json"]
    tools = here / "bin"
    tools.mkdir()
    (tools / "drivedit").write_text(f'#!/bin/sh\nexec {sys.executable} {SCRIPT} "$@"\n')
    (tools / "drivedit").chmod(0o755)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}

    def reproduce():
        script = [str(folder / "reproduce.sh")]
        return subprocess.run(script, cwd="/", env=environment, capture_output=True, text=True, check=False)

    digest = json.loads((folder / "result.json").read_text())["digest"]
    done = reproduce()
    assert (done.returncode, f"reproduced bit for bit: SHA-256 {digest}" in done.stdout) == (1, True), done.stderr
    (here / "mine.py").write_text(SOURCE.replace("0.45", "0.46"))
    done = reproduce()
    assert (done.returncode, "not reproduced: the drive has SHA-256" in done.stderr) == (3, True)


@pytest.mark.slow
def test_two_verdicts_of_the_reference_world_are_reproduced(here):
    """The real world, the real command."""
    tools = here / "bin"
    tools.mkdir()
    (tools / "drivedit").write_text(f'#!/bin/sh\nexec {sys.executable} -m drivedit "$@"\n')
    (tools / "drivedit").chmod(0o755)
    home = str(SCRIPT.parents[2])
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": home}
    options = ["--policy", "constant", "--world", "road", "--scenarios", "lead_braking", "cut_in", "--num-seeds", "2"]
    done = subprocess.run(["drivedit", "validate", *options, "--out", "out"], cwd=here, env=environment, check=False)
    assert done.returncode in (1, 4)
    scripts = sorted((here / "out" / "failures").glob("*/reproduce.sh"))[:2]
    assert len(scripts) == 2
    for script in scripts:
        again = subprocess.run([str(script)], cwd="/", env=environment, capture_output=True, text=True, check=False)
        assert "reproduced bit for bit" in again.stdout, again.stderr
