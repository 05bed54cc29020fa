"""The same runs on a Ray cluster of two machines: the same results, whatever is lost on the way."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from drivers_to_validate import SOURCE, without_wall_time
from drives_elsewhere import drive_slowly, note
from places import environment

from drivedit import main
from envs.ray_cluster import ClusterError, RayCluster, WorkerLostError, in_cluster
from scenarios.case_results import BROKEN, WORLD_BROKE
from scenarios.catalogue import SCENARIOS
from scenarios.supervised_drives import Job, drive_supervised
from scenarios.workers import ClusterWorkers

ray = pytest.importorskip("ray", reason="the extra ray")
CASES = [SCENARIOS["cut_in"].draw(seed) for seed in range(3)]
MACHINE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def cluster(monkeypatch):
    """Of two machines."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    cluster = Cluster(initialize_head=True, head_node_args=MACHINE)
    cluster.second = cluster.add_node(**MACHINE)
    cluster.wait_for_nodes()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def test_a_lost_machine_loses_nothing_and_a_case_that_ends_processes_is_named(cluster) -> None:
    workers = ClusterWorkers(cluster.address)
    assert workers.num == 2
    drives, reasons = [], {}

    def on_drive(drive) -> None:
        drives.append(drive)
        if len(drives) == 3:
            cluster.remove_node(cluster.second, allow_graceful=False)

    def on_death(job: Job, result):
        reasons[job.planner, result.seed] = result.reason
        return job.planner, result.seed, result.outcome

    jobs = [Job("road", planner, CASES, [None] * len(CASES)) for planner in ("a", "b", "c", "d")]
    drive_supervised(drive_slowly, jobs, workers, on_drive=on_drive, on_death=on_death)
    broken = {("b", 1): BROKEN, ("c", 2): WORLD_BROKE}
    assert sorted(drives) == [(p, seed, broken.get((p, seed), "passed")) for p in "abcd" for seed in range(3)]
    assert reasons["b", 1] == "step 4: the policy ended the process in act, exit code 7", "as on this machine"
    assert "a process of the cluster was lost" in reasons["c", 2]


def test_calls_are_made_again_where_a_machine_is_lost(cluster, tmp_path: Path) -> None:
    names = [str(k) for k in range(6)]
    done = []
    for name in in_cluster(note, [(tmp_path, name) for name in names], RayCluster(cluster.address)):
        done.append(name)
        if len(done) == 1:
            cluster.remove_node(cluster.second, allow_graceful=False)
    assert sorted(done) == names == sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(WorkerLostError):
        list(in_cluster(os._exit, [(1,)], RayCluster(cluster.address)))
    with pytest.raises(ZeroDivisionError):
        list(in_cluster(divmod, [(1, 0)], RayCluster(cluster.address)))


def run_twice(verb: str, options: str, address: str) -> None:
    """Run a command here and on the cluster, into folders of this one."""
    done = [
        subprocess.run(
            [sys.executable, "-m", "drivedit", verb, *options.split(), "--out", out, *more],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=270,
        )
        for out, more in ((f"{verb}_here", ()), (f"{verb}_there", ("--ray", address)))
    ]
    assert done[0].returncode == done[1].returncode in (0, 1), done[0].stderr + done[1].stderr


def assert_same_report(verb: str) -> None:
    here, there = (json.loads(Path(f"{verb}_{where}/report.json").read_text()) for where in ("here", "there"))
    assert without_wall_time(here) == without_wall_time(there)


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("validate", "--policy mine.py:Crashes --scenarios lead_braking --num-seeds 3 --num-videos 0"),
        ("estimate", "--policy mine.py:Crashes --num-runs 4 --num-places 1"),
        ("fidelity", "--planners blind slow --scenarios lead_braking --num-seeds 2 --no-trivial-worlds"),
    ],
)
def test_commands_in_the_learned_world_come_to_the_same(cluster, tmp_path: Path, monkeypatch, verb, options) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOURCE)
    run_twice(verb, options, cluster.address)
    assert_same_report(verb)


def test_commands_come_to_the_same_with_and_without(cluster, tmp_path: Path, monkeypatch) -> None:
    """validate, falsify and record in the reference world, bit for bit."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(SOURCE)
    commands = {
        "validate": "--world road --policy mine.py:Crashes --scenarios lead_braking --num-seeds 3 --num-videos 0",
        "falsify": "--world road --policy mine.py:Crashes --num-runs 4 --generation 4 --num-places 1 "
        "--num-counterexamples 1",
        "record": "--num-episodes 2 --episodes-per-town 1 --num-towns 1 --seconds-per-episode 2.5 --num-workers 0 "
        "--frame-size 32 32",
    }
    for verb, options in commands.items():
        run_twice(verb, options, cluster.address)
    for verb in ("validate", "falsify"):
        assert_same_report(verb)
    folders = Path("record_here"), Path("record_there")
    files = [sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()) for folder in folders]
    assert files[0] == files[1]
    videos = [path for path in files[0] if path.suffix in (".mp4", ".npz")]
    assert videos
    for path in videos:
        assert (folders[0] / path).read_bytes() == (folders[1] / path).read_bytes()


def test_a_cluster_that_goes_away_is_named(cluster) -> None:
    workers = ClusterWorkers(cluster.address)

    def on_drive(drive) -> None:
        if not gone.is_set():
            gone.set()
            cluster.head_node.kill_raylet(check_alive=False)
            cluster.head_node.kill_gcs_server(check_alive=False)

    gone = threading.Event()
    jobs = [Job("road", "a", CASES, [None] * len(CASES)) for _ in range(20)]
    with pytest.raises(ClusterError, match="the Ray cluster is gone, the same command goes on from here"):
        drive_supervised(drive_slowly, jobs, workers, on_drive=on_drive, on_death=lambda job, _: job)


def test_a_cluster_that_is_not_there_is_named(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    for address, words in ((f"127.0.0.1:{free}", "no Ray cluster at --ray"), ("somewhere", "auto or HOST:PORT")):
        assert main(["record", "--ray", address, "--num-episodes", "1"]) == 3
        assert words in capfd.readouterr().err
