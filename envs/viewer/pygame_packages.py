"""Which package the `pygame` module comes from; found out without importing it."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("pygame", "pygame-ce")
"""The packages that unpack into the folder `pygame`. The viewer is made for the second."""


def tell_of_two_pygames() -> None:
    """Say on stderr where both packages are installed, whose files then are mixed, and how to mend it."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return
    print(
        f"drivedit: {' and '.join(found)} are both installed, in the same folder, and the window may not open; "
        "mend it: pip uninstall pygame pygame-ce && pip install pygame-ce",
        file=sys.stderr,
    )
