"""Held-out drives are driven again in every mode, kept, and taken up again; with a world of random weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from known_drives import car_in_a_street
from tiny_model import random_model
from tqdm import tqdm

from training.evaluation.held_out import held_out_drive
from training.evaluation.held_out_runs import HeldOutRuns
from training.evaluation.measures import Instruments
from training.evaluation.modes import ABLATIONS, LIVE, REPLAYED, ablated, drive_again
from training.evaluation.yardstick import load_yardstick
from worldsim.world_model import WorldModel


def runs_of(model: WorldModel, folder: Path, identity: str = "one") -> HeldOutRuns:
    store = car_in_a_street(40)
    return HeldOutRuns(
        model=model,
        store=store,  # type: ignore[arg-type]
        positions=np.array([10, 12, 36]),
        horizon=12,
        instruments=Instruments(
            store=store,  # type: ignore[arg-type]
            yardstick=load_yardstick(),
            decoder=model.scene_decoder,
            camera=model.config.camera,
        ),
        folder=folder,
        identity=identity,
        batch_size=2,
        num_films=1,
    )


def test_drives_are_measured_once_and_filmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model()
    truths, made = runs_of(model, tmp_path).run(REPLAYED, 3)
    assert [len(one.psnr) for one in made] == [12, 12, 3]
    assert [one.features.shape[0] for one in truths] == [2, 2, 0]
    assert (len(truths[0].readings.scenes), len(truths[0].views), len(truths[2].views)) == (1, 2, 1)
    assert made[0].pose_error[0] < 0.1
    assert sorted(path.name for path in (tmp_path / "films").iterdir()) == ["replayed_00.mp4"]
    runs_of(model, tmp_path).write_sheet(tmp_path / "sheet.png", truths, made)
    assert (tmp_path / "sheet.png").is_file()

    # everything is there: nothing is driven again, and what is read is what was measured
    monkeypatch.setattr(model, "begin", lambda *args, **kwargs: pytest.fail("driven again"))
    again = runs_of(model, tmp_path).run(REPLAYED, 3)
    assert np.array_equal(again[1][0].psnr, made[0].psnr)
    with pytest.raises(BaseException, match="driven again"):
        runs_of(model, tmp_path, "another model").run(REPLAYED, 3)


def test_frames_of_the_context_enter_no_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured is what steps made; and measures of the same pictures after another context are the same."""
    model, made = random_model(), []
    step = model.step
    monkeypatch.setattr(model, "step", lambda *args, **kwargs: made.append(step(*args, **kwargs)) or made[-1])
    runs = runs_of(model, tmp_path)
    drive = held_out_drive(runs.store, 10, model.config.num_context, 12)
    frames, vehicles = drive_again(model, [drive], [10], REPLAYED, tqdm(disable=True))
    assert np.array_equal(frames[0], np.concatenate([prediction.frames for _, prediction in made]))

    poisoned = replace(drive, clip=replace(drive.clip, frames=np.zeros_like(drive.clip.frames)))
    for first, second in (
        [runs.instruments.measure_made(one, frames[0], vehicles[0]) for one in (drive, poisoned)],
        [runs.instruments.measure_truth(one) for one in (drive, poisoned)],
    ):
        for name in ("statistics", "features", "views", "psnr", "pose_error"):
            assert np.array_equal(getattr(first, name, 0), getattr(second, name, 0)), name
        assert np.array_equal(first.readings.scenes, second.readings.scenes)


def test_modes_make_other_pictures_of_the_same_drive(tmp_path: Path) -> None:
    model = random_model()
    runs = runs_of(model, tmp_path)
    (_, (replayed,)), (_, (live,)) = runs.run(REPLAYED, 1), runs.run(LIVE, 1)
    assert not np.array_equal(live.psnr, replayed.psnr)  # another car stands there in the scenes of the recording
    for mode in ABLATIONS:
        with ablated(model, mode):
            assert model.frame_decoder.ablation == mode.ablation
        if mode.name != "without_memory":  # nothing is recalled on a straight road
            assert not np.array_equal(runs.run(mode, 1)[1][0].psnr, replayed.psnr), mode
    assert model.frame_decoder.ablation == REPLAYED.ablation
