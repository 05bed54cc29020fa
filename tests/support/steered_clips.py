"""Clips of a bright bar that the steering moves, as frames, as batches, and as videos with their tables."""

from pathlib import Path

import numpy as np
import torch

from training.data.video_io import encode_video
from worldsim.networks.vae3d import frames_to_float

SIDE = 32


def steered_bar(num_frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Frames, uint8 [t, 32, 32, 3], and their controls, float32 [t, 4]: under steer 1 the bar goes 3 pixels to the left
    a frame, under -1 to the right; the steering is drawn once a clip, and turned once."""
    controls = np.zeros((num_frames, 4), np.float32)
    controls[:, 0] = rng.choice([-1.0, 1.0])
    controls[rng.integers(num_frames) :, 0] *= -1
    controls[:, 1] = 0.5
    return bar_under(controls, int(rng.integers(SIDE))), controls


def bar_under(controls: np.ndarray, place: int) -> np.ndarray:
    """The bar's frames, uint8 [t, 32, 32, 3], under controls [t, 4], from `place` on [px]."""
    places = place - 3 * np.concatenate([[0], np.cumsum(controls[:-1, 0])])
    columns = (np.arange(SIDE)[None] - places[:, None]) % SIDE
    frames = np.full((len(controls), SIDE, SIDE, 3), (40, 60, 90), np.uint8)
    frames[np.broadcast_to((columns < 8)[:, None], frames.shape[:3])] = (230, 200, 60)
    return frames


def steered_batches(num: int, batch_size: int, num_frames: int, seed: int) -> list[dict[str, torch.Tensor]]:
    """As a loader of clips gives them."""
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(num):
        frames, controls = (
            np.stack(parts) for parts in zip(*(steered_bar(num_frames, rng) for _ in range(batch_size)), strict=True)
        )
        batches.append({"frames": frames_to_float(torch.from_numpy(frames)), "controls": torch.from_numpy(controls)})
    return batches


def write_steered_videos(folder: Path, num: int, num_frames: int, seed: int = 0, fps: int = 10) -> None:
    """Videos of steered bars, each with its table beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for k in range(num):
        frames, controls = steered_bar(num_frames, rng)
        encode_video(folder / f"drive_{k:02d}.mp4", frames, fps)
        lines = ["time,steering,throttle", *(f"{t / fps},{row[0]},{row[1]}" for t, row in enumerate(controls))]
        (folder / f"drive_{k:02d}.csv").write_text("\n".join(lines) + "\n")
