"""Recipes of generators: for each its network, path, autoencoder and how all of it is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from training.stages.loop import LoopConfig
from worldsim.diffusion.generator import TIME_SCALE, Architecture, GeneratorConfig, PathName
from worldsim.diffusion.predictions import Kind
from worldsim.networks.generative_configs import PatchDiTConfig, UNet3DConfig, VideoVAEConfig

RecipeName = Literal["dit-image", "rope-dit", "unet3d", "latent-video"]
Size = Literal["debug", "mini", "default"]
ObjectiveName = Literal["ddpm", "cosine", "v", "edm", "flow"]


class Objective(NamedTuple):
    """A path, what the network predicts on it, what the loss is measured in, whether a variance is learned."""

    path: PathName
    predicts: Kind
    measured_in: Kind | None
    learn_sigma: bool


OBJECTIVES: dict[ObjectiveName, Objective] = {
    "ddpm": Objective("linear", Kind.NOISE, None, True),
    "cosine": Objective("cosine", Kind.NOISE, None, False),
    "v": Objective("cosine", Kind.V, None, False),
    "edm": Objective("karras", Kind.RESIDUAL, None, False),
    "flow": Objective("flow", Kind.VELOCITY, None, False),
}
"""DDPM as DiT has it, with learned variance; noise and v-prediction on cosine betas; EDM; rectified flow."""


@dataclass(frozen=True, kw_only=True)
class GenerativeRecipe:
    """All that a training of a generator is made of but its data.

    Args:
        architecture: of the network.
        network: its shape but for the classes.
        objective: one of OBJECTIVES.
        loop: of the network's stage.
        batch_size: pictures or clips a step.
        height: of pictures and frames [px].
        width: likewise.
        num_frames: of a clip; 1 for pictures.
        label_dropout: share of the labels that are hidden, for guidance.
        autoencoder: of clips; None to work on pixels.
        autoencoder_loop: of its stage.
        autoencoder_batch: clips a step of that stage.
    """

    architecture: Architecture
    network: PatchDiTConfig | UNet3DConfig
    objective: ObjectiveName
    loop: LoopConfig
    batch_size: int
    height: int = 32
    width: int = 32
    num_frames: int = 1
    label_dropout: float = 0.1
    autoencoder: VideoVAEConfig | None = None
    autoencoder_loop: LoopConfig | None = None
    autoencoder_batch: int = 4

    @property
    def makes_clips(self) -> bool:
        """Clips, not pictures."""
        return self.num_frames > 1

    def generator(self, class_names: tuple[str, ...], frame_rate: float = 0.0) -> GeneratorConfig:
        """What is trained, for data of these classes; clips are told frames that are known.

        Raises:
            ValueError: height, width and number of frames do not suit network or autoencoder.
        """
        path, predicts, measured_in, learn_sigma = OBJECTIVES[self.objective]
        channels = 3 if self.autoencoder is None else self.autoencoder.latent_channels
        return GeneratorConfig(
            architecture=self.architecture,
            network=replace(
                self.network,
                channels=channels,
                known_channels=channels + 1 if self.makes_clips else 0,
                num_classes=len(class_names),
                learn_sigma=learn_sigma,
                time_scale=TIME_SCALE[path],
            ),
            path=path,
            predicts=predicts.value,
            measured_in=None if measured_in is None else measured_in.value,
            height=self.height,
            width=self.width,
            num_frames=self.num_frames,
            frame_rate=frame_rate,
            autoencoder=self.autoencoder,
            class_names=class_names,
        )


def _loop(num_steps: int, rate: float) -> LoopConfig:
    return LoopConfig(
        num_steps=num_steps,
        learning_rate=rate,
        warmup_steps=min(200, num_steps // 10),
        save_every=max(1, min(250, num_steps // 4)),
        ema_decay=0.999 if num_steps > 2000 else 0.99,
    )


_IMAGE_SIZES: dict[Size, tuple[int, int, int]] = {"debug": (32, 2, 2), "mini": (128, 6, 4), "default": (256, 6, 8)}
"""Width, depth and heads; "mini" is for 8 x 8 digits on a CPU, in patches of 2, "default" is CIFAR-10's small one."""


