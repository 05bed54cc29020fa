"""`drivedit check-map`: what it says of a map, its picture, ASAM's findings with and without the checker."""

import os
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivedit import main
from envs.maps import asam_checker
from envs.maps.asam_checker import AsamFinding, read_result, run_asam_checker
from envs.maps.check_map import describe_report
from envs.maps.map_picture import LANE_COLORS, draw_map
from envs.maps.procedural_towns import town_xodr
from envs.maps.road_map import load_map

STRAIGHT = """<OpenDRIVE xmlns="http://code.asam.net/simulation/standard/opendrive_schema">
 <header revMajor="1" revMinor="7"/>
 <road id="A7 north" junction="-1" length="100">
  <type s="0" type="town"><speed max="50" unit="km/h"/></type>
  <planView><geometry s="0" x="0" y="0" hdg="0" length="100"><line/></geometry></planView>
  <lanes><laneSection s="0">
   <left>
    <lane id="2" type="sidewalk"><width sOffset="0" a="4" b="0" c="0" d="0"/></lane>
    <lane id="1" type="driving"><width sOffset="0" a="4" b="0" c="0" d="0"/></lane>
   </left>
   <center><lane id="0" type="none"><roadMark sOffset="0" type="solid" color="yellow" width="0.3"/></lane></center>
   <right><lane id="-1" type="driving"><width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right>
  </laneSection></lanes>
  <signals><signal id="7" s="40" t="-5" dynamic="no" orientation="+" zOffset="2" type="206" subtype="-1" country="DE"/>
  </signals>
 </road>
</OpenDRIVE>"""

RESULT = """<CheckerResults version="1"><CheckerBundle name="xodrBundle">
 <Checker status="completed" checkerId="schema" summary="2 issue(s) are found.">
  <AddressedRule ruleUID="asam.net:xodr:1.0.0:xml.valid_schema"/>
  <Issue issueId="0" description="does not follow its schema" level="1" ruleUID="asam.net:xodr:1.0.0:xml.valid_schema">
   <Locations description="Element 'elevationProfile': Missing child."><FileLocation column="0" row="11"/></Locations>
  </Issue>
  <Issue issueId="1" description="does not follow its schema" level="1" ruleUID="asam.net:xodr:1.0.0:xml.valid_schema">
   <Locations description="Element 'elevationProfile': Missing child."><FileLocation column="0" row="44"/></Locations>
  </Issue>
 </Checker>
 <Checker status="skipped" checkerId="level" summary="Preconditions are not satisfied. Skip the check. 0 issue(s).">
  <AddressedRule ruleUID="asam.net:xodr:1.7.0:road.lane.level_true_one_side"/>
 </Checker>
 <Checker status="error" checkerId="gaps" summary="Error: NoneType."><AddressedRule ruleUID="a:b:1:x.gaps"/></Checker>
</CheckerBundle></CheckerResults>"""


@pytest.fixture
def without_checker(monkeypatch):
    monkeypatch.setattr(asam_checker.shutil, "which", lambda name: None)


def check(path: Path, out: Path) -> int:
    return main(["check-map", str(path), "--out", str(out)])


def test_what_is_read_is_told_and_drawn(tmp_path: Path, capsys, without_checker):
    path = tmp_path / "town.xodr"
    path.write_text(town_xodr(0))
    root = ET.fromstring(town_xodr(0))
    kinds = Counter(signal.get("type") for signal in root.iter("signal"))
    assert check(path, tmp_path / "pictures") == 0
    out = capsys.readouterr().out
    for text in (
        "roads: 61 (50 of them through 7 junctions), 2.77 km",
        "lanes: 76 driving, 44 sidewalk",
        "traffic keeps to the right; flat",
        f"{kinds['1000001']} traffic lights in {len(root.findall('controller'))} groups, {kinds['206']} stop signs",
        f"{kinds['274']} speed signs, {kinds['306']} other signals",
        "30 km/h on 3.",
        f"crosswalks: {kinds['1000001']}",
        "`pipx install asam-qc-opendrive`",
    ):
        assert text in out
    assert "stop nobody" not in out
    assert "not understood" not in out
    picture = cv2.imread(str(tmp_path / "pictures" / "town.png"))
    assert picture is not None
    assert max(picture.shape) == 1600


