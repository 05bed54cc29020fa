"""Pages lead where they say: relative links and anchors, files named in backticks, folders and commands."""

import re
from pathlib import Path

import pytest
from places import ROOT

import drivedit
from drivedit.verbs import VERBS

DOCS = ROOT / "docs"
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "CHANGELOG.md",
        ROOT / "findings" / "README.md",
        *DOCS.glob("*.md"),
        *DOCS.glob("decisions/*.md"),
        *DOCS.glob("api/*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
CODE_PACKAGES = ("worldsim", "envs", "policies", "scenarios", "training")
PACKAGES = (*CODE_PACKAGES, "examples", "tests", "docs", "findings")


def prose(page: Path) -> str:
    """The page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the page's headings."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_files(page: Path) -> list[str]:
    """What the page names in backticks as a file or folder of the tree that is not there."""
    named = [code.split(" ")[0] for code in CODE.findall(prose(page))]
    paths = [name for name in named if name.startswith(tuple(f"{package}/" for package in PACKAGES))]
    return [path for path in paths if not re.search(r"[*<>:]", path) and not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_and_named_files_are_there(page):
    assert broken_links(page) == []
    assert missing_files(page) == []


def test_what_is_not_there_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n[a](#a-heading) [b](#b) [c](none.md) [d](https://example.org) `envs/none.py` `envs/world.py`\n"
    )
    assert broken_links(page) == ["#b", "none.md"]
    assert missing_files(page) == ["envs/none.py"]


def test_the_readme_fits_its_length_and_names_every_folder():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 150
    tree = readme[readme.index("## The tree") :]
    named = re.findall(r"^( *)(\.?\w+)/ ", tree, re.MULTILINE)
    folders = [path.parent for package in CODE_PACKAGES for path in (ROOT / package).rglob("__init__.py")]
    expected = {(2 * (len(folder.relative_to(ROOT).parts) - 1), folder.name) for folder in folders}
    assert expected <= {(len(indent), name) for indent, name in named}


def test_every_finding_is_listed():
    page = (ROOT / "findings" / "README.md").read_text()
    assert re.findall(r"^\| `([\w.-]+)`", page, re.MULTILINE) == sorted(
        path.name for path in (ROOT / "findings").glob("*.sh")
    )


def test_the_glossary_lists_the_old_names_that_work():
    page = (DOCS / "glossary.md").read_text()
    table = page[page.index("## Old words") : page.index("| old, in code and reports")]
    rows = [[re.findall(r"`([^`]+)`", cell) for cell in line.split("|")[1:3]] for line in table.splitlines()]
    rows = [cells for cells in rows if len(cells) == 2 and cells[0]]
    listed = {old: new for names, new_names in rows for old, new in zip(names, new_names, strict=False)}
    public = {f"drivedit.{old}": f"drivedit.{new}" for old, new in drivedit._RENAMED.items()}
    assert {old: new for old, new in listed.items() if old.startswith("drivedit.")} == public
    assert list(listed) == [*public, "envs.make", "speed=", "start", "scenario"]


def test_every_command_is_described():
    page = (DOCS / "commands.md").read_text()
    assert [verb for verb in VERBS if f"| `drivedit {verb}" not in page] == []


def test_the_readme_tests_as_the_gate_does():
    [command] = re.findall(r"^python -m pytest .*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert command in (ROOT / ".ci" / "run").read_text()
    assert command in (ROOT / "CONTRIBUTING.md").read_text()


def test_the_numbers_of_the_readme_are_on_the_results_page():
    readme, results = (ROOT / "README.md").read_text(), (DOCS / "results.md").read_text()
    section = readme[readme.index("## Ten numbers") : readme.index("## Four limits")]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 10
    assert [measure for measure, value, _ in rows if f"|{measure}|{value}|" not in results] == []


def test_every_package_says_that_it_is_typed():
    assert [name for name in ("drivedit", *CODE_PACKAGES) if not (ROOT / name / "py.typed").is_file()] == []
    assert '"*" = ["py.typed"]' in (ROOT / "pyproject.toml").read_text()
