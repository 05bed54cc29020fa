"""The `drivedit` command: its help, its errors as one line, its exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

from drivedit.verbs import VERBS


def _help() -> str:
    lines = [f"  {name:<14} {verb.__doc__}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: drivedit [--debug] VERB [OPTIONS]",
            "",
            "A closed-loop driving simulator whose engine is a learned world model.",
            "",
            "verbs:",
            *lines,
            "",
            "options:",
            "  --debug    show the traceback of an error (also: DRIVEDIT_DEBUG=1)",
            "  -h, --help show this help; `drivedit VERB --help` shows a verb's options",
        ]
    )


def _fail(message: str, code: int = 2) -> int:
    print(f"drivedit: {message}", file=sys.stderr)
    return code


_MACHINE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE)
"""The machine is at fault where the operating system says one of these, not the command."""


def _exit_code(error: BaseException) -> int:
    """2 where the command asks for what cannot be, 3 where the machine, a server or a policy broke, or DriveDiT did."""
    if isinstance(error, OSError):
        broke = isinstance(error, (ConnectionError, TimeoutError, ChildProcessError))
        return 3 if broke or error.errno in _MACHINE_ERRORS else 2
    return 2 if isinstance(error, ValueError) else 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `drivedit` command.

    Args:
        argv: the arguments after the program's name; the process's own by default.

    Returns:
        The exit code: 0 done, 1 a validation failed, 2 an error of use, 3 the machine, a server, a policy or DriveDiT
        itself broke, 4 a validation is inconclusive, 130 interrupted.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in args or os.environ.get("DRIVEDIT_DEBUG", "0") not in ("", "0")
    args = [a for a in args if a != "--debug"]
    if not args:
        print(_help(), file=sys.stderr)
        return 2
    name, rest = args[0], args[1:]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name not in VERBS:
        close = get_close_matches(name, VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"verbs: {', '.join(VERBS)}"
        return _fail(f"unknown verb {name!r}; {hint}")
    with _sigterm_like_ctrl_c():
        try:
            return _run(name, rest)
        except KeyboardInterrupt:
            print(f"\ndrivedit: {name} interrupted", file=sys.stderr)
            return 130
        except Exception as error:  # nothing may end with Python's own exit code 1, which says that a validation failed
            from policies.policy_error import PolicyError

            if debug:
                raise
            if isinstance(error, (ValueError, OSError, PolicyError)):
                return _fail(f"{name}: {error} (--debug shows where)", _exit_code(error))
            traceback.print_exc()
            return _fail(f"{name} broke, which is a fault of DriveDiT: please report the lines above", 3)


@contextmanager
def _sigterm_like_ctrl_c() -> Iterator[None]:
    """SIGTERM, by which service managers and batch systems end programs, raises KeyboardInterrupt within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _run(name: str, args: Sequence[str]) -> int:
    import tyro

    verb = VERBS[name]
    config_type, run = verb()
    config = tyro.cli(config_type, prog=f"drivedit {name}", description=verb.__doc__, args=args)
    try:
        result = run(config)
    except SystemExit as error:  # by a policy, or by what it imports: its own exit code would pass for ours
        from policies.policy_error import PolicyError

        raise PolicyError(f"something ended the process from within, exit code {error.code or 0}") from error
    return result if isinstance(result, int) else 0
