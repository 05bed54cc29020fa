"""`drivedit clone`: every planner of the catalogue gets a recipe, and one command makes their weights."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from known_drives import ConstantPlans, turning_car
from places import ROOT

import training.clone as clone_module
from policies.pixels.catalogue import PIXEL_PLANNERS
from policies.plant.planner import PlanTPlanner
from training.batches.plant_samples import PlanTSamples
from training.clone import PIXEL_STAGES, PLANNERS, CloneConfig, clone, first_episodes, planner_table


@pytest.fixture
def recording(monkeypatch: pytest.MonkeyPatch) -> None:
    store = turning_car(40)
    scenes = store.rows.scenes
    scenes.ego[:, 0], scenes.ego_valid[:], scenes.lane_valid[:] = 8.0, True, True
    scenes.lane[:] = 0, 0, 1.75, 8.33
    scenes.lead[3], scenes.lead_valid[3] = (4.0, 0.0), True
    monkeypatch.setattr(clone_module, "RolloutDataset", lambda root: root)
    monkeypatch.setattr(clone_module, "FrameStore", lambda dataset: store)
    monkeypatch.setattr(PlanTSamples, "of", staticmethod(lambda dataset, expert: ConstantPlans()))


def test_every_planner_has_a_recipe_after_the_one_it_begins_from() -> None:
    assert set(PIXEL_STAGES) == set(PIXEL_PLANNERS)
    names = list(PIXEL_STAGES)
    begun = [(name, stage.begins_from) for name, stage in PIXEL_STAGES.items() if stage.begins_from is not None]
    assert all(names.index(first) < names.index(name) for name, first in begun)


@pytest.mark.usefixtures("recording")
def test_one_command_makes_all_weights_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    config = CloneConfig(out=tmp_path, num_steps=2, device="cpu", precision="float32")
    assert set(config.planners) == set(PLANNERS)
    clone(config)
    weights = {path.stem: path for path in (tmp_path / "weights").glob("*.safetensors")}
    assert set(weights) == {*PIXEL_PLANNERS, "plant"}
    for entry in PIXEL_PLANNERS.values():
        assert entry.load(tmp_path / "weights")
    assert PlanTPlanner.load(weights["plant"])

    before = {name: path.read_bytes() for name, path in weights.items()}
    (tmp_path / "pixels_grey" / "planner.safetensors").unlink()
    clone(config)
    assert {name: path.read_bytes() for name, path in weights.items()} == before


@pytest.mark.usefixtures("recording")
def test_what_cannot_be_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no planner is named best; there are pixels, pixels_grey"):
        CloneConfig(planners=("best",))
    with pytest.raises(ValueError, match="num_steps must be at least 1, got 0"):
        CloneConfig(num_steps=0)
    with pytest.raises(FileNotFoundError, match=r"pixels.planner\.safetensors"):
        clone(CloneConfig(out=tmp_path, planners=("pixels_grey",), num_steps=1, device="cpu", precision="float32"))


def test_the_docs_show_the_planners() -> None:
    assert planner_table() in (ROOT / "docs" / "training.md").read_text()


def test_the_first_episodes_are_a_part() -> None:
    asked = []
    store = SimpleNamespace(starts=[0, 10, 25], part=lambda first, last: asked.append((first, last)))
    assert first_episodes(store, None) is store  # type: ignore[arg-type]
    assert first_episodes(store, 3) is store  # type: ignore[arg-type]
    first_episodes(store, 2)  # type: ignore[arg-type]
    assert asked == [(0, 25)]
