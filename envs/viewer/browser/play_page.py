"""`drivedit play --browser`: drive in a page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec

from envs.viewer.config import PlayConfig
from envs.viewer.drive_loop import DriveLoop
from envs.viewer.open_session import make_session
from envs.viewer.session import Driver


def play_in_browser(config: PlayConfig, make_driver: Callable[[str], Driver]) -> None:
    """Serve the page, print its address, and drive until interrupted.

    Args:
        config: what to drive.
        make_driver: the policy of a name; ValueError when there is none.

    Raises:
        ValueError: the extra is not installed, an unknown policy, or an option that the world refuses.
        OSError: the port is taken, or a file is missing.
    """
    if find_spec("websockets") is None:
        raise ValueError("--browser: websockets is not installed; pip install 'drivedit[browser]' installs it")
    from envs.viewer.browser.server import PageServer

    drive = DriveLoop(config, partial(make_session, make_driver))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(PageServer(drive, config.port).run(_announce))
    finally:
        drive.close()


def _announce(address: str) -> None:
    print(f"open {address}\nCtrl+C ends the drive; whoever has this address can drive", flush=True)
