"""`drivedit generate`: pictures and clips by a trained generator, from noise or from a video."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from training.data.dataset_yaml import MediaEntry
from training.data.pictures.clips import Clips, open_source
from training.generative.showing import save_grid, step_bar
from training.stages.distributed import process_device
from worldsim.diffusion.generator import Generator
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.option_checks import check_options

Mode = Literal["generate", "class", "predict", "interpolate", "v2v"]


@dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """What to make, of what.

    Args:
        checkpoint: folder of a generator, as `drivedit train-generator` leaves it.
        mode: "generate": from noise. "class": of one class. "predict": the frames after those of a video's beginning.
            "interpolate": the frames between a video's first and last ones. "v2v": a video, noised to `strength` and
            sampled again.
        out: file without its suffix: a grid of pictures becomes a .png, of clips an .mp4.
        input: video or folder of frames, for the modes that begin with one.
        num: samples; each begins with noise of its own.
        label: name of a class, for "class".
        num_known: frames of the input that are kept at its beginning, and with "interpolate" at its end.
        num_predicted: frames to predict; more than a clip has are predicted clip after clip, each from the last
            `num_known` frames of the one before. None: to the end of one clip.
        strength: of "v2v": share of the noise, of all signal; above 0 and up to 1.
        sampling: sampler, steps, guidance and temperature.
        seed: of all noise.
        device: torch device, None for a GPU if there is one.

    Raises:
        ValueError: an option is missing for the mode, or out of range.
    """

    checkpoint: Path
    mode: Mode = "generate"
    out: Path = Path("runs/generated")
    input: Path | None = None
    num: int = 4
    label: str | None = None
    num_known: int = 4
    num_predicted: int | None = None
    strength: float = 0.5
    sampling: SamplerChoice = field(default_factory=SamplerChoice)
    seed: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        check_options(self)
        for name in ("num", "num_known", "num_predicted"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength must lie in (0, 1], got {self.strength}")
        needs_video = self.mode in ("predict", "interpolate", "v2v")
        if needs_video and self.input is None:
            raise ValueError(f"mode {self.mode!r} begins with a video: name it with --input")
        if not needs_video and self.input is not None:
            raise ValueError(f"mode {self.mode!r} begins with noise, so --input {self.input} means nothing")
        if (self.mode == "class") != (self.label is not None):
            raise ValueError("--label names a class for --mode class, and only for that")
        if self.sampling.guidance != 1 and self.label is None:
            raise ValueError(
                f"guidance {self.sampling.guidance} leads towards a class, and mode {self.mode!r} has none"
            )
        if self.sampling.temperature != 1 and self.mode == "v2v":
            raise ValueError(
                "the temperature is that of noise alone; in mode 'v2v' --strength says how much noise there is"
            )


def generate(config: GenerateConfig) -> None:
    """Make samples and write them; prints the file.

    Raises:
        FileNotFoundError: there is no such generator.
        ValueError: the generator cannot do what is asked of it, or the input cannot be read.
    """
    made = Generator.load(config.checkpoint, config.device or process_device())
    clips = _MODES[config.mode](made, config, torch.Generator().manual_seed(config.seed))
    path = save_grid(clips, config.out, made.config.frame_rate)
    print(path)


def class_number(made: Generator, name: str) -> int:
    """The number of a class.

    Raises:
        ValueError: there is none of that name; says which there are.
    """
    names = made.config.class_names
    if name not in names:
        known = f"there are {', '.join(names)}" if names else "the generator knows no classes"
        raise ValueError(f"no class {name!r}: {known}")
    return names.index(name)


def from_noise(made: Generator, config: GenerateConfig, generator: torch.Generator) -> Float[Tensor, "b c ..."]:
    """Samples in [-1, 1], of one class where the config names one."""
    label: Int[Tensor, "b"] | None = None
    if config.label is not None:
        label = torch.full((config.num,), class_number(made, config.label))
    with step_bar(config.sampling) as progress:
        return made.decode(made.sample(config.num, generator, config.sampling, label=label, progress=progress))


def predict(made: Generator, config: GenerateConfig, generator: torch.Generator) -> Float[Tensor, "b c t h w"]:
    """Clips in [-1, 1] that begin with the input's first frames, `num_known` of them."""
    frames = _begin(made, config, config.num_known)
    if config.num_known >= made.config.num_frames:
        raise ValueError(
            f"of {made.config.num_frames} frames {config.num_known} known ones leave none to predict: know fewer"
        )
    wanted = config.num_known + (config.num_predicted or made.config.num_frames - config.num_known)
    while frames.shape[2] < wanted:
        before = frames[:, :, frames.shape[2] - config.num_known :]
        made_on = _fill(made, config, generator, before, config.num_known, 0)
        frames = torch.cat([frames, made_on[:, :, config.num_known :]], dim=2)
    return frames[:, :, :wanted]


