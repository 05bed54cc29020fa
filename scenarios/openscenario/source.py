"""OpenSCENARIO XML to nodes that know their file and line, with parameters and expressions put in."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.parsers import expat

from scenarios.openscenario.expressions import substitute

TRUE, FALSE = ("true", "1"), ("false", "0")


class ScenarioFileError(ValueError):
    """A scenario file that cannot be read or played; says where and why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """An XML element.

    Args:
        tag: without its namespace.
        attributes: by name.
        children: in order.
        file: it is from.
        line: of the file.
    """

    tag: str
    attributes: Mapping[str, str]
    children: tuple[Node, ...]
    file: str
    line: int

    @property
    def where(self) -> str:
        """File, line and element, for messages."""
        return f"{self.file}:{self.line}: <{self.tag}>"

    def error(self, reason: str) -> ScenarioFileError:
        """What to raise of it."""
        return ScenarioFileError(f"{self.where}: {reason}")

    def all(self, tag: str) -> list[Node]:
        """The children of a tag."""
        return [child for child in self.children if child.tag == tag]

    def find(self, path: str) -> Node | None:
        """The first descendant along a path of tags, as "Actions/Private"."""
        node: Node | None = self
        for tag in path.split("/"):
            node = next((child for child in node.children if child.tag == tag), None) if node is not None else None
        return node

    def need(self, path: str) -> Node:
        """As `find`.

        Raises:
            ScenarioFileError: there is none.
        """
        node = self.find(path)
        if node is None:
            raise self.error(f"needs a <{path.replace('/', '> with a <')}>")
        return node

    def only(self) -> Node:
        """The single child.

        Raises:
            ScenarioFileError: there is none, or more than one.
        """
        if len(self.children) != 1:
            found = ", ".join(f"<{child.tag}>" for child in self.children) or "nothing"
            raise self.error(f"needs exactly one element inside, got {found}")
        return self.children[0]

    def walk(self) -> Iterator[Node]:
        """It and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def text(self, name: str, default: str | None = None) -> str:
        """An attribute.

        Raises:
            ScenarioFileError: it is missing and there is no default.
        """
        value = self.attributes.get(name, default)
        if value is None:
            raise self.error(f"needs the attribute {name}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A finite number; OpenSCENARIO's INF becomes infinite.

        Raises:
            ScenarioFileError: it is missing, or no number.
        """
        text = self.text(name, None if default is None else repr(default))
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise self.error(f"{name} must be a number, got {text!r}")
        return value

    def whole(self, name: str, default: int | None = None) -> int:
        """A whole number, written as "3" or "3.0".

        Raises:
            ScenarioFileError: it is missing, or no whole number.
        """
        value = self.number(name, default)
        if not value.is_integer():
            raise self.error(f"{name} must be a whole number, got {self.text(name)!r}")
        return int(value)

    def flag(self, name: str, default: bool | None = None) -> bool:
        """A truth value.

        Raises:
            ScenarioFileError: it is missing, or neither true nor false.
        """
        text = self.text(name, None if default is None else str(default)).strip().lower()
        if text not in (*TRUE, *FALSE):
            raise self.error(f"{name} must be true or false, got {text!r}")
        return text in TRUE

    def choice(self, name: str, *choices: str, default: str | None = None) -> str:
        """One of some words.

        Raises:
            ScenarioFileError: it is missing, or another word.
        """
        text = self.text(name, default)
        if text not in choices:
            raise self.error(f"{name} must be {' or '.join(choices)}, got {text!r}")
        return text


