"""The precision of a run: measured once, kept on resume, taken by all stages that have none of their own."""

from dataclasses import replace
from pathlib import Path

import pytest

from training.recipes import debug, in_precision
from training.stages import precision
from training.stages.precision import LEAST_GAIN, choose_precision, measure_precisions, run_precision


def test_the_faster_one_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for bfloat16, chosen in (
        (1.0 / (1.01 * LEAST_GAIN), "bfloat16"),
        (0.99 / LEAST_GAIN * 1.02, "float32"),
        (3.0, "float32"),
    ):
        monkeypatch.setattr(
            precision, "measure_precisions", lambda seconds, b=bfloat16: {"float32": 1.0, "bfloat16": b}
        )
        assert choose_precision("cpu") == chosen
    assert choose_precision("meta") == "float32"


def test_both_are_measured() -> None:
    times = measure_precisions(0.01)
    assert set(times) == {"float32", "bfloat16"}
    assert min(times.values()) > 0


def test_a_run_keeps_its_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["bfloat16", "float32"])
    monkeypatch.setattr(precision, "choose_precision", lambda device: next(answers))
    assert [run_precision(tmp_path, "cpu", None) for _ in range(3)] == ["bfloat16"] * 3
    assert run_precision(tmp_path, "cpu", "bfloat16") == "bfloat16"
    with pytest.raises(ValueError, match=r"is trained in bfloat16, as .*precision\.json says, not in float32"):
        run_precision(tmp_path, "cpu", "float32")
    assert run_precision(tmp_path / "other", "cpu", "float32") == "float32"


def test_stages_take_it_unless_they_have_their_own() -> None:
    recipe = debug()
    actors = replace(recipe.actors, loop=replace(recipe.actors.loop, precision="float32"))
    made = in_precision(replace(recipe, actors=actors), "bfloat16")
    assert made.actors.loop.precision == "float32"
    assert made.vae.loop == replace(recipe.vae.loop, precision="bfloat16")
    assert made.dynamics.trajectories is not None
    assert made.dynamics.trajectories.teacher.loop.precision == "bfloat16"
    assert made.model == recipe.model
