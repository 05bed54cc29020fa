"""Time and memory of one forward step of the networks for generation beside diffusers' own of the same size.

    pip install diffusers && python docs/compare_networks.py

Both run in one process by turns, first one, then the other first; the median of the pairs' ratios of CPU time is
printed, and the peak of what each allocates besides its weights and inputs. For docs/generative.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import torch
import tyro
from diffusers import DiTTransformer2DModel, UNet3DConditionModel
from torch import nn
from torch.profiler import ProfilerActivity, profile

from worldsim.networks.diffusion_transformers import ImageDiT
from worldsim.networks.generative_configs import UNet3DConfig
from worldsim.networks.sizes import image_size
from worldsim.networks.unet3d import UNet3D

Step = Callable[[], object]


def peak_memory(step: Step) -> float:
    """The most that `step` holds at once of what it allocates [MiB]."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        step()
    assert recorded.profiler is not None
    assert recorded.profiler.kineto_results is not None
    events = [event for event in recorded.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak / 2**20


def cpu_time(step: Step) -> float:
    """CPU time of one step [s]."""
    start = time.process_time()
    step()
    return time.process_time() - start


def time_ratios(ours: Step, theirs: Step, num_pairs: int) -> tuple[list[float], list[float], list[float]]:
    """CPU times of ours and of theirs, and the ratio of each pair."""
    first, second = [], []
    for pair in range(num_pairs):
        if pair % 2:
            second.append(cpu_time(theirs))
            first.append(cpu_time(ours))
        else:
            first.append(cpu_time(ours))
            second.append(cpu_time(theirs))
    return first, second, [a / b for a, b in zip(first, second, strict=True)]


def image_pair(size: str, positions: str, batch: int) -> tuple[nn.Module, nn.Module, Step, Step]:
    """ImageDiT and diffusers' DiT over 32 x 32 latents, and a step of each."""
    config = image_size(size)
    ours = ImageDiT(replace(config, positions=positions)).eval()
    theirs = DiTTransformer2DModel(
        num_attention_heads=config.num_heads,
        attention_head_dim=config.width // config.num_heads,
        in_channels=config.channels,
        out_channels=2 * config.channels,
        num_layers=config.depth,
        sample_size=32,
        patch_size=config.patch,
        num_embeds_ada_norm=config.num_classes,
    ).eval()
    x, label = torch.randn(batch, config.channels, 32, 32), torch.arange(batch)
    t = torch.linspace(0, 999, batch).long()
    return ours, theirs, lambda: ours(x, t, label), lambda: theirs(x, timestep=t, class_labels=label)


def video_pair() -> tuple[nn.Module, nn.Module, Step, Step]:
    """UNet3D and diffusers' UNet3DConditionModel over 8 frames of 32 x 32 x 4, and a step of each."""
    ours = UNet3D(UNet3DConfig(channels=4)).eval()
    theirs = UNet3DConditionModel(
        sample_size=32,
        block_out_channels=(64, 128, 256, 320),
        layers_per_block=1,
        attention_head_dim=64,
        cross_attention_dim=64,
    ).eval()
    x, t, text = torch.randn(1, 4, 8, 32, 32), torch.tensor([500]), torch.randn(1, 4, 64)
    return ours, theirs, lambda: ours(x, t), lambda: theirs(x, t, text)


def main(num_pairs: int = 8) -> None:
    """Print the table.

    Args:
        num_pairs: pairs of steps to time.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    made = {
        "DiT-S/2, 4 pictures": lambda: image_pair("dit-s/2", "absolute", 4),
        "DiT-S/2, 2-D rotary, 4 pictures": lambda: image_pair("dit-s/2", "rotary", 4),
        "3-D U-Net, 8 frames": video_pair,
    }
    print("| one step | parameters | CPU time | ratio, of pairs | memory | ratio |\n|---|---|---|---|---|---|")
    for name, make in made.items():
        ours, theirs, our_step, their_step = make()
        millions = [sum(p.numel() for p in network.parameters()) / 1e6 for network in (ours, theirs)]
        with torch.inference_mode():
            memory = [peak_memory(step) for step in (our_step, their_step)]
            first, second, ratios = time_ratios(our_step, their_step, num_pairs)
        print(
            f"| {name} | {millions[0]:.1f} M, {millions[1]:.1f} M | {statistics.median(first):.3f} s, "
            f"{statistics.median(second):.3f} s | {statistics.median(ratios):.2f} ({min(ratios):.2f} to "
            f"{max(ratios):.2f}) | {memory[0]:.1f} MiB, {memory[1]:.1f} MiB | {memory[0] / memory[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    tyro.cli(main)