def read_xml(path: Path) -> Node:
    """The root of a file.

    Raises:
        FileNotFoundError: no such file.
        ScenarioFileError: no XML, or no OpenSCENARIO 1.x.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no scenario file at {path}")
    root = _Reader(path).read()
    if root.tag != "OpenSCENARIO":
        hint = (
            "; this is a list of routes or scenarios of CARLA's ScenarioRunner"
            if root.tag in ("scenarios", "routes")
            else ""
        )
        raise root.error(f"the root element of an OpenSCENARIO 1.x file is <OpenSCENARIO>{hint}")
    return root


class _Reader:
    """Reads one file; expat knows the lines that ElementTree forgets."""

    def __init__(self, path: Path) -> None:
        self._path, self._open = path, list[tuple[str, dict[str, str], list[Node], int]]()
        self._root: Node | None = None
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self) -> Node:
        try:
            self._parser.Parse(_without_prolog(self._path.read_bytes()), True)
        except expat.ExpatError as error:
            what = expat.ErrorString(error.code)
            raise ScenarioFileError(f"{self._path}:{error.lineno}: not well-formed XML: {what}") from error
        except ScenarioFileError:
            raise
        except (LookupError, ValueError) as error:  # its declaration names an encoding that cannot be read
            raise ScenarioFileError(f"{self._path}:1: {error}; right would be UTF-8") from error
        assert self._root is not None, "expat refuses a text without an element"
        return self._root

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._open.append((tag.rpartition(":")[2], attributes, [], self._parser.CurrentLineNumber))

    def _end(self, _: str) -> None:
        tag, attributes, children, line = self._open.pop()
        node = Node(tag=tag, attributes=attributes, children=tuple(children), file=str(self._path), line=line)
        if self._open:
            self._open[-1][2].append(node)
        else:
            self._root = node

    def _refuse_doctype(self, *_: object) -> None:
        raise ScenarioFileError(f"{self._path}:{self._parser.CurrentLineNumber}: a document type is not read")


def _without_prolog(data: bytes) -> bytes:
    """The text without its XML declaration, of which some files give a version that there is not; lines stay."""
    if not data.lstrip().startswith(b"<?xml") or b"?>" not in data:
        return data
    prolog, _, body = data.partition(b"?>")
    if b"encoding" in prolog and b"utf-8" not in prolog.lower():
        return data
    return b"\n" * prolog.count(b"\n") + body


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The values of the parameters that hold somewhere.

    Args:
        values: by name.
    """

    values: Mapping[str, str] = field(default_factory=dict)

    def with_declarations(self, node: Node, assigned: Mapping[str, str] | None = None) -> Scope:
        """With the <ParameterDeclarations> and <VariableDeclarations> right below a node.

        Args:
            node: that declares them.
            assigned: values instead of the declared ones.

        Raises:
            ScenarioFileError: a declaration without a name or value, or one that cannot be computed.
        """
        values = dict(self.values)
        declared = [each for child in node.children if child.tag in _DECLARATIONS for each in child.children]
        for each in declared:
            name = each.text("name")
            value = (assigned or {}).get(name, resolve_text(each.text("value"), each, Scope(values=values)))
            values[name] = _typed(value, each)
        return Scope(values=values)


def declared_name(node: Node, attribute: str, declared: Collection[str]) -> str:
    """The parameter or variable that an attribute names.

    Args:
        node: that has it.
        attribute: its name.
        declared: by the file, for all of it.

    Raises:
        ScenarioFileError: it is not declared there.
    """
    name = node.text(attribute).lstrip("$")
    if name not in declared:
        there = ", ".join(declared) or "none"
        raise node.error(f"{attribute} {name!r} is not declared for the whole file; there are {there}")
    return name


def _typed(value: str, declaration: Node) -> str:
    """A value as its parameter's type has it: whole numbers without a point, so that they can be ids too.

    Raises:
        ScenarioFileError: it is no whole number, and declared as one.
    """
    attributes = declaration.attributes
    if attributes.get("parameterType", attributes.get("variableType")) not in _WHOLE:
        return value
    return str(replace(declaration, attributes={**attributes, "value": value}).whole("value"))


_DECLARATIONS = ("ParameterDeclarations", "VariableDeclarations")
_WHOLE = ("integer", "int", "unsignedInt", "unsignedShort")
"""Types of whole numbers."""
_NAMING = ("parameterRef", "variableRef")
"""Attributes that name a parameter instead of using its value."""


def resolve(node: Node, scope: Scope, look_up: Callable[[Node], Node], *, declared: bool = False) -> Node:
    """The node and all below it with the values of parameters in place of `$name` and `${expression}`.

    Args:
        node: as it was read.
        scope: the parameters around it.
        look_up: what a <CatalogReference> stands for.
        declared: its own parameters are in `scope` already.

    Raises:
        ScenarioFileError: a parameter that is not declared, or an expression that cannot be computed.
    """
    if not declared:
        scope = scope.with_declarations(node)
    attributes = {
        name: text if name in _NAMING else resolve_text(text, node, scope) for name, text in node.attributes.items()
    }
    children: list[Node] = []
    for child in node.children:
        if child.tag in _DECLARATIONS:
            continue
        child = resolve(child, scope, look_up)
        children.append(look_up(child) if child.tag == "CatalogReference" else child)
    return replace(node, attributes=attributes, children=tuple(children))


def resolve_text(text: str, node: Node, scope: Scope) -> str:
    """A text with the values of parameters in it.

    Raises:
        ScenarioFileError: as for `resolve`.
    """
    if "$" not in text:
        return text
    try:
        return substitute(text, scope.values)
    except ValueError as error:
        raise node.error(str(error)) from error
