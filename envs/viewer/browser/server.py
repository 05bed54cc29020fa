"""The page's server: its files and its socket on one loopback port, the drive going on behind them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from functools import cached_property
from http import HTTPStatus
from importlib.resources import files

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.http11 import Request, Response

from envs.viewer.browser.access import is_local, is_same_origin, new_token, requested_file
from envs.viewer.browser.page_messages import MAX_MESSAGE, Click, PageMessage, read_message
from envs.viewer.browser.state_messages import (
    color_sheet,
    encode_frame,
    frame_message,
    hello_message,
    state_message,
)
from envs.viewer.drive_loop import POLL_RATE, DriveLoop, DriveStatus
from envs.viewer.held import Held
from envs.viewer.session import Moment

HOST = "127.0.0.1"
"""The page is served to this machine alone."""
HOLD_TIME = 1.0
"""What a page holds down is let go when it has not said so for this long [s]."""
MAX_AHEAD = 2
"""States on the way to a page that it has not drawn yet; a newer one waits, and takes the place of one that waits."""
SOCKET = "socket"
PAGE_FILES = {
    "": ("page.html", "text/html"),
    "page.js": ("page.js", "text/javascript"),
    "drawing.js": ("drawing.js", "text/javascript"),
    "inputs.js": ("inputs.js", "text/javascript"),
    "style.css": ("style.css", "text/css"),
}
"""Name in the address to file and content type."""
ENDED = "drivedit play has ended"


class Update:
    """A state of the drive and its pictures, made into messages when the first page wants them."""

    def __init__(self, number: int, moments: tuple[Moment, ...], status: DriveStatus) -> None:
        self.number, self.moments, self.status = number, moments, status

    @cached_property
    def messages(self) -> tuple[str | bytes, ...]:
        """The state as JSON, then a picture of each world."""
        state = json.dumps(state_message(self.number, self.moments, self.status), allow_nan=False)
        frames = (frame_message(self.number, i, encode_frame(m.frame)) for i, m in enumerate(self.moments))
        return (state, *frames)


class Page:
    """A page that is open: what it holds down, and how far it has drawn."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.wake = asyncio.Event()
        self.drives: bool | None = None
        self._sent, self._ahead = -1, list[int]()
        self._held, self._held_since = Held(), 0.0

    def hold(self, held: Held) -> None:
        """Hold down what the page says."""
        self._held, self._held_since = held, time.monotonic()

    @property
    def held(self) -> Held:
        """What is held down now; nothing when the page has been silent for HOLD_TIME."""
        return self._held if time.monotonic() - self._held_since < HOLD_TIME else Held()

    def drawn(self, number: int) -> None:
        """The page has drawn a state, and all before it."""
        self._ahead = [sent for sent in self._ahead if sent > number]
        self.wake.set()

    def wants(self, number: int) -> bool:
        """Whether a state may be sent now."""
        return len(self._ahead) < MAX_AHEAD and self._sent < number

    async def send(self, update: Update) -> None:
        """Send a state with its pictures."""
        self._sent = update.number
        self._ahead.append(update.number)
        for message in update.messages:
            await self.connection.send(message)


