"""`drivedit validate` from its arguments to its exit code and files, on one straight lane."""

import json
import multiprocessing
import os
import re
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from drivers_to_validate import SOURCE, without_wall_time
from straight_world import StraightWorld

import envs.truth_kernels  # noqa: F401  here once, and not in each of the processes that are forked
from drivedit import main
from envs.driving_env import DrivingEnv
from scenarios.case_runner import ReferenceCaseRunner
from scenarios.validation_run import remove_drives


class SlowRunner(ReferenceCaseRunner):
    def run(self, case, policy):
        time.sleep(float(os.environ.get("SECONDS_PER_CASE", "0")))
        return super().run(case, policy)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "scenarios.validate.make_case_runner",
        lambda *_, pixels: SlowRunner(DrivingEnv(StraightWorld(), obs="pixels" if pixels else "state")),
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


@pytest.fixture
def run(here, monkeypatch, capfd):
    """Runs the command; its exit code, what it prints, its errors and its report."""

    def call(*options, policy="mine.py:Good", num_seeds=2, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        arguments = ["--world", "road", "--scenarios", "lead_braking", "--num-seeds", num_seeds, "--num-videos", 0]
        code = main(["validate", "--policy", policy, *map(str, [*arguments, *options])])
        report = here / "runs" / "validate" / "report.json"
        return code, *capfd.readouterr(), json.loads(report.read_text()) if report.is_file() else None

    return call


def test_exit_codes_as_a_build_server_reads_them(here, run):
    code, out, err, report = run()
    assert (code, report["verdict"]) == (4, "INCONCLUSIVE"), err
    assert "29 valid cases with 0 failures would pass" in out
    assert run("--max-failure-rate", 0.8)[0] == 0
    assert run("--point-estimate")[0] == 0
    code, out, err, report = run(policy="mine.py:Crashes", num_seeds=3)
    assert (code, report["verdict"]) == (1, "FAIL")
    with pytest.raises(SystemExit) as stop:
        run("--max-failure-rate", 0)
    assert stop.value.code == 2


@pytest.mark.parametrize(
    ("breaks", "answer", "why"),
    [
        ("1 / 0", "", "raised ZeroDivisionError in act (<string>:1): division by zero"),
        ("sys.exit(0)", "", "ended the process in act (<string>:1), exit code 0"),
        ("pass", "", "answered None instead of an action [2] = steer, acceleration"),
        ("pass", "nan", "answered [nan, nan], an action is finite"),
        ("pass", "shape", "answered an array of shape (3,) instead of an action [2] = steer, acceleration"),
    ],
)
def test_a_policy_that_breaks_is_named_and_the_rest_is_driven(here, run, breaks, answer, why):
    code, _, err, report = run(policy="mine.py:Breaks", num_seeds=3, BREAK=breaks, ANSWER=answer)
    assert code == 3, err
    assert [r["outcome"] for r in report["results"]] == ["passed", "policy_error", "passed"]
    broken = report["results"][1]
    assert (broken["step"], broken["reason"]) == (3, f"step 3: the policy {why}")
    assert f"policy error: lead_braking seed 1: step 3: the policy {why}" in err
    assert (report["verdict"], report["exit_code"]) == ("FAIL", 3)
    tests = ElementTree.parse(here / "runs" / "validate" / "junit.xml").getroot()
    assert (tests.get("tests"), tests.get("errors"), tests.get("failures")) == ("4", "1", "1")
    assert tests.find(".//error").get("message") == f"step 3: the policy {why}"
    with np.load(here / "runs" / "validate" / "failures" / "lead_braking_1" / "drive.npz") as drive:
        assert (len(drive["actions"]), len(drive["vehicles"])) == (3, 4)  # up to the fault
    assert broken["seconds"] == pytest.approx(0.3)
    assert (here / "runs" / "validate" / "report.html").is_file()


@pytest.mark.parametrize(
    ("breaks", "how"),
    [
        ("os._exit(0)", "exit code 0"),
        ("os.kill(os.getpid(), 11)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL, which is how Linux ends what takes too much memory"),
        ("os.fork() or __import__('time').sleep(3)\nos._exit(7)", "exit code 7"),
    ],
)
def test_a_policy_that_ends_the_process_from_below_is_named_and_the_rest_is_driven(here, run, breaks, how):
    code, _, err, report = run(policy="mine.py:Breaks", num_seeds=3, BREAK=breaks)
    assert code == 3, err
    assert [r["outcome"] for r in report["results"]] == ["passed", "policy_error", "passed"]
    reason = f"step 3: the policy ended the process in act, {how}"
    assert (report["results"][1]["step"], report["results"][1]["reason"]) == (3, reason)
    assert f"policy error: lead_braking seed 1: {reason}" in err
    assert re.search(r" [23]/3 \[00:00<\?", err), err  # where the bar of the second process began
    assert (here / "runs" / "validate" / "failures" / "lead_braking_1" / "reproduce.sh").is_file()


def test_the_drive_up_to_a_fault_is_filmed_and_reproduced(here, run):
    code, _, err, report = run("--num-videos", 1, policy="mine.py:Breaks", BREAK="1 / 0")
    assert (code, "not filmed" in err) == (3, False), err
    folder, digest = here / "runs" / "validate" / "failures" / "lead_braking_1", report["results"][1]["digest"]
    assert (folder / "film.mp4").is_file()
    assert digest in (folder / "reproduce.sh").read_text()
    one = ("--first-seed", 1, "--expect", digest, "--out", "again")
    code, out, err, _ = run(*one, policy="mine.py:Breaks", num_seeds=1, BREAK="1 / 0")
    assert (code, f"reproduced bit for bit: SHA-256 {digest}" in out) == (3, True), err


@pytest.mark.parametrize("broken", ["making the world", "driving"])
def test_what_breaks_while_films_are_made_does_not_take_the_report_with_it(here, run, monkeypatch, broken):
    def make(*_, pixels):
        if pixels and broken == "making the world":
            raise RuntimeError("no picture here")
        env = DrivingEnv(StraightWorld(), obs="pixels" if pixels else "state")
        if pixels:
            monkeypatch.setattr(env, "step", lambda action: 1 / 0)
        return SlowRunner(env)

    monkeypatch.setattr("scenarios.validate.make_case_runner", make)
    code, _, err, report = run("--num-videos", 1)
    assert (code, report["verdict"]) == (4, "INCONCLUSIVE"), err
    assert ("no films: RuntimeError: no picture here" if "world" in broken else "not filmed: lead_braking_") in err


def test_a_policy_that_ends_the_process_while_it_is_imported(here, run):
    (here / "gone.py").write_text("import os\nos._exit(0)\n")
    code, _, err, report = run(policy="gone.py:P")
    assert (code, report) == (3, None)
    assert "validate: ended the process while gone.py was imported, exit code 0" in err


def test_a_world_that_ends_the_process_is_no_fault_of_the_policy(run, monkeypatch):
    step = StraightWorld.step

    def breaks(self, control):
        if self.time > 0.25 and self.vehicle[3] > 8.5:
            os.abort()
        return step(self, control)

    monkeypatch.setattr(StraightWorld, "step", breaks)
    code, _, err, report = run(num_seeds=4)
    assert code == 3, err
    broken = [r for r in report["results"] if r["outcome"] == "world_error"]
    assert broken
    assert {r["reason"] for r in broken} == {"the world broke: it ended the process, killed by SIGABRT"}


def test_a_world_that_breaks_makes_its_case_invalid_and_the_rest_is_driven(run, monkeypatch):
    step = StraightWorld.step

    def breaks(self, control):
        if self.time > 0.25 and self.vehicle[3] > 8.5:
            raise ValueError("zero-size array to reduction operation")
        return step(self, control)

    monkeypatch.setattr(StraightWorld, "step", breaks)
    code, _, err, report = run(num_seeds=4)
    assert code == 3, err
    outcomes = [r["outcome"] for r in report["results"]]
    assert set(outcomes) == {"passed", "world_error"}
    broken = report["results"][outcomes.index("world_error")]
    assert (broken["verdict"], broken["reason"]) == (
        "INVALID",
        "the world broke: ValueError: zero-size array to reduction operation",
    )
    assert "in breaks" in broken["details"]


def test_drives_are_the_same_with_and_without_films_and_frames_are_made_for_films_alone(here, run, monkeypatch):
    num_frames = multiprocessing.Value("q")  # the world is in another process
    frame = StraightWorld.frame

    def counted(self):
        num_frames.value += 1
        return frame(self)

    monkeypatch.setattr(StraightWorld, "frame", counted)
    plain = run("--point-estimate", policy="constant", num_seeds=3)[-1]["results"]
    assert num_frames.value == 0, "nobody looks"
    filmed = run("--point-estimate", "--num-videos", 1, policy="constant", num_seeds=3)[-1]["results"]
    assert (made := num_frames.value) > 0
    assert filmed == plain
    films = sorted(here.rglob("*.mp4"))
    assert len(films) > 1

    run("--point-estimate", "--num-videos", 1, policy="constant", num_seeds=3)
    assert (num_frames.value, sorted(here.rglob("*.mp4"))) == (made, films), "the same drives have the same films"
    run("--point-estimate", "--num-videos", 1, "--first-seed", 3, policy="constant", num_seeds=3)
    assert (others := num_frames.value) > made
    assert not any(film.exists() for film in films)
    run("--point-estimate", "--num-videos", 1, "--first-seed", 3, policy="stop", num_seeds=3)
    assert num_frames.value > others, "films of another policy"


def test_writing_into_what_is_shown_changes_no_number(here, run):
    clean = run()[-1]["results"]
    assert run(policy="mine.py:Scales")[-1]["results"] == clean


def test_what_cannot_be_is_said_first(here, run):
    (here / "file").write_text("")
    code, _, err, _ = run("--out", "file/out")
    assert code == 2
    assert "file/out" in err
    assert "0/2" not in err
    code, _, err, _ = run("--device", "cuda:99", policy="planner")
    assert code == 2
    assert "device 'cuda:99' cannot be had" in err
    (here / "old.json").write_text('{"schema": "drivedit.validation/0"}')
    code, _, err, _ = run("--baseline", "old.json")
    assert code == 2
    assert "old.json has schema 'drivedit.validation/0', this version reads 'drivedit.validation/2'" in err


def test_a_log_of_other_code_is_not_gone_on_with(here, run):
    log = here / "runs" / "validate" / "cases.jsonl"
    assert run("--budget", 1e-9)[0] == 4
    assert log.is_file()
    (here / "mine.py").write_text(SOURCE + "\n# changed\n")
    _, _, err, report = run()
    assert "of another policy, world or version, begun anew" in err
    assert len(report["results"]) == 2


def test_the_budget_ends_it_and_the_next_call_goes_on(here, run):
    code, _, err, report = run("--budget", 0.3, num_seeds=3, SECONDS_PER_CASE="0.5")
    assert code == 4
    assert "the budget of 0.3 s is spent, 2 cases are left" in err
    assert report["undriven"] == ["lead_braking_1", "lead_braking_2"]
    assert "2 cases were not driven" in report["reasons"]
    _, _, err, report = run("--budget", 60, num_seeds=3, SECONDS_PER_CASE="0")
    assert " 1/3 " in err
    assert report["undriven"] == []


def test_shards_put_together_are_the_whole(here, run):
    whole = run("--max-failure-rate", 0.6, num_seeds=5)[-1]
    for part in (1, 2):
        code, _, err, _ = run("--max-failure-rate", 0.6, "--shard", f"{part}/2", "--out", f"s{part}", num_seeds=5)
        assert code == 4, err
    code, _, err, merged = run("--max-failure-rate", 0.6, "--merge", "s1", "s2/report.json", num_seeds=5)
    assert code == 0
    assert " 5/5 " in err
    assert without_wall_time(merged) == without_wall_time(whole)
    code, _, err, _ = run("--merge", "s1", policy="mine.py:Scales")
    assert code == 2
    assert "s1 was driven with another policy and cannot be merged" in err


def test_a_baseline_shows_regressions(here, run):
    run("--out", "before", num_seeds=3)
    _, out, _, report = run("--baseline", "before", policy="mine.py:Crashes", num_seeds=3)
    assert report["baseline"]["regressions"] == [f"lead_braking_{seed}" for seed in range(3)]
    assert "3 regressions, 0 fixes and 0 newly invalid cases among 3 that both have" in out
    limits = ("--max-failure-rate", 1, "--max-regressions")
    assert run("--baseline", "before", *limits, 2, policy="mine.py:Crashes", num_seeds=3)[0] == 1
    assert run("--baseline", "before", *limits, 3, policy="mine.py:Crashes", num_seeds=3)[0] == 0


def test_a_validation_begun_anew_removes_its_drives_and_nothing_else(tmp_path: Path) -> None:
    own = [
        tmp_path / name for name in ("report.json", "report.html", "junit.xml")
    ]  # a build would take them for its own
    own += [tmp_path / "failures" / "lead_braking_1" / "film.mp4", tmp_path / "cut_in_3.mp4"]
    others = [tmp_path / "failures" / "holiday_2024" / "photo.txt", tmp_path / "clip_12.mp4"]
    for path in (*own, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
    remove_drives(tmp_path)
    assert not any(path.exists() for path in own)
    assert all(path.exists() for path in others)
