"""Loads a policy of the user's own: `my_module:MyPolicy` or `folder/my_driver.py:MyPolicy`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from policies.policy import Policy
from policies.policy_error import blaming_policy


def load_own_policy(place: str) -> Policy:
    """The policy at `place`: a module or a .py file, a colon, and a class or function that makes it without arguments.

    The working directory is searched for modules too.

    Raises:
        ValueError: there is nothing at `place`, it needs arguments, or it has no `reset` or `act`.
        PolicyError: its file raised or ended the process while it was imported, or its class while it was made.
    """
    where, _, name = place.rpartition(":")
    if not where or not name:
        raise ValueError(f"a policy of your own is given as module:Name or file.py:Name, got {place!r}")
    factory = getattr(_import_module(where), name, None)
    if factory is None:
        raise ValueError(f"{where} has no {name!r}; give the policy's class after the colon")

    policy = _make(factory, place)
    missing = [part for part in ("reset", "act") if not callable(getattr(policy, part, None))]
    if missing:
        raise ValueError(f"{place} is no policy: a {type(policy).__name__} has no method {' and no '.join(missing)}")
    return policy


def own_policy_files(place: str) -> list[Path]:
    """The source files of a loaded policy: its module's, and those beside it or below that have been imported."""
    where = place.rpartition(":")[0]
    module = sys.modules[_file_module(Path(where)) if where.endswith(".py") else where]
    if module.__file__ is None:
        return []
    own = Path(module.__file__).resolve()
    if own.parent.name == "site-packages":  # a module of one file, among all that is installed
        return [own]
    files = [getattr(loaded, "__file__", None) for loaded in list(sys.modules.values())]
    # some modules that are no files, as torch.classes, say a relative name of one
    loaded = {Path(file).resolve() for file in files if file and Path(file).is_absolute()}
    return sorted(file for file in loaded if file.is_relative_to(own.parent) and file.suffix == ".py")


def _make(factory: Any, place: str) -> Any:
    if not callable(factory):
        return factory
    required = [
        parameter.name
        for parameter in inspect.signature(factory).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise ValueError(f"{place} must be made without arguments, but needs {', '.join(required)}: give them defaults")
    with blaming_policy(f"while {place} was made"):
        return factory()


def _import_module(where: str) -> ModuleType:
    if where.endswith(".py"):
        return _import_file(Path(where))
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    with blaming_policy(f"while module {where!r} was imported"):
        try:
            return importlib.import_module(where)
        except ModuleNotFoundError as error:
            if error.name is None or not (where == error.name or where.startswith(f"{error.name}.")):
                raise
    raise ValueError(f"no module {where!r} here or installed; a file is given as {where}.py:Name")


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r} in {Path.cwd()}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as if the file were run: it may import its neighbours

    name = _file_module(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with blaming_policy(f"while {path} was imported"):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _file_module(path: Path) -> str:
    """The module that a file becomes; its bare name might shadow a package."""
    return f"policy_file_{path.stem}"
