"""Scenes from the disk are those that were built, and are not built again."""

from pathlib import Path

import numpy as np
import pytest

from envs.road import static_scene
from envs.road.config import RoadWorldConfig
from envs.road.road_world import RoadWorld
from envs.road.static_scene import load_map_scene, load_town_scene

CONTROL = np.array([0.0, 0.5, 0.0, 0.0], np.float32)
ODD_MAP = """<?xml version="1.0"?><OpenDRIVE><header revMajor="1" revMinor="7" name="odd"/>
<road name="" length="200" id="7" junction="-1"><type s="0" type="town"><speed max="fast" unit="km/h"/></type>
<planView><geometry s="0" x="0" y="0" hdg="0" length="200"><line/></geometry></planView><lanes><laneSection s="0">
<center><lane id="0" type="none" level="false"/></center><right><lane id="-1" type="driving" level="false">
<width sOffset="0" a="3.5" b="0" c="0" d="0"/></lane></right></laneSection></lanes></road></OpenDRIVE>"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("DRIVEDIT_CACHE", str(tmp_path))
    forget()
    yield tmp_path / "scenes"
    forget()


def forget() -> None:
    """What this process has in memory."""
    load_town_scene.cache_clear()
    static_scene._load_map_scene.cache_clear()


def drive(world: RoadWorld, options: dict) -> list[np.ndarray]:
    steps = [world.reset(3, options), *(world.step(CONTROL) for _ in range(20))]
    return [*(step.scene.to_vector() for step in steps), *(step.vehicle for step in steps), world.frame()]


def test_a_town_from_the_disk_is_the_one_that_was_built(folder: Path, monkeypatch):
    world = RoadWorld(RoadWorldConfig(frame_size=(32, 32)))
    built = drive(world, {"town": 5})
    assert len(list(folder.iterdir())) == 1
    assert next(folder.iterdir()).stat().st_size < 4e6

    forget()
    monkeypatch.setattr(static_scene, "_build_scene", lambda *_: pytest.fail("built, though it is there"))
    for one, other in zip(built, drive(world, {"town": 5}), strict=True):
        np.testing.assert_array_equal(one, other)


def test_damaged_scenes_are_built_anew(folder: Path):
    load_town_scene(5)
    path = next(folder.iterdir())
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:-100] + bytes(100)):
        path.write_bytes(damaged)
        forget()
        with pytest.warns(UserWarning, match="is made anew: "):
            load_town_scene(5)
        assert path.read_bytes() == whole


def test_a_maps_warnings_are_said_from_the_disk_too(folder: Path, tmp_path: Path):
    path = tmp_path / "odd.xodr"
    path.write_text(ODD_MAP)
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"odd\.xodr: .*fast"):
            load_map_scene(str(path))
        forget()
    assert len(list(folder.iterdir())) == 1
    path.write_text(ODD_MAP.replace('a="3.5"', 'a="3"'))
    with pytest.warns(UserWarning, match="fast"):
        changed = load_map_scene(str(path))
    assert changed.spawn_points.lanes[0].half_width == pytest.approx(1.5)
    assert len(list(folder.iterdir())) == 2
