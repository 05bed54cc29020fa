"""`drivedit falsify` and `drivedit estimate` from their arguments to exit code and files, on one straight lane."""

import json

import numpy as np
import pytest
from drivers_to_validate import SOURCE, without_wall_time
from straight_world import StraightWorld

import envs.truth_kernels  # noqa: F401  here once, and not in each of the processes that are forked
from drivedit import main
from envs.driving_env import DrivingEnv
from scenarios.case_results import BROKEN, WORLD_BROKE
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.catalogue import SCENARIOS
from scenarios.falsification.counterexamples import choose_distinct
from scenarios.falsification.runs import RunLog, SearchRun
from scenarios.falsification.search_drives import OutOfTimeError, SearchDrives
from scenarios.falsification.search_space import SearchSpace

DRIVERS = (
    SOURCE
    + """

class Late(Good):
    '''Sees whom it follows only from 9 m on, so that it fails where the lead brakes hard.'''

    def action(self, scene):
        scene = scene.copy()
        scene.lead_valid[...] &= scene.lead[..., 0] < 9.0
        return super().action(scene)


class Dies(Late):
    def act(self, frame, info):
        if info["scene"][0] > 11.5:
            os._exit(7)
        return super().act(frame, info)
"""
)


@pytest.fixture
def here(tmp_path, monkeypatch):
    runner = ReferenceCaseRunner(DrivingEnv(StraightWorld(), obs="state"))
    monkeypatch.setattr("scenarios.falsification.search_drives.shared_case_runner", lambda *_, **__: runner)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(DRIVERS)
    return tmp_path


@pytest.fixture
def run(here, capfd):
    """Runs the command; its exit code, what it prints, its errors and its report."""

    def call(verb, *options, policy="mine.py:Late", num_runs=16):
        arguments = ["--world", "road", "--num-places", 1, "--num-runs", num_runs, *options]
        code = main([verb, "--policy", policy, *map(str, arguments)])
        report = here / "runs" / verb / "report.json"
        return code, *capfd.readouterr(), json.loads(report.read_text()) if report.is_file() else None

    return call


def test_failures_are_found_and_driven_again(here, run):
    code, out, err, report = run("falsify")
    assert (code, report["schema"]) == (1, "drivedit.falsification/1"), err
    assert report["outcomes"]["collision"] + report["outcomes"]["passed"] == 16
    assert [r["index"] for r in report["runs"]] == list(range(16))
    for one in report["runs"]:
        assert (one["robustness"] < 0) == (one["outcome"] == "collision")
    found = report["counterexamples"]
    assert found
    assert all(one["repeated"] and one["avoidable"] == "avoidable" for one in found)
    assert report["confirmation"]["rate"] is None  # this is the reference world
    assert "COUNTEREXAMPLES" in out
    folder = here / "runs" / "falsify" / "failures" / found[0]["id"]
    assert {"case.json", "result.json", "drive.npz", "reproduce.sh"} <= {path.name for path in folder.iterdir()}
    assert f"--replay {folder / 'case.json'}" in (folder / "reproduce.sh").read_text()
    assert (here / "runs" / "falsify" / "report.html").is_file()
    assert not (here / "runs" / "falsify" / "runs.jsonl").exists()

    replay = ["falsify", "--policy", "mine.py:Late", "--world", "road", "--replay", str(folder / "case.json")]
    assert main(replay) == 0
    (here / "mine.py").write_text(DRIVERS.replace("9.0", "5.0"))
    assert main(replay) == 3
    assert "not reproduced" in run("falsify", "--replay", folder / "case.json")[2]
    (folder / "case.json").write_text("{}")
    assert main(replay) == 2


def test_who_does_not_fail_is_told_so(run):
    code, out, _, report = run("falsify", policy="mine.py:Good", num_runs=8)
    assert (code, report["verdict"], report["counterexamples"]) == (0, "NO FAILURE FOUND", [])
    assert "NO FAILURE FOUND" in out


