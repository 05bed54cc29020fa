"""A process that drives: what it returns, raises, and says of itself when it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from policies.policy_error import PolicyError, blaming_policy
from scenarios.driving_process import Death, run_in_process


def test_a_value_and_an_error_come_back():
    assert run_in_process(lambda whereabouts, a, b: a + b, 2, 3) == 5

    def raises(whereabouts):
        with blaming_policy("in act", 4):
            raise RuntimeError("no")

    with pytest.raises(PolicyError, match=r"step 4: the policy raised RuntimeError in act .*: no") as found:
        run_in_process(raises)
    assert "in raises" in str(found.value.__cause__)
    with pytest.raises(RuntimeError, match="SystemExit: 0"):
        run_in_process(lambda whereabouts: sys.exit(0))


def test_its_end_is_told_with_what_it_did():
    def dies(whereabouts, doing, case):
        whereabouts.case = case
        if doing:
            with blaming_policy(doing, 12):
                os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)

    assert run_in_process(dies, "in act", 7) == Death(how="exit code 3", case=7, filming=False, step=12, doing="in act")
    killed = "killed by SIGKILL, which is how Linux ends what takes too much memory"
    assert run_in_process(dies, "", -1) == Death(how=killed, case=None, filming=False, step=None, doing="")


def test_ctrl_c_and_the_end_of_who_waits_end_it(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(f"""
import os, sys, time
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from scenarios.driving_process import run_in_process
def drive(whereabouts):
    print(os.getpid(), flush=True)
    time.sleep(60)
if __name__ == "__main__":
    run_in_process(drive)
""")
    for sent in (signal.SIGINT, signal.SIGKILL):
        process = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # a shell's background jobs ignore SIGINT, and so would their children
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(sent)
        assert process.wait(20) != 0
        process.stdout.close()
        deadline = time.monotonic() + 20
        while Path(f"/proc/{child}/stat").exists() and " Z " not in Path(f"/proc/{child}/stat").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
