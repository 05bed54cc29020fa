"""Generator: a network, the path that it is trained on and the autoencoder of its latents, which together make
pictures or clips, from noise or around frames that are known."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from worldsim.checkpoint import CONFIG_NAME, WEIGHTS_NAME, check_files, load_weights, save_weights, seal_checkpoint
from worldsim.configs import CHECKSUMS, build, save_config
from worldsim.diffusion import paths
from worldsim.diffusion.guidance import drop_labels, guided
from worldsim.diffusion.parameterization import Losses, Parameterization
from worldsim.diffusion.predictions import Denoise, Kind, Prediction, clip_data
from worldsim.diffusion.sampler_choice import SamplerChoice
from worldsim.diffusion.samplers import Progress, initial_noise, renoise
from worldsim.networks.diffusion_transformers import ImageDiT, VideoDiT
from worldsim.networks.generative_configs import PatchDiTConfig, UNet3DConfig, VideoVAEConfig
from worldsim.networks.unet3d import UNet3D
from worldsim.networks.video_vae import VideoVAE

PathName = Literal["linear", "cosine", "karras", "flow"]
"""DDPM's path with linear or with cosine betas, EDM's, rectified flow."""
Architecture = Literal["image-dit", "video-dit", "unet3d"]
TIME_SCALE = {"linear": 1.0, "cosine": 1.0, "karras": 250.0, "flow": 1000.0}
"""By which networks are to scale the times of a path, so that they cover about 0 to 1000, or -500 to 500."""


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """What a Generator is made of.

    Args:
        architecture: of the network.
        network: its shape; its channels are those of pictures, or of the autoencoder's latents.
        path: from noise to data.
        predicts: what the network says, a `Kind` by its value.
        measured_in: likewise, what the loss is the squared error of; None for what is predicted.
        height: of pictures or frames [px].
        width: likewise.
        num_frames: of a clip; 1 for pictures.
        frame_rate: of clips [1/s]; 0 where it is not known.
        autoencoder: of clips; None where the network works on pixels.
        class_names: of labels, in the order of their numbers.

    Raises:
        ValueError: parts that do not fit one another.
    """

    architecture: Architecture
    network: PatchDiTConfig | UNet3DConfig
    path: PathName
    predicts: str
    measured_in: str | None = None
    height: int = 32
    width: int = 32
    num_frames: int = 1
    frame_rate: float = 0.0
    autoencoder: VideoVAEConfig | None = None
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, allowed in (("architecture", get_args(Architecture)), ("path", get_args(PathName))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name in ("predicts", "measured_in"):
            value = getattr(self, name)
            if value is not None and value not in {kind.value for kind in Kind}:
                raise ValueError(f"{name} must be one of {', '.join(kind.value for kind in Kind)}, got {value!r}")
        expected = UNet3DConfig if self.architecture == "unet3d" else PatchDiTConfig
        if not isinstance(self.network, expected):
            raise ValueError(f"{self.architecture} needs a {expected.__name__}, got {self.network}")
        if self.network.num_classes != len(self.class_names):
            raise ValueError(f"{self.network.num_classes} classes, but {len(self.class_names)} names of classes")
        if (self.architecture == "image-dit") != (self.num_frames == 1):
            raise ValueError(f"{self.architecture} does not make clips of {self.num_frames} frames")
        if self.network.time_scale != TIME_SCALE[self.path]:
            raise ValueError(
                f"path {self.path} needs a time_scale of {TIME_SCALE[self.path]}, got {self.network.time_scale}"
            )
        channels = 3 if self.autoencoder is None else self.autoencoder.latent_channels
        if self.network.channels != channels:
            raise ValueError(f"the network has {self.network.channels} channels, its data {channels}")
        if self.network.known_channels not in (0, channels + 1):
            raise ValueError(
                f"known_channels must be 0, or {channels + 1} for frames and a mask, got {self.network.known_channels}"
            )
        height, width = self.data_shape[-2:]
        if isinstance(self.network, PatchDiTConfig) and (height % self.network.patch or width % self.network.patch):
            raise ValueError(
                f"{self.height} x {self.width} pixels become {height} x {width}, which the patch, "
                f"{self.network.patch}, must divide"
            )

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Of what the network generates: [c, h, w] of a picture, [c, t, h, w] of a clip or its latents.

        Raises:
            ValueError: the autoencoder does not divide the clip.
        """
        size, num = (self.height, self.width), self.num_frames
        if self.autoencoder is not None:
            in_time, in_space = 2**self.autoencoder.num_halvings, 2 ** len(self.autoencoder.widths)
            if num % in_time or any(length % in_space for length in size):
                raise ValueError(
                    f"clips of {num} x {self.height} x {self.width} do not divide into latents of {in_time} frames and "
                    f"{in_space} pixels each way"
                )
            size, num = (size[0] // in_space, size[1] // in_space), num // in_time
        num_frames = () if self.architecture == "image-dit" else (num,)
        return (self.network.channels, *num_frames, *size)

    def save_json(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        save_config(self, path)

    @staticmethod
    def from_json(path: Path) -> GeneratorConfig:
        """Read what save_json wrote.

        Raises:
            ValueError: not JSON, or a field is unknown or unfit; names the file and the field.
        """
        try:
            values = json.loads(path.read_text())
            values.pop(CHECKSUMS, None)
            network = UNet3DConfig if values["architecture"] == "unet3d" else PatchDiTConfig
            values["network"] = build(network, values["network"])
            if values["autoencoder"] is not None:
                values["autoencoder"] = build(VideoVAEConfig, values["autoencoder"])
            values["class_names"] = tuple(values["class_names"])
            return GeneratorConfig(**values)
        except KeyError as error:
            raise ValueError(f"{path}: not a GeneratorConfig: it lacks {error}") from error
        except (AttributeError, ValueError, TypeError, RecursionError) as error:
            raise ValueError(f"{path}: not a GeneratorConfig: {error}") from error


class KnownFrames(NamedTuple):
    """What is known of clips before they are made: data [b, c, t, h, w], of which those frames count where `mask`
    [b, t] is True."""

    data: Float[Tensor, "b c t h w"]
    mask: Bool[Tensor, "b t"]

    @property
    def channels(self) -> Float[Tensor, "b k t h w"]:
        """As a network sees it: the known data, 0 elsewhere, and the mask."""
        there = self.mask[:, None, :, None, None].to(self.data)
        return torch.cat([self.data * there, there.expand(-1, 1, -1, *self.data.shape[-2:])], dim=1)


class Generator(nn.Module):
    """Makes pictures or clips.

    Attributes:
        network: over noisy data.
        autoencoder: from clips to the data and back; None where they are the data.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.network = _network(config)
        self.autoencoder = None if config.autoencoder is None else VideoVAE(config.autoencoder)
        self.parameterization = Parameterization(
            path=_path(config),
            predicts=Kind(config.predicts),
            measured_in=None if config.measured_in is None else Kind(config.measured_in),
            learned_variance=config.network.learn_sigma,
        )

    @property
    def path(self) -> paths.Path:
        """From noise to data."""
        return self.parameterization.path

    @property
    def null_label(self) -> int:
        """The label that stands for any class."""
        return self.network.null_label

    @property
    def sees_known(self) -> bool:
        """Whether it can be told frames that are known."""
        return self.config.network.known_channels > 0

    @property
    def frames_per_latent(self) -> int:
        """How many frames of a clip one of the data stands for."""
        return 1 if self.autoencoder is None else self.autoencoder.time_factor

    def losses(
        self,
        data: Float[Tensor, "b ..."],
        label: Int[Tensor, "b"] | None,
        known: KnownFrames | None,
        generator: torch.Generator,
        label_dropout: float = 0.1,
    ) -> Losses:
        """Training losses of each sample.

        Args:
            data: pictures in [-1, 1], clips, or latents.
            label: their classes; None where there are none.
            known: the frames that the network is told; None where it sees none.
            generator: of times, noise and dropout, on the CPU.
            label_dropout: share of the labels that are hidden, for guidance.
        """
        if label is not None:
            label = drop_labels(label, label_dropout, self.null_label, generator)
        network = partial(self._answer, label=label, known=None if known is None else known.channels)
        return self.parameterization.losses(network, data, generator=generator)

    @torch.no_grad()
    def sample(
        self,
        num: int,
        generator: torch.Generator,
        choice: SamplerChoice | None = None,
        *,
        label: Int[Tensor, "b"] | None = None,
        known: KnownFrames | None = None,
        begin: Float[Tensor, "b ..."] | None = None,
        strength: float = 1.0,
        progress: Progress | None = None,
    ) -> Float[Tensor, "b ..."]:
        """`num` samples of the data, see `decode` for their pixels.

        Args:
            num: of samples.
            generator: of all noise, on the CPU.
            choice: sampler, steps, guidance, temperature; None for the defaults.
            label: class of each.
            known: frames that the network is told; without an autoencoder they are kept to the bit.
            begin: data to begin from instead of noise, noised to `strength`.
            strength: share of the noise in what is sampled again; above 0 and up to 1, which is noise alone.
            progress: called after each step.

        Raises:
            ValueError: labels for a network without classes, known frames for one that sees none, a strength out of
                range, or as the sampler says.
        """
        choice = choice or SamplerChoice()
        if label is not None and not self.config.class_names:
            raise ValueError("this generator knows no classes")
        if known is not None and not self.sees_known:
            raise ValueError("this generator was not trained with frames that are known")
        if not 0 < strength <= 1:
            raise ValueError(f"strength must lie in (0, 1], got {strength}")
        device = next(self.network.parameters()).device
        label = None if label is None else label.to(device)
        known = None if known is None else KnownFrames(*(part.to(device) for part in known))
        begin = None if begin is None else begin.to(device)
        if self.sees_known and known is None:
            nothing = torch.zeros(num, *self.config.data_shape, device=device)
            known = KnownFrames(nothing, nothing.new_zeros(num, nothing.shape[2], dtype=torch.bool))
        start = None if begin is None else self.start_time(strength)
        if begin is None:
            x = initial_noise(self.path, (num, *self.config.data_shape), generator, None, choice.temperature).to(device)
        else:
            x = renoise(self.path, begin, self.path.noise_time if start is None else start, generator)
        denoise = self._denoise(label, known, choice.guidance)
        if self.autoencoder is None:
            denoise = clip_data(denoise, self.path, 1.0)
        x = choice.run(self.path, denoise, x, start, generator, progress)
        if known is not None and self.autoencoder is None:
            x = torch.where(known.mask[:, None, :, None, None], known.data, x)
        return x

    def start_time(self, strength: float) -> float | None:
        """The time at which σ/α is strength / (1 - strength), the same amount of noise on every path; None for the time
        of noise alone."""
        if strength == 1:
            return None
        log_snr = torch.tensor(2 * math.log((1 - strength) / strength), dtype=torch.float64)
        time = self.path.time_at(log_snr).item()
        return max(0.0, float(round(time))) if isinstance(self.path, paths.VariancePreserving) else time

    @torch.no_grad()
    def encode(self, frames: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The data of pictures or clips in [-1, 1]."""
        return frames if self.autoencoder is None else self.autoencoder.encode(frames)

    @torch.no_grad()
    def known_of(
        self, frames: Float[Tensor, "b c t h w"], first: Int[Tensor, "b"], last: Int[Tensor, "b"]
    ) -> KnownFrames:
        """What is known of clips in [-1, 1] whose `first` and `last` frames are, counted in frames of the data.

        An autoencoder's latents also tell of frames before them, so the last ones are encoded as clips of their own.
        """
        known = known_ends(self.encode(frames), first, last)
        if self.autoencoder is None:
            return known
        data = known.data.clone()
        for count in sorted(set(last.tolist()) - {0}):
            rows = last == count
            data[rows, :, -count:] = self.encode(frames[rows, :, -count * self.frames_per_latent :])
        return KnownFrames(data, known.mask)

    @torch.no_grad()
    def decode(self, data: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Pictures or clips in [-1, 1] of data."""
        return (data if self.autoencoder is None else self.autoencoder.decode(data)).clamp(-1, 1)

    def save(self, folder: Path) -> None:
        """Write config and weights into `folder`, each whole or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(self, folder / WEIGHTS_NAME)
        seal_checkpoint(folder, self.config, (WEIGHTS_NAME,))

    @staticmethod
    def load(folder: Path, device: str = "cpu") -> Generator:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is none; says what is missing.
            ValueError: damaged, or its parts do not fit.
        """
        if not (folder / CONFIG_NAME).is_file():
            raise FileNotFoundError(f"no generator in {folder}: {CONFIG_NAME} is missing")
        made = Generator(GeneratorConfig.from_json(folder / CONFIG_NAME))
        check_files(folder, (WEIGHTS_NAME,))
        load_weights(made, folder / WEIGHTS_NAME)
        return made.to(device).eval()

    def _answer(self, x: Tensor, t: Tensor, label: Tensor | None, known: Tensor | None) -> Tensor:
        """The network's output, with what is known beside its input."""
        x = x if known is None else torch.cat([x, known], dim=1)
        return self.network(x, t, label)

    def _denoise(self, label: Tensor | None, known: KnownFrames | None, guidance: float) -> Denoise:
        told = None if known is None else known.channels
        if label is None or guidance == 1:
            return self.parameterization.denoiser(partial(self._answer, label=label, known=told))

        def denoise(x: Tensor, t: float, labels: Tensor) -> Prediction:
            twice = None if told is None else torch.cat([told, told])
            return self.parameterization.denoise(partial(self._answer, label=labels, known=twice), x, t)

        return guided(denoise, label, torch.full_like(label, self.null_label), guidance)


def _path(config: GeneratorConfig) -> paths.Path:
    made: dict[str, Callable[[], paths.Path]] = {
        "linear": paths.VariancePreserving.linear,
        "cosine": paths.VariancePreserving.cosine,
        # latents have unit variance, pictures about a quarter
        "karras": lambda: paths.KarrasPath(data_std=0.5 if config.autoencoder is None else 1.0),
        "flow": paths.RectifiedFlow,
    }
    return made[config.path]()


def _network(config: GeneratorConfig) -> VideoDiT | UNet3D:
    if isinstance(config.network, UNet3DConfig):
        return UNet3D(config.network)
    return (ImageDiT if config.architecture == "image-dit" else VideoDiT)(config.network)


def known_ends(data: Float[Tensor, "b c t h w"], first: Int[Tensor, "b"], last: Int[Tensor, "b"]) -> KnownFrames:
    """Clips of which so many of the first and of the last frames are known."""
    numbers = repeat(torch.arange(data.shape[2], device=data.device), "t -> b t", b=len(data))
    return KnownFrames(data, (numbers < first[:, None]) | (numbers >= data.shape[2] - last[:, None]))
