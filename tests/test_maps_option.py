"""`--maps`: one or more OpenDRIVE files or folders in place of procedural towns, for every verb that drives."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("carla", reason="the reference world's roads need the carla package")

from drivedit import main
from envs.maps.map_files import MapFile, find_maps, read_maps
from envs.maps.towns.procedural_towns import town_xodr
from envs.trivial_worlds import TRIVIAL_WORLDS
from scenarios.catalogue import SCENARIOS
from scenarios.scenario import place_on_maps
from training.data.rollouts import EpisodeSource, RolloutDataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two maps, and a file that is none."""
    path = tmp_path_factory.mktemp("maps")
    for name, seed in (("beta", 3), ("alpha", 4)):
        (path / f"{name}.xodr").write_text(town_xodr(seed))
    (path / "notes.txt").write_text("no map")
    return path


def record(out: Path, *more: object) -> int:
    settings = ("--num-episodes", 4, "--episodes-per-town", 1, "--seconds-per-episode", 2.5, "--num-workers", 0)
    args = ("--out", out, *settings, "--frame-size", 32, 32, *more)
    return main(["record", *map(str, args)])


def test_folders_and_files_are_found_in_order_and_once(folder: Path, tmp_path: Path):
    assert [file.name for file in find_maps([folder])] == ["alpha", "beta"]
    assert [file.name for file in find_maps([folder / "beta.xodr"])] == ["beta"]
    assert find_maps([]) == ()
    copy = tmp_path / "alpha.xodr"
    copy.write_text("<OpenDRIVE/>")
    with pytest.raises(ValueError, match="two maps are called alpha"):
        find_maps([folder, copy])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty holds no \.xodr file"):
        find_maps([tmp_path / "empty"])
    with pytest.raises(ValueError, match="no map at nowhere"):
        find_maps([Path("nowhere")])


def test_every_map_that_cannot_be_used_is_named(folder: Path, tmp_path: Path):
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.xodr").write_text("<OpenDRIVE><header/></OpenDRIVE>")
    with pytest.raises(ValueError, match=r"map .*bad.xodr cannot be used: .*; map .*worse.xodr cannot be used: "):
        read_maps([folder, tmp_path])


def test_episodes_take_turns_on_the_maps_and_say_on_which(folder: Path, tmp_path: Path):
    assert record(tmp_path / "data", "--maps", folder) == 0
    dataset = RolloutDataset(tmp_path / "data")
    sources = [dataset[k].source for k in range(len(dataset))]
    digests = {file.name: file.digest for file in find_maps([folder])}
    assert [source.map for source in sources] == ["alpha", "beta", "alpha", "beta"]
    assert all(source.map_digest == digests[source.map] and source.town == -1 for source in sources)
    first, second = dataset[0], dataset[1]
    assert not (first.rows.vehicles[0, :2] == second.rows.vehicles[0, :2]).all()
    settings = json.loads((tmp_path / "data" / "meta" / "recording.json").read_text())
    assert settings["maps"] == [[name, digests[name]] for name in ("alpha", "beta")]


def test_a_recording_goes_on_with_the_same_maps_only(folder: Path, tmp_path: Path, capsys):
    maps = tmp_path / "elsewhere"
    maps.mkdir()
    for file in find_maps([folder]):
        (maps / file.path.name).write_text(file.path.read_text())
    assert record(tmp_path / "data", "--maps", folder / "alpha.xodr", folder / "beta.xodr") == 0
    assert record(tmp_path / "data", "--maps", maps) == 0, "the same maps in another folder"
    (maps / "alpha.xodr").write_text(town_xodr(5))
    capsys.readouterr()
    assert record(tmp_path / "data", "--maps", maps) == 2
    assert "was recorded with maps=" in capsys.readouterr().err
    assert record(tmp_path / "data") == 2, "towns are other places"


def test_a_recording_of_towns_says_so(tmp_path: Path):
    assert record(tmp_path / "data", "--num-towns", 1, "--first-town", 3) == 0
    source = RolloutDataset(tmp_path / "data")[0].source
    assert source == EpisodeSource(seed=source.seed, town=3)


def test_cases_take_turns_on_the_maps_and_each_map_is_entered_once(folder: Path):
    maps = find_maps([folder])
    cases = [SCENARIOS["cut_in"].draw(seed) for seed in range(4)]
    placed = place_on_maps(cases, maps)
    assert [(case.seed, case.map.name) for case in placed if case.map] == [
        (0, "alpha"),
        (2, "alpha"),
        (1, "beta"),
        (3, "beta"),
    ]
    options = placed[0].reference_options()
    assert options == {"map": str(folder / "alpha.xodr"), "scripted_actors": cases[0].actors}
    assert [case.town for case in place_on_maps(cases, ())] == sorted(case.town for case in cases)


