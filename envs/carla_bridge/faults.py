"""Fault switches: what a real server does on a bad day, on purpose and once, so that clients can be tested."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass

KINDS = ("late_image", "dropped_image", "duplicated_image", "late_frame", "rpc_error", "kill")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault.

    Args:
        kind: what goes wrong, one of KINDS: `late_image` and `late_frame` come `seconds` late, `rpc_error` answers the
            next `method` with an error, `kill` ends the server.
        at: in which frame with an ego, counted over all egos.
        seconds: how late [s].
        method: which call fails.

    Raises:
        ValueError: there is no such kind, or a frame or time is out of range.
    """

    kind: str
    at: int
    seconds: float = 1.0
    method: str = "tick_cue"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no fault {self.kind!r}; there are {', '.join(KINDS)}")
        if self.at < 1:
            raise ValueError(f"at must be at least 1, got {self.at}")
        if self.seconds < 0:
            raise ValueError(f"seconds must not be negative, got {self.seconds}")

    @staticmethod
    def parse(text: str) -> Fault:
        """The fault written `KIND@FRAME`, `KIND@FRAME:SECONDS` or `rpc_error@FRAME:METHOD`.

        Raises:
            ValueError: it is written otherwise, or there is no such fault.
        """
        kind, _, rest = text.partition("@")
        at, _, argument = rest.partition(":")
        if not at.isdigit():
            raise ValueError(f"a fault is written KIND@FRAME or KIND@FRAME:SECONDS, got {text!r}")
        if not argument:
            return Fault(kind=kind, at=int(at))
        if kind == "rpc_error":
            return Fault(kind=kind, at=int(at), method=argument)
        return Fault(kind=kind, at=int(at), seconds=float(argument))


class Faults:
    """Says when a fault is due; each happens once.

    Args:
        faults: which.
    """

    def __init__(self, faults: Iterable[Fault]) -> None:
        self._left = sorted(faults, key=lambda fault: fault.at)
        self._num_frames = 0

    def count_frame(self) -> None:
        """A frame with an ego begins."""
        self._num_frames += 1
        if self.take("kill"):
            os.kill(os.getpid(), signal.SIGKILL)

    def take(self, kind: str, method: str | None = None) -> Fault | None:
        """The fault of this kind that is to happen now, if there is one; it is done then."""
        for fault in self._left:
            if fault.at <= self._num_frames and fault.kind == kind and method in (None, fault.method):
                self._left.remove(fault)
                print(f"fault: {kind} in frame {self._num_frames} with an ego", file=sys.stderr, flush=True)
                return fault
        return None
