"""LatentDynamics: how latents go on from step to step: the denoiser, its KV cache, and the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from worldsim.conditioning.latent_conditions import ConditionMap
from worldsim.dynamics.denoiser import Denoiser
from worldsim.dynamics.memory import RetrievedFrames
from worldsim.dynamics.rollout import LatentState, advance, prefill
from worldsim.dynamics.trust import LATENT_SIGNALS
from worldsim.networks.dit import Conditions


class LatentDynamics:
    """The dynamics model at work: prefills from a context, then samples one latent a step.

    Args:
        denoiser: the network, its path and its prior.
        num_steps: sampling steps a frame, unless a step asks for another number.
    """

    def __init__(self, denoiser: Denoiser, num_steps: int) -> None:
        self.denoiser, self.num_steps = denoiser, num_steps

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.denoiser.step_std.device

    def begin(self, latents: Tensor, conditions: Conditions, *, full_signals: bool = False) -> LatentState:
        """The state after the context's latents [b, t, c, h, w].

        Args:
            conditions: of the same frames.
            full_signals: later steps compute all LATENT_SIGNALS of trust, `seed_disagreement` too.
        """
        state = _compacted(prefill(self.denoiser, latents, conditions))
        if full_signals:
            state = state._replace(signals=latents.new_zeros(len(latents), len(LATENT_SIGNALS)))
        return state

    def step(
        self,
        state: LatentState,
        conditions: Conditions,
        seeds: Sequence[int],
        *,
        retrieved: RetrievedFrames | None = None,
        num_steps: int | None = None,
        full_signals: bool = False,
    ) -> LatentState:
        """The state one latent later.

        Args:
            conditions: of the new frame, t = 1.
            seeds: of each slot's noise, which is a function of the seed and the frame number alone.
            retrieved: what is retrieved for the new frame, t = 1; None for nothing.
            num_steps: sampling steps; None takes the model's own number.
            full_signals: also compute `seed_disagreement`, which takes one more pass.
        """
        frames = [frame + 1 for frame in state.frames]
        new = advance(
            self.denoiser,
            state,
            conditions,
            self.noise(seeds, frames),
            num_steps or self.num_steps,
            retrieved=retrieved,
            other_noise=self.noise(seeds, frames, other=True) if full_signals else None,
        )
        return _compacted(new)

    def noise(self, seeds: Sequence[int], frames: Sequence[int], *, other: bool = False) -> Tensor:
        """Standard normal [b, 1, c, h, w], a function of each slot's seed and frame number alone.

        Args:
            other: a second, independent draw, under which a sample is compared with itself.
        """
        dit = self.denoiser.dit
        shape = (1, dit.latent_channels, *dit.latent_size)
        drawn = []
        for seed, frame in zip(seeds, frames, strict=True):
            sequence = np.random.SeedSequence([seed % 2**63, frame], spawn_key=(0,) if other else ())
            mixed = sequence.generate_state(1, np.uint64)[0]
            drawn.append(torch.randn(shape, generator=torch.Generator().manual_seed(int(mixed >> np.uint64(1)))))
        return torch.stack(drawn).to(self.device)

    def conditions(
        self,
        *,
        controls: np.ndarray,
        motions: np.ndarray,
        commands: np.ndarray,
        known: np.ndarray,
        maps: Sequence[Sequence[ConditionMap]],
        style: Tensor,
    ) -> Conditions:
        """Conditions on the model's device, of arrays [b, t, ...], maps of the t frames of each slot, and styles
        [b, d]."""

        def tensor(a: np.ndarray, dtype: type = np.float32) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(a, dtype)).to(self.device)

        return Conditions(
            controls=tensor(controls),
            motions=tensor(motions),
            commands=tensor(commands, np.int64),
            known=tensor(known, bool),
            surfaces=tensor(np.stack([[m.channels for m in slot] for slot in maps])),
            grid=tensor(np.stack([[m.grid for m in slot] for slot in maps])),
            visible=tensor(np.stack([[m.visible for m in slot] for slot in maps])),
            style=style[:, None].expand(-1, controls.shape[1], -1),
        )

    def retrieved(
        self,
        latents: Sequence[np.ndarray | None],
        places: Sequence[tuple[np.ndarray, np.ndarray] | None],
    ) -> RetrievedFrames:
        """What is retrieved for a new frame, on the model's device.

        Args:
            latents: of each slot's key frame, [c, h, w]; None where there is none.
            places: of its cells, as of `reproject_cells`; None likewise.
        """
        dit = self.denoiser.dit
        empty = RetrievedFrames.empty(torch.zeros(len(latents), 1, dit.latent_channels, *dit.latent_size))
        made = RetrievedFrames(*(value.clone() for value in empty))
        for slot, (latent, place) in enumerate(zip(latents, places, strict=True)):
            if latent is not None and place is not None:
                made.latents[slot, 0] = torch.from_numpy(latent).to(made.latents)
                made.grid[slot, 0], made.visible[slot, 0] = (torch.from_numpy(value) for value in place)
        return RetrievedFrames(*(value.to(self.device) for value in made))


def _compacted(state: LatentState) -> LatentState:
    """The state with its KV cache in float16, half the memory: keys are normed, and values are no larger."""
    return state._replace(cache=tuple(kv.half() for kv in state.cache))
