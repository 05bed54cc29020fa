"""CarlaProcess: a CarlaSession in a child process, with a watchdog. The client can hang or crash in C++; a child can be
ended.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import weakref
from multiprocessing.connection import Connection, Pipe
from typing import Any

from envs.carla.messages import MapFacts, SessionConfig
from envs.carla.session import CarlaSession
from envs.world import WorldLostError

CLOSING_SECONDS = 10.0
"""A session that has not cleaned up by then is killed [s]."""
START_SECONDS = 60.0
"""A child that has not connected this long after the server's own limit is taken for hung [s]."""
_FORWARDED = (ValueError, WorldLostError, ConnectionError)
"""Errors of a session that mean the same on this side; any other is a bug and comes with its traceback."""


class CarlaProcess:
    """Calls a session in a child process; every call ends within its time.

    A child whose parent is gone, however it went, cleans up in the server and ends.

    Args:
        config: of the session.

    Raises:
        ConnectionError: no server answers, or it is of another version than the client.
    """

    def __init__(self, config: SessionConfig) -> None:
        self._config = config
        self._pipe, theirs = Pipe()
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "envs.carla.process", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,  # Ctrl-C is for the parent, which then closes the session
        )
        theirs.close()
        self.close = weakref.finalize(self, _end, self._pipe, self._child)
        self.map_facts: MapFacts = self._answer("connect", START_SECONDS + 3 * config.connect_seconds, config)

    @property
    def alive(self) -> bool:
        """Whether calls can be made."""
        return self.close.alive and self._child.poll() is None

    def call(self, method: str, *args: Any, seconds: float) -> Any:
        """What the session's method returns.

        Args:
            method: of CarlaSession.
            args: its arguments.
            seconds: after which the child is taken for hung and killed [s].

        Raises:
            WorldLostError: the child hung or crashed, or the method says so; the process is closed.
            ValueError: the method says so.
        """
        return self._answer(method, seconds, (method, args))

    def _answer(self, method: str, seconds: float, message: Any) -> Any:
        try:
            self._pipe.send(message)
            if not self._pipe.poll(seconds):
                self._child.kill()
                self.close()
                raise WorldLostError(f"the CARLA client hung in {method} for {seconds:g} s and was ended")
            error, result = self._pipe.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError) as broken:
            code = self._child.wait()
            self.close()
            raise WorldLostError(f"the CARLA client ended in {method} with exit code {code}") from broken
        if error is None:
            return result
        if isinstance(error, ConnectionError):
            self.close()
        raise error


def _end(pipe: Connection, child: subprocess.Popen) -> None:
    """Let the child clean up in the server, and see it off."""
    pipe.close()
    try:
        child.wait(CLOSING_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _serve(pipe: Connection) -> None:
    """The child: does what the parent says until it says no more."""
    try:
        session = CarlaSession(pipe.recv())
    except ConnectionError as error:
        pipe.send((error, None))
        return
    except RuntimeError as error:
        pipe.send((ConnectionError(f"CARLA broke off while a session began: {error}"), None))
        return
    try:
        pipe.send((None, session.map_facts()))
        while True:
            method, args = pipe.recv()
            try:
                result = getattr(session, method)(*args)
            except _FORWARDED as error:
                pipe.send((error, None))
            except RuntimeError as error:  # what the client raises when the server answers with an error, or not
                pipe.send((WorldLostError(f"CARLA failed in {method}: {error}"), None))
            else:
                pipe.send((None, result))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the parent is done, or gone
    finally:
        with contextlib.suppress(RuntimeError):
            session.close()
        os._exit(0)  # the client's own threads may not be ready to be unloaded


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))
