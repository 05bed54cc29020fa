"""Models of clips with controls, without a simulator around them: autoencoder, student, teacher, memory."""

from __future__ import annotations

import torch
from torch import Tensor

from drivedit.config import StudentConfig, VAEConfig
from worldsim.configs import MemoryBankConfig, MemoryKind
from worldsim.dynamics import memory_bank
from worldsim.dynamics.video_denoiser import VideoDenoiser
from worldsim.networks.video_vae import VideoVAE

__all__ = ["VAE3D", "DiTStudent", "DiTTeacher", "MemoryBank"]


class VAE3D(VideoVAE):
    """Frames to latents and back, 8 times smaller each way, causal in time, a latent a frame.

    Args: see VAEConfig.
    """

    def __init__(
        self,
        in_channels: int = 3,
        latent_dim: int = 64,
        widths: tuple[int, int, int] = (64, 128, 256),
        num_blocks: int = 2,
        temporal_kernel: int = 3,
    ) -> None:
        shape = VAEConfig(
            in_channels=in_channels,
            latent_dim=latent_dim,
            widths=widths,
            num_blocks=num_blocks,
            temporal_kernel=temporal_kernel,
        )
        super().__init__(shape.network())

    @classmethod
    def from_config(cls, config: VAEConfig) -> VAE3D:
        """One of that shape, with random weights."""
        return cls(config.in_channels, config.latent_dim, config.widths, config.num_blocks, config.temporal_kernel)


class DiTStudent(VideoDenoiser):
    """A causal diffusion transformer that makes the latent of one frame after the other, told of the controls.

    Args: see StudentConfig.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        d_model: int = 512,
        n_layers: int = 12,
        n_heads: int = 8,
        image_size: tuple[int, int] = (256, 256),
        context_window: int = 8,
        memory: MemoryKind | None = None,
        memory_slots: int = 64,
    ) -> None:
        shape = StudentConfig(
            latent_dim=latent_dim,
            d_model=d_model,
            n_layers=n_layers,
            n_heads=n_heads,
            image_size=image_size,
            context_window=context_window,
            memory=memory,
            memory_slots=memory_slots,
        )
        super().__init__(shape.network(), latent_dim, image_size, shape.bank())

    @classmethod
    def from_config(cls, config: StudentConfig) -> DiTStudent:
        """One of that shape, with random weights."""
        return cls(
            config.latent_dim,
            config.d_model,
            config.n_layers,
            config.n_heads,
            config.image_size,
            config.context_window,
            config.memory,
            config.memory_slots,
        )


class DiTTeacher(DiTStudent):
    """A larger one, causal as well, from whose many sampling steps a student learns to need one.

    Args: see StudentConfig; it has no memory.
    """

    def __init__(
        self,
        latent_dim: int = 64,
        d_model: int = 1024,
        n_layers: int = 24,
        n_heads: int = 16,
        image_size: tuple[int, int] = (256, 256),
        context_window: int = 8,
    ) -> None:
        super().__init__(latent_dim, d_model, n_layers, n_heads, image_size, context_window)


class MemoryBank(memory_bank.MemoryBank):
    """A memory bank that keeps its memory itself, without gradient; `write` and `read` are what is trained.

    Args:
        latent_dim: channels of a token.
        num_slots: tokens that it holds, at most ("transformer-xl").
        kind: "ntm" erases and adds by content, "transformer-xl" keeps the newest tokens.
        batch_size: clips side by side.
    """

    def __init__(
        self, latent_dim: int = 64, num_slots: int = 64, kind: MemoryKind = "ntm", batch_size: int = 1
    ) -> None:
        super().__init__(latent_dim, MemoryBankConfig(kind=kind, num_slots=num_slots))
        self._batch_size = batch_size
        self._memory: Tensor | None
        self.register_buffer("_memory", None, persistent=False)

    @torch.no_grad()
    def update(self, tokens: Tensor) -> Tensor:
        """Write tokens [b, n, d]; returns the memory after them, [b, m, d].

        Raises:
            ValueError: the tokens have another width, or belong to another number of clips.
        """
        self._memory = self.write(self.get_memory_tokens(), tokens)
        return self._memory

    def get_memory_tokens(self) -> Tensor:
        """The memory, [b, m, d]."""
        return self.empty(self._batch_size).detach() if self._memory is None else self._memory

    def reset(self, batch_size: int = 1) -> None:
        """Forget all, for so many clips."""
        self._batch_size, self._memory = batch_size, None
