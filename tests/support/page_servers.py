"""A page's server on a thread of its own, and a client that talks to it as the page does."""

from __future__ import annotations

import asyncio
import json
import queue
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from websockets.sync.client import ClientConnection, connect

from envs.viewer.browser.server import PageServer
from envs.viewer.config import PlayConfig
from envs.viewer.drive_loop import DriveLoop
from envs.viewer.session import Session


class Served:
    """A server that runs.

    Args:
        address: of the page.
        drive: behind it.
    """

    def __init__(self, address: str, drive: DriveLoop) -> None:
        self.address, self.drive, self.error = address, drive, None

    @property
    def origin(self) -> str:
        return "http://" + urlsplit(self.address).netloc

    @contextmanager
    def page(self) -> Iterator[PageClient]:
        """A page that is open."""
        with connect(self.address.replace("http", "ws", 1) + "socket", origin=self.origin) as connection:
            yield PageClient(connection)


class PageClient:
    """Says and hears what the page does; it says at once that it has drawn a state, where `draws`."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.draws = connection, True
        self.hello = self.hear("hello")

    def say(self, kind: str, **values: Any) -> None:
        self.connection.send(json.dumps({"kind": kind, **values}))

    def hold(self, *keys: str, pointer: Any = None, pads: Any = ()) -> None:
        self.say("held", keys=keys, pointer=pointer, pads=list(pads))

    def hear(self, kind: str) -> dict[str, Any]:
        """The next message of a kind; others before it are passed over."""
        while True:
            message = self.connection.recv(timeout=30)
            if isinstance(message, bytes):
                continue
            told = json.loads(message)
            if told["kind"] == "state" and self.draws:
                self.say("drawn", number=told["number"])
            if told["kind"] == kind:
                return told

    def state(self, until: Callable[[dict[str, Any]], bool] = lambda state: True) -> dict[str, Any]:
        """The next state of an open world for which `until` holds."""
        for _ in range(2000):
            state = self.hear("state")
            if state["views"] and until(state):
                return state
        raise AssertionError("no such state")

    def frame(self) -> tuple[int, int, np.ndarray]:
        """The next picture: number of its state, index of its world, RGB."""
        while isinstance(message := self.connection.recv(timeout=30), str):
            pass
        number, index = struct.unpack_from("<IB", message)
        image = cv2.imdecode(np.frombuffer(message[5:], np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return number, index, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


@contextmanager
def served(
    open_session: Callable[[PlayConfig], Session], folder: Path, *, error: type[Exception] | None = None
) -> Iterator[Served]:
    """A server of a session's page, ended with the block; what it raises is raised there, but for `error`."""
    drive = DriveLoop(PlayConfig(browser=True, output=folder, pace=4), open_session)
    addresses, ended = queue.Queue[str](), []
    loop = asyncio.new_event_loop()
    task = loop.create_task(PageServer(drive, 0).run(addresses.put))

    def run() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(task)
        except (asyncio.CancelledError, Exception) as raised:
            ended.append(raised)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Served(addresses.get(timeout=30), drive)
    finally:
        if error is None:
            loop.call_soon_threadsafe(task.cancel)
        thread.join(60)
        loop.close()
        drive.close()
    assert isinstance(ended[0], error or asyncio.CancelledError), ended