def test_a_refused_map_is_told_by_name_and_exits_1(tmp_path: Path, capsys, without_checker):
    path = tmp_path / "broken.xodr"
    path.write_text(STRAIGHT.replace('type="driving"', 'type="sidewalk"'))
    assert check(path, tmp_path / "pictures") == 1
    assert "REFUSED: map" in capsys.readouterr().out
    assert not (tmp_path / "pictures").exists()
    assert check(tmp_path / "nowhere.xodr", tmp_path) == 2
    assert "no map at" in capsys.readouterr().err


def test_what_is_not_understood_is_named_once(tmp_path: Path, capsys, without_checker):
    path = tmp_path / "straight.xodr"
    path.write_text(STRAIGHT.replace('type="sidewalk"', 'type="canal"'))
    assert check(path, tmp_path) == 0
    out = capsys.readouterr().out
    assert out.count("canal") == 1
    assert "not understood: road 'A7 north'" in out


def test_the_picture_shows_lanes_paint_and_signals_where_they_are(tmp_path: Path):
    size = 1160  # 10 px a metre: 100 m and a margin of 8 m on either side
    picture = draw_map(load_map(STRAIGHT), size)

    def at(x: float, y: float) -> np.ndarray:
        """The colour at a point of the ground; y = 8 and -4 are the edges."""
        column, row = 10 * (x + 8), picture.shape[0] / 2 - 10 * (y - 2)
        return picture[round(row), round(column)].astype(int)

    def hexadecimal(color: np.ndarray) -> str:
        return "#" + "".join(f"{value:02x}" for value in color)

    assert hexadecimal(at(10, 3.4)) == LANE_COLORS["driving"]
    assert hexadecimal(at(10, -3.4)) == LANE_COLORS["driving"]
    assert hexadecimal(at(10, 6)) == LANE_COLORS["sidewalk"]
    red, green, blue = at(10, 0)
    assert red > 200 > 120 > blue, "the centre line is yellow"
    red, green, blue = at(40, -5)
    assert red > 150 > 100 > max(green, blue), "the stop sign is red"
    assert at(40, -1).min() > 200, "the stop line is white"
    thumbnail = draw_map(load_map(STRAIGHT), 300, details=False)
    assert thumbnail.shape[1] == 300


def test_asam_result_is_read_and_equal_findings_are_told_together():
    report = read_result(RESULT)
    message = "Element 'elevationProfile': Missing child."
    finding = AsamFinding(rule="xml.valid_schema", level="error", message=message, place="line 11")
    assert report.findings[0] == finding
    lines = list(describe_report(report))
    assert lines[0] == "ASAM: 1 rules checked, 1 skipped, 2 findings"
    assert lines[1] == "  skipped 1: Preconditions are not satisfied."
    assert lines[2] == "  the checker itself failed on x.gaps: Error: NoneType."
    assert lines[3] == f"  error xml.valid_schema: {message} (line 11, line 44)"


def test_the_checker_is_a_command_on_the_path(tmp_path: Path, monkeypatch):
    """A command that does as ASAM's does: it reads the names of its files from the configuration."""
    command = tmp_path / "bin" / asam_checker.COMMAND
    command.parent.mkdir()
    (tmp_path / "result.xml").write_text(RESULT)
    command.write_text(
        "#!/bin/sh\n"
        f"""target=$(sed -n 's/.*name="resultFile" value="\\([^"]*\\)".*/\\1/p' "$2")\n"""
        f'cp "{tmp_path}/result.xml" "$target"\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    report = run_asam_checker(tmp_path / "a map.xodr")
    assert report is not None
    assert len(report.findings) == 2
    command.write_text("#!/bin/sh\necho 'no such bundle' >&2\nexit 3\n")
    with pytest.raises(ValueError, match=r"ended without a result on .*a map\.xodr: no such bundle"):
        run_asam_checker(tmp_path / "a map.xodr")
