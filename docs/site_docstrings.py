"""Docstrings as the site shows them: `positions [n, 2] [m]` is a shape and a unit, no link to something called m."""

from __future__ import annotations

import re
from typing import Any

import griffe

SECOND_BRACKETS = re.compile(r"(?<=\])(\s*)\[")


class UnitsAreText(griffe.Extension):
    """Escapes brackets that follow brackets, which Markdown takes for a link's target."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of `obj`, outside of code."""
        if obj.docstring is not None:
            pieces = re.split(r"(`[^`]*`)", obj.docstring.value)
            pieces[::2] = [SECOND_BRACKETS.sub(r"\1\\[", piece) for piece in pieces[::2]]
            obj.docstring.value = "".join(pieces)
