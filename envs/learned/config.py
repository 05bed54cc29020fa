"""Which learned world, and how it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from worldsim.datatypes.starts import STARTS_NAME
from worldsim.dynamics.trust import TrustSignals
from worldsim.inference import Backend, check_backend
from worldsim.world_model import DEFAULT_CHECKPOINT


@dataclass(frozen=True, kw_only=True)
class LearnedWorldConfig:
    """Which learned world, and how it runs.

    Args:
        checkpoint: folder of the world model; None takes the one that ships with the package.
        starts: file of start clips to draw from; None takes the checkpoint's own.
        num_steps: sampling steps a frame; None takes the model's own.
        device: torch device of the model.
        num_threads: CPU threads torch may use in this process; None leaves torch as it is.
        backend: how the model runs: "plain", "compiled", "int8", "bf16" or "graphs", see `worldsim.inference`.
        trust_signals: what trust is made from, "free" or "full"; the latter costs time, see `worldsim.dynamics.trust`.
        pictures: False makes a state-only world: ego, route and road users are tracked as ever, and no network of
            pictures runs. It has no frames and no latents, its trust is 1 and its signals are 0.
        decode_scene: also read the scene off each frame, which costs time and tells where decoded and tracked values
            disagree; and where no lane is tracked the decoded one stands in.

    Raises:
        ValueError: num_steps or num_threads is less than 1, the backend cannot be had on the device, there are no such
            signals, or something that needs pictures is asked of a state-only world.
    """

    checkpoint: Path | None = None
    starts: Path | None = None
    num_steps: int | None = None
    device: str = "cpu"
    num_threads: int | None = None
    backend: Backend = "plain"
    trust_signals: TrustSignals = "free"
    pictures: bool = True
    decode_scene: bool = False

    def __post_init__(self) -> None:
        for name, value in (("num_steps (num_sampling_steps)", self.num_steps), ("num_threads", self.num_threads)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1 or None, got {value}")
        check_backend(self.backend, self.device)
        if self.trust_signals not in get_args(TrustSignals):
            raise ValueError(f"trust_signals must be one of {get_args(TrustSignals)}, got {self.trust_signals!r}")
        if self.trust_signals == "full" and not self.pictures:
            raise ValueError("trust_signals='full' are signals of pictures: they need pictures=True")
        if self.decode_scene and not self.pictures:
            raise ValueError("decode_scene=True reads the scene off pictures: it needs pictures=True")

    @property
    def starts_path(self) -> Path:
        """Where the start clips are read from."""
        return self.starts or (self.checkpoint or DEFAULT_CHECKPOINT) / STARTS_NAME
