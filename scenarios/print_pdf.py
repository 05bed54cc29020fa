"""A page printed to PDF by a browser without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from worldsim.atomic_files import atomic_path

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
"""Names of programs that can, looked for on the PATH in this order."""
TIMEOUT = 120.0
"""Longest that a page may take [s]."""


def find_browser(names: Sequence[str] = BROWSERS) -> str:
    """The first of the browsers that is there.

    Raises:
        ValueError: there is none.
    """
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    raise ValueError(
        f"a PDF needs a browser of the Chromium family, and none of {', '.join(names)} is on the PATH: install one, or "
        "leave --pdf out and print the page from any browser"
    )


def print_pdf(page: Path, pdf: Path, browser: str) -> None:
    """Print an HTML file.

    Raises:
        ChildProcessError: the browser failed; what it said is in the message.
        TimeoutError: it took longer than TIMEOUT.
    """
    with atomic_path(pdf) as temporary, tempfile.TemporaryDirectory(prefix="drivedit-browser-") as profile:
        options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={profile}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # as root Chromium has none
        command = [browser, *options, f"--print-to-pdf={temporary}", page.resolve().as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{browser} did not print {page} within {TIMEOUT:g} s") from error
        if done.returncode or not temporary.is_file() or not temporary.stat().st_size:
            said = done.stderr.strip().splitlines()[-3:]
            raise ChildProcessError(f"{browser} did not print {page}, exit code {done.returncode}: {' / '.join(said)}")