def test_validate_drives_on_the_maps_and_reports_them(folder: Path, tmp_path: Path):
    args = ["--world", "road", "--maps", folder, "--scenarios", "traffic", "--num-seeds", 2, "--num-videos", 0]
    main(["validate", *map(str, args), "--max-failure-rate", "1", "--out", str(tmp_path)])
    report = json.loads((tmp_path / "report.json").read_text())
    assert [r["map"] for r in report["results"]] == ["alpha", "beta"]
    assert all(r["outcome"] != "invalid" for r in report["results"])
    assert report["provenance"]["maps"] == ", ".join(file.label for file in find_maps([folder]))
    assert "<th>map</th>" in (tmp_path / "report.html").read_text()


def test_both_worlds_of_fidelity_start_on_the_maps(folder: Path, tmp_path: Path, tiny_checkpoint: Path):
    args = ["--maps", folder / "alpha.xodr", "--planners", "blind", "accelerating", "--scenarios", "traffic"]
    args += ["--num-seeds", 2, "--checkpoint", tiny_checkpoint, "--out", tmp_path]
    assert main(["fidelity", *map(str, args)]) in (0, 1)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["provenance"]["maps"] == MapFile(path=folder / "alpha.xodr").label
    drives = [json.loads(line) for line in (tmp_path / "drives.jsonl").read_text().splitlines()[1:]]
    assert {drive["world"] for drive in drives} == {"road", "learned", *TRIVIAL_WORLDS}
    assert all(drive["outcome"] != "invalid" for drive in drives)
    args[1] = folder / "beta.xodr"
    assert main(["fidelity", *map(str, args)]) == 2, "a log of drives on another map is not gone on with"


def test_evaluate_records_the_maps_first(folder: Path, tmp_path: Path, tiny_checkpoint: Path):
    args = ["--world", "road", "--maps", folder, "--data", tmp_path / "data", "--out", tmp_path / "out"]
    args += ["--checkpoint", tiny_checkpoint, "--num-episodes", 2, "--seconds-per-episode", 3, "--num-starts", 2]
    args += ["--seconds", 1, "--long-starts", 0, "--loops", 0, "--closed-loop-starts", 0]
    assert main(["evaluate", *map(str, args)]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["config"]["maps"] == [file.label for file in find_maps([folder])]
    assert RolloutDataset(tmp_path / "data")[0].source.map == "alpha"


def test_play_begins_on_the_first_map_and_digits_take_the_others(folder: Path, tmp_path: Path, monkeypatch):
    from envs.viewer.config import PlayConfig
    from envs.viewer.open_session import make_session

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    session = make_session(lambda name: pytest.fail(name), PlayConfig(world="road", maps=(folder,)))
    assert session._options == {"map": str(folder / "alpha.xodr")}
    assert session._start_options(2) == {"map": str(folder / "beta.xodr")}
    args = ["--world", "road", "--maps", folder, "--steps", 1, "--screenshot", tmp_path / "play.png"]
    assert main(["play", *map(str, args)]) == 0
    assert (tmp_path / "play.png").is_file()


@pytest.mark.parametrize("verb", ["record", "validate", "fidelity", "evaluate", "play"])
def test_a_map_that_is_not_there_is_told_before_anything_starts(verb: str, tmp_path: Path, capsys):
    worlds = {"fidelity": [], "evaluate": ["--world", "road", "--data", str(tmp_path / "data")]}
    args = [*worlds.get(verb, ["--world", "road"]), "--maps", str(tmp_path / "nowhere.xodr")]
    assert main([verb, *args, *([] if verb in ("play", "evaluate") else ["--out", str(tmp_path / "out")])]) == 2
    assert f"no map at {tmp_path / 'nowhere.xodr'}" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("verb", "world"), [("record", "carla"), ("validate", "carla"), ("play", "learned"), ("evaluate", "carla")]
)
def test_worlds_with_places_of_their_own_refuse_maps(verb: str, world: str, tmp_path: Path, capsys):
    data = ["--data", str(tmp_path)] if verb == "evaluate" else []
    with pytest.raises(SystemExit):
        main([verb, "--world", world, "--maps", str(tmp_path), *data])
    assert re.search(r"map[s]? (are|is) for", capsys.readouterr().err)
