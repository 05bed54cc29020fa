"""Going on from another checkpoint: scene reader and dynamics, of these only what reads no latents of another VAE3D."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from worldsim.checkpoint import WEIGHTS_NAME, check_files, load_tensors, warm_start
from worldsim.world_model import WorldModel

LATENT_LAYERS = ("dit.stem_in", "dit.head_out", "dit.style_embedding", "step_std", "unseen_std")
"""How the names of the denoiser's tensors begin that read or write latents: worth nothing with another tokenizer."""


def has_tokenizer_of(model: WorldModel, state: dict[str, Tensor]) -> bool:
    """Whether the latents of a checkpoint's weights mean what the model's mean; its decoder may differ."""
    for name, own in model.vae.named_parameters():
        if not name.startswith(("encoder", "part_embedding")):
            continue
        other = state.get(f"vae.{name}")
        if other is None or other.shape != own.shape or not torch.allclose(other.to(own), own, rtol=2e-3, atol=2e-4):
            return False
    return True


def initialise_from(model: WorldModel, initial: Path) -> bool:
    """Put a checkpoint's dynamics and reader into the model; of the dynamics, with another tokenizer, what knows no
    latents.

    Returns:
        Whether the tokenizer is the same, so that the dynamics can drive at once.
    """
    check_files(initial, (WEIGHTS_NAME,))
    state = load_tensors(initial / WEIGHTS_NAME)
    same = has_tokenizer_of(model, state)
    parts: tuple[tuple[str, nn.Module], ...] = (("denoiser", model.denoiser), ("reader", model.reader))
    for name, module in parts:
        part = {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name + ".")}
        if not same:
            part = {key: value for key, value in part.items() if not key.startswith(LATENT_LAYERS)}
        fresh = warm_start(module, part)
        if fresh:
            print(f"{initial}: nothing for {name}'s {', '.join(fresh)}; they begin at random")
    return same
