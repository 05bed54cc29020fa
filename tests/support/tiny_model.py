"""A world model so small that tests can run it, woken or of random weights, and clips and conditions for it."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch

from worldsim.conditioning.latent_conditions import NUM_CONDITION_CHANNELS, ConditionChannel, still_grid
from worldsim.configs import DiTConfig, ReaderConfig, VAEConfig, WorldModelConfig
from worldsim.datatypes.scene import SceneState
from worldsim.datatypes.start_clip import StartClip
from worldsim.dynamics.denoiser import Denoised, Denoiser, shift_previous
from worldsim.networks.dit import Conditions
from worldsim.world_model import WorldModel

CONFIG = WorldModelConfig(
    vae=VAEConfig(widths=(16, 16, 32), num_blocks=1),
    dit=DiTConfig(width=48, depth=2, num_heads=2, conv_width=16, num_conv_blocks=1, window=4),
    reader=ReaderConfig(stem_width=8, widths=(16, 16, 16), num_blocks=1, cell_width=16, overview_width=8),
)


CONTROL = np.array([[0.1, 0.5, 0.0, 0.0]], np.float32)


def random_model(use_memory: bool = False) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(replace(CONFIG, dit=replace(CONFIG.dit, use_memory=use_memory))).eval().requires_grad_(False)
    for p in model.parameters():  # AdaLN-Zero starts as the identity: wake every branch
        p.add_(0.05 * torch.randn(p.shape))
    return model


def random_clip(num_frames: int = 6, seed: int = 0) -> StartClip:
    rng = np.random.default_rng(seed)
    vehicles = np.zeros((num_frames, 6))
    vehicles[:, 0], vehicles[:, 3] = np.arange(num_frames) * 0.5, 5.0
    scenes = SceneState.empty((num_frames,))
    scenes.object_kinds[:, :2] = 1, 3
    scenes.objects[:, 0] = 14.0, -0.3, 0.0, 5.0, 4.4, 1.8
    scenes.objects[:, 1] = 20.0, 4.0, 1.5, 1.2, 0.5, 0.6
    return StartClip(
        frames=rng.integers(0, 255, (num_frames, 128, 128, 3), dtype=np.uint8),
        controls=rng.uniform(0, 0.3, (num_frames - 1, 4)).astype(np.float32) * [1, 1, 0, 0],
        vehicles=vehicles,
        scenes=scenes,
        route=np.stack([np.arange(90.0), 0.1 * np.ones(90)], axis=-1).astype(np.float32),
        dt=0.1,
    )


def random_surfaces(b: int, t: int) -> torch.Tensor:
    """Of a known layout, with road users here and there."""
    surfaces = torch.rand(b, t, NUM_CONDITION_CHANNELS, 16, 16) - 0.5
    surfaces[:, :, ConditionChannel.USERS : ConditionChannel.PAINT].clamp_(min=0)
    surfaces[:, :, ConditionChannel.SIGNAL : ConditionChannel.HEADING] = 0.0
    surfaces[:, :, ConditionChannel.MOVING] = 0.0
    surfaces[:, :, ConditionChannel.KNOWN :] = 1.0
    return surfaces


def random_conditions(b: int, t: int) -> Conditions:
    known = torch.ones(b, t, dtype=torch.bool)
    known[:, 0] = False
    return Conditions(
        controls=torch.randn(b, t, 4),
        motions=torch.randn(b, t, 6) * 0.1,
        commands=torch.zeros(b, t, dtype=torch.long),
        known=known,
        surfaces=random_surfaces(b, t),
        grid=torch.from_numpy(still_grid(16, 16)) + 0.05 * torch.randn(b, t, 16, 16, 2),
        visible=torch.rand(b, t, 16, 16),
        style=torch.randn(b, t, 32),
    )


Module = TypeVar("Module", bound=torch.nn.Module)


def woken(module: Module) -> Module:
    """AdaLN-Zero starts as the identity: wake every branch."""
    generator = torch.Generator().manual_seed(0)
    for p in module.requires_grad_(False).parameters():
        p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return module.eval()


def model_with(**dit: Any) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(replace(CONFIG, dit=replace(CONFIG.dit, depth=4, **dit)))
    woken(model)
    return model


def one_pass(denoiser: Denoiser, latents: torch.Tensor, conditions: Conditions, **kwargs: Any) -> Denoised:
    b, t = latents.shape[:2]
    previous = shift_previous(latents, denoiser.dit.config.num_previous)
    return denoiser(latents, torch.ones(b, t), previous, conditions, torch.arange(t), **kwargs)
