"""The stages of the VAE3D and of its decoder: they learn, move what they should, and resume to the bit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painted_streets import VAE, scenes_of, shared_street

from training.batches.picture_rollouts import PictureRolloutsConfig
from training.batches.self_rollouts import SelfRolloutClips
from training.data.recorded_scenes import RecordedScenes
from training.stages import vae as stage
from training.stages.decoder import DecoderStageConfig, train_decoder
from training.stages.loop import LoopConfig
from training.stages.vae import PaintingConfig, VAEStageConfig, encode_frames, measure_latents, train_vae
from worldsim.checkpoint import load_tensors
from worldsim.networks.vae3d import VAE3D

LOOP = LoopConfig(num_steps=4, warmup_steps=1, save_every=2)
ROLLOUTS = PictureRolloutsConfig(num=3, batch_size=2, oldest=(3, 6), restart=0.2)
VAE_STAGE = VAEStageConfig(loop=LOOP, rollouts=ROLLOUTS, painting=PaintingConfig(critic_width=8))
DECODER_STAGE = DecoderStageConfig(loop=LOOP, rollouts=ROLLOUTS, painting=PaintingConfig(critic_width=8))
CLIPS = SelfRolloutClips(
    np.array([4, 20]),
    np.random.default_rng(0).standard_normal((2, 9, 8, 4, 4)).astype(np.float16),
    3,
    np.array([False, True]),
)


def scenes(*, hide_layout: bool = False) -> RecordedScenes:
    return scenes_of(shared_street(), hide_layout=hide_layout)


def fresh() -> VAE3D:
    torch.manual_seed(0)
    return VAE3D(VAE)


def train(name: str, folder: Path) -> VAE3D:
    vae = fresh()
    if name == "vae":
        train_vae(vae, scenes(), scenes(hide_layout=True), VAE_STAGE, folder)
    else:
        train_decoder(vae, scenes(), scenes(hide_layout=True), CLIPS, DECODER_STAGE, folder)
    return vae


@pytest.mark.parametrize("name", ["vae", "decoder"])
def test_killed_in_any_step_a_stage_resumes_to_the_same_bits(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, steps, losses = train(name, tmp_path / "whole"), [], stage.painting_losses

    def dying(at: int) -> Callable:
        def step(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
            steps.append(at)
            if len(steps) == at:
                raise SystemExit
            return losses(*args, **kwargs)

        return step

    monkeypatch.setattr(stage, "painting_losses", dying(4))  # two steps are saved, the third one is lost
    with pytest.raises(SystemExit):
        train(name, tmp_path / "killed")
    monkeypatch.setattr(stage, "painting_losses", losses)
    resumed = train(name, tmp_path / "killed")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    one, other = (load_tensors(tmp_path / run / "optimizer.safetensors") for run in ("whole", "killed"))
    assert all(torch.equal(one[key], other[key]) for key in one)
    again = train(name, tmp_path / "killed")  # the stage is done
    assert torch.equal(again.fine_out.weight, whole.fine_out.weight)


def test_the_vae_stage_moves_all_and_measures_latents(tmp_path: Path) -> None:
    before, vae = fresh(), train("vae", tmp_path)
    still = [n for n, p in vae.named_parameters() if torch.equal(p, before.get_parameter(n))]
    assert still == []
    latents = encode_frames(vae, scenes(), np.arange(40))
    assert latents.mean((0, 2, 3)).abs().max() < 0.3
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.3


def test_the_decoders_stage_leaves_latents_and_styles_as_they_are(tmp_path: Path) -> None:
    before, vae = fresh(), train("decoder", tmp_path)
    moved = {n for n, p in vae.named_parameters() if not torch.equal(p, before.get_parameter(n))}
    assert {"decoder_latents.weight", "fine_out.weight"} <= moved
    assert not any(name.startswith(("encoder", "part_embedding", "style")) for name in moved)
    assert all(p.requires_grad for p in vae.parameters())
    assert torch.equal(encode_frames(vae, scenes(), [5]), encode_frames(before, scenes(), [5]))


def test_a_vae_learns_to_paint_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no picture to copy from: classes have colours, which the surfaces tell."""
    psnr, losses = [], stage.painting_losses

    def noting(*args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        values = losses(*args, **kwargs)
        psnr.append(float(values["psnr"]))
        return values

    monkeypatch.setattr(stage, "painting_losses", noting)
    config = replace(
        VAE_STAGE,
        loop=LoopConfig(num_steps=45, learning_rate=6e-3, warmup_steps=5),
        rollouts=replace(ROLLOUTS, batch_size=3, num_frames=1, last_dropout=1.0, recall_dropout=1.0),
        painting=PaintingConfig(critic_width=8, critic_from=1.0),
    )
    train_vae(fresh(), scenes(), scenes(hide_layout=True), config, tmp_path)
    assert np.mean(psnr[:3]) < 14
    assert np.mean(psnr[-10:]) > np.mean(psnr[:3]) + 3


def test_latents_are_normalised_by_what_is_measured() -> None:
    vae = fresh().eval()
    measure_latents(vae, scenes(), np.random.default_rng(0), num_batches=4)
    latents = encode_frames(vae, scenes(), np.arange(40))
    assert latents.mean((0, 2, 3)).abs().max() < 0.3
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.3


def test_a_share_of_latents_beyond_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"latent_dropout must lie in \[0, 1\], got 2"):
        replace(DECODER_STAGE, latent_dropout=2)
