"""`drivedit validate` of a driver of AlpaSim's that goes away, and `drivedit serve-driver`, as processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from places import environment

pytest.importorskip("carla_driver_interface")
SUPPORT = Path(__file__).parents[2] / "support"


def test_a_driver_that_dies_leaves_the_runs_before_it(tmp_path):
    driver = subprocess.Popen(
        [sys.executable, str(SUPPORT / "alpasim_drivers.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        assert driver.stdout is not None
        port = int(driver.stdout.readline())
        policy = f"alpasim:127.0.0.1:{port},camera=none,deadline=10"
        options = ["--world", "road", "--scenarios", "lead_braking", "--num-seeds", "4", "--num-videos", "0"]
        command = [sys.executable, str(SUPPORT / "validate_straight.py"), "validate", "--policy", policy, *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    finally:
        driver.kill()
        driver.communicate()
    assert done.returncode == 3, done.stderr
    report = json.loads((tmp_path / "runs" / "validate" / "report.json").read_text())
    reasons = [result["reason"] for result in report["results"]]
    assert len(reasons) == 4
    assert sorted(f"its driver at 127.0.0.1:{port}" in reason for reason in reasons) == [False, False, True, True]


def test_serve_driver_listens_on_loopback_until_it_is_ended():
    command = [sys.executable, "-m", "drivedit", "serve-driver", "--policy", "stop", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("serving stop for AlpaSim on 127.0.0.1:"), line
    os.kill(process.pid, signal.SIGTERM)  # as Ctrl-C, which what runs in the background of a shell does not get
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
