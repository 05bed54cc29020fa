"""What the site needs beside mkdocs.yml: pages from outside docs/, links to them, diagrams, and nothing of other hosts.

MkDocs calls the functions that begin with `on_` while it builds (`hooks` in mkdocs.yml). Pages are written for the code
host; here their links are led to where the site has the same thing.
"""

from __future__ import annotations

import posixpath
import re
import subprocess
import tarfile
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Link, Navigation
from mkdocs.structure.pages import Page
from mkdocs.utils import get_relative_url

from worldsim.atomic_files import atomic_path

ROOT = Path(__file__).parents[1]
PAGES_OUTSIDE = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "findings/README.md": "findings.md",
}
"""The site's pages that do not lie in docs/, by their places in the tree."""
PATHS = {
    "Train a policy": "you-train-policies",
    "Build a planner": "you-build-planners",
    "Validate a driver": "you-want-to-know-whether-it-is-safe",
}
"""Where newcomers go from the home page: anchors of the quickstart, as the README's line has them."""
MERMAID_PACKAGE, MERMAID_VERSION = "@mermaid-js/tiny", "11.17.2"
"""The npm package that draws diagrams, MIT; the theme would load its larger sister from another host."""
MERMAID_URI = "assets/javascripts/mermaid.tiny.js"
CACHE = ROOT / ".cache" / "site"
LINK = re.compile(r"(?<=\]\()[^)\s#]+")
LOADING = {
    "script": "src",
    "link": "href",
    "img": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "iframe": "src",
}
"""Attributes by which a page loads something, without being asked, by their elements."""
LOADING_CSS = re.compile(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')\s]+)""")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages from outside docs/, and the script that draws diagrams."""
    for source, page in PAGES_OUTSIDE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    files.append(File.generated(config, MERMAID_URI, abs_src_path=str(fetch_mermaid())))
    return files


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Put the three ways into the quickstart before it."""
    quickstart = next(page for page in nav.pages if page.file.src_uri == "quickstart.md")
    assert quickstart.parent is not None
    links = [Link(title, f"{quickstart.url}#{anchor}") for title, anchor in PATHS.items()]
    for link in links:
        link.parent = quickstart.parent
    place = quickstart.parent.children.index(quickstart)
    quickstart.parent.children[place:place] = links
    return nav


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the tree to where the site has these."""
    outside = {uri: source for source, uri in PAGES_OUTSIDE.items()}
    source = outside.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[0]))
        if not (ROOT / target).is_file():
            return link[0]  # of another host, or broken: MkDocs says which
        uri = site_uri(target)
        if files.get_file_from_path(uri) is None and not target.startswith("docs/"):
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
        return posixpath.relpath(uri, posixpath.dirname(page.file.src_uri) or ".")

    return LINK.sub(lead, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Give pages with diagrams the script that draws them, before the theme's own looks for it."""
    if 'class="mermaid"' not in output:
        return output
    script = f'<script src="{get_relative_url(MERMAID_URI, page.url)}"></script>'
    return output.replace("</head>", f"{script}</head>", 1)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads anything from another host.

    Raises:
        PluginError: it does; names page and address.
    """
    found = find_other_hosts(Path(config.site_dir))
    if found:
        raise PluginError("the site loads from other hosts: " + "; ".join(found))


def find_other_hosts(site: Path) -> list[str]:
    """What the pages and styles of a built site load from other hosts, each as "file: address". Links are no loads."""
    found = []
    for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")]):
        text = path.read_text(encoding="utf-8")
        addresses = LOADING_CSS.findall(text)
        if path.suffix == ".html":
            reader = _Loads()
            reader.feed(text)
            addresses += reader.addresses
        found += [f"{path.relative_to(site).as_posix()}: {address}" for address in addresses]
    return found


class _Loads(HTMLParser):
    """Collects the addresses of other hosts that a page loads from."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the address that an element loads."""
        values = dict(attrs)
        address = values.get(LOADING.get(tag, "")) or ""
        if re.match(r"(https?:)?//", address) and values.get("rel") != "canonical":
            self.addresses.append(address)


def site_uri(target: str) -> str:
    """Where the site has the file `target` of the tree; files that are no page are shown as text."""
    if target in PAGES_OUTSIDE:
        return PAGES_OUTSIDE[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"files/{target}.txt"


def fetch_mermaid() -> Path:
    """The script that draws diagrams, from npm on first use, afterwards from .cache/.

    Raises:
        PluginError: npm is missing, or cannot fetch the package.
    """
    kept = CACHE / f"mermaid-{MERMAID_VERSION}.js"
    if kept.is_file():
        return kept
    package = f"{MERMAID_PACKAGE}@{MERMAID_VERSION}"
    with TemporaryDirectory() as folder:
        try:
            subprocess.run(["npm", "pack", package], cwd=folder, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            why = getattr(error, "stderr", None) or error
            raise PluginError(f"the site's diagrams need {package}, and `npm pack {package}` failed: {why}") from error
        [archive] = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as files:
            script = files.extractfile("package/dist/mermaid.tiny.js")
            assert script is not None
            licence = files.extractfile("package/LICENSE")
            assert licence is not None
            text = b"/*\n" + licence.read() + b"*/\n" + script.read()
    with atomic_path(kept) as unfinished:
        unfinished.write_bytes(text)
    return kept