def _image(size: Size, *, rotary: bool, objective: ObjectiveName) -> GenerativeRecipe:
    width, depth, num_heads = _IMAGE_SIZES[size]
    return GenerativeRecipe(
        architecture="image-dit",
        network=PatchDiTConfig(
            width=width,
            depth=depth,
            num_heads=num_heads,
            patch=2 if size == "mini" else 4,
            attention="space",
            positions="rotary" if rotary else "absolute",
            qk_norm=rotary,
        ),
        objective=objective,
        loop=_loop({"debug": 20, "mini": 4400, "default": 100_000}[size], 1e-3 if size == "mini" else 3e-4),
        batch_size={"debug": 8, "mini": 64, "default": 128}[size],
        height=8 if size == "mini" else 32,
        width=8 if size == "mini" else 32,
    )


def _unet3d(size: Size) -> GenerativeRecipe:
    widths = {"debug": (8, 16), "mini": (32, 64, 128, 192), "default": (64, 128, 256, 448)}[size]
    return GenerativeRecipe(
        architecture="unet3d",
        network=UNet3DConfig(
            widths=widths,
            attention_levels=(len(widths) - 1,) if size == "debug" else (2, 3),
            head_width=8 if size == "debug" else 32 if size == "mini" else 64,
        ),
        objective="v",
        loop=_loop({"debug": 6, "mini": 2000, "default": 50_000}[size], 3e-4),
        batch_size={"debug": 2, "mini": 4, "default": 8}[size],
        height=32 if size == "debug" else 64 if size == "mini" else 128,
        width=32 if size == "debug" else 64 if size == "mini" else 128,
        num_frames=4 if size == "debug" else 16,
    )


def _latent_video(size: Size) -> GenerativeRecipe:
    width, depth, num_heads = {"debug": (32, 2, 2), "mini": (192, 6, 6), "default": (512, 8, 8)}[size]
    widths = {"debug": (8, 16, 16), "mini": (32, 64, 128), "default": (64, 128, 256)}[size]
    side = 32 if size == "debug" else 128
    return GenerativeRecipe(
        architecture="video-dit",
        network=PatchDiTConfig(width=width, depth=depth, num_heads=num_heads, patch=2),
        objective="flow",
        loop=_loop({"debug": 6, "mini": 4000, "default": 100_000}[size], 5e-4 if size == "mini" else 1e-4),
        batch_size={"debug": 2, "mini": 8, "default": 16}[size],
        height=side,
        width=side,
        num_frames=8 if size == "debug" else 16,
        autoencoder=VideoVAEConfig(widths=widths),
        autoencoder_loop=_loop({"debug": 6, "mini": 3000, "default": 50_000}[size], 5e-4),
        autoencoder_batch={"debug": 2, "mini": 2, "default": 4}[size],
    )


def generative_recipe(name: RecipeName, size: Size) -> GenerativeRecipe:
    """The recipe of that name and size.

    "dit-image": DiT over pictures with absolute positions, by DDPM. "rope-dit": with rotary positions and QK norm, by
    rectified flow. "unet3d": 3-D U-Net over clips of pixels, v-prediction. "latent-video": autoencoder and a DiT with
    factorised attention over its latents, by rectified flow.

    Raises:
        ValueError: there is no such recipe.
    """
    match name:
        case "dit-image":
            return _image(size, rotary=False, objective="ddpm")
        case "rope-dit":
            return _image(size, rotary=True, objective="flow")
        case "unet3d":
            return _unet3d(size)
        case "latent-video":
            return _latent_video(size)
    raise ValueError(f"no generative recipe {name!r}")
