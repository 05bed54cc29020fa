"""A bridge in a process of its own, for tests of its clients."""

import contextlib
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from places import environment

START_SECONDS = 120.0
"""Longest that a bridge may take to begin, on a busy machine [s]."""
SMALL_ROAD = ("--world", "road", "--frame-size", "48", "48", "--num-vehicles", "3", "--num-pedestrians", "2")


@dataclass
class BridgeProcess:
    """A running bridge: where it listens, and all it has said."""

    process: subprocess.Popen
    port: int
    lines: list[str] = field(default_factory=list)

    def said(self) -> str:
        return "".join(self.lines)


@contextlib.contextmanager
def serving(*arguments: str):
    """A bridge with these arguments of `drivedit serve`, on a port chosen by the system; ended afterwards."""
    command = [sys.executable, "-m", "drivedit", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), bufsize=1
    )
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    bridge = BridgeProcess(process=process, port=0)
    try:
        for line in process.stdout:
            bridge.lines.append(line)
            if line.startswith("serving "):
                bridge.port = int(line.rsplit(":", 1)[1])
                break
        watchdog.cancel()
        assert bridge.port, f"the bridge did not begin: {bridge.said()}"
        reader = threading.Thread(target=lambda: bridge.lines.extend(process.stdout), daemon=True)
        reader.start()
        yield bridge
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run_client(script: str, port: int, *arguments: str, seconds: float = 200.0) -> str:
    """What a client script of tests/support/carla_scripts prints; it fails the test when it fails or takes longer."""
    path = Path(__file__).parent / "carla_scripts" / script
    command = [sys.executable, str(path), str(port), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    if done.returncode:
        pytest.fail(f"{script} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout
