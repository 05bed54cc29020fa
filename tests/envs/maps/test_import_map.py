"""`drivedit import-map`: a small extract becomes a map to drive on; what cannot is refused clearly."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("carla", reason="the converter is the carla package's")

from drivedit import main
from envs.maps.import_map import check_osm
from envs.maps.road_map import load_map
from envs.registration import make_road_env

SMALL = Path(__file__).with_name("small_town.osm")


def test_a_crossing_becomes_a_map_that_is_driven(tmp_path: Path, capsys):
    target = tmp_path / "made" / "crossing.xodr"
    assert main(["import-map", str(SMALL), "--out", str(target)]) == 0
    assert re.search(r"crossing\.xodr: 1\.\d km of driving lanes", capsys.readouterr().out)
    road_map = load_map(target)
    x_min, y_min, x_max, y_max = road_map.geometry.bounds
    assert (x_max - x_min, y_max - y_min) == (pytest.approx(441, abs=15), pytest.approx(340, abs=15))
    outside = [lane for lane in road_map.lanes.values() if lane.junction < 0]
    assert {round(float(lane.speed_limit[0]) * 3.6) for lane in outside} == {30, 50}
    turns = {(key, after) for key, lane in road_map.lanes.items() if lane.junction < 0 for after in lane.successors}
    assert len(turns) >= 10, "every street leads into the others"

    env = make_road_env(obs="state")
    env.reset(seed=0, options={"map": str(target)})
    for _ in range(20):
        _, _, terminated, _, info = env.step(np.array([0.0, 0.1], np.float32))
        assert not terminated
        assert info["off_road"] == 0
    env.close()


def test_the_map_lies_beside_its_source_by_default(tmp_path: Path):
    source = tmp_path / "area.osm"
    source.write_text(SMALL.read_text())
    assert main(["import-map", str(source)]) == 0
    assert (tmp_path / "area.xodr").is_file()


def test_nodes_outside_the_extract_are_counted(tmp_path: Path, capsys):
    source = tmp_path / "area.osm"
    source.write_text(SMALL.read_text().replace('<nd ref="3"/>', '<nd ref="3"/><nd ref="99"/><nd ref="98"/>'))
    assert check_osm(source) == 2
    assert main(["import-map", str(source)]) == 0
    assert "2 nodes that ways refer to are not in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "is not XML"),
        (lambda text: text[: len(text) // 2], r"is not XML: .* line \d+"),
        (lambda text: "<html/>", "its root is <html>, not <osm>"),
        (
            lambda text: text[: text.index(" <way")] + "</osm>",
            "no street for cars .*: it has no way with the tag",
        ),
        (
            lambda text: text.replace("primary", "footway").replace("residential", "cycleway"),
            "no street for cars .*: its ways are cycleway, footway",
        ),
        (lambda text: text.replace("49.0015", "here"), "node 5 has lat='here', not degrees"),
        (lambda text: text.replace("8.3970", "nan"), "node 1 has lon='nan', not degrees"),
    ],
)
def test_what_is_no_extract_with_streets_is_refused(change, message: str, tmp_path: Path, capsys):
    source = tmp_path / "area.osm"
    source.write_text(change(SMALL.read_text()))
    assert main(["import-map", str(source)]) == 2
    err = capsys.readouterr().err
    assert re.search(message, err), err
    assert not (tmp_path / "area.xodr").exists()


def test_other_files_are_refused(tmp_path: Path, capsys):
    assert main(["import-map", str(tmp_path / "nowhere.osm")]) == 2
    assert "no OpenStreetMap extract at" in capsys.readouterr().err
    packed = tmp_path / "area.osm.pbf"
    packed.write_bytes(b"\0\0\0\r")
    assert main(["import-map", str(packed)]) == 2
    assert "osmium cat" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["import-map", str(SMALL), "--lane-width", "0.5"])
    assert "lane_width must be in [2, 10] m" in capsys.readouterr().err
