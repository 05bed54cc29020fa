"""The face: light import, lazy names, env ids, verbs, and errors as one line."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import gymnasium
import pytest

import drivedit
from drivedit.verbs import VERBS
from policies.policy_error import PolicyError


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_heavy():
    heavy = ("torch", "cv2", "pygame", "carla", "av", "pyarrow", "scipy", "matplotlib")
    loaded = run_python(f"import sys, drivedit, envs; print([m for m in {heavy} if m in sys.modules])")
    assert loaded.strip() == "[]"


@pytest.mark.parametrize("name", drivedit.__all__)
def test_public_name_is_there(name):
    assert getattr(drivedit, name).__name__ == drivedit._MODULES.get(name, name)


def test_lazy_names_are_the_public_names():
    assert {*drivedit._HOME_OF, *drivedit._MODULES, "main"} == set(drivedit.__all__)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = drivedit.Nothing


def test_env_ids_are_registered():
    assert gymnasium.spec("DriveDiT-v0").entry_point == "envs.registration:make_learned_env"
    assert gymnasium.spec("DriveDiT-v0").vector_entry_point == "envs.registration:make_learned_vector_env"
    assert gymnasium.spec("DriveDiT-Road-v0").entry_point == "envs.registration:make_road_env"


@pytest.mark.parametrize("hidden", ["envs/__init__.py", "training/__init__.py", "scenarios.py"])
def test_a_package_of_the_users_own_in_the_way_is_named(hidden, tmp_path):
    own = tmp_path / hidden
    own.parent.mkdir(exist_ok=True)
    own.write_text("raise RuntimeError('must not be imported')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import drivedit"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    name, place = own.stem if own.parent == tmp_path else own.parent.name, own if own.parent == tmp_path else own.parent
    home = Path(drivedit.__file__).parent.parent / name
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: DriveDiT's package {name!r} is hidden by {place.resolve()}")
    assert str(home.resolve()) in last


def test_packages_say_that_they_are_typed():
    home = Path(drivedit.__file__).parent.parent
    settings = (home / "pyproject.toml").read_text()
    for package in ("worldsim", "envs", "policies", "scenarios", "training"):
        assert (home / package / "py.typed").read_text() == ""
    assert '"*" = ["py.typed"]' in settings


@pytest.mark.parametrize("verb", VERBS)
def test_verb_has_help_config_and_function(verb, capsys):
    config, function = VERBS[verb]()
    assert dataclasses.is_dataclass(config)
    assert callable(function)
    with pytest.raises(SystemExit) as stop:
        drivedit.main([verb, "--help"])
    assert stop.value.code == 0
    assert f"drivedit {verb}" in capsys.readouterr().out


def test_help_lists_every_verb(capsys):
    assert drivedit.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {verb} " in out for verb in VERBS)


def test_wrong_verb_is_told_the_right_one(capsys):
    assert drivedit.main(["recrod"]) == 2
    assert "did you mean 'record'" in capsys.readouterr().err


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No options."""


def verb_that_raises(error: BaseException):
    def run(_):
        raise error

    return lambda: (Nothing, run)


def test_error_of_use_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("DRIVEDIT_DEBUG", raising=False)
    monkeypatch.setitem(VERBS, "demo", verb_that_raises(ValueError("seed must be positive, got -1")))
    assert drivedit.main(["demo"]) == 2
    err = capsys.readouterr().err
    assert "seed must be positive, got -1" in err
    assert err.count("\n") == 1
    with pytest.raises(ValueError, match="seed must be positive"):
        drivedit.main(["demo", "--debug"])


def test_a_bug_is_not_hidden_nor_taken_for_a_failed_validation(monkeypatch, capsys):
    monkeypatch.setitem(VERBS, "demo", verb_that_raises(KeyError("bug")))
    assert drivedit.main(["demo"]) == 3
    err = capsys.readouterr().err
    assert "KeyError: 'bug'" in err
    assert "in verb_that_raises" in err or "in run" in err
    with pytest.raises(KeyError):
        drivedit.main(["--debug", "demo"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "out"), 2),
        (OSError(errno.ENOSPC, "No space left on device", "out"), 3),
        (ConnectionRefusedError("no CARLA server answers"), 3),
        (PolicyError("raised ZeroDivisionError in act", 3), 3),
        (SystemExit(0), 3),
        (SystemExit(1), 3),
    ],
)
def test_a_broken_machine_server_or_policy_is_no_failed_validation(error, code, monkeypatch, capsys):
    monkeypatch.setitem(VERBS, "demo", verb_that_raises(error))
    assert drivedit.main(["demo"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_interrupt_exits_130(monkeypatch, capsys):
    monkeypatch.setitem(VERBS, "demo", verb_that_raises(KeyboardInterrupt()))
    assert drivedit.main(["demo"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_sigterm_is_like_ctrl_c(monkeypatch, capsys):
    def ask_to_end(config):
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setitem(VERBS, "demo", lambda: (Nothing, ask_to_end))
    assert drivedit.main(["demo"]) == 130
    assert capsys.readouterr().err == "\ndrivedit: demo interrupted\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_exit_code_is_the_functions(monkeypatch):
    monkeypatch.setitem(VERBS, "demo", lambda: (Nothing, lambda _: 1))
    assert drivedit.main(["demo"]) == 1


@pytest.mark.parametrize("env_id", ["DriveDiT-v0", "DriveDiT-Road-v0", "DriveDiT-Carla-v0"])
def test_ids_take_the_same_words_about_trust(env_id):
    env = gymnasium.make(env_id, obs="state", trust_threshold=0.25, trust_signals="full").unwrapped
    assert env.config.trust_threshold == 0.25
    with pytest.raises(ValueError, match=r"'free'.*'full'.* got 'all'"):
        gymnasium.make(env_id, trust_signals="all")
