"""The page of scenarios is what its script makes of the catalogue."""

import sys

from places import ROOT

DOCS = ROOT / "docs"


def test_the_page_is_the_one_that_the_script_renders(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import make_scenarios

    assert (DOCS / "scenarios.md").read_text(encoding="utf-8") == make_scenarios.render()
