"""Catalogues of OpenSCENARIO, of vehicles as of weathers or manoeuvres: found, read, their parameters put in."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from scenarios.openscenario.source import Node, ScenarioFileError, Scope, read_xml, resolve

SUFFIX = ".xosc"


@dataclass(kw_only=True)
class Catalogs:
    """The catalogues that a file may refer to, read when they are first asked for.

    Args:
        folders: that the file names as places of catalogues, in order.
        files: all catalogue files that were read, for a digest.
    """

    folders: tuple[Path, ...]
    files: list[Path] = field(default_factory=list)
    _catalogs: dict[str, Node] | None = None
    _unread: list[str] = field(default_factory=list)

    @staticmethod
    def of(root: Node, path: Path) -> Catalogs:
        """Those of the file at `path`, whose folders are relative to it.

        Raises:
            ScenarioFileError: a directory without a path.
        """
        locations = root.find("CatalogLocations")
        found: dict[Path, None] = {}
        for each in locations.children if locations is not None else ():
            folder = Path(each.need("Directory").text("path"))
            found[folder if folder.is_absolute() else path.parent / folder] = None
        return Catalogs(folders=tuple(found))

    def entry(self, reference: Node) -> Node:
        """What a <CatalogReference> stands for, with the parameters that it assigns.

        Raises:
            ScenarioFileError: there is no such catalogue or entry; says where it was looked for.
        """
        catalog, name = reference.text("catalogName"), reference.text("entryName")
        found = self._read(reference).get(catalog)
        if found is None:
            where = ", ".join(str(folder) for folder in self.folders) or "no folder: the file names none"
            unread = "".join(f"; not read: {why}" for why in self._unread)
            raise reference.error(f"there is no catalogue {catalog!r}; looked for in {where}{unread}")
        entries = {child.attributes.get("name", ""): child for child in found.children}
        if name not in entries:
            there = ", ".join(entries) or "nothing"
            raise reference.error(f"catalogue {catalog!r} ({found.file}) has no entry {name!r}; it has {there}")
        assignments = reference.find("ParameterAssignments")
        assigned = {
            each.text("parameterRef").lstrip("$"): each.text("value")
            for each in (assignments.children if assignments is not None else ())
        }
        # an entry knows its own parameters only
        node = entries[name]
        declared = Scope().with_declarations(node).values
        for each in assignments.children if assignments is not None else ():
            if each.text("parameterRef").lstrip("$") not in declared:
                there = ", ".join(declared) or "none"
                raise each.error(f"entry {name!r} has no parameter {each.text('parameterRef')!r}; it has {there}")
        return expand(node, Scope().with_declarations(node, assigned), self, declared=True)

    def _read(self, reference: Node) -> dict[str, Node]:
        if self._catalogs is None:
            self._catalogs = {}
            for folder in self.folders:
                for file in sorted(folder.glob(f"*{SUFFIX}")):
                    try:
                        root = read_xml(file)
                    except ScenarioFileError as error:  # whatever else lies there is none of this file's business
                        self._unread.append(str(error))
                        continue
                    for catalog in root.all("Catalog"):
                        self._catalogs.setdefault(catalog.text("name"), catalog)
                        self.files.append(file)
        return self._catalogs


def expand(node: Node, scope: Scope, catalogs: Catalogs, *, declared: bool = False) -> Node:
    """The node with the values of parameters, and what catalogues hold in place of references to them.

    Args:
        node: as it was read.
        scope: the parameters around it.
        catalogs: to look references up in.
        declared: its own parameters are in `scope` already.

    Raises:
        ScenarioFileError: as for `resolve` and `Catalogs.entry`.
    """
    return resolve(node, scope, catalogs.entry, declared=declared)