class PageServer:
    """Serves the page, and drives as the first page that was opened asks; the others watch.

    Args:
        drive: goes on while a page is open, and is closed by the caller.
        port: to listen at, 0 for any that is free.
    """

    def __init__(self, drive: DriveLoop, port: int) -> None:
        self._drive = drive
        self._port = port
        self._token = new_token()
        folder = files("envs.viewer.browser").joinpath("page")
        self._files = {
            name: (folder.joinpath(file).read_bytes(), content_type)
            for name, (file, content_type) in PAGE_FILES.items()
        }
        self._files["colors.css"] = (color_sheet().encode(), "text/css")
        self._hello = json.dumps(hello_message())
        self._pages: list[Page] = []
        self._update = Update(0, (), drive.status())

    async def run(self, announce: Callable[[str], None]) -> None:
        """Serve until cancelled.

        Args:
            announce: is told the address of the page once it is there.

        Raises:
            OSError: the port is taken.
            Exception: whatever a world or the driver raised; the pages are told.
        """
        options = {"compression": None, "max_size": MAX_MESSAGE, "process_request": self._respond}
        async with serve(self._talk, HOST, self._port, **options) as server:
            (socket,) = server.sockets
            announce(f"http://{HOST}:{socket.getsockname()[1]}/{self._token}/")
            code, why = CloseCode.GOING_AWAY, ENDED
            try:
                await self._keep_driving()
            except Exception as error:
                code, why = CloseCode.INTERNAL_ERROR, f"{type(error).__name__}: {error}"
                raise
            finally:
                for page in tuple(self._pages):
                    await page.connection.close(code, _reason(why))

    async def _keep_driving(self) -> None:
        """The drive forward, and its states to the pages; it stands still while no page is open."""
        before = time.perf_counter()
        while True:
            await asyncio.sleep(1 / POLL_RATE)
            now = time.perf_counter()
            if self._pages or self._drive.session is None:
                self._drive.forward(self._pages[0].held if self._pages else Held(), now - before)
            before = now
            moments = () if self._drive.session is None else self._drive.session.moments
            status = self._drive.status()
            if moments is not self._update.moments or status != self._update.status:
                self._update = Update(self._update.number + 1, moments, status)
                for page in self._pages:
                    page.wake.set()

    def _respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request; None lets a socket open."""
        host, origin = request.headers.get("Host"), request.headers.get("Origin")
        name = requested_file(request.path, self._token)
        if name is None or not is_local(host):
            return connection.respond(HTTPStatus.FORBIDDEN, "Right would be the address that drivedit play prints.\n")
        if name == SOCKET:
            if is_same_origin(origin, host):
                return None
            return connection.respond(HTTPStatus.FORBIDDEN, "The socket is for the page alone.\n")
        if name not in self._files:
            return connection.respond(HTTPStatus.NOT_FOUND, "There is no such file.\n")
        body, content_type = self._files[name]
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self' ws://{host}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        headers = Headers(
            {
                "Content-Type": f"{content_type}; charset=utf-8",
                "Content-Length": str(len(body)),
                "Content-Security-Policy": policy,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "Connection": "close",
            }
        )
        return Response(HTTPStatus.OK, "OK", headers, body)

    async def _talk(self, connection: ServerConnection) -> None:
        """Talk with a page until it goes."""
        page = Page(connection)
        self._pages.append(page)
        sender = asyncio.create_task(self._send_states(page))
        try:
            self._tell_who_drives()
            async for text in connection:
                self._do(page, read_message(text))
        except ConnectionClosed:
            pass
        except ValueError as error:  # no page of ours says so
            await connection.close(CloseCode.POLICY_VIOLATION, _reason(str(error)))
        finally:
            self._pages.remove(page)
            sender.cancel()
            self._tell_who_drives()

    async def _send_states(self, page: Page) -> None:
        """The newest state whenever the page has drawn what it got, and who drives."""
        try:
            await page.connection.send(self._hello)
            while True:
                drives = page is self._pages[0]
                if drives != page.drives:
                    page.drives = drives
                    await page.connection.send(json.dumps({"kind": "wheel", "drives": drives}))
                if page.wants(self._update.number):
                    await page.send(self._update)
                page.wake.clear()
                if not page.wants(self._update.number):
                    await page.wake.wait()
        except ConnectionClosed:
            pass

    def _tell_who_drives(self) -> None:
        for page in self._pages:
            page.wake.set()

    def _do(self, page: Page, message: PageMessage) -> None:
        """Do what a page asks; only the one that drives asks for more than pictures and the wheel."""
        kind, value = message
        if kind == "drawn":
            page.drawn(value)
        elif kind == "take_wheel":
            self._pages.remove(page)
            self._pages.insert(0, page)
            self._tell_who_drives()
        elif page is not self._pages[0]:
            return
        elif kind == "held":
            page.hold(value)
        elif kind == "hidden":
            page.hold(Held())
            status = self._drive.status()
            if not status.autopilot and not status.paused and not status.busy:
                self._drive.command("pause")
                self._drive.say("paused: the page was hidden")
        elif kind == "world":
            self._drive.choose_world(value)
        elif kind == "click":
            self._click(value)
        elif not self._drive.command(value):
            self._drive.say(f"no command {value[:20]!r}")

    def _click(self, click: Click) -> None:
        session = self._drive.session
        if session is None or click.view >= len(session.views):
            return
        height, width = session.frame_size
        self._drive.click(click.view, (click.across * width, click.down * height))


def _reason(text: str) -> str:
    """A text as the reason of a close, for which a socket has 123 bytes."""
    return text.encode()[:123].decode(errors="ignore")
