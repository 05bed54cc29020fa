"""PolicyError: what a policy broke by, whatever it was, told so that its author finds the place."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from envs.world import WorldLostError

if TYPE_CHECKING:
    from policies.drive import Rollout


class PolicyWatcher(Protocol):
    """Is told when a policy is at work, so that it can say so should the process not live to tell."""

    def enter(self, doing: str, step: int | None) -> None:
        """The policy begins: when that is, as in "in act", and the steps driven before."""
        ...

    def leave(self) -> None:
        """It is done."""
        ...


_watchers: list[PolicyWatcher] = []


def watch_policies(watcher: PolicyWatcher) -> None:
    """Tell a watcher about all policies, until the process ends."""
    _watchers.append(watcher)


class PolicyError(RuntimeError):
    """A policy broke: it raised, ended the process, or answered with what is no action.

    Attributes:
        rollout: the drive up to there, for whoever catches it in the same process; None where it drove no step.

    Args:
        reason: what happened, in a line that begins with a verb.
        step: steps driven before, 0 in `reset`; None outside a drive.
        details: the traceback, for a file; "" without one.
    """

    def __init__(self, reason: str, step: int | None = None, details: str = "") -> None:
        super().__init__(reason, step, details)  # all of them, so that it passes from process to process
        self.reason, self.step, self.details = reason, step, details
        self.rollout: Rollout | None = None

    def __str__(self) -> str:
        return self.reason if self.step is None else f"step {self.step}: the policy {self.reason}"


@contextmanager
def blaming_policy(doing: str, step: int | None = None) -> Iterator[None]:
    """Turn whatever the block raises into a PolicyError; Ctrl-C passes, and so does the loss of the world.

    SystemExit is one of them: a policy that ends the process must not end a validation with its own exit code.

    Args:
        doing: when it happened, as in "in act".
        step: steps driven before.

    Raises:
        PolicyError: the block raised.
    """
    for watcher in _watchers:
        watcher.enter(doing, step)
    try:
        yield
    except (PolicyError, WorldLostError):
        raise
    except (Exception, SystemExit) as error:
        raise PolicyError(_reason(error, doing), step, traceback.format_exc()) from error
    finally:
        for watcher in _watchers:
            watcher.leave()


def _reason(error: BaseException, doing: str) -> str:
    """What was raised and where, in a line."""
    if isinstance(error, SyntaxError) and error.filename:
        place = (error.filename, error.lineno)
    else:
        innermost = traceback.extract_tb(error.__traceback__)[-1]
        place = (innermost.filename, innermost.lineno)
    where = f"({Path(place[0]).name}:{place[1]})"
    if isinstance(error, SystemExit):
        return f"ended the process {doing} {where}, exit code {error.code or 0}"
    words = " ".join(str(error).split())
    return f"raised {type(error).__name__} {doing} {where}" + (f": {words}" if words else "")
