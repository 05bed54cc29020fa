"""A generator: what it is made of, what it learns, and what it keeps of frames that are known."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from worldsim.diffusion.generator import TIME_SCALE, Generator, GeneratorConfig, known_ends
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.networks.generative_configs import PatchDiTConfig, VideoVAEConfig


def picture_config(path: str = "flow", predicts: str = "velocity", **changes: object) -> GeneratorConfig:
    network = PatchDiTConfig(
        width=32,
        depth=2,
        num_heads=2,
        patch=4,
        channels=3,
        num_classes=2,
        attention="space",
        time_scale=TIME_SCALE[path],
    )
    values = {"height": 8, "width": 8, "class_names": ("dark", "bright"), "network": network} | changes
    return GeneratorConfig(architecture="image-dit", path=path, predicts=predicts, **values)  # type: ignore[arg-type]


def clip_config(autoencoder: VideoVAEConfig | None = None, num_frames: int = 8, side: int = 32) -> GeneratorConfig:
    channels = 3 if autoencoder is None else autoencoder.latent_channels
    network = PatchDiTConfig(
        width=32, depth=2, num_heads=2, channels=channels, known_channels=channels + 1, time_scale=TIME_SCALE["flow"]
    )
    return GeneratorConfig(
        architecture="video-dit",
        network=network,
        path="flow",
        predicts="velocity",
        height=side,
        width=side,
        num_frames=num_frames,
        autoencoder=autoencoder,
    )


@pytest.mark.parametrize(("path", "predicts", "sampler"), [
    ("cosine", "v", "ddim"), ("flow", "velocity", "euler"), ("flow", "velocity", "dpm-solver"),
])  # fmt: skip
def test_it_learns_what_a_class_looks_like(path, predicts, sampler):
    torch.manual_seed(0)
    made = Generator(picture_config(path, predicts))
    optimizer = torch.optim.Adam(made.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(300):
        label = torch.randint(2, (32,), generator=generator)
        data = (label.float() - 0.5)[:, None, None, None].expand(-1, 3, 8, 8) * 1.6
        loss = made.losses(data, label, None, generator).total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    choice = SamplerChoice(sampler=sampler, steps=10, guidance=1.2)
    brightness = made.sample(8, generator, choice, label=torch.arange(8) % 2).mean((1, 2, 3))
    assert brightness[0::2].mean() < -0.25
    assert brightness[1::2].mean() > 0.25


def test_samples_follow_from_the_seed_alone():
    made = Generator(picture_config()).eval()
    first, again, other = (made.sample(2, torch.Generator().manual_seed(k)) for k in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_frames_that_are_known_are_kept_to_the_bit_and_only_these():
    made = Generator(clip_config()).eval()
    clips = torch.rand(2, 3, 8, 32, 32) * 2 - 1
    known = known_ends(clips, torch.tensor([2, 3]), torch.tensor([0, 1]))
    found = made.sample(2, torch.Generator().manual_seed(0), SamplerChoice(steps=2), known=known)
    assert torch.equal(found[0, :, :2], clips[0, :, :2])
    assert torch.equal(found[1, :, :3], clips[1, :, :3])
    assert torch.equal(found[1, :, 7], clips[1, :, 7])
    assert not torch.isclose(found[0, :, 2:], clips[0, :, 2:]).all(dim=(0, 2, 3)).any()
    assert known.channels[0, 3].amax((1, 2)).tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert not known.channels[0, :3, 2:].any()


def test_what_is_to_be_made_between_two_ends_is_not_told():
    made = Generator(clip_config(VideoVAEConfig(widths=(8, 16), num_halvings=1), num_frames=16, side=16)).eval()
    for parameter in made.parameters():  # its layers over time begin as nothing
        torch.nn.init.normal_(parameter, std=0.1)
    frames = torch.rand(1, 3, 16, 16, 16) * 2 - 1
    others = frames.clone()
    others[:, :, 4:12] = torch.rand(1, 3, 8, 16, 16)
    told, of_others = (made.known_of(x, torch.tensor([2]), torch.tensor([2])).channels for x in (frames, others))
    assert torch.equal(told, of_others)
    assert not torch.equal(made.encode(frames)[:, :, -1], made.encode(others)[:, :, -1])  # an encoder tells of the past


@pytest.mark.parametrize("path", ["linear", "cosine", "karras", "flow"])
def test_a_strength_is_the_same_share_of_noise_on_every_path(path):
    predicts = {"karras": "residual", "flow": "velocity"}.get(path, "noise")
    made = Generator(picture_config(path, predicts))
    assert made.path.at(made.start_time(0.5)).ratio == pytest.approx(1.0, rel=0.02)  # type: ignore[arg-type]
    assert made.path.at(made.start_time(0.8)).ratio == pytest.approx(4.0, rel=0.02)  # type: ignore[arg-type]
    assert made.start_time(1.0) is None


def test_a_little_noise_leaves_a_clip_about_as_it_was():
    made = Generator(clip_config()).eval()
    clips = torch.rand(1, 3, 8, 32, 32) * 2 - 1

    def change(strength: float) -> float:
        generator = torch.Generator().manual_seed(0)
        return float((made.sample(1, generator, begin=clips, strength=strength) - clips).abs().mean())

    assert change(0.05) < 0.5 * change(0.5)


def test_a_saved_one_is_the_same(tmp_path: Path):
    made = Generator(clip_config(VideoVAEConfig(widths=(8, 16, 16)))).eval()
    made.save(tmp_path)
    loaded = Generator.load(tmp_path)
    assert loaded.config == made.config
    assert loaded.config.data_shape == (4, 2, 4, 4)
    clips = torch.rand(1, 3, 8, 32, 32)
    assert torch.equal(loaded.decode(loaded.encode(clips)), made.decode(made.encode(clips)))
    with pytest.raises(FileNotFoundError, match=r"no generator in .*nowhere: config.json is missing"):
        Generator.load(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"architecture": "image-dit"}')
    with pytest.raises(ValueError, match=r"config.json: not a GeneratorConfig"):
        Generator.load(tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"predicts": "colour"}, "predicts must be one of noise, data, v"),
    ({"class_names": ("one",)}, "2 classes, but 1 names"),
    ({"num_frames": 4}, "image-dit does not make clips of 4 frames"),
    ({"path": "cosine"}, "path cosine needs a time_scale of 1.0, got 1000.0"),
    ({"height": 10}, r"10 x 8 pixels become 10 x 8, which the patch, 4, must divide"),
    ({"height": 30, "autoencoder": VideoVAEConfig(latent_channels=3)}, "do not divide into latents"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        replace(picture_config(), **change)


def test_what_a_generator_cannot_do_is_said():
    pictures, clips = Generator(picture_config()), Generator(clip_config())
    generator = torch.Generator()
    with pytest.raises(ValueError, match="knows no classes"):
        clips.sample(1, generator, label=torch.zeros(1, dtype=torch.long))
    with pytest.raises(ValueError, match="not trained with frames"):
        pictures.sample(1, generator, known=known_ends(torch.zeros(1, 3, 8, 8, 8), torch.ones(1), torch.ones(1)))
    with pytest.raises(ValueError, match=r"strength must lie in \(0, 1\], got 0"):
        clips.sample(1, generator, begin=torch.zeros(1, 3, 8, 32, 32), strength=0)
    with pytest.raises(ValueError, match="sampler must be one of ddpm"):
        SamplerChoice(sampler="best")  # type: ignore[arg-type]