def fill_between(made: Generator, config: GenerateConfig, generator: torch.Generator) -> Float[Tensor, "b c t h w"]:
    """Clips in [-1, 1] with the input's first and last frames, `num_known` each."""
    frames = _begin(made, config)
    if 2 * config.num_known >= frames.shape[2]:
        raise ValueError(f"of {frames.shape[2]} frames {config.num_known} at either end leave none between: know fewer")
    return _fill(made, config, generator, frames, config.num_known, config.num_known)


def resample(made: Generator, config: GenerateConfig, generator: torch.Generator) -> Float[Tensor, "b c t h w"]:
    """The input, noised to `strength` and sampled again."""
    data = made.encode(_begin(made, config))
    with step_bar(config.sampling) as progress:
        return made.decode(
            made.sample(config.num, generator, config.sampling, begin=data, strength=config.strength, progress=progress)
        )


_MODES: dict[Mode, Callable[[Generator, GenerateConfig, torch.Generator], Tensor]] = {
    "generate": from_noise,
    "class": from_noise,
    "predict": predict,
    "interpolate": fill_between,
    "v2v": resample,
}


def _begin(made: Generator, config: GenerateConfig, num: int | None = None) -> Float[Tensor, "b c t h w"]:
    """The first `num` frames of the input, or as many as a clip has, once for each sample. Of a folder, whose rate is
    not known, all frames are taken."""
    if made.config.num_frames == 1 or config.input is None:
        raise ValueError(f"mode {config.mode!r} makes clips, and this generator makes pictures")
    c = made.config
    source = open_source(MediaEntry(path=config.input, images=None, where="--input"))
    rate = c.frame_rate if c.frame_rate and source.timed else None
    clip = Clips([source], num or c.num_frames, (c.height, c.width), fps=rate)[0]
    device = next(made.parameters()).device
    return rearrange(clip, "t c h w -> 1 c t h w").expand(config.num, -1, -1, -1, -1).to(device)


def _fill(
    made: Generator,
    config: GenerateConfig,
    generator: torch.Generator,
    frames: Float[Tensor, "b c k h w"],
    first: int,
    last: int,
) -> Float[Tensor, "b c t h w"]:
    """Clips whose `first` and `last` frames are those of `frames`, and all others made."""
    factor = made.frames_per_latent
    if first % factor:
        raise ValueError(f"num_known must be a multiple of {factor}, as a latent is of so many frames, got {first}")
    missing = made.config.num_frames - frames.shape[2]
    whole = torch.cat([frames, frames[:, :, -1:].expand(-1, -1, missing, -1, -1)], dim=2)
    num = torch.tensor([first // factor, last // factor], device=whole.device).expand(len(whole), 2)
    known = made.known_of(whole, num[:, 0], num[:, 1])
    with step_bar(config.sampling) as progress:
        filled = made.decode(made.sample(len(whole), generator, config.sampling, known=known, progress=progress))
    kept = known.mask.repeat_interleave(factor, dim=1)[:, None, :, None, None]
    return torch.where(kept, whole, filled)
