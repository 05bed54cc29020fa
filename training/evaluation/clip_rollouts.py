"""How well a VideoDenoiser goes on with clips, and how fast: scores of a clip, of a data set, and a table of times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from training.evaluation.image_metrics import psnr, ssim, temporal_consistency
from training.evaluation.timing import median_seconds
from training.importers.controlled_clips import ControlledClip
from worldsim.configs import InferenceConfig
from worldsim.dynamics.streaming import StreamingRollout
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.vae3d import frames_to_uint8
from worldsim.networks.video_vae import VideoVAE

METRICS = {"mse": "MSE", "psnr": "PSNR [dB]", "ssim": "SSIM", "temporal_consistency": "temporal consistency"}
"""What clips are scored by, and how tables call it."""


def compute_all_metrics(predicted: Float[Tensor, "b t 3 h w"], target: Float[Tensor, "b t 3 h w"]) -> dict[str, float]:
    """METRICS of clips in [-1, 1], as they are shown, in 8 bits; means over frames and clips.

    mse: of values from 0 to 1. psnr: of a frame, 60 dB at most. ssim: Wang et al. 2004. temporal_consistency: see
    training.evaluation.image_metrics; 1 for clips of one frame, which do not change.

    Raises:
        ValueError: the shapes differ or are no clips, or a value is not finite.
    """
    if predicted.shape != target.shape or predicted.dim() != 5:
        raise ValueError(
            f"predicted and target must both be [b, t, 3, h, w], got {list(predicted.shape)} and {list(target.shape)}"
        )
    for name, clip in (("predicted", predicted), ("target", target)):
        wrong = (~clip.isfinite()).nonzero()
        if len(wrong):  # in 8 bits it would be a colour like others
            place = wrong[0].tolist()
            raise ValueError(f"{name}{place} is {clip[tuple(place)].item()}; frames must be finite")
    made, true = (frames_to_uint8(clip.detach()).cpu().numpy() for clip in (predicted, target))
    several = made.shape[1] > 1
    return {
        "mse": float(((made / 255.0 - true / 255.0) ** 2).mean()),
        "psnr": float(psnr(made, true).mean()),
        "ssim": float(ssim(made, true).mean()),
        "temporal_consistency": float(temporal_consistency(made, true).mean()) if several else 1.0,
    }


class SequenceEvaluator:
    """Holds what a student makes of a beginning and its controls against what came.

    Args: see StreamingRollout.
    """

    def __init__(
        self,
        student: VideoDenoiser,
        vae: VideoVAE,
        config: InferenceConfig | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.rollout = StreamingRollout(student, vae, config, device)

    def evaluate_sequence(
        self,
        context_frames: Float[Tensor, "b k 3 h w"],
        target_frames: Float[Tensor, "b n 3 h w"],
        controls: Float[Tensor, "b t 4"],
        temperature: float = 1.0,
        seed: int = 0,
    ) -> dict[str, float]:
        """`compute_all_metrics` of the frames made after the context; controls are of context and target.

        Raises:
            ValueError: see StreamingRollout.stream and `compute_all_metrics`.
        """
        num = target_frames.shape[1]
        made = self.rollout.generate_sequence(context_frames, controls, num, temperature, seed)
        return compute_all_metrics(made.cpu(), target_frames.cpu())


class WorldModelBenchmark:
    """How well a student goes on with the clips of a data set, beside repeating the last frame of the context.

    Args:
        student: makes latents.
        vae: of these.
        dataset: of clips with controls.
        context_length: frames that are given; the others of a clip are made.
        num_clips: evenly spaced in the data set; all, if there are fewer.
        batch_size: clips at a time.
        config: of the rollout, None for the defaults.
        device: torch device.

    Raises:
        ValueError: a number is below 1, the data set is empty, or student and vae do not fit.
    """

    def __init__(
        self,
        student: VideoDenoiser,
        vae: VideoVAE,
        dataset: Dataset[ControlledClip],
        context_length: int = 4,
        num_clips: int = 16,
        batch_size: int = 4,
        config: InferenceConfig | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        for name, value in (("context_length", context_length), ("num_clips", num_clips), ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.evaluator = SequenceEvaluator(student, vae, config, device)
        length = len(dataset)  # type: ignore[arg-type]  # torch's class has no such method, ours do
        if not length:
            raise ValueError("the dataset holds no clip")
        chosen = np.unique(np.linspace(0, length - 1, min(num_clips, length)).round().astype(int)).tolist()
        self.loader = DataLoader(Subset(dataset, chosen), batch_size)
        self.context_length = context_length

    def run(self, seed: int = 0) -> dict[str, dict[str, float]]:
        """METRICS of the student and of repeating, over all clips, and how many these are ("num_clips"); prints them as
        a table, with the seed of the student's noise.

        Raises:
            ValueError: the clips are no longer than the context, or as SequenceEvaluator says.
        """
        found: dict[str, list[dict[str, float]]] = {"student": [], "repeating": []}
        weights = []
        for batch in self.loader:
            frames, k = batch["frames"], self.context_length
            if frames.shape[1] <= k:
                raise ValueError(f"clips of {frames.shape[1]} frames leave nothing after a context_length of {k}")
            context, target = frames[:, :k], frames[:, k:]
            found["student"].append(self.evaluator.evaluate_sequence(context, target, batch["controls"], seed=seed))
            found["repeating"].append(compute_all_metrics(context[:, -1:].expand_as(target), target))
            weights.append(len(frames))
        means = {
            who: {name: float(np.average([one[name] for one in scores], weights=weights)) for name in METRICS}
            for who, scores in found.items()
        }
        rows = {label: [means[who][name] for who in means] for name, label in METRICS.items()}
        rows[f"clips, seed {seed}"] = [sum(weights)] * len(means)
        print(table(["measure", *means], rows))
        return {who: {**scores, "num_clips": float(sum(weights))} for who, scores in means.items()}


class PerformanceBenchmark:
    """What a rollout costs on this machine.

    Args: see StreamingRollout; and
        context_length: frames that are given.
        num_frames: that are made, and timed together.
        batch_size: clips at a time.
        repeats: timed rollouts of each kind, of which the median counts.

    Raises:
        ValueError: a number is below 1, or student and vae do not fit.
    """

    def __init__(
        self,
        student: VideoDenoiser,
        vae: VideoVAE,
        config: InferenceConfig | None = None,
        device: str | torch.device = "cpu",
        context_length: int = 4,
        num_frames: int = 8,
        batch_size: int = 1,
        repeats: int = 3,
    ) -> None:
        sizes = {"context_length": context_length, "num_frames": num_frames, "batch_size": batch_size}
        for name, value in (sizes | {"repeats": repeats}).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.rollout = StreamingRollout(student, vae, config, device)
        self.num_frames, self.repeats = num_frames, repeats
        generator = torch.Generator().manual_seed(0)
        shape = (batch_size, context_length, 3, *student.frame_size)
        self.context = (2 * torch.rand(shape, generator=generator) - 1).to(device)
        self.controls = torch.zeros(batch_size, context_length + num_frames, 4, device=device)

    def run(self) -> dict[str, float]:
        """Parameters and times, in the order of the table that it prints; a frame of a batch counts as one a clip."""
        student, vae = self.rollout.student, self.rollout.vae
        frames, num_given = self.num_frames * len(self.context), self.context.shape[0] * self.context.shape[1]
        whole = self._seconds(self._make)
        pictures = rearrange(self.context, "b k c h w -> b c k h w")
        with torch.no_grad(), self.rollout.autocast():
            latents = vae.encode(pictures)
            encode, decode = (
                self._seconds(work) for work in (lambda: vae.encode(pictures), lambda: vae.decode(latents))
            )
        rows = {
            "student_parameters": float(sum(p.numel() for p in student.parameters())),
            "vae_parameters": float(sum(p.numel() for p in vae.parameters())),
            "seconds_per_frame": whole / frames,
            "frames_per_second": frames / whole,
            "encode_seconds_per_frame": encode / num_given,
            "decode_seconds_per_frame": decode / num_given,
            "repeats": float(self.repeats),
        }
        labels = {
            "student_parameters": "parameters of the student",
            "vae_parameters": "parameters of the vae",
            "seconds_per_frame": "a frame, context and decoding included [s]",
            "frames_per_second": "frames a second",
            "encode_seconds_per_frame": "encoding a frame [s]",
            "decode_seconds_per_frame": "decoding a frame [s]",
            "repeats": "calls after two that warm up, of which times are medians",
        }
        print(table(["measure", "value"], {labels[name]: [value] for name, value in rows.items()}))
        return rows

    def _make(self) -> Tensor:
        return self.rollout.generate_sequence(self.context, self.controls, self.num_frames)

    def _seconds(self, work: Callable[[], object]) -> float:
        def done() -> None:
            work()
            if self.rollout.device.type == "cuda":
                torch.cuda.synchronize()

        return median_seconds(done, self.repeats)


def table(headings: Iterable[str], rows: Mapping[str, Iterable[float]]) -> str:
    """Rows of numbers by label, as a Markdown table."""
    headings = list(headings)
    lines = [f"| {label} | {' | '.join(_written(value) for value in values)} |" for label, values in rows.items()]
    return "\n".join([f"| {' | '.join(headings)} |", "|---" * len(headings) + "|", *lines])


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
