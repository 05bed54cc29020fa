"""Shapes of the library's models in JSON: one config each, and one of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from worldsim.configs import DiTConfig, InferenceConfig, MemoryBankConfig, MemoryKind, load_config, save_config
from worldsim.networks.generative_configs import VideoVAEConfig

__all__ = ["InferenceConfig", "ModelConfig", "StudentConfig", "VAEConfig"]


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """The shape of a VAE3D: a VideoVAE of which every latent is of one frame.

    Args:
        in_channels: of frames.
        latent_dim: channels of a latent.
        widths: channels at 2x, 4x and 8x reduced height and width, multiples of 8.
        num_blocks: residual blocks at each level, in the encoder and in the decoder.
        temporal_kernel: frames that a convolution over time sees.

    Raises:
        ValueError: a value is out of range; names it.
    """

    in_channels: int = 3
    latent_dim: int = 64
    widths: tuple[int, int, int] = (64, 128, 256)
    num_blocks: int = 2
    temporal_kernel: int = 3

    def __post_init__(self) -> None:
        if len(self.widths) != 3:
            raise ValueError(f"widths must be three, of which each halves height and width, got {self.widths}")
        self.network()

    def network(self) -> VideoVAEConfig:
        """The same in the words of VideoVAE."""
        return VideoVAEConfig(
            channels=self.in_channels,
            latent_channels=self.latent_dim,
            widths=self.widths,
            num_halvings=0,
            num_blocks=self.num_blocks,
            temporal_kernel=self.temporal_kernel,
        )

    def save_json(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        save_config(self, path)

    @staticmethod
    def from_json(path: Path) -> VAEConfig:
        """Read what save_json wrote; ValueError names the file and the field where it cannot be."""
        return load_config(VAEConfig, path)


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """The shape of a DiTStudent.

    Args:
        latent_dim: channels of a latent.
        d_model: channels of a token, a multiple of 32 and of 8 times n_heads.
        n_layers: transformer blocks.
        n_heads: attention heads.
        image_size: height and width of frames, multiples of 16 [px].
        context_window: past frames that a frame attends to.
        memory: how it remembers frames that the window has left behind; None: not at all.
        memory_slots: tokens that are remembered.

    Raises:
        ValueError: a value is out of range; names it.
    """

    latent_dim: int = 64
    d_model: int = 512
    n_layers: int = 12
    n_heads: int = 8
    image_size: tuple[int, int] = (256, 256)
    context_window: int = 8
    memory: MemoryKind | None = None
    memory_slots: int = 64

    def __post_init__(self) -> None:
        for name in ("latent_dim", "d_model", "n_layers", "n_heads", "context_window"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.d_model % 32 or self.d_model % (8 * self.n_heads):
            raise ValueError(
                f"d_model must be a multiple of 32 and of 8 n_heads = {8 * self.n_heads}, got {self.d_model}"
            )
        if len(self.image_size) != 2 or any(size < 16 or size % 16 for size in self.image_size):
            raise ValueError(f"image_size must be two multiples of 16, got {self.image_size}")
        self.bank()

    def network(self) -> DiTConfig:
        """The same in the words of CausalDiT; the convolutional stem and head are a quarter as wide."""
        return DiTConfig(
            width=self.d_model,
            depth=self.n_layers,
            num_heads=self.n_heads,
            conv_width=self.d_model // 4,
            window=self.context_window,
        )

    def bank(self) -> MemoryBankConfig | None:
        """Its memory, likewise."""
        return None if self.memory is None else MemoryBankConfig(kind=self.memory, num_slots=self.memory_slots)

    def save_json(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        save_config(self, path)

    @staticmethod
    def from_json(path: Path) -> StudentConfig:
        """Read what save_json wrote; ValueError names the file and the field where it cannot be."""
        return load_config(StudentConfig, path)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """All shapes together, and how the model is rolled out.

    Args:
        vae: of the autoencoder.
        student: of the student; of the same latents.
        inference: of rollouts.

    Raises:
        ValueError: the two are of other latents.
    """

    vae: VAEConfig = field(default_factory=VAEConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    inference: InferenceConfig = field(default_factory=InferenceConfig)

    def __post_init__(self) -> None:
        if self.vae.latent_dim != self.student.latent_dim:
            raise ValueError(
                f"latent_dim must be one, got {self.vae.latent_dim} (vae) and {self.student.latent_dim} (student)"
            )

    def save_json(self, path: Path) -> None:
        """Write to `path`, whole or not at all."""
        save_config(self, path)

    @staticmethod
    def from_json(path: Path) -> ModelConfig:
        """Read what save_json wrote; ValueError names the file and the field where it cannot be."""
        return load_config(ModelConfig, path)
