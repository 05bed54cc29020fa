"""STAGES: each entry builds on earlier ones, a run takes those of its recipe, and the docs show the same list."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from training import recipes
from training.recipes import recipe_at
from training.registry import STAGES, ancestors, outdated, stage_named, stage_table, stages_until
from training.train import TrainConfig, train
from training.training_run import TrainingRun

DOCS = Path(__file__).parents[2] / "docs"


def run_of(recipe: str, folder: Path) -> TrainingRun:
    return TrainingRun(recipe=recipe_at(recipe, folder), folder=folder, device="cpu")


def leave_results(folder: Path, *names: str) -> None:
    for name in names:
        for result in stage_named(name).results:
            (folder / result).parent.mkdir(parents=True, exist_ok=True)
            (folder / result).touch()


def test_each_stage_has_a_name_of_its_own_and_builds_on_earlier_ones() -> None:
    names = [stage.name for stage in STAGES]
    assert len(set(names)) == len(names)
    results = [result for stage in STAGES for result in stage.results]
    assert len(set(results)) == len(results)
    for k, stage in enumerate(STAGES):
        assert set(stage.needs) <= set(names[:k]), stage.name
    assert {"record", "vae", "latents", "student"} <= {stage.name for stage in ancestors(stage_named("decoder"))}


def test_a_run_has_the_stages_of_its_recipe(tmp_path: Path) -> None:
    names = [stage.name for stage in stages_until(run_of("debug", tmp_path), "evaluate")]
    assert names == [stage.name for stage in STAGES if stage.name != "initial"]
    tiny = [stage.name for stage in stages_until(run_of("tiny", tmp_path), "trust")]
    assert tiny == [
        *("record", "vae", "latents", "actors", "layouts", "reader", "student", "distill", "self_rollouts", "decoder"),
        *("looks", "trust"),
    ]
    with pytest.raises(ValueError, match=r"this run has no stage 'match'; it has record, vae, .*decoder"):
        stages_until(run_of("tiny", tmp_path), "match")
    with pytest.raises(ValueError, match=r"no training stage 'dynamics'; there are record, .*student, .*evaluate"):
        TrainConfig(until="dynamics")


def test_a_run_says_what_is_done_and_what_will_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_results(tmp_path, "record", "vae", "student")
    leave_results(tmp_path, "trust")
    (tmp_path / "trust" / "full_trust.safetensors").unlink()
    train(TrainConfig(recipe="tiny", out=tmp_path, until="trust", list_stages=True))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path}, recipe tiny:"
    done = [line.split()[0] for line in lines[1:] if "done" in line]
    assert done == ["vae", "student"]
    assert [line.split()[0] for line in lines[1:] if "will run" in line] == [
        *("record", "latents", "actors", "layouts", "reader", "distill", "self_rollouts", "decoder", "looks", "trust")
    ]


@pytest.mark.parametrize("last", ["record", "vae"])
def test_training_stops_after_the_last_stage_that_is_asked_for(
    last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    made = tuple(replace(stage, run=lambda run, name=stage.name: asked.append(name)) for stage in STAGES)
    monkeypatch.setattr("training.registry.STAGES", made)
    train(TrainConfig(recipe="tiny", out=tmp_path, until=last, precision="float32"))
    assert asked == ["record", "vae"][: 1 + (last == "vae")]


def test_a_stage_that_the_initial_checkpoint_makes_needless_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def begin(run: TrainingRun) -> None:
        run.recipe = replace(run.recipe, dynamics=replace(run.recipe.dynamics, trajectories=None))

    made = tuple(
        replace(stage, run=begin if stage.name == "initial" else lambda run, name=stage.name: asked.append(name))
        for stage in STAGES
    )
    monkeypatch.setattr("training.registry.STAGES", made)
    train(TrainConfig(recipe="debug", out=tmp_path, until="student", initial=tmp_path, precision="float32"))
    assert asked == ["record", "vae", "latents", "actors", "layouts", "reader", "student"]


def test_results_older_than_what_they_were_made_from_are_named(tmp_path: Path) -> None:
    stages = [stage_named(name) for name in ("student", "self_rollouts", "decoder", "reader", "trust")]

    def all_outdated() -> list[Path]:
        return [path for stage in stages for path in outdated(stage, tmp_path)]

    assert all_outdated() == []
    for age, stage in enumerate(stages):
        leave_results(tmp_path, stage.name)
        for result in stage.results:
            os.utime(tmp_path / result, (1000 + age, 1000 + age))
    assert all_outdated() == []
    leave_results(tmp_path, "distill")
    os.utime(tmp_path / "dynamics" / "distill" / "student.safetensors", (1003, 1003))
    assert all_outdated() == [tmp_path / "own" / "clips.safetensors", tmp_path / "decoder" / "vae.safetensors"]
    leave_results(tmp_path, "record")  # sealed anew by every run
    assert len(all_outdated()) == 2


def test_every_recipe_has_the_stages_of_the_shipped_world(tmp_path: Path) -> None:
    shipped = {"record", "vae", "actors", "student", "decoder", "reader", "trust", "starts"}
    for name in recipes.RECIPES:
        assert shipped <= {stage.name for stage in stages_until(run_of(name, tmp_path), "evaluate")}


def test_the_docs_show_the_stages() -> None:
    assert stage_table() in (DOCS / "training.md").read_text()
