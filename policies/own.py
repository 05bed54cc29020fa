"""A policy of the user's own, by where it is: `my_module:MyPolicy` or `folder/my_driver.py:MyPolicy`."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from policies.policy import Policy


def own_policy(place: str) -> Policy:
    """The policy at `place`: a module or a .py file, a colon, and a class or function that gives one without arguments.

    Modules are looked for in the working directory too.

    Raises:
        ValueError: there is none, it wants arguments, or it lacks `reset` or `act`; says which.
    """
    where, _, name = place.rpartition(":")
    if not where or not name:
        raise ValueError(f"a policy of your own is given as module:Name or file.py:Name, got {place!r}")
    made_by = getattr(_module(where), name, None)
    if made_by is None:
        raise ValueError(f"{where} has no {name!r}; give the policy's class after the colon")
    policy = _made(made_by, place)
    missing = [part for part in ("reset", "act") if not callable(getattr(policy, part, None))]
    if missing:
        raise ValueError(f"{place} is no policy: a {type(policy).__name__} has no method {' and no '.join(missing)}")
    return policy


def _made(made_by: Any, place: str) -> Any:
    if not callable(made_by):
        return made_by
    wanted = [
        parameter.name
        for parameter in inspect.signature(made_by).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if wanted:
        raise ValueError(f"{place} must be made without arguments, but wants {', '.join(wanted)}: give them defaults")
    return made_by()


def _module(where: str) -> ModuleType:
    if where.endswith(".py"):
        return _module_of_file(Path(where))
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is not None and (where == error.name or where.startswith(f"{error.name}.")):
            raise ValueError(f"no module {where!r} here or installed; a file is given as {where}.py:Name") from error
        raise


def _module_of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise ValueError(f"no file {str(path)!r} in {Path.cwd()}")
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as if it were run: it may import what lies beside it
    name = f"policy_file_{path.stem}"  # the bare name might be that of a package that is needed here
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
