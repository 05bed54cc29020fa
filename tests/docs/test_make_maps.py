"""The page of public maps is what its script makes of the results kept beside it; the script judges drives rightly."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from places import ROOT

pytest.importorskip("carla", reason="procedural towns and roads are tried with the carla package")

DOCS = ROOT / "docs"
ROAD = """<OpenDRIVE><header revMajor="1" revMinor="7"/>
 <road id="A7" junction="-1" length="LENGTH">
  <planView><geometry s="0" x="0" y="0" hdg="0" length="LENGTH"><line/></geometry></planView>
  <lanes><laneSection s="0"><center><lane id="0" type="none"/></center>
   <right><lane id="-1" type="driving"><width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right>
  </laneSection></lanes>
 </road>
</OpenDRIVE>"""


@pytest.fixture
def make_maps(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS), *sys.path])
    import make_maps

    return make_maps


def test_the_page_is_the_one_that_the_script_renders(make_maps):
    results = json.loads((DOCS / "results" / "maps.json").read_text())
    assert results.keys() == make_maps.SETS.keys()
    assert (DOCS / "maps.md").read_text() == make_maps.render(results)
    picture = DOCS / "images" / "maps.jpg"
    assert picture.stat().st_size < 300_000
    assert cv2.imread(str(picture)) is not None


def test_the_goal_for_public_maps_is_met(make_maps):
    results = json.loads((DOCS / "results" / "maps.json").read_text())
    driven = {name: sum(row["driven"] for row in rows) for name, rows in results.items()}
    assert driven["scenariogeneration"] >= 29
    assert driven["esmini"] == len(results["esmini"]) == 20
    assert driven["carla"] == len(results["carla"]) == 8


def test_maps_are_driven_and_refused_by_name_without_a_path_of_this_machine(make_maps, tmp_path: Path):
    folder, docs = tmp_path / "files", tmp_path / "docs"
    folder.mkdir()
    for name, text in {
        "long": ROAD.replace("LENGTH", "500"),
        "short": ROAD.replace("LENGTH", "80"),
        "walk": ROAD.replace("LENGTH", "500").replace("driving", "sidewalk"),
        "cut": ROAD[:100],
    }.items():
        (folder / f"{name}.xodr").write_text(text)
    make_maps.make_maps(make_maps.MapsConfig(esmini=folder, docs=docs))
    rows = {row["name"]: row for row in json.loads((docs / "results" / "maps.json").read_text())["esmini"]}
    assert rows["long"]["outcome"].startswith("driven, lane kept (50 steps, ")
    assert (rows["long"]["driven"], rows["long"]["roads"], rows["long"]["lanes"]) == (True, 1, 1)
    assert rows["short"]["driven"]
    assert "no lane of type driving" in rows["walk"]["outcome"]
    assert rows["cut"]["outcome"].startswith("refused: not well-formed XML")
    page = (docs / "maps.md").read_text()
    assert str(tmp_path) not in page
    assert "| esmini's resources/xodr | 4 | 2 | 2 | 0 |" in page
    assert not (docs / "images").exists(), "the contact sheet needs all of its maps"

    make_maps.make_maps(make_maps.MapsConfig(docs=docs))
    assert (docs / "maps.md").read_text() == page, "it is rendered again from what was kept"


def test_a_sheet_has_rows_of_five(make_maps):
    tiles = [np.full((30, 20, 3), k, np.uint8) for k in range(10)]
    sheet = make_maps.contact_sheet(tiles)
    assert sheet.shape == (60, 100, 3)
    assert sheet[45, 30, 0] == 6
