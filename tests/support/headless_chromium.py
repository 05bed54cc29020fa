"""A headless Chromium that tests open pages in, press real keys in, and take screenshots of: DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
"""The browser; None where there is none."""
KEY_CODES = {"ArrowUp": 38, "ArrowLeft": 37, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}
"""Windows' virtual key codes of keys that are no letters."""


class Tab:
    """A tab, driven over its DevTools socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol; its answer."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def evaluate(self, code: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=code, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, code: str, seconds: float = 60.0) -> Any:
        """The value of an expression once it is true.

        Raises:
            TimeoutError: it was not true within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not (value := self.evaluate(code)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{code} was {value!r} for {seconds:g} s")
            time.sleep(0.1)
        return value

    def key_down(self, key: str) -> None:
        """Press a key, and keep it down."""
        self._key("keyDown", key)

    def key_up(self, key: str) -> None:
        """Let a key go."""
        self._key("keyUp", key)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        self.key_down(key)
        self.key_up(key)

    def mouse(self, kind: str, x: float, y: float) -> None:
        """A mouse event, "mousePressed", "mouseMoved" or "mouseReleased", of the left button at a place [px]."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def screenshot(self, path: Path) -> None:
        """Write what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page another size [px]."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def _key(self, kind: str, key: str) -> None:
        single = len(key) == 1
        code = f"Key{key.upper()}" if key.isalpha() and single else key
        number = ord(key.upper()) if single else KEY_CODES[key]
        self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number)


class Chromium:
    """The browser, as a context manager; its profile is empty and thrown away."""

    def __enter__(self) -> Chromium:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        flags = ["--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        flags += ["--disable-component-update", "--disable-sync", "--remote-debugging-port=0", "--window-size=1200,800"]
        if os.geteuid() == 0:
            flags.append("--no-sandbox")  # as root Chromium has none
        command = [CHROMIUM, *flags, f"--user-data-dir={self._profile.name}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            self._port = self._find_port(60.0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._profile.cleanup()

    @contextmanager
    def open(self, address: str) -> Iterator[Tab]:
        """A new tab in front, with a page; closed with the block."""
        request = Request(f"http://127.0.0.1:{self._port}/json/new?about:blank", method="PUT")
        with urlopen(request, timeout=60) as answer:
            socket = json.load(answer)["webSocketDebuggerUrl"]
        with connect(socket, max_size=None, compression=None) as connection:
            tab = Tab(connection)
            tab.call("Page.navigate", url=address)
            yield tab
            tab.call("Page.close")

    def _find_port(self, seconds: float) -> int:
        """The port of its DevTools, which it writes into its profile."""
        told, deadline = Path(self._profile.name) / "DevToolsActivePort", time.monotonic() + seconds
        while not (told.is_file() and "\n" in told.read_text()):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"{CHROMIUM} did not start within {seconds:g} s, exit code {self.process.poll()}")
            time.sleep(0.1)
        return int(told.read_text().split()[0])
