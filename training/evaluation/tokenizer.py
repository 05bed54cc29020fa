"""How well the tokenizer keeps true frames that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from training.data import lerobot_layout as layout
from training.data.frame_store import FrameStore, FrameWindows
from training.data.recorded_scenes import RecordedScenes
from training.evaluation.films import write_sheet
from training.evaluation.image_metrics import psnr
from worldsim.gbuffer.rasterizer import Rasterizer
from worldsim.gbuffer.surface_map import SurfaceMap
from worldsim.networks.vae3d import References, Surfaces, frames_to_float, frames_to_uint8, picture_statistics
from worldsim.world_model import WorldModel


@torch.no_grad()
def reconstruct(model: WorldModel, frames: np.ndarray, surfaces: list[SurfaceMap]) -> np.ndarray:
    """Consecutive frames uint8 [t, h, w, 3] that show these surfaces, from their latents, without earlier pictures."""
    vae, kernel = model.vae, model.config.vae.temporal_kernel
    shown = Surfaces.stack(surfaces, model.device)
    pictures = frames_to_float(torch.from_numpy(np.array(frames)).to(model.device))
    style = vae.read_style(picture_statistics(pictures, shown)[None]).expand(len(frames), -1)
    nothing = References.none(pictures)
    latents = vae.encode(pictures, shown, nothing)
    newest = torch.stack([latents[[max(0, t - k) for k in range(kernel - 1, -1, -1)]] for t in range(len(frames))])
    return frames_to_uint8(vae.decode(newest, shown, nothing, style)).cpu().numpy()


def evaluate_tokenizer(model: WorldModel, store: FrameStore, out: Path, num_frames: int = 16) -> None:
    """Reconstruct frames that the tokenizer was not trained on, in clips of `num_frames`; writes tokenizer.json and a
    picture, truth above reconstruction, and prints the PSNR.

    Raises:
        ValueError: no clip is without a gap.
    """
    firsts = FrameWindows(store, num_frames).firsts
    firsts = firsts[:: max(num_frames, len(firsts) // 32)]
    scenes = RecordedScenes(store, Rasterizer(model.config.camera.with_frame_size(model.config.frame_size)))
    values, rows = [], []
    for first in firsts.tolist():
        positions = range(first, first + num_frames)
        truth = np.array(store.frames[first : first + num_frames])
        made = reconstruct(model, truth, [scenes.surfaces(position) for position in positions])
        values.append(psnr(made, truth))
        rows.append((truth[-1], made[-1]))

    found = np.concatenate(values)
    report = {"psnr_db": float(found.mean()), "psnr_worst_db": float(found.min()), "frames": int(found.size)}
    layout.write_json(out / "tokenizer.json", report)
    shown = [rows[k] for k in np.linspace(0, len(rows) - 1, 6).astype(int).tolist()]
    write_sheet(out / "tokenizer.png", [np.stack(side) for side in zip(*shown, strict=True)])
    print(f"tokenizer on {found.size} held-out frames: {found.mean():.1f} dB, the worst {found.min():.1f} dB")
