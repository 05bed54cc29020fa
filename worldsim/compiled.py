"""Compiled code: numba's njit with a cache on disk that notices a change in every file that compiled code may use.

numba itself looks at the file a function stands in and at no other, though it compiles in the constants and functions
that the file imports. So the caches beside the sources are deleted when any of these files has changed. Where the
sources cannot be written, numba caches in the user's folder, and they change by installing them anew, which it notices.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

from worldsim.atomic_files import atomic_path

Function = TypeVar("Function", bound=Callable[..., Any])

_ROOT = Path(__file__).parents[1]
_PACKAGES = ("worldsim", "envs")
_STAMP = "compiled-code.sha256"
_MARK = "from worldsim.compiled import compiled"
_IMPORT = re.compile(r"^from ((?:worldsim|envs)[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)


def compiled(function: Function) -> Function:
    """The function as machine code: one thread, no fused arithmetic, x / 0 as numpy has it; cached on disk."""
    forget_stale_code(_ROOT)
    return cast("Function", njit(cache=True, error_model="numpy")(function))


@lru_cache(maxsize=1)
def forget_stale_code(root: Path) -> None:
    """Delete the caches of compiled code under a folder of sources if any source that it may use has changed."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in _sources_of_compiled_code(root))).hexdigest()
    stamp = root / _PACKAGES[0] / "__pycache__" / _STAMP
    with contextlib.suppress(OSError):  # a folder that cannot be written has no caches either
        if stamp.is_file() and stamp.read_text() == digest:
            return
        for package in _PACKAGES:
            for suffix in ("*.nbi", "*.nbc"):
                for cache in (root / package).rglob(suffix):
                    cache.unlink(missing_ok=True)
        with atomic_path(stamp) as temporary:
            temporary.write_text(digest)
        print("drivedit: compiling inner loops, once; it may take a minute", file=sys.stderr)


def _sources_of_compiled_code(root: Path) -> list[Path]:
    """Files with compiled code and all of the project that they import, in order."""
    texts = {path: path.read_text() for package in _PACKAGES for path in sorted((root / package).rglob("*.py"))}
    found: set[Path] = set()
    to_do = [path for path, text in texts.items() if _MARK in text]
    while to_do:
        path = to_do.pop()
        if path not in found:
            found.add(path)
            for module, names in _IMPORT.findall(texts[path]):
                home = root.joinpath(*module.split("."))
                modules = [home, *(home / name for name in re.findall(r"\w+", names))]  # a name may be a module too
                to_do += [p for m in modules for p in (m.with_suffix(".py"), m / "__init__.py") if p in texts]
    return sorted(found)
