"""True frames beside the map of the actors in them that the decoder is conditioned on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from training.data.frame_store import FrameStore, FrameWindows
from training.data.validity import known_of
from worldsim.conditioning.actor_map import ActorMap
from worldsim.networks.vae3d import frames_to_float

ACTOR_LAYERS = "decoder_actors"
"""Prefix of the names of the tokenizer's parameters that read the actor map."""


class Pictures(NamedTuple):
    """Windows of true frames [b, t, 3, H, W] in [-1, 1] and the actors drawn into them [b, t, a, H / 4, W / 4]."""

    frames: Tensor
    actors: Tensor


class TruePictures:
    """Windows of a store's frames with their actors, of which a part is hidden.

    Args:
        store: frames and scenes.
        colours: of all objects of the store, [n, s, 3], NaN where unknown.
        actor_map: draws them; its device is that of the result.
        actor_dropout: share of the windows without an actor map, and of those whose map has no colours.
        colour_noise: standard deviation of what is added to a window's colours.
    """

    def __init__(
        self,
        store: FrameStore,
        colours: np.ndarray,
        actor_map: ActorMap,
        actor_dropout: float = 0.1,
        colour_noise: float = 0.03,
    ) -> None:
        self.store, self.colours, self.actor_map = store, colours, actor_map
        self.actor_dropout, self.colour_noise = actor_dropout, colour_noise

    def at(self, firsts: np.ndarray, num_frames: int, rng: np.random.Generator) -> Pictures:
        """The windows that begin at these frames of the store, int64 [b]."""
        b, device = len(firsts), self.actor_map.rays.device
        index = firsts[:, None] + np.arange(num_frames)
        scenes = self.store.rows.scenes
        shown = known_of(self.store.rows.valid[index]).objects & (rng.random((b, 1)) >= self.actor_dropout)
        kinds = np.where(shown[..., None], scenes.object_kinds[index], 0)
        colours = self.colours[index] + self.colour_noise * rng.standard_normal((b, 1, 1, 3))
        colours = np.where(rng.random((b, 1, 1, 1)) < self.actor_dropout, np.nan, colours).astype(np.float32)
        actors = (torch.from_numpy(v).to(device).flatten(0, 1) for v in (scenes.objects[index], kinds, colours))
        frames = torch.from_numpy(np.stack([self.store.frames[k : k + num_frames] for k in firsts])).to(device)
        return Pictures(frames_to_float(frames), self.actor_map.in_colour(*actors).unflatten(0, (b, num_frames)))

    def sample(self, batch_size: int, num_frames: int, rng: np.random.Generator) -> Pictures:
        """`batch_size` windows, drawn with replacement."""
        return self.at(rng.choice(FrameWindows(self.store, num_frames).firsts, batch_size), num_frames, rng)


def pixel_weights(actors: Float[Tensor, "b t a h w"], actor_weight: float) -> Float[Tensor, "b t 1 H W"]:
    """1, and `actor_weight` more where drawn actors are and beside them."""
    b = len(actors)
    coverage = F.pixel_shuffle(rearrange(actors[:, :, :4], "b t a h w -> (b t) a h w"), 2)
    near = F.interpolate(F.max_pool2d(coverage, 3, stride=1, padding=1), scale_factor=2.0)
    return 1 + actor_weight * rearrange(near, "(b t) c h w -> b t c h w", b=b)
