"""The list of importers: what recognises what, and that the command line and the documentation follow the list."""

from pathlib import Path

import pytest
from recordings import write_comma2k19, write_udacity, write_video

from drivedit import main
from training.data import lerobot_layout as layout
from training.importers.formats import IMPORTERS, find_importer

NAMES = [importer.name for importer in IMPORTERS]
DOCS = Path(__file__).parents[3] / "docs/importing.md"


@pytest.mark.parametrize("importer", IMPORTERS, ids=NAMES)
def test_the_documentation_has_a_row_for_every_importer(importer):
    row = f"| `{importer.name}` | {importer.source} | {importer.knows} | {importer.note} |"
    assert row in DOCS.read_text(encoding="utf-8").splitlines()


def test_the_command_offers_every_importer(capsys):
    assert len(set(NAMES)) == len(NAMES)
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    listed = "".join(capsys.readouterr().out.split("--format")[1].split("--")[0].split())
    assert "{None," + ",".join(NAMES) + "}" in listed


def test_each_format_is_recognised_by_its_files(tmp_path):
    write_udacity(tmp_path / "track", num=2)
    write_comma2k19(tmp_path / "segments/one")
    layout.write_json(tmp_path / "theirs" / layout.INFO_PATH, {})
    write_video(tmp_path / "clip.mp4", 3)
    for name in ("drive.log", "data.yaml", "states.csv"):
        (tmp_path / name).touch()
    expected = {
        "track": "udacity",
        "track/driving_log.csv": "udacity",  # though it is a table as well
        "track/IMG": "drive",
        "segments": "comma2k19",
        "segments/one": "comma2k19",
        "theirs": "lerobot",
        "clip.mp4": "drive",
        "drive.log": "carla_log",
        "data.yaml": "yolo",
        "states.csv": "table",
    }
    assert {path: find_importer(tmp_path / path).name for path in expected} == expected
    assert set(expected.values()) == set(NAMES)
    assert find_importer(tmp_path / "track/driving_log.csv", "table").name == "table"


def test_an_unknown_format_is_refused_with_the_choices(tmp_path):
    with pytest.raises(ValueError, match="nowhere does not exist"):
        find_importer(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=f"is not recognised; choose one of {', '.join(NAMES)}"):
        find_importer(tmp_path)
    with pytest.raises(ValueError, match=f"no format 'rosbag'; the formats are {', '.join(NAMES)}"):
        find_importer(tmp_path, "rosbag")
