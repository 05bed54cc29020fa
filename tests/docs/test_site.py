"""The site: every page is on it, links lead where they do on the code host, and nothing is loaded from elsewhere."""

import re
import shutil
import sys
from pathlib import Path

import griffe
import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import PluginError
from places import ROOT

import drivedit

DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]


@pytest.fixture
def site_hooks(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import site_hooks

    return site_hooks


@pytest.fixture
def site_docstrings(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import site_docstrings

    return site_docstrings


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, warnings as errors; its API pages are not filled, which takes long and the gate does."""
    if shutil.which("npm") is None:
        pytest.skip("npm brings the script that draws diagrams")
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), site_dir=str(folder), plugins=["search"], strict=True)
    build(config)
    return folder


def test_the_home_page_is_the_readme(site):
    home = (site / "index.html").read_text()
    readme = (ROOT / "README.md").read_text()
    headings = re.findall(r"^## ([\w ]+)$", readme, re.MULTILINE)
    assert len(headings) >= 3
    assert [heading for heading in headings if f">{heading}<" not in home] == []
    assert 'src="images/drive.webp"' in home
    assert (site / "images" / "drive.webp").read_bytes() == (DOCS / "images" / "drive.webp").read_bytes()


def test_links_out_of_docs_lead_to_pages_of_the_site(site):
    home = (site / "index.html").read_text()
    assert 'href="contributing/"' in home
    assert 'href="results/"' in home
    assert 'href="../findings/"' in (site / "scenic" / "index.html").read_text()
    scenic = (site / "scenic" / "index.html").read_text()
    assert 'href="../files/examples/scenic/braking_lead.scenic.txt"' in scenic
    program = ROOT / "examples" / "scenic" / "braking_lead.scenic"
    assert (site / "files" / "examples" / "scenic" / "braking_lead.scenic.txt").read_text() == program.read_text()


def test_newcomers_find_the_three_ways_first(site, site_hooks):
    quickstart = (site / "quickstart" / "index.html").read_text()
    home = (site / "index.html").read_text()
    places = [home.index(f'href="quickstart/#{anchor}" class="md-nav__link"') for anchor in site_hooks.PATHS.values()]
    assert places == sorted(places)
    assert places[-1] < home.index('href="commands/" class="md-nav__link"')
    assert [anchor for anchor in site_hooks.PATHS.values() if f'id="{anchor}"' not in quickstart] == []


def test_diagrams_are_drawn_by_a_script_of_the_site(site, site_hooks):
    home = (site / "index.html").read_text()
    assert home.index('src="assets/javascripts/mermaid.tiny.js"') < home.index('class="mermaid"')
    assert b"mermaid" in (site / site_hooks.MERMAID_URI).read_bytes()
    assert "mermaid.tiny.js" not in (site / "glossary" / "index.html").read_text()


def test_nothing_is_loaded_from_other_hosts(site, site_hooks):
    assert len(list(site.rglob("*.html"))) > 40
    assert site_hooks.find_other_hosts(site) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://example.org/x"></script>'),
        ("a.html", '<link rel="stylesheet" href="//example.org/x">'),
        ("a.html", '<img alt="" src="http://example.org/x">'),
        ("a.html", '<style>@font-face { src: url("https://example.org/x") }</style>'),
        ("a.css", '@import "https://example.org/x";'),
    ],
)
def test_a_site_that_loads_from_another_host_is_refused(tmp_path, site_hooks, name, text):
    (tmp_path / name).write_text(text + '<a href="https://example.org/link">a link</a>')
    with pytest.raises(PluginError, match=rf"{name}: (https?:)?//example.org/x$"):
        site_hooks.on_post_build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(tmp_path)))


def test_a_site_without_its_diagrams_says_what_is_missing(tmp_path, site_hooks, monkeypatch):
    monkeypatch.setattr(site_hooks, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PluginError, match=r"need @mermaid-js/tiny@[\d.]+, and `npm pack .*` failed: .*npm"):
        site_hooks.fetch_mermaid()


def read_otherwise(text: str) -> list[str]:
    """Lines that the code host and the site read differently: lists without a blank line before, indents under four."""
    found, after_blank, in_list, fenced = [], True, False, False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        item = re.match(r"[-*] |\d+\. ", line) is not None
        if not fenced and ((item and not in_list and not after_blank) or (after_blank and re.match(r" {1,3}\S", line))):
            found.append(line)
        after_blank = not line.strip()
        in_list = not after_blank and (in_list or item)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_read_the_same_on_the_code_host(page):
    assert read_otherwise(page.read_text()) == []


def test_what_is_read_otherwise_is_found():
    text = "Text:\n- an item\n  that goes on\n- another\n\n  beside it\n\n```\nx:\n- y\n```\n\n- fine\n\n    too\n"
    assert read_otherwise(text) == ["- an item", "  beside it"]


def test_every_public_name_is_on_one_page_of_the_api():
    listed = [
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: drivedit\.(\w+)$", page.read_text(), re.M)
    ]
    assert sorted(listed) == sorted(drivedit.__all__)


def test_units_in_docstrings_are_no_links(site_docstrings):
    shape = griffe.Function("f", docstring=griffe.Docstring("Positions [n, 2] [m], `x[0][1]`."))
    site_docstrings.UnitsAreText().on_object(obj=shape)
    assert shape.docstring is not None
    assert shape.docstring.value == r"Positions [n, 2] \[m], `x[0][1]`."
