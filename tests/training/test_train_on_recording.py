"""Training on a recording made elsewhere: its geometry, its held-out end, and what it does not know."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from recordings import picture, write_udacity

from envs.registration import make_learned_env
from training.batches.encoded_store import CACHE_NAME, HIDDEN_EVERY
from training.data.frame_store import FrameStore
from training.importers.convert import ImportConfig, import_recordings
from training.importers.importer import DriveOptions
from training.train import TrainConfig, train
from worldsim.configs import CameraGeometry, WorldModelConfig
from worldsim.datatypes.starts import load_starts
from worldsim.datatypes.vehicle import VehicleModel

CAMERA, VEHICLE = CameraGeometry(fov=1.2, pitch=0.1), VehicleModel(max_steer_angle=0.3)


@pytest.mark.timeout(600)
def test_the_debug_recipe_learns_an_imported_recording(tmp_path: Path) -> None:
    write_udacity(tmp_path / "source", num=400)
    source = ImportConfig(source=tmp_path / "source", out=tmp_path / "data", frame_size=(32, 64))
    (dataset,) = import_recordings(source)
    config = TrainConfig(
        recipe="debug",
        data=dataset.root,
        held_out=0.3,
        out=tmp_path / "run",
        camera=CAMERA,
        vehicle=VEHICLE,
        vae_steps=3,
        dit_steps=3,
        precision="float32",
    )
    train(config)
    checkpoint = tmp_path / "run" / "checkpoint"
    learned = WorldModelConfig.from_json(checkpoint / "config.json")
    assert (learned.frame_size, learned.dt, learned.camera, learned.vehicle) == ((32, 64), 0.1, CAMERA, VEHICLE)
    store = FrameStore(dataset)
    num = len(store) - round(0.3 * len(store))
    hidden = int(store.part(0, num).lengths[::HIDDEN_EVERY].sum())  # once more, without their layout
    assert len(np.load(tmp_path / "run" / "latents" / CACHE_NAME)) == num + hidden
    for clip in load_starts(checkpoint / "starts.npz"):
        assert any(np.array_equal(clip.frames[-1], frame) for frame in store.frames[:num])
        assert len(clip.route) == 0
    assert json.loads((tmp_path / "run" / "vae" / "tokenizer.json").read_text())["psnr_db"] > 0
    report = json.loads((tmp_path / "run" / "evaluation" / "report.json").read_text())
    assert report["config"]["tail"] == 0.3
    assert report["live"]["psnr"]["1"]["drives"] > 0
    assert report["events"] == {}
    assert "replayed" not in report  # nothing is known of the frames that could be
    assert "violations" not in report  # the lane follower has no lane to follow
    env = make_learned_env(checkpoint=checkpoint)
    env.reset(seed=0)
    assert env.step(np.array([0.0, 0.5], np.float32))[0].shape == (32, 64, 3)


def test_without_controls_there_is_a_tokenizer_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for k in range(60):
        cv2.imwrite(str(tmp_path / "frames" / f"{k}.png"), picture(k)[..., ::-1])
    options = DriveOptions(source_fps=10.0)
    source = ImportConfig(source=tmp_path / "frames", out=tmp_path / "data", frame_size=(32, 64), drive=options)
    (dataset,) = import_recordings(source)
    config = TrainConfig(
        recipe="debug", data=dataset.root, held_out=0.4, out=tmp_path / "run", vae_steps=1, precision="float32"
    )
    with pytest.raises(ValueError, match="data does not tell how the ego moved and under which control"):
        train(config)
    assert (tmp_path / "run" / "vae" / "tokenizer.png").is_file()


def test_geometry_without_a_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="those of data, and none is given"):
        TrainConfig(camera=CAMERA)
    with pytest.raises(ValueError, match="held_out must lie in"):
        TrainConfig(held_out=0.0)
