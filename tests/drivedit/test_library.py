"""The library's names: what they adapt, in the house's words; configs in files; loaders; errors."""

import importlib
from copy import deepcopy

import numpy as np
import pytest
import torch
from steered_clips import write_steered_videos

import drivedit
from drivedit.config import ModelConfig, StudentConfig, VAEConfig
from drivedit.data import AugmentationPipeline, VideoDataset, VideoLoader, VideoPreprocessor
from drivedit.models import VAE3D, DiTStudent, DiTTeacher, MemoryBank
from training.data.augment import AugmentConfig
from worldsim.dynamics.memory_bank import erase_and_add
from worldsim.networks.sizes import dit_size


@pytest.mark.parametrize("module", ["config", "data", "evaluation", "inference", "models", "training"])
def test_modules_have_the_same_names_by_topic(module):
    found = importlib.import_module(f"drivedit.{module}")
    assert set(found.__all__) <= set(drivedit.__all__)
    assert all(getattr(drivedit, name) is getattr(found, name) for name in found.__all__)


def test_the_default_student_is_the_size_called_drivedit():
    size, shape = dit_size("drivedit"), StudentConfig().network()
    for name in ("width", "depth", "num_heads", "conv_width", "window"):
        assert getattr(shape, name) == getattr(size, name)


def test_models_have_the_shapes_that_were_asked_for():
    student = DiTStudent(latent_dim=8, d_model=64, n_layers=3, n_heads=2, image_size=(32, 48), context_window=5)
    assert student.latent_shape == (8, 4, 6)
    assert len(student.dit.blocks) == 3
    assert (student.dit.config.window, student.dit.config.causal) == (5, True)
    teacher = DiTTeacher(latent_dim=8, d_model=64, n_layers=2, n_heads=2, image_size=(32, 48))
    assert teacher.latent_shape == student.latent_shape
    frames = torch.zeros(1, 3, 2, 32, 48)
    assert VAE3D(in_channels=3, latent_dim=8, widths=(8, 8, 8)).encode(frames).shape == (1, 8, 2, 4, 6)


def test_a_bank_keeps_its_memory_itself():
    torch.manual_seed(0)
    bank, tokens = MemoryBank(latent_dim=8, num_slots=4, batch_size=2), torch.randn(2, 3, 8)
    before = bank.get_memory_tokens()
    after = bank.update(tokens)
    assert after is bank.get_memory_tokens()
    assert torch.equal(after, bank.write(before, tokens))
    assert not torch.equal(after, before)
    again = deepcopy(bank).double()  # with its memory
    torch.testing.assert_close(again.update(tokens.double()), bank.update(tokens).double())
    assert not bank.get_memory_tokens().requires_grad
    assert "_memory" not in bank.state_dict()
    bank.reset(2)
    assert torch.equal(bank.get_memory_tokens(), before)
    assert erase_and_add(before, torch.zeros(2, 3, 4), tokens, tokens).equal(before)


def test_configs_come_back_from_their_files(tmp_path):
    shapes = ModelConfig(
        vae=VAEConfig(latent_dim=8, widths=(8, 16, 16)),
        student=StudentConfig(latent_dim=8, d_model=32, n_layers=2, n_heads=2, image_size=(32, 32), memory="ntm"),
    )
    for config in (shapes, shapes.vae, shapes.student):
        config.save_json(tmp_path / "config.json")
        assert type(config).from_json(tmp_path / "config.json") == config
    student = DiTStudent.from_config(shapes.student)
    assert student.latent_shape == (8, 4, 4)
    assert student.bank is not None
    assert VAE3D.from_config(shapes.vae).config == shapes.vae.network()


@pytest.mark.parametrize(("text", "message"), [
    ('{"d_model": 100}', r"config\.json: not a StudentConfig: d_model must be a multiple of 32 and of 8 n_heads = 64"),
    ('{"width": 64}', "StudentConfig has no field width; it has context_window"),
    ('{"n_heads": 0}', "n_heads must be at least 1, got 0"),
    ('{"image_size": [100, 128]}', r"image_size must be two multiples of 16, got \(100, 128\)"),
    ('{"memory": "lstm"}', "kind must be one of ntm, transformer-xl, got 'lstm'"),
    ("{", r"config\.json: not a StudentConfig"),
])  # fmt: skip
def test_a_file_that_is_no_config_is_refused(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        StudentConfig.from_json(tmp_path / "config.json")


def test_parts_of_other_latents_are_refused():
    with pytest.raises(ValueError, match=r"latent_dim must be one, got 8 \(vae\) and 64 \(student\)"):
        ModelConfig(vae=VAEConfig(latent_dim=8))


def test_a_loader_goes_through_the_windows_in_another_order_each_time(tmp_path):
    write_steered_videos(tmp_path, num=2, num_frames=12)
    pipeline = AugmentationPipeline.create_training_pipeline(mirror=0.0)
    assert pipeline == AugmentationPipeline(mirror=0.0)
    assert isinstance(pipeline, AugmentConfig)
    dataset = VideoDataset(tmp_path, sequence_length=8, image_size=(32, 32), augmentation=pipeline)
    loader = VideoLoader(dataset, batch_size=4, num_workers=0)
    passes = [[batch["frames"] for batch in loader] for _ in range(2)]
    assert [len(batches) for batches in passes] == [2, 2]
    assert passes[0][0].shape == (4, 8, 3, 32, 32)
    assert not torch.equal(passes[0][0], passes[1][0])
    again = VideoLoader(dataset, batch_size=4, num_workers=0)
    assert torch.equal(next(iter(again))["frames"], passes[0][0])
    with pytest.raises(ValueError, match="10 windows do not fill a batch of 16"):
        VideoLoader(dataset, batch_size=16)
    with pytest.raises(ValueError, match="batch_size and num_workers cannot be 0, 4"):
        VideoLoader(dataset, batch_size=0)


def test_frames_become_floats_and_come_back(tmp_path):
    write_steered_videos(tmp_path, num=1, num_frames=12)
    preprocess = VideoPreprocessor(image_size=(16, 32))
    frames = np.random.default_rng(0).integers(0, 256, (3, 16, 32, 3)).astype(np.uint8)
    assert np.array_equal(preprocess.to_uint8(preprocess(frames)), frames)
    video = tmp_path / "drive_00.mp4"
    read, whole = preprocess.read(video, 4, first=2), VideoDataset(tmp_path, 12, (16, 32))[0]["frames"]
    assert torch.equal(read, whole[2:6])
    with pytest.raises(ValueError, match=r"drive_00\.mp4 has 12 frames, not 4 from frame 9 on"):
        preprocess.read(video, 4, first=9)
    with pytest.raises(ValueError, match=r"frames must be uint8 \[t, h, w, 3\], got float64 \[3, 16, 32, 3\]"):
        preprocess(frames.astype(float))