def test_an_interrupted_search_goes_on_and_is_the_same(here, run, monkeypatch):
    whole = run("falsify", "--generation", 6)[3]
    add, log = RunLog.add, here / "runs" / "falsify" / "runs.jsonl"

    def interrupted(self, run):
        add(self, run)
        if len(self.runs) == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunLog, "add", interrupted)
        assert run("falsify", "--generation", 6, "--num-workers", 2)[0] == 130
    before = len(log.read_text().splitlines()) - 1
    assert 7 <= before < 16
    with log.open("a") as file:
        file.write('{"index": 3, "poi')  # as a line that was cut short
    code, _, err, resumed = run("falsify", "--generation", 6, "--num-workers", 2)
    assert code == 1
    assert f" {before}/16 " in err  # where the bar began
    assert without_wall_time(resumed) == without_wall_time(whole)


def test_runs_that_a_broken_world_led_to_are_none_of_the_search_that_goes_on(here, run, monkeypatch):
    """The world broke run 2; the sampler was told so, and proposed other points than it does when run 2 is driven."""
    whole = run("falsify", "--generation", 6)[3]
    add = RunLog.add

    def interrupted(self, run):
        add(self, run)
        if len(self.runs) == 14:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunLog, "add", interrupted)
    run("falsify", "--generation", 6)
    monkeypatch.setattr(RunLog, "add", add)
    log = here / "runs" / "falsify" / "runs.jsonl"
    head, *lines = log.read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    for entry in entries:
        if entry["index"] == 2:
            entry |= {"outcome": WORLD_BROKE, "robustness": float("nan"), "digest": ""}
        elif entry["index"] >= 6:
            entry |= {"point": [1.0 - x for x in entry["point"]], "robustness": -9.0}
    log.write_text("\n".join([head, *map(json.dumps, entries)]) + "\n")

    expected = {one["index"]: one for one in whole["runs"]}
    in_time = SearchDrives._in_time

    def out_of_time(self, jobs):
        return in_time(self, jobs) if self.num_asked <= 6 else ()

    monkeypatch.setattr(SearchDrives, "_in_time", out_of_time)  # the budget ends with the first generation
    first = run("falsify", "--generation", 6)[3]
    assert first["runs"] == [expected[k] for k in range(6)]
    monkeypatch.setattr(SearchDrives, "_in_time", in_time)
    resumed = run("falsify", "--generation", 6)[3]
    assert without_wall_time(resumed) == without_wall_time(whole)


def test_counterexamples_of_an_interrupted_search_stay_distinct(here, run, monkeypatch):
    """Folders of failures that later runs made one with others go, and those that went come back."""
    add, out = RunLog.add, here / "runs" / "falsify"

    def out_of_time(self, run):
        add(self, run)
        if len(self.runs) == 10:
            raise OutOfTimeError

    monkeypatch.setattr(RunLog, "add", out_of_time)
    first = run("falsify")[3]
    assert len(first["runs"]) == 10
    monkeypatch.setattr(RunLog, "add", add)
    worst = out / "failures" / first["counterexamples"][0]["id"]
    worst.rename(worst.with_name("run_00099"))
    report = run("falsify")[3]
    assert len(report["runs"]) == 16
    folders = {folder.name: folder for folder in (out / "failures").iterdir()}
    assert set(folders) == {one["id"] for one in report["counterexamples"]}
    assert all((folder / "drive.npz").is_file() for folder in folders.values())


def test_runs_that_the_world_broke_are_driven_again_by_the_same_command(tmp_path):
    def ended(index, outcome):
        return SearchRun(
            index=index, point=[0.5], values={}, seed=0, outcome=outcome, robustness=1.0, criterion="collision"
        )

    log = RunLog(tmp_path / "runs.jsonl", {})
    for index, outcome in enumerate(("passed", WORLD_BROKE, BROKEN)):
        log.add(ended(index, outcome))
    assert sorted(log.runs) == [0, 1, 2]
    assert sorted(RunLog(tmp_path / "runs.jsonl", {}).runs) == [0, 2]


def test_a_budget_that_is_spent_leaves_the_rest_to_the_same_command(run):
    code, out, _, report = run("falsify", "--budget", 1e-9)
    assert (code, report["verdict"], report["runs"]) == (4, "INCONCLUSIVE", [])
    assert "the budget is spent, 16 runs are left" in out
    assert run("estimate", "--budget", 1e-9)[::3] == (4, None)


