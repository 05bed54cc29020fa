"""Who may reach the page: holders of the token, from this machine, and no page of another site."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")
"""Names under which a browser reaches this machine, through a forwarded port too."""


def new_token() -> str:
    """A token that nobody guesses: 128 random bits."""
    return secrets.token_urlsafe(16)


def requested_file(path: str, token: str) -> str | None:
    """The file that a request asks for.

    Args:
        path: of the request, `/TOKEN/FILE`.
        token: the right one; compared in constant time.

    Returns:
        FILE, "" for the page itself; None where the token is missing or wrong.
    """
    _, _, rest = urlsplit(path).path.partition("/")
    told, _, name = rest.partition("/")
    return name if secrets.compare_digest(told.encode(), token.encode()) else None


def is_local(host: str | None) -> bool:
    """Whether a request's `Host` is this machine: a foreign name that resolves to it is refused (DNS rebinding)."""
    return host is not None and urlsplit(f"//{host}").hostname in LOOPBACK_NAMES


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Whether a socket is asked for by the page itself: browsers tell the `Origin`, and it is that of the `Host`."""
    return host is not None and is_local(host) and origin == f"http://{host}"
