"""From files of pictures or videos to a trained generator, what it makes, and generators side by side."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from means import names_its_seeds, uncounted_means
from recordings import write_video

from examples.digits_as_cifar10 import write_digits
from training.data.video_file import VideoFile
from training.generative.compare import CompareModelsConfig, compare_models, open_items, open_model
from training.generative.generate import GenerateConfig, generate
from training.generative.measuring import draw_batch, judge
from training.generative.recipes import OBJECTIVES, RecipeName, generative_recipe
from training.generative.stages import draw_known
from training.generative.train import TrainGeneratorConfig, train_generator
from worldsim.checkpoint import load_tensors
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice

FEW = SamplerChoice(steps=2)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "a.mp4", 24)
    write_video(folder / "b.mp4", 24)
    (folder / "data.yaml").write_text("train: a.mp4\nval: b.mp4\n")
    return folder / "data.yaml"


def config(data: Path, out: Path, recipe: RecipeName = "dit-image", **changes: object) -> TrainGeneratorConfig:
    values = {"size": "debug", "device": "cpu", "precision": "float32"} | changes
    return TrainGeneratorConfig(data=data, out=out, recipe=recipe, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def of_digits(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dit-image")
    train_generator(config(digits, out))
    return out


@pytest.fixture(scope="module")
def of_videos(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("latent-video")
    train_generator(config(videos, out, "latent-video"))
    return out


def test_an_interrupted_training_ends_as_one_that_was_not(of_digits, digits, tmp_path, monkeypatch):
    from training.stages import loop

    def power_cut(self: loop.TrainLoop) -> dict[str, float]:
        if self.step == 13:
            raise KeyboardInterrupt
        return train_step(self)

    train_step = loop.TrainLoop.train_step
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainLoop, "train_step", power_cut)
        with pytest.raises(KeyboardInterrupt):
            train_generator(config(digits, tmp_path))
    train_generator(config(digits, tmp_path))
    whole, resumed = (load_tensors(folder / "checkpoint" / "weights.safetensors") for folder in (of_digits, tmp_path))
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_class_becomes_a_grid_of_pictures(of_digits, tmp_path, capsys):
    generate(GenerateConfig(checkpoint=of_digits / "checkpoint", mode="class", label="7", out=tmp_path / "seven",
                            sampling=SamplerChoice(steps=2, guidance=2.0)))  # fmt: skip
    path = Path(capsys.readouterr().out.strip().splitlines()[-1])
    assert path == tmp_path / "seven.png"
    assert cv2.imread(str(path)).shape == (2 * 34, 2 * 34, 3)
    with pytest.raises(ValueError, match="no class 'ten': there are 0, 1, 2"):
        generate(GenerateConfig(checkpoint=of_digits / "checkpoint", mode="class", label="ten", sampling=FEW))
    with pytest.raises(ValueError, match="mode 'predict' makes clips, and this generator makes pictures"):
        generate(GenerateConfig(checkpoint=of_digits / "checkpoint", mode="predict", input=path, sampling=FEW))


@pytest.mark.parametrize(("mode", "num_frames", "changes"), [
    ("predict", 8, {}), ("predict", 14, {"num_predicted": 10}), ("v2v", 8, {"strength": 0.3}), ("generate", 8, {}),
])  # fmt: skip
def test_a_video_is_gone_on_with_and_made_anew(of_videos, videos, tmp_path, mode, num_frames, changes):
    source = {} if mode == "generate" else {"input": videos.parent / "b.mp4"}
    generate(GenerateConfig(checkpoint=of_videos / "checkpoint", mode=mode, num=1, out=tmp_path / "made", sampling=FEW,
                            **source, **changes))  # fmt: skip
    assert len(VideoFile(tmp_path / "made.mp4").times) == num_frames


def test_nothing_is_predicted_where_all_is_known(of_videos, videos):
    with pytest.raises(ValueError, match="of 8 frames 8 known ones leave none to predict"):
        generate(GenerateConfig(checkpoint=of_videos / "checkpoint", mode="predict", input=videos.parent / "b.mp4",
                                num_known=8, num_predicted=4))  # fmt: skip
    with pytest.raises(ValueError, match=r"guidance 2.0 leads towards a class, and mode 'generate' has none"):
        GenerateConfig(checkpoint=of_videos, sampling=SamplerChoice(guidance=2.0))


def test_something_of_every_clip_is_left_to_make():
    made = Generator(generative_recipe("latent-video", "debug").generator(()))
    assert made.config.data_shape[1] == 2
    known = draw_known(made, torch.zeros(64, 3, 8, 32, 32), torch.Generator().manual_seed(0))
    counts = known.mask.sum(1)
    assert set(counts.tolist()) == {0, 1}


def test_a_folder_keeps_to_what_it_was_begun_with(of_digits, digits):
    with pytest.raises(ValueError, match="was begun with recipe objective ddpm, not v; train elsewhere"):
        train_generator(config(digits, of_digits, objective="v"))


def test_between_two_ends_a_clip_must_have_room(of_videos, videos, tmp_path):
    with pytest.raises(ValueError, match="of 8 frames 4 at either end leave none between"):
        generate(GenerateConfig(checkpoint=of_videos / "checkpoint", mode="interpolate", input=videos.parent / "b.mp4"))
    with pytest.raises(ValueError, match="num_known must be a multiple of 4, as a latent is of so many frames, got 3"):
        generate(GenerateConfig(checkpoint=of_videos / "checkpoint", mode="interpolate", input=videos.parent / "b.mp4",
                                num_known=3))  # fmt: skip


def test_models_stand_side_by_side(of_videos, videos, tmp_path):
    models = (str(of_videos / "checkpoint"), "unet3d:debug")
    found = compare_models(
        CompareModelsConfig(
            models=models, data=videos, out=tmp_path, repeats=1, num_samples=1, num_known=4, sampling=FEW, device="cpu",
            num_frames=8,
        )
    )  # fmt: skip
    latent, pixels = found
    made = Generator.load(of_videos / "checkpoint")
    assert latent.parameters == sum(p.numel() for p in made.network.parameters())
    assert latent.autoencoder_parameters > 0 == pixels.autoencoder_parameters
    assert min(latent.train_seconds, pixels.train_seconds, latent.memory_megabytes, pixels.memory_megabytes) > 0
    kept = json.loads((tmp_path / "comparison.json").read_text())
    assert kept[1]["model"] == "unet3d:debug"
    assert all(uncounted_means(one) == [] and names_its_seeds(one) for one in kept)
    assert "| PSNR [dB] |" in (tmp_path / "comparison.md").read_text()
    assert {path.name for path in tmp_path.glob("*.mp4")} == {"model_1.mp4", "model_2.mp4"}


def test_models_of_other_classes_and_without_data_to_validate_with(of_digits, digits, tmp_path, capsys):
    for name in ("data_batch_1.bin", "batches.meta.txt"):
        (tmp_path / name).write_bytes((digits / name).read_bytes())
    models = (str(of_digits / "checkpoint"), "rope-dit:debug")
    config = CompareModelsConfig(models=models, data=tmp_path, out=tmp_path / "out", device="cpu")
    for made in (open_model(name, config) for name in models):
        pictures = draw_batch(open_items(made, config), 2, config.seed, "cpu")
        assert "no data to validate with (" in capsys.readouterr().out
        found = judge(made.eval(), *pictures, FEW, config.num_known, config.seed, tmp_path / "restored")
        assert 0 < found["psnr"] < 60
        assert (tmp_path / "restored.png").is_file()
    (tmp_path / "batches.meta.txt").write_text("\n".join(f"digit {k}" for k in range(10)))
    with pytest.raises(ValueError, match=r"has the classes digit 0, digit 1.*, the model 0, 1"):
        compare_models(config)


def test_data_of_the_other_kind_is_refused(digits, videos, tmp_path):
    with pytest.raises(ValueError, match="unet3d learns from a yaml that lists videos, got"):
        train_generator(config(digits, tmp_path, "unet3d"))
    with pytest.raises(ValueError, match="rope-dit learns from a folder of labelled pictures, got"):
        train_generator(config(videos, tmp_path, "rope-dit"))
    with pytest.raises(ValueError, match="dit-image has no autoencoder"):
        train_generator(config(digits, tmp_path, autoencoder_steps=5))
    with pytest.raises(ValueError, match="unet3d is no transformer"):
        train_generator(config(videos, tmp_path, "unet3d", positions="rotary"))


def test_positions_and_nothing_else_of_a_recipe_are_changed(digits, tmp_path):
    network = config(digits, tmp_path, "rope-dit", positions="absolute").planned().network
    assert network == replace(generative_recipe("rope-dit", "debug").network, positions="absolute")


@pytest.mark.parametrize("name", ["dit-image", "rope-dit", "unet3d", "latent-video"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_recipe_takes_every_objective(name, objective):
    recipe = replace(generative_recipe(name, "default"), objective=objective)
    names = () if recipe.makes_clips else ("cat", "dog")
    made = recipe.generator(names)
    assert made.network.num_classes == len(names)
    assert np.prod(made.data_shape) > 0


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["rope-dit", "unet3d"])
def test_the_other_recipes_run_to_their_end(digits, videos, tmp_path, recipe):
    train_generator(config(videos if recipe == "unet3d" else digits, tmp_path, recipe))
    assert Generator.load(tmp_path / "checkpoint").config.architecture == (
        "unet3d" if recipe == "unet3d" else "image-dit"
    )
