"""MemoryBank: what a clip has shown so far in a few slots, written after every frame and read at every cell.

For clips of which no layout and no camera is known: there is no place to fetch a key frame from (worldsim.dynamics.
memory), so what is remembered is found by what it is like. Two ways to keep it: a neural Turing machine erases and adds
(Graves et al. 2014); Transformer-XL keeps the newest states as they were, without gradient (Dai et al. 2019).
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange, reduce
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from worldsim.conditioning.latent_conditions import still_grid
from worldsim.configs import MemoryBankConfig
from worldsim.dynamics.memory import RetrievedFrames


def content_weights(
    memory: Float[Tensor, "b m d"], keys: Float[Tensor, "b n d"], strength: Float[Tensor, "b n"]
) -> Float[Tensor, "b n m"]:
    """Where each key looks: softmax over slots of strength times the cosine of key and slot (Graves et al. 2014,
    eq. 5 and 6)."""
    alike = einsum(F.normalize(keys, dim=-1), F.normalize(memory, dim=-1), "b n d, b m d -> b n m")
    return (strength[..., None] * alike).softmax(dim=-1)


def erase_and_add(
    memory: Float[Tensor, "b m d"],
    weights: Float[Tensor, "b n m"],
    erase: Float[Tensor, "b n d"],
    add: Float[Tensor, "b n d"],
) -> Float[Tensor, "b m d"]:
    """M ← M + w ⊗ a - E ⊙ M by n heads at once (Graves et al. 2014, eq. 3 and 4): what they add is summed, and what
    they leave is multiplied, E = 1 - Π (1 - w ⊗ e).

    Args:
        memory: M.
        weights: w, where each head writes, 0 to 1.
        erase: e, how much of each channel it erases there, 0 to 1.
        add: a, what it adds there.
    """
    left = 1 - rearrange(weights, "b n m -> b n m 1") * rearrange(erase, "b n d -> b n 1 d")
    erased = 1 - reduce(left, "b n m d -> b m d", "prod")
    added = einsum(weights, add, "b n m, b n d -> b m d")
    return memory + added - erased * memory


def keep_newest(
    memory: Float[Tensor, "b m d"], tokens: Float[Tensor, "b n d"], num_slots: int
) -> Float[Tensor, "b k d"]:
    """The newest `num_slots` of memory and tokens, oldest first, without gradient: Transformer-XL's recurrence (Dai et
    al. 2019, section 3.2), h ← [stop-gradient(h), new]."""
    return torch.cat([memory, tokens], dim=1)[:, -num_slots:].detach()


class MemoryBank(nn.Module):
    """Writes tokens into a memory and reads it, both by content. The memory itself is a value that is passed around.

    Args:
        width: channels of a token, those of a latent.
        config: how it remembers.
    """

    def __init__(self, width: int, config: MemoryBankConfig) -> None:
        super().__init__()
        self.width, self.config = width, config
        self.query, self.query_strength = nn.Linear(width, width), nn.Linear(width, 1)
        linear = [self.query]
        if config.kind == "ntm":
            # slots must differ to be told apart
            self.initial = nn.Parameter(0.1 * torch.randn(config.num_slots, width))
            self.key, self.key_strength = nn.Linear(width, width), nn.Linear(width, 1)
            self.erase, self.add = nn.Linear(width, width), nn.Linear(width, width)
            linear += [self.key, self.add]
        for layer in linear:  # untrained, it looks for what is like the token and stores it as it is
            nn.init.eye_(layer.weight)
            nn.init.zeros_(layer.bias)

    def empty(self, num: int) -> Float[Tensor, "b m d"]:
        """The memory of `num` clips of which nothing was seen; Transformer-XL's has no slots yet."""
        if self.config.kind == "ntm":
            return self.initial.expand(num, -1, -1)
        return self.query.weight.new_zeros(num, 0, self.width)

    def write(self, memory: Float[Tensor, "b m d"], tokens: Float[Tensor, "b n d"]) -> Float[Tensor, "b k d"]:
        """The memory after some tokens.

        Raises:
            ValueError: the tokens have another width, or belong to another number of clips.
        """
        if tokens.dim() != 3 or tokens.shape[-1] != self.width or len(tokens) != len(memory):
            raise ValueError(f"tokens must be [{len(memory)}, n, {self.width}], got {list(tokens.shape)}")
        if self.config.kind == "transformer-xl":
            return keep_newest(memory, tokens, self.config.num_slots)
        weights = content_weights(memory, self.key(tokens), _strength(self.key_strength(tokens)))
        return erase_and_add(memory, weights, self.erase(tokens).sigmoid(), self.add(tokens))

    def write_latent(self, memory: Float[Tensor, "b m d"], latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b k d"]:
        """The memory after a frame, averaged to its tokens."""
        side = self.config.tokens_per_side
        return self.write(memory, rearrange(F.adaptive_avg_pool2d(latent, side), "b c h w -> b (h w) c"))

    def read(self, memory: Float[Tensor, "b m d"], latent: Float[Tensor, "b c h w"]) -> RetrievedFrames:
        """What each cell of the last latent brings to mind, for the next frame: t = 1."""
        b, _, h, w = latent.shape
        if not memory.shape[1]:
            return RetrievedFrames.empty(latent[:, None])
        tokens = rearrange(latent, "b c h w -> b (h w) c")
        weights = content_weights(memory, self.query(tokens), _strength(self.query_strength(tokens)))
        found = einsum(weights, memory, "b n m, b m d -> b n d")
        grid = torch.from_numpy(still_grid(h, w)).to(latent.device)
        return RetrievedFrames(
            latents=rearrange(found, "b (h w) d -> b 1 d h w", h=h),
            grid=grid.expand(b, 1, -1, -1, -1),
            visible=latent.new_ones(b, 1, h, w),
        )

    def read_clip(self, latents: Float[Tensor, "b t c h w"]) -> tuple[RetrievedFrames, Float[Tensor, "b m d"]]:
        """What is read before each frame of a clip, from the frames before it, nothing before the first; and the memory
        after the last."""
        memory, found = self.empty(len(latents)), [RetrievedFrames.empty(latents[:, :1])]
        for k, latent in enumerate(latents.unbind(1), start=1):
            memory = self.write_latent(memory, latent)
            if k < latents.shape[1]:
                found.append(self.read(memory, latent))
        return RetrievedFrames(*(torch.cat(parts, dim=1) for parts in zip(*found, strict=True))), memory


def _strength(raw: Float[Tensor, "b n 1"]) -> Float[Tensor, "b n"]:
    """How sharply a token looks, above 1."""
    return 1 + F.softplus(rearrange(raw, "b n 1 -> b n"))
