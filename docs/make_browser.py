"""The picture of the viewer's page, made anew: `python docs/make_browser.py`. Needs Chromium.

Both worlds, three seconds after the learned one began in the reference world.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import tyro
from picture_files import IMAGES, MOST_BYTES, compress

from worldsim.atomic_files import atomic_path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from headless_chromium import Chromium

PICTURES = ("browser",)
COMMAND = ("play", "--browser", "--world", "both", "--seed", "3", "--policy", "lane_follower")
SIZE = (1280, 720)
"""Of the page [px]."""
SECONDS = 3
"""Of the drive before the picture."""
PATIENCE = 600.0
"""How long opening the worlds and driving may take [s]."""


@dataclass(frozen=True, kw_only=True)
class BrowserConfig:
    """What to make.

    Args:
        out: folder for the picture.
    """

    out: Path = IMAGES


def make_browser(config: BrowserConfig) -> None:
    """Make and write it, whole or not at all."""
    program = subprocess.Popen([sys.executable, "-m", "drivedit", *COMMAND], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        address = program.stdout.readline().split()[-1]
        with Chromium() as browser, browser.open(address) as tab, TemporaryDirectory() as folder:
            tab.resize(*SIZE)
            time = r"parseFloat(document.getElementById('drive')?.textContent.split(/\s{2,}/)[1])"
            tab.wait_for(f"{time} >= {SECONDS}", PATIENCE)
            tab.screenshot(Path(folder) / "page.png")
            picture = cv2.cvtColor(cv2.imread(str(Path(folder) / "page.png")), cv2.COLOR_BGR2RGB)
    finally:
        program.send_signal(signal.SIGINT)
        program.wait()
    config.out.mkdir(parents=True, exist_ok=True)
    with atomic_path(config.out / "browser.jpg") as unfinished:
        unfinished.write_bytes(compress(picture, ".jpg", MOST_BYTES[".jpg"]))


if __name__ == "__main__":
    make_browser(tyro.cli(BrowserConfig, description=__doc__))
