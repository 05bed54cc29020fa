"""Ctrl-C and SIGTERM, put off until they do no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class PendingInterrupt:
    """Whether somebody has asked this process to stop."""

    def __init__(self) -> None:
        self.asked = False

    def _ask(self, signum: int, frame: object) -> None:
        if self.asked:  # twice: whoever asks will not wait
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def put_off_interrupts() -> Iterator[PendingInterrupt]:
    """Ctrl-C and SIGTERM raise no KeyboardInterrupt within the block but set `asked`; a second one does raise.

    In a thread that gets no signals nothing is put off.
    """
    pending = PendingInterrupt()
    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {number: signal.signal(number, pending._ask) for number in _SIGNALS}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