def test_a_policy_that_ends_the_process_fails_that_run_alone(here, run):
    code, _, err, report = run("falsify", policy="mine.py:Dies")
    assert code == 3
    assert 0 < report["outcomes"]["policy_error"] < 16
    broken = next(r for r in report["runs"] if r["outcome"] == "policy_error")
    assert "the policy ended the process in act, exit code 7" in broken["reason"]
    assert broken["robustness"] == -1
    assert f"run {broken['index']}: " in err
    worst = report["counterexamples"][0]
    assert worst["result"]["outcome"] == "policy_error"
    folder = here / "runs" / "falsify" / "failures" / worst["id"]
    assert (folder / "reproduce.sh").is_file()
    assert worst["repeated"] is None, "there is no drive that could be compared"
    code, out, *_ = run("falsify", "--replay", folder / "case.json", policy="mine.py:Dies")
    assert code == 3
    assert "nothing to compare" in out
    assert "reproduced" not in out


def test_a_policy_that_cannot_be_made_is_told_before(here, run):
    (here / "gone.py").write_text("import os\nos._exit(0)\n")
    code, _, err, report = run("falsify", policy="gone.py:P")
    assert (code, report) == (3, None)
    assert "ended the process while gone.py was imported, exit code 0" in err


def test_a_key_actor_is_searched_too(run):
    pytest.importorskip("cma")
    code, _, err, report = run("falsify", "--actor-pieces", 2, "--sampler", "cma", "--generation", 4, num_runs=6)
    assert code in (0, 1), err
    assert [p["name"] for p in report["parameters"]][-2:] == ["added acceleration 1", "added acceleration 2"]
    added = [r["values"]["added acceleration 1"] for r in report["runs"]]
    assert -2 <= min(added) < max(added) <= 2
    assert all(r["outcome"] in ("passed", "collision", "no_progress") for r in report["runs"])


def test_what_cannot_be_searched_is_refused(run):
    for options in (("--scenario", "traffic", "--actor-pieces", 2), ("--num-runs", 0), ("--scenario", "none")):
        with pytest.raises(SystemExit) as stop:
            run("falsify", *options)
        assert stop.value.code == 2


def test_rarer_estimates_cover_plain_monte_carlo(run):
    code, _, err, counted = run("estimate", num_runs=40)
    assert (code, counted["schema"]) == (0, "drivedit.estimate/1"), err
    theirs = counted["estimate"]["probability"]
    assert 0 < theirs["estimate"] < 1
    for method in ("importance-sampling", "subset-simulation"):
        code, out, _, report = run("estimate", "--method", method, num_runs=40)
        assert code == 0
        ours = report["estimate"]["probability"]
        assert ours["low"] <= theirs["high"], method
        assert theirs["low"] <= ours["high"], method
        assert len(report["runs"]) == report["estimate"]["num_draws"] <= 40
        assert "probability of a failure" in out


def test_a_limit_makes_a_verdict(run):
    assert run("estimate", "--max-failure-rate", 1.0, num_runs=6)[3]["verdict"] == "PASS"
    assert run("estimate", "--max-failure-rate", 0.0)[0] == 1


def test_failures_that_are_alike_are_one():
    space = SearchSpace(scenario=SCENARIOS["lead_braking"], seeds=(0,))

    def failure(index, x, robustness=-0.1, outcome="collision"):
        return SearchRun(
            index=index,
            point=np.full(space.num_axes, x).tolist(),
            values={},
            seed=0,
            outcome=outcome,
            robustness=robustness,
            criterion=outcome,
        )

    runs = [failure(0, 0.1), failure(1, 0.15, -0.5), failure(2, 0.5), failure(3, 0.52, outcome="off_road")]
    runs += [failure(4, 0.9, 0.3, "passed"), failure(5, 0.9, 2.0, "invalid")]
    chosen, more = choose_distinct(runs, space, 0.1, 10)
    assert ([run.index for run in chosen], more) == ([1, 2, 3], 0)
    chosen, more = choose_distinct(runs, space, 0.1, 2)
    assert ([run.index for run in chosen], more) == ([1, 2], 1)
    assert len(choose_distinct(runs, space, 0.0, 10)[0]) == 4
