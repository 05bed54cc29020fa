"""A generator's samples are judged by what is known of the pictures that it learned from."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from means import names_its_seeds, uncounted_means

from examples.digits_as_cifar10 import write_digits
from training.data.pictures.labelled import LabelledPictures, open_pictures
from training.generative.classifier import read_pictures, train_classifier, training_name
from training.generative.evaluate import EvaluateGeneratorConfig, evaluate_generator
from training.generative.recipes import generative_recipe
from training.generative.sampling import draw_samples
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder)
    return folder


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "checkpoint"
    torch.manual_seed(0)
    Generator(generative_recipe("rope-dit", "debug").generator(tuple(map(str, range(10))))).save(folder)
    return folder


@pytest.fixture(scope="module")
def judged(digits: Path, untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("quality")
    evaluate_generator(
        EvaluateGeneratorConfig(
            models=(untrained,),
            data=digits,
            out=out,
            num_samples=300,
            sampling=("dpm-solver:2", "heun:2"),
            guidance=(1.0, 2.0),
            classifier_steps=150,
            device="cpu",
        )
    )
    return out


def test_noise_is_of_no_class_and_nothing_real(judged: Path) -> None:
    found = json.loads((judged / "quality.json").read_text())
    assert uncounted_means(found) == []
    assert names_its_seeds(found)
    assert found["real"]["agreement"] > 0.9
    assert found["real"]["sets"][0] > 0.8
    assert len(found["settings"]) == 4
    for quality in found["settings"]:
        assert quality["agreement"] < 0.3
        assert quality["sets"][0] < 0.1
        assert quality["frechet"][0] > 10 * found["real"]["frechet"]


def test_evaluations_are_counted_at_the_network(judged: Path) -> None:
    settings = json.loads((judged / "quality.json").read_text())["settings"]
    asked = {(q["sampling"], q["guidance"]): q["evaluations"] for q in settings}
    assert asked == {("dpm-solver:2", 1): 2, ("dpm-solver:2", 2): 4, ("heun:2", 1): 3, ("heun:2", 2): 6}


def test_the_table_the_plot_and_samples_are_there_to_look_at(judged: Path) -> None:
    table = (judged / "quality.md").read_text()
    assert table.count("\n") == 2 + 4 + 1
    assert table.count(" of seed 0 |") == 4
    assert (judged / "tradeoff.png").stat().st_size > 10_000
    assert len(list((judged / "samples").glob("*.png"))) == 4


def test_samples_that_are_there_are_not_drawn_again(untrained: Path, tmp_path: Path) -> None:
    made, choice, labels = Generator.load(untrained), SamplerChoice(steps=1), torch.arange(260) % 10
    whole = draw_samples(made, choice, labels, tmp_path, seed=3)
    lost, kept = (next(tmp_path.glob(f"part_00{k}*")) for k in (1, 0))
    lost.unlink()
    written = kept.stat().st_mtime_ns
    again = draw_samples(made, choice, labels, tmp_path, seed=3)
    assert torch.equal(whole.frames, again.frames)
    assert kept.stat().st_mtime_ns == written
    assert len(np.unique(whole.frames.numpy().reshape(260, -1), axis=0)) == 260


def test_the_classifier_goes_on_with_what_it_learned(digits: Path, tmp_path: Path) -> None:
    pictures = LabelledPictures(open_pictures(digits))
    some = torch.stack([pictures[k][0] for k in range(20)])
    first, second = (train_classifier(pictures, tmp_path, 20, seed=1) for _ in range(2))
    assert np.array_equal(read_pictures(first, some).features, read_pictures(second, some).features)


def test_a_classifier_of_other_pictures_or_of_another_training_has_another_name() -> None:
    pictures, labels = torch.zeros(2, 3, 8, 8), np.array([0, 1])
    names = [
        training_name(pictures, labels, 20, 0),
        training_name(pictures + 1, labels, 20, 0),
        training_name(pictures, labels[::-1], 20, 0),
        training_name(pictures, labels, 30, 0),
        training_name(pictures, labels, 20, 1),
    ]
    assert len(set(names)) == len(names)
    assert training_name(pictures.clone(), labels.copy(), 20, 0) == names[0]


def test_a_generator_of_other_classes_is_refused(untrained: Path, tmp_path: Path) -> None:
    write_digits(tmp_path)
    (tmp_path / "batches.meta.txt").write_text("".join(f"no{k}\n" for k in range(10)))
    config = EvaluateGeneratorConfig(models=(untrained,), data=tmp_path, out=tmp_path / "out", device="cpu")
    with pytest.raises(ValueError, match=r"of the classes 0, 1, .*has no0, no1"):
        evaluate_generator(config)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampling": ("euler",)}, "SAMPLER:STEPS, such as dpm-solver:20, got 'euler'"),
        ({"sampling": ("leap:3",)}, "sampler must be one of .* got 'leap'"),
        ({"guidance": ()}, "guidance must name one at least"),
        ({"num_samples": 10}, "num_samples must be at least 100, got 10"),
    ],
)
def test_nothing_to_judge_is_refused(changes, message, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        EvaluateGeneratorConfig(models=(tmp_path,), data=tmp_path, **changes)
