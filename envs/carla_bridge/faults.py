"""Fault switches: what a real server does on a bad day, on purpose and once, so that clients can be tested."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["late_image", "dropped_image", "duplicated_image", "late_frame", "rpc_error", "hang", "kill"]


@dataclass(frozen=True, kw_only=True)
class FaultConfig:
    """One fault.

    Args:
        kind: what goes wrong; none without one. `late_image` and `late_frame` come `seconds` late, `rpc_error` answers
            the next `method` with an error, `hang` never computes the frame, `kill` ends the server.
        at: in which frame, counted from the spawning of the first ego.
        seconds: how late [s].
        method: which call fails.

    Raises:
        ValueError: a frame or time is negative.
    """

    kind: FaultKind | None = None
    at: int = 30
    seconds: float = 1.0
    method: str = "tick_cue"

    def __post_init__(self) -> None:
        if self.at < 1:
            raise ValueError(f"at must be at least 1, got {self.at}")
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative, got {self.seconds}")


class Faults:
    """Says when the fault is due; each happens once.

    Args:
        config: which.
    """

    def __init__(self, config: FaultConfig) -> None:
        self.config = config
        self._frames_with_ego = 0
        self._done = config.kind is None

    def count_frame(self) -> None:
        """A frame with an ego begins."""
        self._frames_with_ego += 1
        if self.take("kill"):
            os.kill(os.getpid(), signal.SIGKILL)

    def take(self, kind: FaultKind) -> bool:
        """Whether `kind` is to happen now; it is done then."""
        due = not self._done and self.config.kind == kind and self._frames_with_ego >= self.config.at
        if due:
            self._done = True
            print(f"fault: {kind} in frame {self._frames_with_ego} of the ego", file=sys.stderr, flush=True)
        return due
